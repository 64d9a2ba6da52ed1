"""The papers' baselines that need no training, on the base network of any model.

`baseline-<what>-<base>` names one: `hyperfocal.load("baseline-poisson-nano")` takes the coarse network of `nano` with
its weights, and `save_pretrained` makes an ordinary model directory of it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from torch import nn

from hyperfocal import checkpoints
from hyperfocal.checkpoints import ModelConfig
from hyperfocal.checkpoints.config import multiple_of, unknown


class Baseline(NamedTuple):
    """How a baseline is made from the configuration of a model.

    Attributes:
        about: one line for people.
        refiner: its refiner; None: none.
        merge: how its tiles become one map.
        tile_size: at which it processes tiles, but for rounding; the model's own unless given.
    """

    about: str
    refiner: Callable[[ModelConfig], dict[str, Any] | None]
    merge: str = "mean"
    tile_size: Callable[[ModelConfig], tuple[int, int]] = lambda model: model.tile_size


def _fine(model: ModelConfig) -> dict[str, Any]:
    return {"kind": "fine_tiles", "base": model.coarse, "canonical": model.canonical_focal is not None}


def _twice(size: tuple[int, int]) -> tuple[int, int]:
    return 2 * size[0], 2 * size[1]


BASELINES: dict[str, Baseline] = {
    "coarse": Baseline("coarse map enlarged bilinearly", lambda model: None),
    "guided": Baseline(
        "coarse map, guided filter",
        lambda model: {"kind": "guided_filter"},
        tile_size=lambda model: _twice(model.tile_size),
    ),
    "tiles": Baseline("fine tiles alone", _fine),
    "scaleshift": Baseline(
        "fine tiles, fitted by scale and shift", lambda model: {"kind": "scale_shift", "base": model.coarse}
    ),
    "deformation": Baseline("fine tiles, deformation fields", _fine, "deformation"),
    "poisson": Baseline("fine tiles, Poisson blending", _fine, "poisson"),
    "boosting": Baseline(
        "BoostingDepth, merged by a guided filter in place of the trained network",
        lambda model: {"kind": "boosting", "base": model.coarse},
        tile_size=lambda model: _twice(model.coarse_size),
    ),
}


def config(what: str, model: ModelConfig) -> ModelConfig:
    """Return the configuration of a baseline on the coarse network of `model`.

    Args:
        what: a key of `BASELINES`.
        model: of which the coarse network, sizes and camera are taken.

    Raises:
        HyperfocalError: there is no such baseline.
    """
    if what not in BASELINES:
        raise unknown("baseline", what, BASELINES)
    baseline = BASELINES[what]
    refiner = baseline.refiner(model)
    multiple = multiple_of(refiner or model.coarse)
    height, width = (max(1, round(side / multiple)) * multiple for side in baseline.tile_size(model))
    return replace(
        model,
        refiner=refiner,
        merge=baseline.merge,
        tile_size=(height, width),
        description=f"baseline: {baseline.about}",
    )


def split(name: str) -> tuple[str, str] | None:
    """Return what and base of `baseline-<what>-<base>`; None: the name is of another form, or a directory's."""
    match = re.fullmatch(r"baseline-([a-z]+)-(.+)", name)
    return None if match is None or Path(name).is_dir() else (match[1], match[2])


def on(what: str, directory: str | os.PathLike[str]) -> tuple[ModelConfig, nn.Module, nn.Module | None]:
    """Return a baseline on the coarse network of a model, with that network's weights.

    Args:
        what: a key of `BASELINES`.
        directory: of the model.

    Raises:
        HyperfocalError: there is no such baseline or no such model.
    """
    model, trained, _ = checkpoints.load(directory)
    made = config(what, model)
    coarse, refiner = checkpoints.build(made)
    for network in (coarse, getattr(refiner, "base", None)):
        if network is not None:
            network.load_state_dict(trained.state_dict())
    return made, coarse.eval(), None if refiner is None else refiner.eval()
