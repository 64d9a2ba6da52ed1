"""Depth maps as files: score a folder of them, whatever program made it, and save pictures of predictions."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hyperfocal.data.kinds import Reader
from hyperfocal.depthmap.atomic import replacing
from hyperfocal.depthmap.formats import SEARCHED, read_map, write_picture_png
from hyperfocal.depthmap.picture import depth_picture
from hyperfocal.errors import HyperfocalError
from hyperfocal.evaluate.score import Row, score_image
from hyperfocal.metrics.depth import Alignment, resize

FloatMap = NDArray[np.float32]


class Truth(NamedTuple):
    """What a prediction is scored against: `metres` and `disparity` as `score_image` takes them."""

    name: str
    metres: FloatMap
    disparity: FloatMap | None


def folder_truths(gt: Path, gt_disparity: Path | None = None) -> Iterator[Truth]:
    """Yield each depth map of a folder, and the disparity of the same stem: pixels as they stand in the file.

    Raises:
        HyperfocalError: the folder holds none, or a disparity is missing.
    """
    stems = sorted({path.stem for path in gt.glob("*") if path.suffix in SEARCHED})
    if not stems:
        raise HyperfocalError(f"{gt}: no depth maps ({' '.join(SEARCHED)})")
    for stem in stems:
        disparity = None if gt_disparity is None else read_map(find_map(gt_disparity, stem), 1.0).metres
        yield Truth(stem, read_map(find_map(gt, stem)).metres, disparity)


def data_truths(data: Reader) -> Iterator[Truth]:
    """Yield the truth of each frame of a data set."""
    for index in range(len(data)):
        sample = data[index]
        yield Truth(sample.name, sample.metres, data.disparity(index))


def find_map(folder: Path, name: str) -> Path:
    """The file of a frame: `<name>`, `<name>` with _ for /, or the last part of `<name>`, and a known suffix.

    Raises:
        HyperfocalError: there is none.
    """
    stems = dict.fromkeys((name, name.replace("/", "_"), Path(name).name))
    found = (folder / f"{stem}{suffix}" for stem in stems for suffix in SEARCHED)
    path = next((p for p in found if p.is_file()), None)
    if path is None:
        raise HyperfocalError(f"{folder}: no depth map of {name} ({' '.join(SEARCHED)})")
    return path


def read_prediction(path: Path, shape: tuple[int, int], unit: float | None = None) -> FloatMap:
    """A prediction in metres at the truth's (height, width); 0 and NaN, no surface, become inf.

    Args:
        path: .npy, .npz, .exr, .tif, 16-bit .png...
        shape: of the truth; a smaller or larger map of the same aspect ratio is resized bilinearly.
        unit: metres of 1 in the file; see `read_map`.

    Raises:
        HyperfocalError: it can't be read, or its aspect ratio is more than 1 % off.
    """
    values = read_map(path, unit).metres
    (height, width), (rows, columns) = shape, values.shape
    if abs(rows * width / (columns * height) - 1) > 0.01:
        raise HyperfocalError(f"{path}: {rows} × {columns}, but the truth is {height} × {width}")
    metres = np.where(np.isnan(values) | (values == 0), np.float32(np.inf), values)
    return np.asarray(resize(metres, shape), np.float32)


def score_maps(
    pred: Path,
    truths: Iterable[Truth],
    alignments: Sequence[Alignment],
    *,
    min_depth: float = 1e-3,
    max_depth: float = 80.0,
    unit: float | None = None,
) -> Iterator[Row]:
    """Yield the scores of the depth map of each truth, for each alignment.

    Args:
        pred: folder of depth maps; see `find_map`.
        truths: from `folder_truths` or `data_truths`.
        alignments: of which to give rows.
        min_depth: metres; truth outside the range doesn't count.
        max_depth: metres.
        unit: metres of 1 in the predictions' files; see `read_map`.

    Raises:
        HyperfocalError: a map is missing, can't be read, doesn't fit, or would serve two frames.
    """
    frame_of: dict[Path, str] = {}
    for name, metres, disparity in truths:
        path = find_map(pred, name)
        if frame_of.setdefault(path, name) != name:
            raise HyperfocalError(f"{path}: for {frame_of[path]} or {name}? Name it like its frame, _ for /")
        prediction = read_prediction(path, (metres.shape[0], metres.shape[1]), unit)
        for alignment in alignments:
            values = score_image(
                prediction,
                metres,
                disparity,
                alignment=alignment,
                min_depth=min_depth,
                max_depth=max_depth,
            )
            yield {"name": name, "tiling": "", "alignment": alignment, **values}


def save_pictures(folder: Path) -> Callable[[str, str, FloatMap], None]:
    """Return a function that saves the colour picture of each prediction into `folder`, or says why it can't."""

    def save(name: str, tiling: str, metres: FloatMap) -> None:
        with replacing(folder / f"{name.replace('/', '_')}_{tiling}.png") as temporary:
            write_picture_png(depth_picture(metres), temporary)

    return save
