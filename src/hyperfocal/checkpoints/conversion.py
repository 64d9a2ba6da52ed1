"""A published checkpoint file into our networks: read without running code, then fitted to the right system."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from hyperfocal.checkpoints.config import ModelConfig, build
from hyperfocal.checkpoints.published import (
    base_network_state,
    patchfusion_state,
    patchrefiner_state,
    patchrefiner_v2_state,
)
from hyperfocal.checkpoints.state import MisfitError
from hyperfocal.errors import HyperfocalError

WRAPPERS = ("model_state_dict", "state_dict", "model")  # under which trainers keep the weights
COARSE = "coarse_branch."
REFINERS = {
    "patchfusion": patchfusion_state,
    "patchrefiner": patchrefiner_state,
    "patchrefiner_v2": patchrefiner_v2_state,
}


class Converted(NamedTuple):
    """A published system in our networks.

    Attributes:
        name: of the system.
        config: what it is made of.
        coarse: the coarse network with the published weights.
        refiner: the same; None for a base network alone.
    """

    name: str
    config: ModelConfig
    coarse: nn.Module
    refiner: nn.Module | None


def read_published(path: Path) -> dict[str, Tensor]:
    """Read the weights of a `.safetensors` file, or of a `.pth` or `.pt` without running code that is in it.

    Raises:
        HyperfocalError: it isn't there, isn't a checkpoint, or holds more than numbers.
    """
    if not path.is_file():
        raise HyperfocalError(f"{path}: no such file")
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        state = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise HyperfocalError(
            f"{path} is no checkpoint, or holds objects beside its weights, which could run code: not read"
        ) from error
    except (SafetensorError, OSError, RuntimeError, EOFError) as error:
        raise HyperfocalError(f"{path} is not a readable checkpoint: {str(error).splitlines()[0]}") from error
    for wrapper in WRAPPERS:
        if isinstance(state, Mapping) and isinstance(state.get(wrapper), Mapping):
            state = state[wrapper]
    if not isinstance(state, Mapping) or not all(isinstance(v, Tensor) for v in state.values()):
        raise HyperfocalError(f"{path} holds no state dictionary")
    return {name.removeprefix("module."): value for name, value in state.items()}


def convert(
    published: Mapping[str, Tensor],
    coarse: Mapping[str, Tensor] | None,
    candidates: Mapping[str, ModelConfig],
) -> Converted:
    """Find the one of `candidates` that has every entry of a published state, and no other, and fill it.

    Args:
        published: of a whole system, or of all but its coarse network; or of a base network alone.
        coarse: the coarse network's own checkpoint, where `published` lacks it.
        candidates: systems by name.

    Raises:
        HyperfocalError: it fits none; says which entries are missing, unexpected or of another shape in the
            candidate that is nearest.
    """
    misfits: list[MisfitError] = []
    for name, config in candidates.items():
        with torch.device("meta"):
            outline = build(config)
        try:
            _states(published, coarse, config, *outline)
        except MisfitError as misfit:
            misfits.append(misfit)
            continue
        networks = build(config)
        for network, state in zip(networks, _states(published, coarse, config, *networks), strict=True):
            if network is not None:
                network.load_state_dict(state)
        return Converted(name, config, *networks)
    raise min(misfits, key=lambda misfit: misfit.count)


def _states(
    published: Mapping[str, Tensor],
    coarse: Mapping[str, Tensor] | None,
    config: ModelConfig,
    coarse_network: nn.Module,
    refiner: nn.Module | None,
) -> tuple[Mapping[str, Tensor], Mapping[str, Tensor]]:
    """Our names for the coarse network's entries and for the refiner's."""
    if config.refiner is None or refiner is None:
        return base_network_state(published, coarse_network), {}
    kind = config.refiner["kind"]
    if kind not in REFINERS:
        raise HyperfocalError(f"no published checkpoints of {kind} are known")
    rename = REFINERS[kind]
    if coarse is not None:
        return base_network_state(coarse, coarse_network), rename(published, refiner)
    if not any(name.startswith(COARSE) for name in published):
        raise HyperfocalError("the checkpoint has no coarse network in it: give that one's own with --coarse")
    return base_network_state(published, coarse_network, COARSE), rename(published, refiner)
