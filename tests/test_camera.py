"""Cameras: the formulas, which EXIF is believed, and which input is refused."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
from PIL.ExifTags import IFD, Base
from PIL.TiffImagePlugin import IFDRational

from hyperfocal.camera import (
    Camera,
    assumed_camera,
    camera_from_exif,
    camera_from_focal_px,
    camera_from_fov,
)
from hyperfocal.errors import HyperfocalError


def exif(**tags):
    """EXIF as Pillow hands it over, even with values that it wouldn't write."""
    found = {IFD.Exif: {getattr(Base, name): value for name, value in tags.items()}}
    return SimpleNamespace(get_ifd=found.__getitem__)


def test_assumed_is_28_mm_equivalent():
    camera = assumed_camera(3600, 2400)  # 100 px a millimetre of full frame
    assert camera.focal_px == pytest.approx(2800)
    assert camera.source == "assumed"


def test_principal_point_is_the_middle_of_pixels_at_integer_coordinates():
    assert assumed_camera(5, 3).matrix[:, 2].tolist() == [2, 1, 1]


@pytest.mark.parametrize("fov", [1, 60, 90, 179])
def test_fov_is_the_angle_between_the_outer_edges(fov):
    camera = camera_from_fov(640, 480, fov)
    left = np.linalg.inv(camera.matrix) @ [-0.5, 0, 1]
    right = np.linalg.inv(camera.matrix) @ [639.5, 0, 1]
    assert math.degrees(math.atan(right[0]) - math.atan(left[0])) == pytest.approx(fov)
    assert camera.source == "fov"


def test_focal_px_is_kept():
    camera = camera_from_focal_px(640, 480, 512.5)
    assert (camera.focal_px, camera.source) == (512.5, "focal_px")


@pytest.mark.parametrize("fov", [0, -10, 180, math.nan, math.inf])
def test_impossible_fov_is_refused(fov):
    with pytest.raises(HyperfocalError, match="field of view"):
        camera_from_fov(640, 480, fov)


@pytest.mark.parametrize("focal", [0, -1, math.nan, math.inf])
def test_impossible_focal_length_is_refused(focal):
    with pytest.raises(HyperfocalError, match="focal length"):
        camera_from_focal_px(640, 480, focal)


@pytest.mark.parametrize(
    "matrix", [np.eye(4), np.eye(3, dtype=np.float32), np.eye(3) * np.nan, np.diag([-1.0, 1, 1])]
)
def test_bad_matrix_is_refused(matrix):
    with pytest.raises(HyperfocalError, match="intrinsics"):
        Camera(matrix, "given")


def test_equivalent_focal_length_comes_first():
    found = camera_from_exif(
        exif(FocalLengthIn35mmFilm=50, FocalLength=IFDRational(4), FocalPlaneXResolution=IFDRational(3000)),
        3600,
        2400,
    )
    assert found.source == "exif"
    assert found.focal_px == pytest.approx(5000)


def test_equivalent_is_by_the_diagonal_so_that_turning_the_photo_changes_nothing():
    tags = exif(FocalLengthIn35mmFilm=26)
    upright, turned = camera_from_exif(tags, 3000, 4000), camera_from_exif(tags, 4000, 3000)
    assert upright.focal_px == pytest.approx(turned.focal_px)
    assert upright.matrix[0, 2] == 1499.5
    assert turned.matrix[0, 2] == 1999.5


@pytest.mark.parametrize(("unit", "per_unit"), [(2, 2540), (3, 1000), (4, 100), (5, 0.1), (None, 2540)])
def test_focal_plane_resolution_in_each_unit(unit, per_unit):
    tags = {"FocalLength": IFDRational(50), "FocalPlaneXResolution": per_unit}
    if unit:
        tags["FocalPlaneResolutionUnit"] = unit
    assert camera_from_exif(exif(**tags), 3600, 2400).focal_px == pytest.approx(5000)


def test_focal_plane_resolution_follows_a_resized_photo():
    tags = exif(
        FocalLength=50,
        FocalPlaneXResolution=1000,
        FocalPlaneResolutionUnit=3,
        ExifImageWidth=3600,
        ExifImageHeight=2400,
    )
    assert camera_from_exif(tags, 1800, 1200).focal_px == pytest.approx(2500)
    assert camera_from_exif(tags, 1200, 1800).focal_px == pytest.approx(2500)  # turned as well


@pytest.mark.parametrize(
    "tags",
    [
        {},
        {"FocalLengthIn35mmFilm": 0},
        {"FocalLengthIn35mmFilm": 1},
        {"FocalLengthIn35mmFilm": 65535},
        {"FocalLengthIn35mmFilm": "wide"},
        {"FocalLengthIn35mmFilm": (28, 28)},
        {"FocalLength": 4},
        {"FocalLength": IFDRational(4, 0), "FocalPlaneXResolution": 1000},
        {"FocalLength": 50, "FocalPlaneXResolution": 0},
        {"FocalLength": 50, "FocalPlaneXResolution": 1000, "FocalPlaneResolutionUnit": 99},
    ],
)
def test_exif_that_cannot_be_believed_is_none(tags):
    assert camera_from_exif(exif(**tags), 3600, 2400) is None


def test_unknown_equivalent_falls_back_to_the_focal_plane():
    tags = exif(
        FocalLengthIn35mmFilm=0, FocalLength=50, FocalPlaneXResolution=1000, FocalPlaneResolutionUnit=3
    )
    assert camera_from_exif(tags, 3600, 2400).focal_px == pytest.approx(5000)
