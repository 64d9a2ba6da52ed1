"""PatchRefiner (Li et al., ECCV 2024, arXiv:2406.06679): a second base network corrects a tile's coarse depth.

The tile goes through a network like the coarse one. The fine-to-coarse module (F2C), which PatchRefiner V2
took over with other widths, fuses its features and depth with the coarse ones into the offset.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from hyperfocal.coarse import CoarseOutput, make
from hyperfocal.coarse.blocks import resize
from hyperfocal.refine.base import Refiner
from hyperfocal.refine.blocks import FineToCoarse


class PatchRefiner(Refiner):
    """Tile, coarse depth and coarse features to refined depth. The defaults are the published widths.

    Args:
        base: the network for tiles, of the same design as the coarse one: {"kind": ..., its arguments}.
        f2c_widths: of the six fused maps, low to high.
        decoder_widths: of the five up stages, low to high.

    Attributes:
        coarse_channels: of the six coarse maps: the base network's own.
    """

    base: Any  # a CoarseNetwork

    def __init__(
        self,
        base: Mapping[str, Any],
        f2c_widths: Sequence[int] = (256, 256, 256, 256, 256, 32),
        decoder_widths: Sequence[int] = (256, 256, 256, 256, 32),
    ) -> None:
        super().__init__()
        self.base = make(base)
        channels = self.coarse_channels = tuple(self.base.feature_channels)
        self.f2c = FineToCoarse(channels, channels, f2c_widths, decoder_widths, heavy=False)

    def feature_sizes(self, height: int, width: int) -> list[tuple[int, int]]:
        """Sizes of the six cropped coarse maps, low to high, for a tile of `height` × `width` pixels."""
        return list(self.base.feature_sizes(height, width))

    def forward(self, tile: Tensor, coarse_depth: Tensor, coarse_features: Sequence[Tensor]) -> Tensor:
        """Refine.

        Args:
            tile: (N, 3, h, w) RGB in [0, 1]; h and w multiples of what the base network asks.
            coarse_depth: (N, 1, h, w) metres, the coarse map cropped to the tile.
            coarse_features: six coarse maps cropped to the tile, low to high; resized where their sizes are
                not `feature_sizes(h, w)`.

        Returns:
            (N, 1, h, w) metres, at least 0.
        """
        return (coarse_depth + self.offset(tile, coarse_depth, coarse_features)).clamp_min(0)

    def offset(self, tile: Tensor, coarse_depth: Tensor, coarse_features: Sequence[Tensor]) -> Tensor:
        """Return what `forward` adds to the coarse depth: (N, 1, h, w) metres."""
        fine: CoarseOutput = self.base(tile)
        coarse = [resize(c, f.shape[-2:]) for c, f in zip(coarse_features, fine.features, strict=True)]
        offset: Tensor = self.f2c(coarse, fine.features, coarse_depth, fine.depth)
        return offset
