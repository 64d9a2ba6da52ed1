"""Refiners: a tile, its coarse depth and its coarse features to sharp depth. One file for each system."""

from collections.abc import Sequence
from typing import Protocol

from torch import Tensor, nn

from hyperfocal.refine.patchrefiner import PatchRefiner
from hyperfocal.refine.patchrefiner_v2 import PatchRefinerV2

__all__ = ["KINDS", "PatchRefiner", "PatchRefinerV2", "Refiner"]

KINDS: dict[str, type[nn.Module]] = {"patchrefiner": PatchRefiner, "patchrefiner_v2": PatchRefinerV2}


class Refiner(Protocol):
    """What the predictor asks of a refiner."""

    def feature_sizes(self, height: int, width: int) -> list[tuple[int, int]]:
        """Sizes of the six coarse maps, low to high, that a tile of height × width pixels wants."""

    def __call__(self, tile: Tensor, coarse_depth: Tensor, coarse_features: Sequence[Tensor]) -> Tensor:
        """(N, 3, h, w) in [0, 1], (N, 1, h, w) metres and six maps → (N, 1, h, w) metres."""
