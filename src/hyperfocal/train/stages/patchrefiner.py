"""PatchRefiner V1: the refiner on a frozen coarse network (section 3.2)."""

from dataclasses import replace

from hyperfocal.train.recipes import Recipe
from hyperfocal.train.stages.e2e import EndToEnd


class PatchRefinerV1(EndToEnd):
    """A base network and F2C; the base starts as `base_from`, else as the trained coarse network."""

    def __init__(self, recipe: Recipe) -> None:
        super().__init__(replace(recipe, coarse_lr=0.0))
