"""What refiners that read no coarse feature have in common."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from hyperfocal.refine.base import Refiner


class Featureless(Refiner):
    """A refiner that sees the tile and its coarse depth alone.

    Attributes:
        coarse_channels: none: any coarse network will do.
    """

    coarse_channels = ()

    def feature_sizes(self, height: int, width: int) -> list[tuple[int, int]]:
        """No maps are cropped for a tile."""
        return []

    def whole(self, coarse_features: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Nothing is kept of a photo's maps."""
        return ()
