"""Fine tiles alone: each tile is a photo of its own to a base network, and nobody asks the coarse map.

"Fine" of PatchFusion's Tables 1 and 2: sharp, and with a scale of its own in each tile.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from hyperfocal.coarse import make
from hyperfocal.refine.baselines.featureless import Featureless


class FineTiles(Featureless):
    """A base network on the tile.

    Args:
        base: the network for tiles: {"kind": ..., its arguments}.
        canonical: the network predicts for a canonical camera, whose focal length grows with the picture: the same
            camera cut to a tile has a longer one in its terms, and things are farther. False: depth is taken as it is.
    """

    base: Any  # a CoarseNetwork

    def __init__(self, base: Mapping[str, Any], canonical: bool = True) -> None:
        super().__init__()
        self.base, self.canonical = make(base), canonical

    def crops(
        self,
        depth: Tensor,
        maps: Sequence[Tensor],
        boxes: Tensor,
        photo_size: tuple[int, int],
        size: tuple[int, int],
        batch_index: Tensor | None = None,
    ) -> tuple[Tensor, list[Tensor]]:
        """Crop the coarse depth; the only map (K, 1, 1, 1) is the photo's area over the tile's."""
        cropped, _ = super().crops(depth, maps, boxes, photo_size, size, batch_index)
        areas = photo_size[0] * photo_size[1] / (boxes[:, 2] * boxes[:, 3])
        return cropped, [areas.to(depth)[:, None, None, None]]

    def forward(self, tile: Tensor, coarse_depth: Tensor, coarse_features: Sequence[Tensor]) -> Tensor:
        """Predict.

        Args:
            tile: (N, 3, h, w) RGB in [0, 1]; h and w multiples of what the base network asks.
            coarse_depth: (N, 1, h, w), unread.
            coarse_features: what `crops` returned.

        Returns:
            (N, 1, h, w) metres of the photo's own canonical camera.
        """
        depth: Tensor = self.base(tile).depth
        return depth * coarse_features[0].sqrt() if self.canonical else depth
