"""Recipes: the numbers of each training run. One frozen dataclass; overrides come as key=value."""

import ast
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from hyperfocal.data.batches import Canonical
from hyperfocal.errors import HyperfocalError
from hyperfocal.refine.patchrefiner_v2 import NANO

TINY_COARSE = {"encoder": "test_efficientnet", "widths": (16, 16, 8, 8, 8, 4)}
TINY_REFINER = {
    "encoder": "test_efficientnet",
    "coarse_channels": TINY_COARSE["widths"],
    "c2f_widths": (8,) * 5,
    "head_widths": (8, 4),
    "f2c_widths": (16, 8, 8, 8, 8, 4),
    "decoder_widths": (8, 8, 8, 8, 4),
    "space": "log",
}


@dataclass(frozen=True)
class Recipe:
    """What a run learns from and how. Sizes are (height, width) in pixels, areas in pixels.

    Attributes:
        stage: "coarse", "pretrain" or "e2e" (see `stages`).
        about: one line for `hyperfocal recipes`.
        coarse: constructor arguments of the coarse network.
        refiner: constructor arguments of the refiner.
        imagenet: start encoders from ImageNet weights, where no other start is given.
        coarse_from: run whose coarse network this one starts from.
        refiner_from: pretraining run whose refiner this one starts from.
        encoder_from: run whose coarse network's trained encoder the refiner's starts from.
        steps: optimiser steps of the whole schedule.
        minutes: wall-clock limit of one call; the run stops with a checkpoint and `--resume` goes on.
        batch: photos a step.
        windows: tile-scale windows a photo (e2e).
        area: pixels of a whole photo at the network's input.
        tile_area: pixels of a tile at the network's input; sets the scale of windows.
        window: size of a window (e2e).
        fraction: range of a crop's area in that of the largest crop of its aspect.
        canonical: the camera that depth is predicted for.
        lr: peak learning rate of parts without one of their own.
        encoder_lr: factor on `lr` for encoders; 0 freezes the refiner's.
        coarse_lr: factor on `lr` for the coarse network in e2e; 0 freezes it.
        weight_decay: AdamW's.
        clip: largest gradient norm (L2).
        pct: part of the steps in which the learning rate rises; div, final_div: what the peak is divided by
            at the start and, once more, at the end (OneCycle).
        ema: decay of the average of weights that is saved and exported.
        gradient: weight of gradient matching beside SILog.
        own: weight of the same loss on the refiner's own depth (C2F's); 0 leaves it unsupervised, as published.
        seed: of every random choice.
        workers: processes that prepare batches.
        threads: of PyTorch.
        log_every: steps between log lines.
        save_minutes: between checkpoints.
        accumulate: pieces that a step's batch goes through the networks in, one after another. The loss is
            the mean of the pieces' losses. `batch` is the whole step's, over all pieces and processes.
        keep: checkpoints that are kept, the newest.
        precision: "fp32", "bf16" or "fp16" (automatic mixed precision); None: what `accelerate` was
            configured for, or else fp32.
        compile: run the networks through `torch.compile`.
        recompute: forget activations inside blocks and compute them again for the gradient (activation
            checkpointing): less memory, about a third more time.
        validate_every: steps between validations, where there is validation data; there is one at the end, too.
        panels_every: steps between pictures of predictions; 0: none.
    """

    stage: str
    about: str
    coarse: Mapping[str, Any] = field(default_factory=dict)
    refiner: Mapping[str, Any] = field(default_factory=lambda: NANO)
    imagenet: bool = True
    coarse_from: str | None = None
    refiner_from: str | None = None
    encoder_from: str | None = None
    steps: int = 20_000
    minutes: float | None = None
    batch: int = 8
    windows: int = 4
    area: int = 224 * 288
    tile_area: int = 384 * 512
    window: tuple[int, int] = (256, 256)
    fraction: tuple[float, float] = (0.35, 1.0)
    canonical: Canonical = field(default_factory=Canonical)
    lr: float = 6e-4
    encoder_lr: float = 0.3
    coarse_lr: float = 0.1
    weight_decay: float = 0.01
    clip: float = 35.0
    pct: float = 0.1
    div: float = 10.0
    final_div: float = 100.0
    ema: float = 0.999
    gradient: float = 0.5
    own: float = 0.0
    seed: int = 621
    workers: int = 1
    threads: int = 2
    log_every: int = 20
    save_minutes: float = 5.0
    # engine
    accumulate: int = 1
    keep: int = 2
    precision: str | None = None
    compile: bool = False
    recompute: bool = False
    validate_every: int = 1000
    panels_every: int = 1000


