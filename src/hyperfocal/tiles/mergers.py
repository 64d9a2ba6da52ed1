"""The ways in which tiles become one map, by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from hyperfocal.tiles.deformation import DeformationMerger
from hyperfocal.tiles.merge import Merger
from hyperfocal.tiles.plan import Box
from hyperfocal.tiles.poisson import PoissonMerger

FloatMap = NDArray[np.float32]


class Joins(Protocol):
    """What the predictor asks of a merger."""

    def add(self, values: FloatMap, weight: FloatMap, box: Box) -> None:
        """Add a tile's (h, w) values with (h, w) weights where it lies on the canvas."""

    def result(self) -> FloatMap:
        """The merged (H, W) map. Ends the merger."""


# Each from height and width of the canvas and a function that gives the coarse map at that size.
MERGERS: dict[str, Callable[[int, int, Callable[[], FloatMap]], Joins]] = {
    "mean": lambda height, width, coarse: Merger(height, width),
    "poisson": lambda height, width, coarse: PoissonMerger(coarse()),
    "deformation": lambda height, width, coarse: DeformationMerger(height, width),
}
