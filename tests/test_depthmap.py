"""Depth maps: what is refused, round trips through every format, whole files or none, the picture."""

import errno
import json
import os
import stat
import subprocess
import sys
import tracemalloc
import warnings
from pathlib import Path

import numpy as np
import OpenEXR
import pytest
from PIL import Image

from hyperfocal.camera import assumed_camera, camera_from_focal_px
from hyperfocal.depthmap import DepthMap, formats
from hyperfocal.depthmap.picture import GREY
from hyperfocal.errors import HyperfocalError

HEIGHT, WIDTH = 40, 64
META = {"model": "nano", "tiling": "4x4", "note": "Tiefe für 日本"}


def make(metres, **options):
    camera = camera_from_focal_px(metres.shape[1], metres.shape[0], 123.456789)
    return DepthMap(metres, camera.matrix, camera.source, **options)


@pytest.fixture
def depth():
    metres = np.random.default_rng(0).uniform(0.3, 60, (HEIGHT, WIDTH)).astype(np.float32)
    metres[:8] = np.inf
    return make(metres, meta=META)


def contents(folder):
    return sorted(path.name for path in folder.iterdir())


# --- validation -------------------------------------------------------------------------------------

ONES = np.ones((HEIGHT, WIDTH), np.float32)


@pytest.mark.parametrize(
    ("metres", "words"),
    [
        (ONES.astype(np.float64), "float64"),
        (ONES[0], r"\(64,\)"),
        (ONES[None], r"\(1, 40, 64\)"),
        (ONES[:0], r"\(0, 64\)"),
        (ONES * np.nan, "NaN"),
        (ONES * 0, "above 0"),
        (ONES * -1, "above 0"),
        (ONES * -np.inf, "above 0"),
    ],
)
def test_bad_depth_is_refused(metres, words):
    with pytest.raises(HyperfocalError, match=words):
        DepthMap(metres, np.eye(3), "given")


def test_one_bad_pixel_is_enough():
    for bad in (np.nan, 0, -1):
        metres = ONES.copy()
        metres[-1, -1] = bad
        with pytest.raises(HyperfocalError):
            make(metres)


@pytest.mark.parametrize("matrix", [np.eye(4), np.eye(3, dtype=int), np.zeros((3, 3))])
def test_bad_intrinsics_are_refused(matrix):
    with pytest.raises(HyperfocalError, match="intrinsics"):
        DepthMap(ONES, matrix, "given")


@pytest.mark.parametrize(
    "confidence", [ONES[1:], ONES.astype(np.float64), ONES * 1.01, ONES * -0.01, ONES * np.nan]
)
def test_bad_confidence_is_refused(confidence):
    with pytest.raises(HyperfocalError, match="confidence"):
        make(ONES, confidence=confidence)


def test_nothing_but_sky_is_a_depth_map(tmp_path):
    sky = make(np.full((HEIGHT, WIDTH), np.inf, np.float32))
    assert (sky.color() == GREY).all()
    for suffix in formats.WRITERS:
        sky.save(tmp_path / f"sky{suffix}")
        assert np.isinf(DepthMap.open(tmp_path / f"sky{suffix}").metres).all()


# --- round trips ------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".npy", ".tif", ".tiff", ".exr", ".EXR"])
def test_exact_round_trip(tmp_path, depth, suffix):
    depth.save(tmp_path / f"depth{suffix}")
    back = DepthMap.open(tmp_path / f"depth{suffix}")
    assert back.metres.dtype == np.float32
    assert np.array_equal(back.metres, depth.metres)


def test_png_round_trip_to_half_a_millimetre(tmp_path, depth):
    depth.save(tmp_path / "depth.png")
    back = DepthMap.open(str(tmp_path / "depth.png"))
    surface = np.isfinite(depth.metres)
    assert np.array_equal(surface, np.isfinite(back.metres))
    ulp = np.spacing(np.float32(60))
    assert np.abs(back.metres[surface] - depth.metres[surface]).max() <= 0.0005 + ulp


@pytest.mark.parametrize("suffix", [".npy", ".png", ".tif", ".exr"])
def test_a_single_pixel_is_a_depth_map(tmp_path, suffix):
    make(ONES[:1, :1]).save(tmp_path / f"depth{suffix}")
    assert DepthMap.open(tmp_path / f"depth{suffix}").metres.tolist() == [[1]]


