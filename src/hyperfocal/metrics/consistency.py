"""Consistency error (CE) of tiles that were predicted each by itself (PatchFusion, section 4.1)."""

import numpy as np
from numpy.typing import NDArray

from hyperfocal.tiles.plan import Box

Floats = NDArray[np.floating]
GRID = 4  # tiles along a side


def consistency_boxes(height: int, width: int) -> tuple[list[Box], int]:
    """The 4 × 4 overlapping tiles of CE, row by row, and how many pixels neighbours share.

    Tiles are a quarter of the image along each side, neighbours share half a tile's height both ways, and
    the whole sits in the middle: for 2160 × 3840, 540 × 960 tiles at rows 405, 675, … and columns 405, 1095, …,
    as published (the paper says that they share half a tile; of the width it is 28 %).
    """
    tile_height, tile_width = height // GRID, width // GRID
    overlap = tile_height // 2
    tops, lefts = (
        (side - tile - (GRID - 1) * (tile - overlap)) // 2 + (tile - overlap) * np.arange(GRID)
        for side, tile in ((height, tile_height), (width, tile_width))
    )
    return [Box(int(top), int(left), tile_height, tile_width) for top in tops for left in lefts], overlap


def consistency_error(tiles: Floats, overlap: int) -> float:
    """CE = mean |a − b| where a tile and its left or upper neighbour overlap, all strips of an image pooled.

    Deterministic: predict the tiles without blending and without augmentation (the published loader rotates,
    flips and colours at random).

    Args:
        tiles: (rows, columns, h, w) metres, each prediction at the size of its box.
        overlap: pixels that neighbours share, below h and w.

    Returns:
        Metres; sky (inf) in both tiles is no error.
    """
    beside = tiles[:, 1:, :, :overlap], tiles[:, :-1, :, tiles.shape[3] - overlap :]
    below = tiles[1:, :, :overlap], tiles[:-1, :, tiles.shape[2] - overlap :]
    with np.errstate(invalid="ignore"):
        strips = [np.where(a == b, 0, np.abs(a - b)).ravel() for a, b in (beside, below)]
    return float(np.concatenate(strips).mean(dtype=np.float64))
