"""Which rectangles of a photo are refined: from its size and the name of a tiling to passes of boxes.

Every photo from 32 × 32 pixels up is covered whole, whatever its aspect ratio: where a side does not divide
evenly, the tiles are rounded up and overlap by a pixel or so. All tiles of one plan are equally large.
"""

from __future__ import annotations

import math
import re
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from hyperfocal.errors import HyperfocalError

TILINGS = "auto, none, NxM such as 4x4, p16, p49, or rN such as r128"
OVERLAP = 1 / 8  # of a tile's side, in our own tilings
LARGEST_AUTO = 4  # tiles along a side
SMALLEST_TILE = 8  # pixels along a side

_GRID = re.compile(r"([1-9]\d*)x([1-9]\d*)")
_RANDOM = re.compile(r"r([1-9]\d*)")


class Box(NamedTuple):
    """A half-open pixel rectangle of the photo."""

    top: int
    left: int
    height: int
    width: int

    @property
    def slices(self) -> tuple[slice, slice]:
        """Rows and columns, to index an (H, W, ...) array."""
        return slice(self.top, self.top + self.height), slice(self.left, self.left + self.width)


class Pass(NamedTuple):
    """Tiles of one plan that do not wait for each other.

    Attributes:
        kind: "first" covers the photo, "shifted" lies on the seams of the first, "random" anywhere.
        boxes: all of one size.
    """

    kind: str
    boxes: list[Box]


def plan(
    height: int, width: int, tiling: str = "auto", *, tile_size: tuple[int, int] = (384, 512), seed: int = 0
) -> list[Box]:
    """Boxes of a tiling, in the order in which they are refined: those of its `passes`."""
    ways = passes(height, width, tiling, tile_size=tile_size, seed=seed)
    return [box for way in ways for box in way.boxes]


def passes(
    height: int, width: int, tiling: str = "auto", *, tile_size: tuple[int, int] = (384, 512), seed: int = 0
) -> list[Pass]:
    """Passes of a tiling, in the order in which they are refined.

    Args:
        height: rows of the photo.
        width: columns of the photo.
        tiling: `auto` (by the photo's size; overlapped), `none` (no tiles), `NxM` (N rows × M columns;
            overlapped), `p16` and `p49` (PatchFusion §3.3: 4 × 4, without and with shifted passes), `rN` (p49
            and N random tiles).
        tile_size: height and width at which the model sees a tile; only `auto` asks.
        seed: of the random tiles.

    Raises:
        HyperfocalError: the tiling has no such name, or its tiles would be under 8 pixels a side.
    """
    check_tiling(tiling)
    if tiling == "none":
        return []
    if tiling == "auto":
        return [Pass("first", grid(height, width, *_auto_counts(height, width, tile_size), OVERLAP))]
    if match := _GRID.fullmatch(tiling):
        rows, cols = int(match[1]), int(match[2])
        _check_fine(height, width, rows, cols, tiling)
        return [Pass("first", grid(height, width, rows, cols, OVERLAP))]
    _check_fine(height, width, 4, 4, tiling)
    first, *shifted = p49(height, width)
    if tiling == "p16":
        return [first]
    random = []
    if match := _RANDOM.fullmatch(tiling):
        tile = first.boxes[0]
        random = [Pass("random", random_tiles(height, width, tile.height, tile.width, int(match[1]), seed))]
    return [first, *shifted, *random]


def check_tiling(tiling: str) -> None:
    """Raise HyperfocalError unless `tiling` is a name that `plan` knows."""
    known = tiling in {"auto", "none", "p16", "p49"} or _GRID.fullmatch(tiling) or _RANDOM.fullmatch(tiling)
    if not known:
        raise HyperfocalError(f"tiling {tiling!r} is not known; it can be {TILINGS}")


def grid(height: int, width: int, rows: int, cols: int, overlap: float = 0.0) -> list[Box]:
    """`rows` × `cols` equal tiles, evenly spread, row by row; the outer ones touch the photo's borders.

    Args:
        height: rows of the photo.
        width: columns of the photo.
        rows: tiles from top to bottom.
        cols: tiles from left to right.
        overlap: of neighbours, as a fraction of a tile's side, in [0, 1). Rounding can only add to it.
    """
    tile_h, tile_w = _tile_side(height, rows, overlap), _tile_side(width, cols, overlap)
    tops, lefts = _spread(height - tile_h, rows), _spread(width - tile_w, cols)
    return [Box(top, left, tile_h, tile_w) for top in tops for left in lefts]


def p49(height: int, width: int) -> list[Pass]:
    """PatchFusion's four passes: 4 × 4 tiles, then those centred on their vertical, horizontal and both seams.

    For sizes that divide by 8 these are the published boxes (offsets of half a tile) in the published order.
    """
    tile_h, tile_w = _tile_side(height, 4, 0.0), _tile_side(width, 4, 0.0)
    tops, lefts = _spread(height - tile_h, 4), _spread(width - tile_w, 4)

    def tiles(kind: str, tops: list[int], lefts: list[int]) -> Pass:
        return Pass(kind, [Box(top, left, tile_h, tile_w) for top in tops for left in lefts])

    return [
        tiles("first", tops, lefts),
        tiles("shifted", tops, _between(lefts)),
        tiles("shifted", _between(tops), lefts),
        tiles("shifted", _between(tops), _between(lefts)),
    ]


def random_tiles(height: int, width: int, tile_h: int, tile_w: int, n: int, seed: int) -> list[Box]:
    """`n` tiles at uniform places, every valid offset included; the same for the same seed.

    The published code shares one column among the tiles of a batch and never draws the last offset.
    """
    generator = np.random.default_rng(seed)
    tops = generator.integers(0, height - tile_h, n, endpoint=True)
    lefts = generator.integers(0, width - tile_w, n, endpoint=True)
    return [Box(int(top), int(left), tile_h, tile_w) for top, left in zip(tops, lefts, strict=True)]


def _auto_counts(height: int, width: int, tile_size: tuple[int, int]) -> tuple[int, int]:
    """As many tiles as keep each within 1.5 × the model's tile a side; at most 4 × 4, for speed."""
    longest = 1.5 * math.sqrt(tile_size[0] * tile_size[1])

    def count(side: int) -> int:
        return min(LARGEST_AUTO, max(1, math.ceil((side / longest - OVERLAP) / (1 - OVERLAP))))

    return count(height), count(width)


def _check_fine(height: int, width: int, rows: int, cols: int, tiling: str) -> None:
    if height < rows * SMALLEST_TILE or width < cols * SMALLEST_TILE:
        raise HyperfocalError(f"tiling {tiling!r} is too fine for a photo of {width} × {height} pixels")


def _tile_side(side: int, count: int, overlap: float) -> int:
    """Smallest whole side with which `count` tiles that overlap by a fraction cover `side` pixels."""
    return min(side, math.ceil(side / (count - (count - 1) * overlap)))


def _spread(last: int, count: int) -> list[int]:
    """`count` offsets, evenly from 0 to `last`."""
    return [i * last // max(1, count - 1) for i in range(count)]


def _between(offsets: list[int]) -> list[int]:
    return [(a + b) // 2 for a, b in pairwise(offsets)]
