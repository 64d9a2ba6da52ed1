"""What predictions are scored against: frame after frame, only one of them in memory."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hyperfocal.data.kinds import DataSet, InScope
from hyperfocal.depthmap.formats import SEARCHED, find_map, read_map
from hyperfocal.errors import HyperfocalError

FloatMap = NDArray[np.float32]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Truth:
    """One frame's truth, and its photo where there is one.

    Attributes:
        name: of the frame.
        metres: (H, W); inf = sky, 0 or NaN = unknown.
        disparity: (H, W) pixels whose jumps of more than 1 are the edges of SEE; None takes jumps of depth in metres.
        image: uint8 (H, W, 3), sRGB.
        focal_px: of the photo.
        segmentation: uint8 (H, W, 3), Cityscapes' `gtFine` colours.
        pairs: (K, 2, 2) neighbouring superpixels' centres, where D3R is asked for.
    """

    name: str
    metres: FloatMap
    disparity: FloatMap | None = None
    image: NDArray[np.uint8] | None = None
    focal_px: float | None = None
    segmentation: NDArray[np.uint8] | None = None
    pairs: NDArray[np.integer] | None = None

    def edges(self, known: Mask) -> Mask:
        """(H, W): the edges of SEE, of disparity or else of known depth."""
        from hyperfocal.metrics.edges import disparity_edges

        jumps = np.where(known, self.metres, np.nan) if self.disparity is None else self.disparity
        return disparity_edges(jumps) & known


class Truths:
    """The truth of frames, read anew at each pass.

    Args:
        count: how many frames there are.
        read: gives the truth of one.
        limit: only so many frames, evenly spread.
        with_pairs: find the pairs of D3R, once for each frame.
    """

    def __init__(
        self,
        count: int,
        read: Callable[[int], Truth],
        *,
        limit: int | None = None,
        with_pairs: bool = False,
    ) -> None:
        chosen = min(count, limit or count)
        self.indices: Sequence[int] = np.linspace(0, count - 1, chosen).round().astype(int).tolist()
        self.read, self.with_pairs = read, with_pairs
        self._pairs: dict[int, NDArray[np.integer]] = {}

    def __len__(self) -> int:
        return len(self.indices)

    def __iter__(self) -> Iterator[Truth]:
        for index in self.indices:
            truth = self.read(index)
            yield replace(truth, pairs=self._pairs_of(index, truth)) if self.with_pairs else truth

    def _pairs_of(self, index: int, truth: Truth) -> NDArray[np.integer]:
        from hyperfocal.metrics.ordinal import neighbouring_centres

        if index not in self._pairs:  # superpixels of a 4K frame take seconds, their centres little room
            self._pairs[index] = neighbouring_centres(truth.metres).astype(np.uint16)
        return self._pairs[index]


def folder_truths(
    gt: Path, gt_disparity: Path | None = None, *, limit: int | None = None, with_pairs: bool = False
) -> Truths:
    """The depth maps of a folder, and the disparities of the same stems: pixels as they stand in the file.

    Raises:
        HyperfocalError: the folder holds none, or (at reading) a disparity is missing.
    """
    stems = sorted({path.stem for path in gt.glob("*") if path.suffix in SEARCHED})
    if not stems:
        raise HyperfocalError(f"{gt}: no depth maps ({' '.join(SEARCHED)})")

    def read(index: int) -> Truth:
        stem = stems[index]
        disparity = None if gt_disparity is None else read_map(find_map(gt_disparity, stem), 1.0).metres
        return Truth(stem, read_map(find_map(gt, stem)).metres, disparity)

    return Truths(len(stems), read, limit=limit, with_pairs=with_pairs)


def data_truths(data: DataSet, *, limit: int | None = None, with_pairs: bool = False) -> Truths:
    """The truth of a data set, unknown outside the window that published numbers count."""
    scoped = InScope(data)
    segmentation: Callable[[int], NDArray[np.uint8] | None] = getattr(
        data, "segmentation", lambda index: None
    )

    def read(index: int) -> Truth:
        sample = scoped[index]
        return Truth(
            sample.name,
            sample.metres,
            data.disparity(index),
            sample.image,
            sample.focal_px,
            segmentation(index),
        )

    return Truths(len(data), read, limit=limit, with_pairs=with_pairs)
