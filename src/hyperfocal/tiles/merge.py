"""Tiles back into one map: a weighted mean that touches, for each tile, only the tile's own pixels.

Every weight is the outer product of a profile down the rows and one along the columns. Those of a first pass,
which covers the photo, are nowhere 0, so each pixel has a value. numpy and float32: two canvases are all that a
photo costs.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hyperfocal.tiles.plan import OVERLAP, Box

FloatMap = NDArray[np.float32]


class Mask(NamedTuple):
    """A blending mask: `gaussian_mask(..., border)` and a `floor` added to it."""

    border: float
    floor: float


PLAIN = None
HAIR = 1e-12  # a weight that yields to any other

# How each publication weighs the tiles of the passes of p49 and rN.
BLENDS: dict[str, dict[str, Mask | None]] = {
    "patchfusion": dict.fromkeys(("first", "shifted", "random"), Mask(0.1, 1e-3)),
    # The first pass counts little against the shifted ones, so seams come almost wholly from those.
    "patchfusion_cvpr": {"first": Mask(0.1, 1e-3), "shifted": PLAIN, "random": PLAIN},
    # Along the photo's edges no shifted tile weighs anything: the seams of the first pass stay there.
    "patchrefiner": {"first": Mask(0.15, HAIR), "shifted": Mask(0.15, 0.0), "random": Mask(0.15, 1e-3)},
}


class Merger:
    """Weighted mean of tiles on an (H, W) canvas."""

    def __init__(self, height: int, width: int) -> None:
        self._sum = np.zeros((height, width), np.float32)
        self._weight = np.zeros((height, width), np.float32)

    def add(self, values: FloatMap, weight: FloatMap, box: Box) -> None:
        """Add one tile in place.

        Args:
            values: (h, w) of the tile.
            weight: (h, w), at least 0.
            box: where the tile lies on the canvas, of the same h and w.
        """
        self._sum[box.slices] += values * weight
        self._weight[box.slices] += weight

    def mean(self) -> FloatMap:
        """The mean (H, W) of the tiles so far, which have covered the canvas; later ones leave it as it is."""
        return self._sum / self._weight

    def result(self) -> FloatMap:
        """The merged (H, W) map; NaN where no tile has been. Ends the merger: it gives its canvas away."""
        self._weight[self._weight == 0] = np.nan
        np.divide(self._sum, self._weight, out=self._sum)
        return self._sum


def tile_weight(
    tiling: str, height: int, width: int, kind: str = "first", blend: str = "patchfusion"
) -> FloatMap:
    """The weight of each (height, width) tile of a pass.

    `p16` is stitched plainly, as published. `p49` and `rN` blend as a publication does. Our own overlapped
    tilings blend with a ramp as wide as the overlap.

    Args:
        tiling: a name that `plan` knows.
        height: rows of a tile.
        width: columns of a tile.
        kind: of the pass, as `plan.Pass` has it.
        blend: the publication, a key of `BLENDS`.
    """
    if tiling != "p49" and not tiling.startswith("r"):
        return np.ones((height, width), np.float32) if tiling == "p16" else ramp(height, width)
    mask = BLENDS[blend][kind]
    if mask is PLAIN:
        return np.ones((height, width), np.float32)
    return gaussian_mask(height, width, mask.border) + np.float32(mask.floor)


def gaussian_mask(height: int, width: int, border: float = 0.1) -> FloatMap:
    """The published blending mask in [0, 1] (method: blurred inner rectangle, min-max normalised).

    Args:
        height: rows of a tile.
        width: columns of a tile.
        border: fraction of each side left out of the rectangle: 0.1 in PatchFusion, 0.15 in PatchRefiner.
    """
    sigma = height // 16  # of both axes, as published
    mask = np.outer(_blurred_box(height, border, sigma), _blurred_box(width, border, sigma))
    low, high = mask.min(), mask.max()
    if low == high:  # a tile of a few pixels: the border is less than one of them
        return np.ones((height, width), np.float32)
    return np.asarray((mask - low) / (high - low), np.float32)


def ramp(height: int, width: int, overlap: float = OVERLAP) -> FloatMap:
    """1 inside, falling linearly over the overlap to half a pixel's step at the border; never 0.

    Two neighbours that overlap by just that much weigh 1 together at each pixel.
    """
    return np.outer(_ramp(height, overlap), _ramp(width, overlap)).astype(np.float32)


def _ramp(side: int, overlap: float) -> NDArray[np.float64]:
    inside = np.arange(side) + 0.5
    return np.asarray(np.minimum(1, np.minimum(inside, side - inside) / max(1.0, overlap * side)))


def _blurred_box(side: int, border: float, sigma: int) -> NDArray[np.float64]:
    """Ones without a border, blurred by a Gaussian cut at 2 sigma and mirrored at the ends (as OpenCV does)."""
    box = np.zeros(side)
    inset = int(border * side)
    box[inset : side - inset] = 1
    if sigma == 0:
        return box
    radius = 2 * sigma
    kernel = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
    return np.convolve(np.pad(box, radius, mode="reflect"), kernel / kernel.sum(), mode="valid")
