"""The schedule: the learning rate's factor and beta1 as a pure function of the step."""

import math

from hyperfocal.train.recipes import Recipe


def one_cycle(step: int, recipe: Recipe) -> tuple[float, float]:
    """Factor on the peak learning rate, and beta1: both cosine, up and down once (Smith & Topin, 2018).

    From 1/div up to 1 in the first `pct` of the steps, then down to 1/(div · final_div); beta1 goes the
    other way, 0.95 → 0.85 → 0.95. PyTorch's OneCycleLR as a pure function, so `steps` may change when a run
    is resumed.
    """
    top = recipe.pct * recipe.steps - 1
    last = recipe.steps - 1
    start, end = 1 / recipe.div, 1 / (recipe.div * recipe.final_div)
    if step < top:
        part = step / top
        return _cosine(start, 1.0, part), _cosine(0.95, 0.85, part)
    part = min(1.0, (step - top) / (last - top))
    return _cosine(1.0, end, part), _cosine(0.85, 0.95, part)


def _cosine(a: float, b: float, part: float) -> float:
    return b + (a - b) * (1 + math.cos(math.pi * part)) / 2