@pytest.mark.parametrize("suffix", [".png", ".tif", ".exr"])
def test_intrinsics_and_meta_are_restored(tmp_path, depth, suffix):
    depth.save(tmp_path / f"depth{suffix}")
    back = DepthMap.open(tmp_path / f"depth{suffix}")
    assert np.array_equal(back.intrinsics, depth.intrinsics)
    assert back.intrinsics_source == "focal_px"
    assert back.meta == META


def test_npy_has_no_intrinsics_so_they_are_assumed(tmp_path, depth):
    depth.save(tmp_path / "depth.npy")
    back = DepthMap.open(tmp_path / "depth.npy")
    assert np.array_equal(back.intrinsics, assumed_camera(WIDTH, HEIGHT).matrix)
    assert (back.intrinsics_source, back.meta) == ("assumed", {})


def test_non_contiguous_maps(tmp_path, depth):
    turned = make(depth.metres.T[::-1])
    for suffix in (".npy", ".tif", ".exr"):
        turned.save(tmp_path / f"depth{suffix}")
        assert np.array_equal(DepthMap.open(tmp_path / f"depth{suffix}").metres, turned.metres)
    turned.save(tmp_path / "depth.png", color=tmp_path / "depth_color.png")
    assert DepthMap.open(tmp_path / "depth.png").metres.shape == (WIDTH, HEIGHT)


def test_exr_carries_the_confidence(tmp_path, depth):
    confidence = np.random.default_rng(1).random((HEIGHT, WIDTH), np.float32)
    make(depth.metres, confidence=confidence).save(tmp_path / "depth.exr")
    back = DepthMap.open(tmp_path / "depth.exr")
    assert np.array_equal(back.confidence, confidence)
    assert np.array_equal(back.metres, depth.metres)


# --- what other programs find -----------------------------------------------------------------------


def test_npy_is_plain_numpy(tmp_path, depth):
    depth.save(tmp_path / "depth.npy")
    loaded = np.load(tmp_path / "depth.npy", allow_pickle=False)
    assert loaded.dtype == np.float32
    assert np.array_equal(loaded, depth.metres)


def test_png_is_16_bit_millimetres_and_says_so(tmp_path):
    metres = np.full((HEIGHT, WIDTH), 1.2344, np.float32)
    metres[0, :4] = [np.inf, 0.0001, 65.535, 100]
    with pytest.warns(UserWarning, match="saturate"):
        make(metres, meta=META).save(tmp_path / "depth.png")
    with Image.open(tmp_path / "depth.png") as image:
        assert image.mode in ("I;16", "I")  # newer and older Pillow
        values = np.asarray(image)
        text = image.text
    assert values[0, :5].tolist() == [0, 1, 65535, 65535, 1234]  # 0.1 mm is a surface: never 0
    assert text["hyperfocal.unit"] == "millimetre"
    assert text["hyperfocal.scale_to_metres"] == "0.001"
    assert text["hyperfocal.no_surface"] == "0"
    assert text["hyperfocal.model"] == "nano"
    assert json.loads(text["hyperfocal.intrinsics"])[0][0] == 123.456789
    assert "millimetres" in text["Description"]


