"""Decodes the files that data sets are made of, and says in one line which one is broken."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hyperfocal.camera import check_intrinsics
from hyperfocal.errors import HyperfocalError
from hyperfocal.photo import load_image, one_line


@contextmanager
def reading(path: Path, expected: str) -> Iterator[None]:
    """Whatever goes wrong inside becomes a HyperfocalError that names `path` and what it should hold."""
    try:
        yield
    except HyperfocalError as error:
        if str(error).startswith(str(path)):
            raise
        raise HyperfocalError(f"{path}: {error}") from error
    except Exception as error:  # a damaged file fails in as many ways as there are formats
        raise HyperfocalError(f"{path}: expected {expected} ({one_line(error)})") from error


def read_rgb(path: Path) -> NDArray[np.uint8]:
    """uint8 (H, W, 3) as stored: an EXIF orientation isn't followed, since depth maps don't follow it.

    Raises:
        HyperfocalError: missing, truncated, or no picture.
    """
    with load_image(path) as image, reading(path, "a picture"):
        return np.array(image.convert("RGB"))


def read_png16(path: Path, per_unit: int) -> NDArray[np.float32]:
    """float32 (H, W) of a 16-bit grey PNG that holds so many steps per unit.

    Raises:
        HyperfocalError: missing, truncated, or another kind of picture.
    """
    with load_image(path) as image:
        if not image.mode.startswith("I"):
            raise HyperfocalError(f"{path}: is no 16-bit grey PNG (its mode is {image.mode})")
        return np.asarray(np.array(image) / np.float32(per_unit), np.float32)


def fitting(values: NDArray[np.float32], image: NDArray[np.uint8], path: Path) -> NDArray[np.float32]:
    """Return `values`, read from `path`, if they have the image's height and width; else HyperfocalError."""
    if values.shape != image.shape[:2]:
        raise HyperfocalError(f"{path}: {values.shape} does not fit the image's {image.shape[:2]}")
    return values


def depth_of_disparity(
    disparity: NDArray[np.float32], focal_baseline: float, nowhere: float
) -> NDArray[np.float32]:
    """Metres = f·B / disparity; `nowhere` (inf = no surface, 0 = unknown) where disparity isn't above 0."""
    metres = np.full_like(disparity, nowhere)
    return np.divide(np.float32(focal_baseline), disparity, out=metres, where=disparity > 0)


def intrinsics(rows: Any) -> NDArray[np.float64]:
    """(3, 3) intrinsics in pixels of nine numbers; HyperfocalError if no camera has such."""
    matrix = np.array(rows, np.float64).reshape(3, 3)
    check_intrinsics(matrix)
    return matrix


def pinhole(fx: float, fy: float, cx: float, cy: float) -> NDArray[np.float64]:
    """(3, 3) intrinsics in pixels; HyperfocalError if no camera has such."""
    return intrinsics([[fx, 0, cx], [0, fy, cy], [0, 0, 1]])
