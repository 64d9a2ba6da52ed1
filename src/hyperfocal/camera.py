"""Pinhole intrinsics of a photo: from its EXIF, a focal length, a field of view, or assumed."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL.ExifTags import IFD, Base

from hyperfocal.errors import HyperfocalError

if TYPE_CHECKING:
    from PIL.Image import Exif

NEAREST = 1e-3  # metres: no surface is nearer than this, and ln depth and disparity end here
FULL_FRAME_DIAGONAL_MM = math.hypot(36, 24)  # 43.2666: what "35 mm equivalent" refers to
ASSUMED_EQUIVALENT_MM = 28.0  # a phone's main camera
SANE_EQUIVALENT_MM = (5.0, 5000.0)  # a rounder lens is no pinhole; a longer one is a typo

_MILLIMETRES = {2: 25.4, 3: 10.0, 4: 1.0, 5: 0.001}  # EXIF FocalPlaneResolutionUnit


@dataclass(frozen=True, eq=False)
class Camera:
    """A pinhole camera with OpenCV's axes (x right, y down, z forward).

    Attributes:
        matrix: (3, 3) float64 intrinsics in pixels; pixel centres lie at integer coordinates.
        source: where they come from: "exif", "focal_px", "fov", "assumed" or "given".

    Raises:
        HyperfocalError: if `matrix` isn't a finite (3, 3) float64 matrix with positive focal lengths.
    """

    matrix: np.ndarray
    source: str

    def __post_init__(self) -> None:
        check_intrinsics(self.matrix)

    @property
    def focal_px(self) -> float:
        """Focal length in pixels: the geometric mean of fx and fy."""
        return math.sqrt(self.matrix[0, 0] * self.matrix[1, 1])


def check_intrinsics(matrix: np.ndarray) -> None:
    """Raises HyperfocalError unless `matrix` is a finite (3, 3) float64 with positive focal lengths."""
    if matrix.shape != (3, 3) or matrix.dtype != np.float64:
        raise HyperfocalError(f"intrinsics must be a 3x3 float64 matrix, not {matrix.shape} {matrix.dtype}")
    if not np.isfinite(matrix).all() or matrix[0, 0] <= 0 or matrix[1, 1] <= 0:
        raise HyperfocalError("intrinsics must be finite, with focal lengths above 0")


def assumed_camera(width: int, height: int) -> Camera:
    """The camera of a photo that says nothing: 28 mm equivalent, a phone's main camera."""
    focal = ASSUMED_EQUIVALENT_MM / FULL_FRAME_DIAGONAL_MM * math.hypot(width, height)
    return _centred(width, height, focal, "assumed")


def camera_from_fov(width: int, height: int, fov_degrees: float) -> Camera:
    """The camera whose horizontal field of view is `fov_degrees`, in (0, 180).

    Raises:
        HyperfocalError: if the angle is out of range.
    """
    if not 0 < fov_degrees < 180:
        raise HyperfocalError(f"field of view must lie between 0 and 180 degrees, not {fov_degrees:g}")
    return _centred(width, height, width / 2 / math.tan(math.radians(fov_degrees) / 2), "fov")


def camera_from_focal_px(width: int, height: int, focal_px: float) -> Camera:
    """The camera whose focal length is `focal_px` pixels of the photo.

    Raises:
        HyperfocalError: if it isn't finite and above 0.
    """
    if not 0 < focal_px < math.inf:
        raise HyperfocalError(f"focal length must be above 0 pixels, not {focal_px:g}")
    return _centred(width, height, focal_px, "focal_px")


def camera_from_exif(exif: Exif, width: int, height: int) -> Camera | None:
    """The camera that a photo's EXIF tells, or None where it tells none that can be believed.

    FocalLengthIn35mmFilm comes first (an equivalent by the diagonal), then FocalLength with
    FocalPlaneXResolution. `width` and `height` are of the upright photo; the focal length is the same
    in pixels either way up.
    """
    try:
        tags = exif.get_ifd(IFD.Exif)
    except Exception:  # Pillow parses lazily: damaged EXIF fails here, in many ways, and is only a hint
        return None
    diagonal = math.hypot(width, height)
    shortest, longest = (mm / FULL_FRAME_DIAGONAL_MM * diagonal for mm in SANE_EQUIVALENT_MM)
    for focal in _exif_focals_px(tags, width, height):
        if shortest <= focal <= longest:  # False for NaN
            return _centred(width, height, focal, "exif")
    return None


def _exif_focals_px(tags: dict[int, Any], width: int, height: int) -> Iterator[float]:
    """Every focal length in pixels that the tags give, best first; NaN where one is missing."""
    yield _number(tags, Base.FocalLengthIn35mmFilm) / FULL_FRAME_DIAGONAL_MM * math.hypot(width, height)

    unit_mm = _MILLIMETRES.get(tags.get(Base.FocalPlaneResolutionUnit, 2), math.nan)
    on_sensor = _number(tags, Base.FocalLength) / unit_mm * _number(tags, Base.FocalPlaneXResolution)
    # The sensor's resolution is that of the picture as it was taken, which may have been resized since.
    taken = max(_number(tags, Base.ExifImageWidth), _number(tags, Base.ExifImageHeight))
    yield on_sensor * max(width, height) / taken if taken > 0 else on_sensor


def _number(tags: dict[int, Any], tag: int) -> float:
    """A tag as a float: NaN where it is missing, no number, or a fraction over 0."""
    try:
        return float(tags[tag])
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        return math.nan


def _centred(width: int, height: int, focal: float, source: str) -> Camera:
    """Square pixels, principal point in the middle of the picture."""
    matrix = np.array([[focal, 0, (width - 1) / 2], [0, focal, (height - 1) / 2], [0, 0, 1]], np.float64)
    return Camera(matrix, source)
