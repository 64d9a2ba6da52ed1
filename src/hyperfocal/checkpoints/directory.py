"""Model directories: `config.json` and `model.safetensors`, nothing else, and never a pickle."""

from __future__ import annotations

import dataclasses
import json
import os
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from hyperfocal.checkpoints.config import ModelConfig, build, unknown
from hyperfocal.checkpoints.state import Unwritten, check_state, fill, read_state, write_state
from hyperfocal.depthmap.atomic import replacing
from hyperfocal.errors import HyperfocalError

CONFIG, WEIGHTS = "config.json", "model.safetensors"
PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl")


def save(
    directory: str | os.PathLike[str],
    config: ModelConfig,
    coarse: nn.Module,
    refiner: nn.Module | None,
    dtype: torch.dtype = torch.float32,
) -> None:
    """Write a model directory; each file appears under its name only when it is whole.

    Args:
        directory: made if it is not there.
        config: what `coarse` and `refiner` were built from.
        coarse: keys `coarse.*`.
        refiner: keys `refiner.*`, or None.
        dtype: of the stored weights; float16 halves the file, and `load` returns float32 all the same.

    Raises:
        HyperfocalError: a file can't be written.
    """
    directory = Path(directory)
    state = {
        name: value.to(dtype) if value.is_floating_point() else value
        for name, value in _networks(coarse, refiner).state_dict().items()
    }
    write_state(directory / WEIGHTS, state)
    with replacing(directory / CONFIG) as path:
        path.write_text(json.dumps(dataclasses.asdict(config), indent=2) + "\n", encoding="utf-8")


def load(directory: str | os.PathLike[str]) -> tuple[ModelConfig, nn.Module, nn.Module | None]:
    """Read a model directory.

    Returns:
        The config, the coarse network and the refiner, in float32 on the CPU and in eval mode. Weights that are
        float32 in the file are mapped from it: read when first used, and shared with other processes. So replace
        such a file, as `save` does, and never write into it while a model of it is in use.

    Raises:
        HyperfocalError: a file is missing or broken, or the weights are not exactly the networks'.
    """
    directory = Path(directory)
    config = read_config(directory)
    with Unwritten():
        coarse, refiner = build(config)
    networks = _networks(coarse, refiner)
    state = _read_weights(directory / WEIGHTS)
    check_state(str(directory / WEIGHTS), networks.state_dict(), state)
    fill(networks, state)
    networks.eval()
    return config, coarse, refiner


def read_config(directory: Path) -> ModelConfig:
    """Read a model directory's `config.json`.

    Raises:
        HyperfocalError: it is missing or broken.
    """
    path = directory / CONFIG
    if not path.is_file():
        raise HyperfocalError(f"{path.parent} is not a model directory: it has no {path.name}")
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise HyperfocalError(f"{path} is not JSON: {error}") from error
    if not isinstance(values, dict):
        raise HyperfocalError(f"{path} must hold one JSON object")
    fields = {field.name: field.default for field in dataclasses.fields(ModelConfig)}
    for name in values:
        if name not in fields:
            raise unknown(f"entry of {path}", name, fields)
    missing = [
        name for name, default in fields.items() if name not in values and default is dataclasses.MISSING
    ]
    if missing:
        raise HyperfocalError(f"{path} has no {', '.join(missing)}")
    return ModelConfig(**{name: tuples(value) for name, value in values.items()})


def _networks(coarse: nn.Module, refiner: nn.Module | None) -> nn.ModuleDict:
    return nn.ModuleDict({"coarse": coarse} if refiner is None else {"coarse": coarse, "refiner": refiner})


def tuples(value: Any) -> Any:
    """Turn JSON's lists into the tuples that they were."""
    if isinstance(value, dict):
        return {name: tuples(entry) for name, entry in value.items()}
    return tuple(tuples(entry) for entry in value) if isinstance(value, list) else value


def _read_weights(path: Path) -> dict[str, Tensor]:
    if not path.is_file():
        pickles = [p.name for p in sorted(path.parent.iterdir()) if p.suffix in PICKLES]
        reason = (
            f"; {pickles[0]} is a pickle, which can run code when opened, and is not read" if pickles else ""
        )
        raise HyperfocalError(f"{path.parent} has no {path.name}{reason}")
    return read_state(path)
