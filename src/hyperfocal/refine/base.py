"""Refiner: what every refiner is to the predictor, and what most of them do alike."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from torch import Tensor, nn

from hyperfocal.refine.roi import crop_maps, extents_of


class Refiner(nn.Module):
    """A tile, its coarse depth and its coarse features to sharp depth.

    In three steps: `whole` once for a photo, `crops` once for a batch of its tiles, and the call:
    (N, 3, h, w) RGB in [0, 1], (N, 1, h, w) metres and the cropped maps → (N, 1, h, w) metres. One that
    `feeds_back` takes the running mean as a fourth argument, (N, 1, h, w) metres.

    Attributes:
        coarse_channels: of the six coarse maps, low to high.
        blend: whose weights merge its tiles, a key of `tiles.merge.BLENDS`.
        multiple: of which both sides of a tile must be multiples; with a base network in it, that one's counts.
        feeds_back: whether it has an input for the running mean of earlier tiles.
    """

    coarse_channels: tuple[int, ...]
    blend: ClassVar[str] = "patchrefiner"
    multiple: ClassVar[int] = 32
    feeds_back: ClassVar[bool] = False

    def feature_sizes(self, height: int, width: int) -> list[tuple[int, int]]:
        """Sizes of the cropped maps of `whole`, for a tile of `height` × `width` pixels."""
        raise NotImplementedError

    def whole(self, coarse_features: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Return the maps of a photo that its tiles are cropped from: here, the coarse ones.

        Args:
            coarse_features: six maps (N, C_i, h_i, w_i) of photos, low to high.
        """
        return tuple(coarse_features)

    def crops(
        self,
        depth: Tensor,
        maps: Sequence[Tensor],
        boxes: Tensor,
        photo_size: tuple[int, int],
        size: tuple[int, int],
        batch_index: Tensor | None = None,
    ) -> tuple[Tensor, list[Tensor]]:
        """Crop what belongs to tiles.

        Args:
            depth: (N, 1, h, w) metres, the coarse map of each photo.
            maps: what `whole` returned.
            boxes: (K, 4) top, left, height, width in photo pixels.
            photo_size: height and width of the photo.
            size: height and width at which a tile is processed.
            batch_index: (K,) int64, the photo that each box belongs to; for one photo (N = 1), None.

        Returns:
            Coarse depth (K, 1, *size), and maps (K, C_i, *s) with s of `crop_sizes(maps, size)`.
        """
        [cropped] = crop_maps([depth], boxes, photo_size, [size], batch_index)
        sizes, extents = self.crop_sizes(maps, size), extents_of(maps, photo_size)
        return cropped, crop_maps(maps, boxes, photo_size, sizes, batch_index, extents)

    def crop_sizes(self, maps: Sequence[Tensor], size: tuple[int, int]) -> list[tuple[int, int]]:
        """Sizes at which `maps` are cropped for a tile processed at `size`: `feature_sizes` of it."""
        return self.feature_sizes(*size)
