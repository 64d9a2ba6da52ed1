"""Predictions that lie in a folder, whatever program made them."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hyperfocal.depthmap.formats import find_map, read_map
from hyperfocal.errors import HyperfocalError
from hyperfocal.evaluate.score import Prediction
from hyperfocal.evaluate.truth import Truth
from hyperfocal.metrics.depth import Alignment, resize

FloatMap = NDArray[np.float32]


def read_prediction(
    path: Path, shape: tuple[int, int], unit: float | None = None, *, disparity: bool = False
) -> FloatMap:
    """A prediction in metres at the truth's (height, width); 0 and NaN, no surface, become inf.

    Args:
        path: .npy, .npz, .exr, .tif, 16-bit .png...
        shape: of the truth; a smaller or larger map of the same aspect ratio is resized bilinearly.
        unit: metres of 1 in the file; see `read_map`.
        disparity: the file holds inverse depth of unknown scale and shift; so does then the answer, inverted.

    Raises:
        HyperfocalError: it can't be read, or its aspect ratio is more than 1 % off.
    """
    values = read_map(path, unit).metres
    (height, width), (rows, columns) = shape, values.shape
    if abs(rows * width / (columns * height) - 1) > 0.01:
        raise HyperfocalError(f"{path}: {rows} × {columns}, but the truth is {height} × {width}")
    if disparity:
        near = np.asarray(resize(np.nan_to_num(values), shape), np.float32)
        with np.errstate(divide="ignore"):
            return np.asarray(1 / np.maximum(near, 0))
    metres = np.where(np.isnan(values) | (values == 0), np.float32(np.inf), values)
    return np.asarray(resize(metres, shape), np.float32)


@dataclass
class MapFolder:
    """The depth maps of one program.

    Attributes:
        name: in the table.
        folder: see `find_map`.
        unit: metres of 1 in the files; see `read_map`.
        disparity: the files hold inverse depth of unknown scale and shift (MiDaS, Depth Anything), which can only
            be aligned in disparity.
        about: what the report says of it.
    """

    name: str
    folder: Path
    unit: float | None = None
    disparity: bool = False
    tiling: str = ""
    about: dict[str, str] = field(default_factory=dict)

    @property
    def alignments(self) -> tuple[Alignment, ...] | None:
        """Those that make sense; None: any."""
        return ("disparity",) if self.disparity else None

    def __call__(self, truths: Iterable[Truth]) -> Iterator[tuple[Truth, Prediction]]:
        """Yields the map of each frame.

        Raises:
            HyperfocalError: a map is missing, can't be read, doesn't fit, or would serve two frames.
        """
        frame_of: dict[Path, str] = {}
        for truth in truths:
            path = find_map(self.folder, truth.name)
            if frame_of.setdefault(path, truth.name) != truth.name:
                raise HyperfocalError(
                    f"{path}: for {frame_of[path]} or {truth.name}? Name it like its frame, _ for /"
                )
            shape = truth.metres.shape[0], truth.metres.shape[1]
            yield truth, Prediction(read_prediction(path, shape, self.unit, disparity=self.disparity))