def test_png_warns_of_the_share_that_saturates_and_names_exr(tmp_path):
    metres = ONES.copy()
    metres[: HEIGHT // 4] = 66
    metres[-1] = np.inf  # has its own value, and is no saturation
    with pytest.warns(UserWarning, match=r"25 %.*\.exr") as caught:
        make(metres).save(tmp_path / "depth.png")
    assert caught[0].filename == __file__


def test_png_within_range_warns_of_nothing(tmp_path, depth):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        depth.save(tmp_path / "depth.png")


def test_tif_is_32_bit_float_with_a_description(tmp_path, depth):
    depth.save(tmp_path / "depth.tif")
    with Image.open(tmp_path / "depth.tif") as image:
        assert image.mode == "F"
        assert json.loads(image.tag_v2[270])["hyperfocal.unit"] == "metre"


def test_exr_has_one_float_channel_z_and_its_unit(tmp_path, depth):
    depth.save(tmp_path / "depth.exr")
    file = OpenEXR.File(str(tmp_path / "depth.exr"), separate_channels=True)
    assert list(file.channels()) == ["Z"]
    assert file.channels()["Z"].pixels.dtype == np.float32
    assert file.header()["compression"] == OpenEXR.ZIP_COMPRESSION
    assert file.header()["hyperfocal.unit"] == "metre"


def test_maps_of_other_programs(tmp_path):
    metres = np.linspace(1, 2, HEIGHT * WIDTH).reshape(HEIGHT, WIDTH)
    metres[0, 0], metres[0, 1] = 0, np.nan  # their "no surface"
    np.save(tmp_path / "double.npy", metres)
    np.save(tmp_path / "half.npy", metres.astype(np.float16))
    OpenEXR.File({}, {"R": metres.astype(np.float32)}).write(str(tmp_path / "red.exr"))
    OpenEXR.File({}, {"Z": metres.astype(np.float16)}).write(str(tmp_path / "half.exr"))
    Image.fromarray(metres.astype(np.float32)).save(tmp_path / "other.tif", tiffinfo={270: "[1, 2]"})
    Image.fromarray(np.nan_to_num(metres * 1000).astype(np.uint16)).save(tmp_path / "other.png")
    for path in tmp_path.iterdir():
        back = DepthMap.open(path)
        assert back.metres.dtype == np.float32
        assert np.isinf(back.metres[0, :2]).all()
        assert np.abs(back.metres[0, 2:] - metres[0, 2:]).max() <= 0.001
        assert back.intrinsics_source == "assumed"


# --- files that are refused -------------------------------------------------------------------------


def refused(path, *words):
    with pytest.raises(HyperfocalError) as caught:
        DepthMap.open(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert message.count(str(path)) == 1
    assert "\n" not in message
    for word in words:
        assert word in message


@pytest.mark.parametrize("suffix", [".npy", ".png", ".tif", ".exr"])
def test_missing_empty_folder_text_and_truncated_files(tmp_path, depth, suffix):
    path = tmp_path / f"depth{suffix}"
    refused(path, "No such file")
    path.touch()
    refused(path, "0 bytes")
    path.write_text("no depth at all, just words")
    refused(path)
    depth.save(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    refused(path)
    path.unlink()
    path.mkdir()
    refused(path, "folder")


def test_files_that_hold_something_else(tmp_path, depth):
    image = Image.new("RGB", (WIDTH, HEIGHT))
    image.save(tmp_path / "rgb.png")
    refused(tmp_path / "rgb.png", "16-bit", "RGB")
    image.save(tmp_path / "rgb.tif")
    refused(tmp_path / "rgb.tif", "float", "RGB")
    rgb = dict.fromkeys("RGB", depth.metres)
    OpenEXR.File({}, rgb).write(str(tmp_path / "rgb.exr"))
    refused(tmp_path / "rgb.exr", "channel Z")
    np.save(tmp_path / "int.npy", np.ones((4, 4), int))
    refused(tmp_path / "int.npy", "floating-point")
    np.save(tmp_path / "cube.npy", np.ones((4, 4, 4)))
    refused(tmp_path / "cube.npy", "(4, 4, 4)")
    np.save(tmp_path / "negative.npy", -np.ones((4, 4)))
    refused(tmp_path / "negative.npy", "above 0")
    with (tmp_path / "zip.npy").open("wb") as file:
        np.savez(file, depth=depth.metres)
    refused(tmp_path / "zip.npy", "floating-point")


def test_pickles_are_never_loaded(tmp_path):
    np.save(tmp_path / "evil.npy", np.array([{}], dtype=object), allow_pickle=True)
    refused(tmp_path / "evil.npy")


def test_unknown_suffix_names_the_known_ones(tmp_path, depth):
    for suffix in (".jpg", ".xyz", ""):
        with pytest.raises(HyperfocalError, match=r"\.npy \.png \.tif .*\.exr"):
            depth.save(tmp_path / f"depth{suffix}")
        with pytest.raises(HyperfocalError, match=r"\.npy \.png \.tif .*\.exr"):
            DepthMap.open(tmp_path / f"depth{suffix}")
    with pytest.raises(HyperfocalError, match=r"\.png \.jpg"):
        depth.save(tmp_path / "depth.npy", color=tmp_path / "depth.exr")
    assert contents(tmp_path) == []


# --- whole files or none ----------------------------------------------------------------------------


def break_after_half(monkeypatch, error):
    def writer(depth, path):
        path.write_bytes(b"half")
        raise error

    for suffix in formats.WRITERS:
        monkeypatch.setitem(formats.WRITERS, suffix, writer)
    for suffix in formats.PICTURE_WRITERS:
        monkeypatch.setitem(formats.PICTURE_WRITERS, suffix, writer)


@pytest.mark.parametrize("name", ["depth.npy", "depth.png", "depth.tif", "depth.exr"])
def test_full_disk_is_one_line_and_leaves_nothing(tmp_path, depth, monkeypatch, name):
    break_after_half(monkeypatch, OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
    with pytest.raises(HyperfocalError, match=rf"{name}: cannot be written: No space left on device$"):
        depth.save(tmp_path / name)
    with pytest.raises(HyperfocalError, match="No space left"):
        depth.save_picture(tmp_path / "picture.jpg")
    assert contents(tmp_path) == []


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(), MemoryError(), ValueError("bug")])
def test_any_interruption_leaves_the_old_file(tmp_path, depth, monkeypatch, error):
    (tmp_path / "depth.npy").write_bytes(b"old")
    break_after_half(monkeypatch, error)
    with pytest.raises(type(error)):
        depth.save(tmp_path / "depth.npy")
    assert contents(tmp_path) == ["depth.npy"]
    assert (tmp_path / "depth.npy").read_bytes() == b"old"


FILE_SIZE_LIMIT = """
import resource, sys
import numpy as np
from hyperfocal.depthmap import DepthMap
from hyperfocal.errors import HyperfocalError
rng = np.random.default_rng(0)
depth = DepthMap(rng.uniform(1, 60, (300, 400)).astype(np.float32), np.eye(3), "given")
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
for name in ["a.npy", "a.png", "a.tif", "a.exr"]:
    try:
        depth.save(f"{sys.argv[1]}/{name}")
    except HyperfocalError as error:
        print(error)
for name in ["p.png", "p.jpg"]:
    try:
        depth.save_picture(f"{sys.argv[1]}/{name}")
    except HyperfocalError as error:
        print(error)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs resource limits")
def test_a_write_that_the_system_cuts_off(tmp_path):
    """The real thing: every library's own way to fail, by a limit on the size of files."""
    run = subprocess.run(
        [sys.executable, "-c", FILE_SIZE_LIMIT, str(tmp_path)], capture_output=True, text=True, check=True
    )
    lines = run.stdout.splitlines()
    assert [line.split(": ")[0] for line in lines] == [
        str(tmp_path / name) for name in ("a.npy", "a.png", "a.tif", "a.exr", "p.png", "p.jpg")
    ]
    for line in lines:
        assert "cannot be written" in line
        assert "File too large" in line
        assert ".hyperfocal-" not in line
    assert contents(tmp_path) == []


def test_overwrites_whole(tmp_path, depth):
    (tmp_path / "depth.png").write_bytes(b"old")
    depth.save(tmp_path / "depth.png")
    assert DepthMap.open(tmp_path / "depth.png").metres.shape == (HEIGHT, WIDTH)
    assert contents(tmp_path) == ["depth.png"]


def test_folder_is_created(tmp_path, depth):
    depth.save(tmp_path / "a" / "b" / "depth.exr", color=tmp_path / "c" / "depth.jpg")
    assert (tmp_path / "a" / "b" / "depth.exr").exists()
    assert (tmp_path / "c" / "depth.jpg").exists()


def test_paths_that_the_system_refuses(tmp_path, depth):
    (tmp_path / "file").touch()
    (tmp_path / "folder.npy").mkdir()
    for path in (tmp_path / "file" / "depth.npy", tmp_path / "folder.npy", tmp_path / ("x" * 300 + ".npy")):
        with pytest.raises(HyperfocalError, match="cannot be written") as caught:
            depth.save(path)
        assert "\n" not in str(caught.value)
    assert contents(tmp_path) == ["file", "folder.npy"]


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere")
def test_read_only_folder(tmp_path, depth):
    tmp_path.chmod(0o500)
    with pytest.raises(HyperfocalError, match="cannot be written: Permission denied"):
        depth.save(tmp_path / "depth.npy")


def test_read_only_folder_as_the_system_tells_it(tmp_path, depth, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(HyperfocalError, match=r"depth\.npy: cannot be written: Read-only file system$"):
        depth.save(tmp_path / "depth.npy")


def test_files_get_the_users_permissions(tmp_path, depth):
    (tmp_path / "plain").touch()
    depth.save(tmp_path / "depth.npy")
    assert stat.S_IMODE((tmp_path / "depth.npy").stat().st_mode) == stat.S_IMODE(
        (tmp_path / "plain").stat().st_mode
    )


# --- the picture ------------------------------------------------------------------------------------


def test_near_is_red_far_is_violet_and_no_surface_grey():
    metres = np.tile(1 / np.linspace(1, 0.01, 1000, dtype=np.float32), (50, 1))
    metres[0, 0] = np.inf
    picture = make(metres).color()
    assert picture.dtype == np.uint8
    assert picture.shape == (50, 1000, 3)
    near, far = picture[1, 0].astype(int), picture[1, -1].astype(int)
    assert near[0] > 2 * max(near[1:])
    assert far[2] > max(far[:2])
    assert tuple(picture[0, 0]) == GREY


def test_colours_are_even_in_inverse_depth():
    inverse = np.linspace(0.01, 1, 1000, dtype=np.float32)
    metres = np.tile(1 / inverse, (50, 1))
    scaled = np.tile(1 / (3 * inverse), (50, 1))
    picture = make(metres).color()
    assert np.abs(picture.astype(int) - make(scaled).color()).max() <= 2  # scale does not matter
    steps = np.abs(np.diff(picture[0].astype(int), axis=0)).max(axis=1)
    assert steps.max() <= 3  # smooth: no jump in the table


def test_stray_pixels_do_not_take_the_colours():
    metres = np.random.default_rng(0).uniform(5, 10, (200, 200)).astype(np.float32)
    stray = metres.copy()
    stray[0, :10], stray[1, :10] = 0.001, 1e6
    difference = np.abs(make(metres).color().astype(int) - make(stray).color())[2:]
    assert difference.max() <= 4


@pytest.mark.filterwarnings("error")
def test_extreme_maps_have_a_picture():
    for value in (1e-38, 1.0, 3e38):
        constant = make(np.full((HEIGHT, WIDTH), value, np.float32)).color()
        assert (constant == constant[0, 0]).all()
        mixed = ONES.copy()
        mixed[0, 0] = value
        assert make(mixed).color().shape == (HEIGHT, WIDTH, 3)


def test_picture_is_the_same_in_every_band():
    row = np.linspace(1, 10, 1201, dtype=np.float32)
    picture = make(np.tile(row, (2000, 1))).color()
    assert (picture == picture[0]).all()


def test_picture_takes_little_memory():
    large = make(np.random.default_rng(0).uniform(1, 9, (3000, 4000)).astype(np.float32))
    tracemalloc.start()
    picture = large.color()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < picture.nbytes + 40e6


@pytest.mark.parametrize("name", ["picture.png", "picture.jpg", "picture.JPEG"])
def test_saved_picture_is_8_bit_rgb(tmp_path, name):
    depth = make(np.tile(np.linspace(1, 5, WIDTH, dtype=np.float32), (HEIGHT, 1)))
    depth.save_picture(tmp_path / name)
    with Image.open(tmp_path / name) as image:
        assert image.mode == "RGB"
        difference = np.abs(np.asarray(image).astype(int) - depth.color())
    assert difference.mean() <= (0 if name.endswith("png") else 4)


def test_save_with_a_picture(tmp_path, depth):
    depth.save(tmp_path / "photo.exr", color=str(tmp_path / "photo_color.png"))
    assert contents(tmp_path) == ["photo.exr", "photo_color.png"]
    with Image.open(tmp_path / "photo_color.png") as image:
        assert np.array_equal(np.asarray(image), depth.color())
