"""Depth maps as files: score two folders against each other, and save pictures of predictions."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hyperfocal.depthmap.picture import depth_picture
from hyperfocal.errors import HyperfocalError
from hyperfocal.evaluate.score import Alignment, Row, score_image

FloatMap = NDArray[np.float32]


def score_folders(
    pred: Path,
    gt: Path,
    gt_disparity: Path | None,
    alignments: Sequence[Alignment],
    min_depth: float,
    max_depth: float,
) -> Iterator[Row]:
    """Yield the scores of each .npy in `pred` against the same stem in `gt`, for each alignment.

    Raises:
        HyperfocalError: no common stems, a truth without a prediction, or sizes that differ.
    """
    truths = sorted(gt.glob("*.npy"))
    missing = [p.stem for p in truths if not (pred / p.name).is_file()]
    if not truths or missing:
        raise HyperfocalError(
            f"{pred}: no prediction for {', '.join(missing[:5]) or 'anything: ' + str(gt) + ' is empty'}"
        )
    for path in truths:
        truth, prediction = _read(path), _read(pred / path.name)
        if truth.shape != prediction.shape:
            raise HyperfocalError(f"{pred / path.name}: {prediction.shape}, but the truth is {truth.shape}")
        disparity = None if gt_disparity is None else _read(gt_disparity / path.name)
        for alignment in alignments:
            values = score_image(
                prediction,
                truth,
                disparity,
                alignment=alignment,
                min_depth=min_depth,
                max_depth=max_depth,
            )
            yield {"name": path.stem, "alignment": alignment, **values}


def save_pictures(folder: Path) -> Callable[[str, str, FloatMap], None]:
    """Return a function that saves the colour picture of each prediction into `folder`."""

    def save(name: str, tiling: str, metres: FloatMap) -> None:
        from PIL import Image

        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(depth_picture(metres)).save(folder / f"{name.replace('/', '_')}_{tiling}.png")

    return save


def _read(path: Path) -> FloatMap:
    try:
        array = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise HyperfocalError(f"{path}: not a readable .npy array ({error})") from error
    if array.ndim != 2:
        raise HyperfocalError(f"{path}: expected (H, W), got {array.shape}")
    return np.asarray(array, np.float32)
