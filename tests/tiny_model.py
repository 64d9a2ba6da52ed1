"""Models so small that they predict in milliseconds, with random weights and our own models' settings."""

from dataclasses import replace
from pathlib import Path

import torch
from torch import nn

from hyperfocal import checkpoints
from hyperfocal.checkpoints import ModelConfig
from hyperfocal.predictor import Model
from hyperfocal.train.recipes import TINY_COARSE, TINY_REFINER

CONFIG = ModelConfig(
    coarse={"kind": "efficientnet_dpt", **TINY_COARSE},
    refiner={"kind": "patchrefiner_v2", **TINY_REFINER, "coarse_channels": TINY_COARSE["widths"]},
    coarse_size=(64, 96),
    tile_size=(64, 96),
    keep_aspect=True,
    canonical_focal=0.7,
    sky_from=300.0,
    licence="Apache-2.0",
    description="tiny",
)


def networks(config: ModelConfig = CONFIG, seed: int = 0) -> tuple[nn.Module, nn.Module | None]:
    """Random networks whose depth and whose refinement vary over the picture."""
    torch.manual_seed(seed)
    coarse, refiner = checkpoints.build(config)
    with torch.no_grad():
        coarse.to_depth.weight.mul_(10)
        if refiner is not None:
            nn.init.normal_(refiner.f2c.final.weight, std=0.05)
    return coarse, refiner


def tiny_model(**changes: object) -> Model:
    """A model of `CONFIG` with changes, on the CPU."""
    config = replace(CONFIG, **changes)
    return Model("tiny", config, *networks(config), torch.device("cpu"), torch.float32)


def write_tiny_model(directory: Path) -> Path:
    """Save a model of `CONFIG` and return its directory."""
    checkpoints.save(directory, CONFIG, *networks())
    return directory
