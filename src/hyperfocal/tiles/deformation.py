"""Deformation-field blending after 360MonoDepth (Rey-Area et al., CVPR 2022, arXiv:2111.15669, section 3.3).

Each tile's disparity d = 1 / depth becomes s·d + o, with s and o smooth fields on a small grid over the tile, such
that tiles agree where they overlap. Nothing else is asked: neither a coarse map nor the truth. One linear least
squares problem for all tiles.
"""

from __future__ import annotations

from itertools import combinations_with_replacement
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hyperfocal.camera import NEAREST
from hyperfocal.tiles.merge import Merger
from hyperfocal.tiles.plan import Box

FloatMap = NDArray[np.float32]
Array = NDArray[np.float64]

FARTHEST = 1e5  # metres: no disparity is 0 or less
VERTICES = 4  # of a tile's grid, along a side
SAMPLES = 32  # of a tile, along its shorter side
SMOOTH = 0.1  # weight of a difference of neighbouring vertices, where agreement of a sample weighs 1
STAY = 0.01  # weight of a vertex' distance from s = 1, o = 0: without it all tiles agree on s = 0


class Samples(NamedTuple):
    """A tile on the lattice of the photo: rows and columns that it covers, and disparity there."""

    rows: slice
    columns: slice
    design: Array  # (rows, columns, 2·VERTICES²): what s·d + o takes of each entry of the fields


class DeformationMerger:
    """Tiles on an (H, W) canvas, deformed to agree and then averaged."""

    def __init__(self, height: int, width: int) -> None:
        self._size = height, width
        self._tiles: list[tuple[FloatMap, FloatMap, Box]] = []

    def add(self, values: FloatMap, weight: FloatMap, box: Box) -> None:
        """Keep one tile.

        Args:
            values: (h, w) metres of the tile.
            weight: (h, w), of the mean.
            box: where the tile lies on the canvas, of the same h and w.
        """
        self._tiles.append((np.reciprocal(np.maximum(values, NEAREST)), weight, box))

    def result(self) -> FloatMap:
        """The merged (H, W) map, in metres; NaN where no tile has been. Ends the merger."""
        merger = Merger(*self._size)
        fields = align([disparity for disparity, _, _ in self._tiles], [box for _, _, box in self._tiles])
        for (disparity, weight, box), (scale, offset) in zip(self._tiles, fields, strict=True):
            down, across = _hats(np.arange(box.height), box.height), _hats(np.arange(box.width), box.width)
            deformed = (down @ scale @ across.T) * disparity + down @ offset @ across.T
            merger.add(np.float32(1) / np.maximum(deformed, 1 / FARTHEST).astype(np.float32), weight, box)
        return merger.result()


def align(disparities: list[FloatMap], boxes: list[Box]) -> Array:
    """Fields by which tiles agree best where they overlap.

    Minimises, over samples of each tile, the squared distance of s·d + o from the mean of all tiles there, and
    prefers smooth fields and s = 1, o = 0. Tiles that agree already stay exactly as they are.

    Args:
        disparities: (h, w) of each tile, above 0.
        boxes: where they lie on the photo.

    Returns:
        (n, 2, VERTICES, VERTICES): s and o of each tile, o in the unit of the disparities.
    """
    unit = float(np.median([np.median(disparity) for disparity in disparities]))
    step = max(1, min(boxes[0].height, boxes[0].width) // SAMPLES)
    tiles = [_sampled(disparity / unit, box, step) for disparity, box in zip(disparities, boxes, strict=True)]
    cover = np.zeros((max(tile.rows.stop for tile in tiles), max(tile.columns.stop for tile in tiles)))
    for tile in tiles:
        cover[tile.rows, tile.columns] += 1
    n, size = len(tiles), 2 * VERTICES**2
    start = np.tile(np.repeat([1.0, 0.0], VERTICES**2), n)
    stay = STAY * np.eye(size)
    normal = np.zeros((n, size, n, size))
    for i, tile in enumerate(tiles):
        design = tile.design.reshape(-1, size)
        density = len(design) / VERTICES**2
        normal[i, :, i] += design.T @ design + density * (SMOOTH * _roughness() + stay)
        start[i * size : (i + 1) * size] *= density
    target = STAY * start
    for i, j in combinations_with_replacement(range(n), 2):
        rows, columns = _common(tiles[i].rows, tiles[j].rows), _common(tiles[i].columns, tiles[j].columns)
        if rows.start < rows.stop and columns.start < columns.stop:
            first, second = (_at(tile, rows, columns).reshape(-1, size) for tile in (tiles[i], tiles[j]))
            together = first.T @ (second / cover[rows, columns].reshape(-1, 1))
            normal[i, :, j] -= together
            if i != j:
                normal[j, :, i] -= together.T
    fields = np.linalg.solve(normal.reshape(n * size, -1), target).reshape(n, 2, VERTICES, VERTICES)
    fields[:, 1] *= unit
    return np.asarray(fields, np.float64)


def _sampled(disparity: FloatMap, box: Box, step: int) -> Samples:
    """Read a tile where rows and columns of the photo are multiples of `step`."""
    rows, columns = (
        slice(-(-start // step), (start + side - 1) // step + 1)
        for start, side in ((box.top, box.height), (box.left, box.width))
    )
    y = np.arange(rows.start, rows.stop) * step - box.top
    x = np.arange(columns.start, columns.stop) * step - box.left
    hats = np.einsum("yi,xj->yxij", _hats(y, box.height), _hats(x, box.width))
    hats = hats.reshape(len(y), len(x), VERTICES**2)
    read = disparity[np.ix_(y, x)][..., None]
    return Samples(rows, columns, np.concatenate((hats * read, hats), -1))


def _hats(positions: NDArray[np.int_], side: int) -> Array:
    """(n, VERTICES): linear interpolation at pixels of a side between vertices from its first to its last pixel."""
    places = positions / max(1, side - 1) * (VERTICES - 1)
    return np.asarray(np.maximum(0, 1 - np.abs(places[:, None] - np.arange(VERTICES))))


def _roughness() -> Array:
    """The quadratic form Σ (differences of neighbouring vertices)² of the fields s and o of a tile."""
    line = np.diff(np.eye(VERTICES), axis=0)
    line = line.T @ line
    field = np.kron(line, np.eye(VERTICES)) + np.kron(np.eye(VERTICES), line)
    return np.asarray(np.kron(np.eye(2), field), np.float64)


def _common(a: slice, b: slice) -> slice:
    return slice(max(a.start, b.start), min(a.stop, b.stop))


def _at(tile: Samples, rows: slice, columns: slice) -> Array:
    """Cut a tile's design to rows and columns of the lattice."""
    top, left = tile.rows.start, tile.columns.start
    return tile.design[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left]
