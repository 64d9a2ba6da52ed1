"""Fine tiles alone: each tile is a photo of its own to a base network, and nobody asks the coarse map.

"Fine" of PatchFusion's Tables 1 and 2: sharp, and with a scale of its own in each tile.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from hyperfocal.coarse import make
from hyperfocal.refine.baselines.featureless import Featureless

GRID = 256  # samples along a side of the map of places


class FineTiles(Featureless):
    """A base network on the tile.

    Args:
        base: the network for tiles: {"kind": ..., its arguments}.
        canonical: the network predicts for a canonical camera, whose focal length grows with the picture: the same
            camera cut to a tile has a longer one in its terms, and things are farther. False: depth is taken as it is.
    """

    base: Any  # a CoarseNetwork
    places: Tensor

    def __init__(self, base: Mapping[str, Any], canonical: bool = True) -> None:
        super().__init__()
        self.base, self.canonical = make(base), canonical
        centres = (torch.arange(GRID) + 0.5) / GRID
        places = torch.stack(torch.meshgrid(centres, centres, indexing="ij"))[None]
        self.register_buffer("places", places, persistent=False)

    def feature_sizes(self, height: int, width: int) -> list[tuple[int, int]]:
        """The map of places is cropped to 2 × 2."""
        return [(2, 2)]

    def whole(self, coarse_features: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Return (1, 2, GRID, GRID): how far down and across the photo a pixel lies, in (0, 1)."""
        return (self.places,)

    def forward(self, tile: Tensor, coarse_depth: Tensor, coarse_features: Sequence[Tensor]) -> Tensor:
        """Predict.

        Args:
            tile: (N, 3, h, w) RGB in [0, 1]; h and w multiples of what the base network asks.
            coarse_depth: (N, 1, h, w), unread.
            coarse_features: the map of places, cropped to the tile: (N, 2, 2, 2).

        Returns:
            (N, 1, h, w) metres of the photo's own canonical camera.
        """
        depth: Tensor = self.base(tile).depth
        if not self.canonical:
            return depth
        [places] = coarse_features
        share = (2 * (places[:, :, 1, 1] - places[:, :, 0, 0])).prod(1)  # of the photo's area
        return depth / share.sqrt()[:, None, None, None]
