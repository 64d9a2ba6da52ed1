"""What a model is: `ModelConfig`, the table of network kinds, and `build`."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import nn

from hyperfocal.coarse import KINDS as COARSE_KINDS
from hyperfocal.errors import HyperfocalError
from hyperfocal.refine import KINDS as REFINER_KINDS
from hyperfocal.tiles.mergers import MERGERS


@dataclass(frozen=True)
class ModelConfig:
    """Everything but the weights. Checked on construction.

    Attributes:
        coarse: {"kind": ..., constructor arguments of that network}.
        refiner: the same for the refiner; None for a model without one.
        coarse_size: height and width at which the whole photo is processed, multiples of what the network
            asks: 32, or 14 for Depth Anything.
        tile_size: height and width at which a tile is processed, likewise.
        keep_aspect: True: a photo keeps its aspect and gets the area of `coarse_size`, sides rounded to
            multiples of 32. False: exactly `coarse_size`, as in the papers.
        canonical_focal: if set, the networks predict the depth of a camera with a focal length of
            canonical_focal·√(W·H) px, and metres = depth·f / (canonical_focal·√(W·H)).
        sky_from: canonical metres; at or beyond this is sky. None: no sky.
        licence: SPDX name of the weights' licence.
        description: one line for people.
        merge: how tiles become one map, a key of `tiles.mergers.MERGERS`.

    Raises:
        HyperfocalError: an unknown kind or argument (with the nearest known one), or a size that cannot be.
    """

    coarse: dict[str, Any]
    refiner: dict[str, Any] | None
    coarse_size: tuple[int, int]
    tile_size: tuple[int, int]
    keep_aspect: bool
    canonical_focal: float | None
    sky_from: float | None
    licence: str
    description: str
    merge: str = "mean"

    def __post_init__(self) -> None:
        _check_network("coarse", self.coarse, COARSE_KINDS)
        if self.refiner is not None:
            _check_network("refiner", self.refiner, REFINER_KINDS)
        for name, network in (("coarse_size", self.coarse), ("tile_size", self.refiner or self.coarse)):
            size, multiple = getattr(self, name), multiple_of(network)
            if len(size) != 2 or any(
                not isinstance(side, int) or side <= 0 or side % multiple for side in size
            ):
                raise HyperfocalError(
                    f"{name} must be two positive multiples of {multiple} (height, width), not {size}"
                )
        if self.keep_aspect and 32 % multiple_of(self.coarse):
            raise HyperfocalError(
                f"keep_aspect makes sides of multiples of 32, not {multiple_of(self.coarse)}"
            )
        tied = None if self.refiner is None else _tied_size(self.refiner)
        if tied is not None and (self.keep_aspect or tied != tuple(self.coarse_size)):
            raise HyperfocalError(
                f"the refiner is tied to photos of {tied}: coarse_size must be that, and keep_aspect false"
            )
        if self.merge not in MERGERS:
            raise unknown("merge", str(self.merge), MERGERS)
        for name in ("canonical_focal", "sky_from"):
            value = getattr(self, name)
            if value is not None and not (isinstance(value, int | float) and value > 0):
                raise HyperfocalError(f"{name} must be a positive number or null, not {value!r}")


def build(config: ModelConfig) -> tuple[nn.Module, nn.Module | None]:
    """Make the coarse network and the refiner with random weights.

    Raises:
        HyperfocalError: an argument's value is refused, the two networks do not fit each other, or one needs a
            library that isn't installed.
    """
    coarse = _construct("coarse", config.coarse, COARSE_KINDS)
    if config.refiner is None:
        return coarse, None
    refiner = _construct("refiner", config.refiner, REFINER_KINDS)
    given, wanted = coarse.feature_channels, refiner.coarse_channels
    if wanted and given != wanted:
        raise HyperfocalError(
            f"the refiner reads coarse maps of {wanted} channels, the coarse network gives {given}"
        )
    return coarse, refiner


def unknown(what: str, name: str, known: Iterable[str]) -> HyperfocalError:
    """Return the error for an unknown `name`, with the nearest of the `known` ones."""
    known = sorted(known)
    near = difflib.get_close_matches(name, known, 1)
    hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(known)}"
    return HyperfocalError(f"unknown {what} {name!r}; {hint}")


def multiple_of(network: Mapping[str, Any]) -> int:
    """Return of what the sides of a network's input must be multiples: its base network's, where it has one.

    Args:
        network: a coarse network or a refiner: {"kind": ..., its constructor arguments}.
    """
    kind = network.get("base", network)["kind"]
    return int(getattr(COARSE_KINDS.get(kind) or REFINER_KINDS[kind], "multiple", 32))


def _check_network(part: str, network: Any, kinds: Mapping[str, type[nn.Module]]) -> None:
    if not isinstance(network, dict):
        raise HyperfocalError(f"the {part} network must be an object with a kind, not {network!r}")
    kind = network.get("kind")
    if not isinstance(kind, str):
        raise HyperfocalError(f"the {part} network has no kind; known: {', '.join(kinds)}")
    if kind not in kinds:
        raise unknown(f"{part} kind", kind, kinds)
    known = inspect.signature(kinds[kind]).parameters
    for name in network.keys() - {"kind"}:
        if name not in known:
            raise unknown(f"argument of {kind}", name, known)
    if "base" in known:
        _check_network("base", network.get("base", {}), COARSE_KINDS)


def _tied_size(refiner: dict[str, Any]) -> tuple[int, ...] | None:
    """The one size at which a refiner takes photos; None: any."""
    size = inspect.signature(REFINER_KINDS[refiner["kind"]]).parameters.get("size")
    return None if size is None else tuple(refiner.get("size", size.default))


def _construct(part: str, network: dict[str, Any], kinds: Mapping[str, type[nn.Module]]) -> nn.Module:
    arguments = {name: value for name, value in network.items() if name != "kind"}
    try:
        return kinds[network["kind"]](**arguments)
    except ModuleNotFoundError as error:  # an optional library has an extra of its own name
        raise HyperfocalError(
            f"the {part} network {network['kind']!r} needs {error.name}: pip install 'hyperfocal[{error.name}]'"
        ) from error
    except (KeyError, IndexError, TypeError, ValueError, RuntimeError) as error:
        raise HyperfocalError(f"cannot build the {part} network {network['kind']!r}: {error}") from error