_NANO_COARSE = Recipe(stage="coarse", about="nano's coarse network, ImageNet encoder, whole photos")
_NANO_PRETRAIN = Recipe(
    stage="pretrain",
    about="nano's refiner on whole photos with noise in place of coarse features (noisy pretraining)",
    area=192 * 192,
    fraction=(0.2, 1.0),
    lr=1e-3,
    encoder_lr=0.0,
    gradient=2.0,
    own=1.0,
)
_NANO_E2E = Recipe(
    stage="e2e",
    about="nano's refiner on tile-scale windows, with the coarse network (end to end)",
    batch=2,
    windows=2,
    window=(192, 192),
    fraction=(0.7, 1.0),
    lr=1e-3,
    encoder_lr=0.1,
    coarse_lr=0.0,
    gradient=10.0,
    own=0.3,
)


def _tiny(recipe: Recipe) -> Recipe:
    return replace(
        recipe,
        about=f"{recipe.stage} with a tiny random network, seconds long, for tests",
        coarse=TINY_COARSE,
        refiner=TINY_REFINER,
        imagenet=False,
        encoder_lr=0.3,
        coarse_lr=0.1,
        steps=20,
        batch=2,
        windows=2,
        area=64 * 64,
        tile_area=64 * 96,
        window=(64, 64),
        ema=0.9,
        workers=0,
        threads=1,
        log_every=5,
    )


RECIPES: dict[str, Recipe] = {
    "nano-coarse": _NANO_COARSE,
    "nano-pretrain": _NANO_PRETRAIN,
    "nano-e2e": _NANO_E2E,
    "tiny-coarse": _tiny(_NANO_COARSE),
    "tiny-pretrain": _tiny(_NANO_PRETRAIN),
    "tiny-e2e": _tiny(_NANO_E2E),
}


def recipe(name: str, overrides: Iterable[str] = ()) -> Recipe:
    """The recipe of that name with `key=value` overrides.

    Raises:
        HyperfocalError: no such recipe or key, or a value of the wrong type.
    """
    if name not in RECIPES:
        raise HyperfocalError(f"no recipe {name!r}; there are {', '.join(RECIPES)}")
    base = RECIPES[name]
    known = [f.name for f in fields(Recipe)]
    changes: dict[str, Any] = {}
    for override in overrides:
        key, equals, text = override.partition("=")
        if not equals or key not in known:
            raise HyperfocalError(f"{override!r} is not key=value with a key of {', '.join(known)}")
        changes[key] = _parse(key, text, getattr(base, key))
    return replace(base, **changes)


def _parse(key: str, text: str, default: Any) -> Any:
    """A value of the default's type; keys without a default hold text or, for `minutes`, a number."""
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError):
        value = text
    wanted = float if key == "minutes" else str if default is None else type(default)
    if isinstance(default, Canonical) and isinstance(value, tuple) and len(value) == len(default):
        return Canonical(*map(float, value))
    if wanted is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if value is None and default is None:
        return None
    if wanted is str:
        return text
    if type(value) is not wanted:
        raise HyperfocalError(f"{key}={text}: expected a value like {default!r}")
    return value
