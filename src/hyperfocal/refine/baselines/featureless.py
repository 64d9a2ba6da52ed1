"""What refiners that read no coarse feature have in common."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from hyperfocal.refine.base import Refiner
from hyperfocal.refine.roi import crop_maps


class Featureless(Refiner):
    """A refiner that sees the tile and its coarse depth alone: any coarse network will do."""

    coarse_channels = ()

    def feature_sizes(self, height: int, width: int) -> list[tuple[int, int]]:
        """No maps are cropped for a tile."""
        return []

    def whole(self, coarse_features: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Nothing is kept of a photo's maps."""
        return ()

    def crops(
        self,
        depth: Tensor,
        maps: Sequence[Tensor],
        boxes: Tensor,
        photo_size: tuple[int, int],
        size: tuple[int, int],
        batch_index: Tensor | None = None,
    ) -> tuple[Tensor, list[Tensor]]:
        """Crop the coarse depth alone; arguments as of `Refiner.crops`."""
        [cropped] = crop_maps([depth], boxes, photo_size, [size], batch_index)
        return cropped, []
