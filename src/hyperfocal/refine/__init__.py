"""Refiners: a tile, its coarse depth and its coarse features to sharp depth. One file for each system."""

from collections.abc import Sequence
from typing import Protocol

from torch import Tensor, nn

from hyperfocal.refine.baselines.boosting import Boosting
from hyperfocal.refine.baselines.fine_tiles import FineTiles
from hyperfocal.refine.baselines.guided_filter import GuidedFilter
from hyperfocal.refine.baselines.scale_shift import ScaleShift
from hyperfocal.refine.patchfusion import PatchFusion
from hyperfocal.refine.patchrefiner import PatchRefiner
from hyperfocal.refine.patchrefiner_v2 import PatchRefinerV2

__all__ = ["KINDS", "Boosting", "PatchFusion", "PatchRefiner", "PatchRefinerV2", "Refiner", "whole_maps"]

KINDS: dict[str, type[nn.Module]] = {
    "boosting": Boosting,
    "fine_tiles": FineTiles,
    "guided_filter": GuidedFilter,
    "patchfusion": PatchFusion,
    "patchrefiner": PatchRefiner,
    "patchrefiner_v2": PatchRefinerV2,
    "scale_shift": ScaleShift,
}


class Refiner(Protocol):
    """What the predictor asks of a refiner."""

    def feature_sizes(self, height: int, width: int) -> list[tuple[int, int]]:
        """Sizes of the maps of the photo, cropped to a tile of height × width pixels: six, or `whole_maps`."""

    def __call__(self, tile: Tensor, coarse_depth: Tensor, coarse_features: Sequence[Tensor]) -> Tensor:
        """(N, 3, h, w) in [0, 1], (N, 1, h, w) metres and the cropped maps → (N, 1, h, w) metres."""


def whole_maps(refiner: nn.Module | None, coarse_features: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """Return the maps of a photo that are cropped for `refiner`: the coarse ones, and what it makes of them.

    To be called once for a photo: for PatchFusion it runs G2L.
    """
    made: tuple[Tensor, ...] = getattr(refiner, "whole", tuple)(coarse_features)
    return made
