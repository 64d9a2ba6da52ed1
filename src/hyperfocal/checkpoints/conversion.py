"""A published checkpoint file into our networks: read without running code, then fitted to the right system."""

from __future__ import annotations

import math
import pickle
import warnings
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from hyperfocal.checkpoints.config import ModelConfig, build
from hyperfocal.checkpoints.published import (
    base_network_state,
    patchfusion_state,
    patchrefiner_state,
    patchrefiner_v2_state,
)
from hyperfocal.checkpoints.state import MisfitError, Unwritten, fill
from hyperfocal.errors import HyperfocalError

WRAPPERS = ("model_state_dict", "state_dict", "model")  # under which trainers keep the weights
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
        alike: other candidates with the same entries, which compute something else from them.
    """

    name: str
    config: ModelConfig
    coarse: nn.Module
    refiner: nn.Module | None
    alike: tuple[str, ...]


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
        with warnings.catch_warnings(action="ignore"):  # of odd formats, before it fails at them
            state = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise HyperfocalError(
            f"{path} is no checkpoint, or holds objects beside its weights, which could run code: not read"
        ) from error
    except Exception as error:  # on a damaged file the readers raise anything
        reason = ": ".join([type(error).__name__, *str(error).splitlines()[:1]])
        raise HyperfocalError(
            f"{path} is not a readable checkpoint: damaged, or another kind of file ({reason})"
        ) from error
    for wrapper in WRAPPERS:
        if isinstance(state, Mapping) and isinstance(state.get(wrapper), Mapping):
            state = state[wrapper]
    if not isinstance(state, Mapping) or not all(
        isinstance(name, str) and isinstance(value, Tensor) for name, value in state.items()
    ):
        raise HyperfocalError(f"{path} holds no state dictionary")
    return {name.removeprefix("module."): value for name, value in state.items()}


def convert(
    published: Mapping[str, Tensor],
    candidates: Mapping[str, ModelConfig],
    *,
    coarse: Mapping[str, Tensor] | None = None,
    fine: Mapping[str, Tensor] | None = None,
    max_depth: float | None = None,
) -> Converted:
    """Find the first of `candidates` that has every entry of a published state, and no other, and fill it.

    Args:
        published: of a whole system, or of one without its coarse or fine network; or of a base network alone.
        candidates: systems by name.
        coarse: the coarse network's own checkpoint, which counts instead of what `published` has of it.
        fine: the same of PatchFusion's fine network.
        max_depth: metres of Depth Anything V2's largest depth, which no checkpoint holds.

    Raises:
        HyperfocalError: it fits none; says which entries are missing, unexpected or of another shape in the
            candidate that is nearest. Or `coarse`, `fine` or `max_depth` is needed, or not the system's.
    """
    own = {part: state for part, state in (("coarse", coarse), ("fine", fine)) if state is not None}
    for part, state in own.items():
        published = {k: v for k, v in published.items() if not k.startswith(_prefix(part))} | {
            _prefix(part) + k: v for k, v in state.items()
        }
    misfits: list[MisfitError] = []
    fits: list[str] = []
    for name, config in candidates.items():
        if fits and config.coarse != candidates[fits[0]].coarse:
            continue  # has other entries
        if alien := own.keys() - set(_parts(config)):
            raise HyperfocalError(f"--{min(alien)}: {name} has no such network in a file of its own")
        with torch.device("meta"):
            outline = build(config)
        try:
            _states(published, config, *outline)
        except MisfitError as misfit:
            misfits.append(misfit)
        else:
            fits.append(name)
    if not fits:
        raise min(misfits, key=lambda misfit: misfit.count)
    name, *alike = fits
    config = _in_metres(name, candidates[name], max_depth)
    with Unwritten():
        networks = build(config)
    for network, state in zip(networks, _states(published, config, *networks), strict=True):
        if network is not None:
            fill(network, state)
    return Converted(name, config, *networks, tuple(alike))


def _prefix(part: str) -> str:
    return f"{part}_branch."


def _parts(config: ModelConfig) -> tuple[str, ...]:
    """The networks that checkpoints of a system may leave out."""
    if config.refiner is None:
        return ()
    return ("coarse", "fine") if config.refiner["kind"] == "patchfusion" else ("coarse",)


def _states(
    published: Mapping[str, Tensor], config: ModelConfig, coarse_network: nn.Module, refiner: nn.Module | None
) -> tuple[Mapping[str, Tensor], Mapping[str, Tensor]]:
    """Our names for the coarse network's entries and for the refiner's."""
    if config.refiner is None or refiner is None:
        return base_network_state(published, coarse_network), {}
    kind = config.refiner["kind"]
    if kind not in REFINERS:
        raise HyperfocalError(f"no published checkpoints of {kind} are known")
    absent = [part for part in _parts(config) if not any(k.startswith(_prefix(part)) for k in published)]
    if absent:
        raise HyperfocalError(
            f"the checkpoint has no {' and no '.join(absent)} network in it: give the one of its own file with "
            + " and ".join(f"--{part}" for part in absent)
        )
    return base_network_state(published, coarse_network, _prefix("coarse")), REFINERS[kind](
        published, refiner
    )


def _in_metres(name: str, config: ModelConfig, max_depth: float | None) -> ModelConfig:
    """The configuration with the largest depth of its Depth Anything V2, if it has one."""
    if config.coarse["kind"] != "depth_anything_v2":
        if max_depth is not None:
            raise HyperfocalError(f"--max-depth is for Depth Anything V2, which {name} has not: leave it out")
        return config
    if max_depth is None:
        raise HyperfocalError(
            f"{name} needs --max-depth METRES, which its files don't hold: 20 for Depth Anything V2's indoor metric "
            "weights, 80 for the outdoor ones; relative weights have the same names, but give no metres"
        )
    if not 0 < max_depth < math.inf:
        raise HyperfocalError(f"--max-depth must be a positive number of metres, not {max_depth}")
    coarse, refiner = config.coarse | {"max_depth": max_depth}, config.refiner
    if refiner is not None and "base" in refiner:
        refiner = refiner | {"base": coarse}
    return replace(config, coarse=coarse, refiner=refiner)
