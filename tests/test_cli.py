"""The command line as users meet it: what is written, what is said, and the exit status."""

import errno
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

import hyperfocal
from hyperfocal.cli import app
from hyperfocal.cli.extras import EXTRAS
from hyperfocal.depthmap import DepthMap, formats
from hyperfocal.predictor import Model
from tiny_model import write_tiny_model

MAIN = [sys.executable, "-c", "from hyperfocal.cli import main; main()"]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory) -> Path:
    return write_tiny_model(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture
def predict(tiny, tmp_path):
    """Run `hyperfocal predict` into tmp_path/out."""

    def run(*arguments: object):
        common = ["--model", tiny, "--out", tmp_path / "out", "--device", "cpu", "--tiling", "1x2"]
        return CliRunner().invoke(app, ["predict", *map(str, [*common, *arguments])])

    return run


def write_photo(path: Path, size: tuple[int, int] = (80, 64), mode: str = "RGB", seed: int = 0) -> Path:
    """Write noise of (width, height); 16-bit modes get 16 bits."""
    pixels = np.random.default_rng(seed).integers(0, 255, (size[1], size[0], 3), np.uint8)
    image = Image.fromarray(pixels)
    if mode == "I;16":
        image = Image.fromarray(pixels[..., 0].astype(np.uint16) * 257)
    elif mode != "RGB":
        image = image.convert(mode)
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path)
    return path


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


# what is written and said


def test_predict_writes_metres_and_a_picture_and_says_so(predict, tmp_path):
    photo = write_photo(tmp_path / "a.png", (80, 64))
    result = predict(photo)
    assert result.exit_code == 0
    assert result.stdout == ""
    assert names(tmp_path / "out") == ["a.exr", "a_color.png"]
    assert DepthMap.open(tmp_path / "out" / "a.exr").metres.shape == (64, 80)
    model_line, photo_line = result.stderr.splitlines()
    assert "tiny on cpu in float32" in model_line
    assert "intrinsics assumed" in photo_line
    assert "a_color.png" in photo_line


def test_json_has_one_object_an_image(predict, tmp_path):
    photos = [write_photo(tmp_path / f"{name}.png") for name in "ab"]
    result = predict(*photos, "--json", "--formats", "npy,exr", "--fov", "60")
    records = [json.loads(line) for line in result.stdout.splitlines()]
    assert [record["image"] for record in records] == [str(photo) for photo in photos]
    record = records[0]
    metres = np.load(tmp_path / "out" / "a.npy")
    surface = metres[np.isfinite(metres)]
    assert record["depth"] == pytest.approx(
        {"min": surface.min(), "median": np.median(surface), "max": surface.max()}
    )
    assert (record["width"], record["height"], record["tiles"], record["tiling"]) == (80, 64, 2, "1x2")
    assert record["intrinsics_source"] == "fov"
    assert record["files"] == [str(tmp_path / "out" / "a.npy"), str(tmp_path / "out" / "a.exr")]
    seconds = record["seconds"]
    assert set(seconds) == {"load", "read", "coarse", "refine", "write", "total"}
    parts = sum(seconds[stage] for stage in ("read", "coarse", "refine", "write"))
    assert parts <= seconds["total"] < parts + 0.5
    assert record["peak_rss_mb"] > 50


def test_all_formats_hold_the_same_depth(predict, tmp_path):
    write_photo(tmp_path / "a.png")
    predict(tmp_path / "a.png", "--formats", "npy,tif,exr,color")
    maps = [DepthMap.open(tmp_path / "out" / f"a{suffix}").metres for suffix in (".npy", ".tif", ".exr")]
    np.testing.assert_array_equal(maps[0], maps[1])
    np.testing.assert_array_equal(maps[0], maps[2])
    with Image.open(tmp_path / "out" / "a_color.png") as picture:
        assert picture.size == (80, 64)


def test_quiet_says_nothing(predict, tmp_path):
    result = predict(write_photo(tmp_path / "a.png"), "--quiet")
    assert (result.exit_code, result.output) == (0, "")


def test_saturation_is_one_line(predict, tmp_path):
    """A focal length of a telescope puts everything beyond 65 m."""
    result = predict(write_photo(tmp_path / "a.png"), "--formats", "png", "--focal-px", "20000")
    lines = [line for line in result.stderr.splitlines() if "saturate" in line]
    assert len(lines) == 1
    assert lines[0].startswith(f"{tmp_path / 'a.png'}: ")
    assert "Warning" not in result.stderr


def test_folders_take_pictures_of_the_top_level_sorted(predict, tmp_path):
    for name in ("b.jpg", "a.PNG", "deeper/c.jpg"):
        write_photo(tmp_path / "photos" / name)
    (tmp_path / "photos" / "notes.txt").write_text("x")
    result = predict(tmp_path / "photos", "--json")
    assert [Path(json.loads(line)["image"]).name for line in result.stdout.splitlines()] == ["a.PNG", "b.jpg"]


def test_globs_and_a_photo_given_twice(predict, tmp_path):
    for name in ("a1.jpg", "a2.jpg", "b.jpg"):
        write_photo(tmp_path / "p" / name)
    result = predict(tmp_path / "p" / "a*.jpg", tmp_path / "p" / "a1.jpg", "--json")
    assert [Path(json.loads(line)["image"]).name for line in result.stdout.splitlines()] == [
        "a1.jpg",
        "a2.jpg",
    ]


def test_names_of_any_kind_work(predict, tmp_path):
    stems = ["été à la plage", "写真 [1]", "a.b.c", "-rf"]
    for stem in stems:
        write_photo(tmp_path / "photos" / f"{stem}.jpg")
    result = predict(tmp_path / "photos", tmp_path / "photos" / "写真 [1].jpg", "--formats", "exr")
    assert result.exit_code == 0
    assert names(tmp_path / "out") == sorted(f"{stem}.exr" for stem in stems)


@pytest.mark.parametrize("mode", ["CMYK", "P", "I;16", "LA", "L", "1", "RGBA"])
def test_every_kind_of_picture_works(predict, tmp_path, mode):
    photo = write_photo(tmp_path / f"a.{'jpg' if mode == 'CMYK' else 'png'}", mode=mode)
    assert predict(photo).exit_code == 0
    assert names(tmp_path / "out") == ["a.exr", "a_color.png"]


def test_of_an_animation_the_first_frame_is_used_and_it_is_said(predict, tmp_path):
    frames = [Image.new("RGB", (40, 40), color) for color in ("red", "blue")]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    result = predict(tmp_path / "a.gif")
    assert result.exit_code == 0
    assert f"{tmp_path / 'a.gif'}: more than one frame" in result.stderr


# what is refused


def bad_inputs(folder: Path) -> dict[str, str]:
    """Make bad inputs; file name -> a word of the reason."""
    whole = write_photo(folder / "whole.jpg", (200, 200)).read_bytes()
    (folder / "truncated.jpg").write_bytes(whole[: len(whole) // 2])
    (folder / "whole.jpg").unlink()
    (folder / "text.jpg").write_text("I am no picture")
    (folder / "empty.jpg").touch()
    (folder / "emptyfolder").mkdir()
    write_photo(folder / "dot.png", (1, 1))
    return {
        "truncated.jpg": "cannot be decoded",
        "text.jpg": "is no picture",
        "empty.jpg": "is empty",
        "dot.png": "too small",
        "missing.jpg": "No such file",
        "emptyfolder": "no images",
        "nothing*.jpg": "matches no images",
    }


def test_each_bad_input_is_one_line_and_the_others_are_done(predict, tmp_path):
    bad = bad_inputs(tmp_path)
    good = write_photo(tmp_path / "good.jpg")
    result = predict(*(tmp_path / name for name in bad), good, "--json")
    assert result.exit_code == 1
    for name, reason in bad.items():
        lines = [line for line in result.stderr.splitlines() if line.startswith(f"{tmp_path / name}: ")]
        assert len(lines) == 1
        assert reason in lines[0]
        assert lines[0].count(str(tmp_path / name)) == 1
    assert len(result.stdout.splitlines()) == 1
    assert names(tmp_path / "out") == ["good.exr", "good_color.png"]
    assert "Traceback" not in result.output


def test_without_a_usable_input_no_model_is_loaded(predict, tmp_path):
    result = predict(tmp_path / "missing.jpg", "--model", "nowhere")
    assert result.exit_code == 1
    assert "nowhere" not in result.stderr


def test_larger_photos_than_allowed_are_refused(predict, tmp_path):
    result = predict(write_photo(tmp_path / "a.png", (100, 100)), "--max-pixels", "9999")
    assert result.exit_code == 1
    assert "--max-pixels" in result.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["--tiling", "4by4"],
        ["--formats", "exr,jpeg2000"],
        ["--formats", ""],
        ["--fov", "60", "--focal-px", "500"],
        ["--fov", "180"],
        ["--focal-px", "0"],
        ["--dtype", "float8"],
        ["--device", "toaster"],
        ["--model", "nan0"],
        ["--tile-batch", "0"],
        ["--speed", "9"],
    ],
    ids=" ".join,
)
def test_a_wrong_command_is_exit_2_and_writes_nothing(predict, tmp_path, arguments):
    result = predict(write_photo(tmp_path / "a.png"), *arguments)
    assert result.exit_code == 2
    assert result.stderr
    assert "Traceback" not in result.stderr
    assert not list((tmp_path / "out").glob("*"))


def test_an_output_folder_that_is_a_file_is_refused(predict, tmp_path):
    (tmp_path / "out").write_text("x")
    result = predict(write_photo(tmp_path / "a.png"))
    assert result.exit_code == 2
    assert "is a file" in result.stderr
    assert (tmp_path / "out").read_text() == "x"


def test_an_output_folder_that_cannot_be_made_is_one_line(predict, tmp_path):
    (tmp_path / "file").write_text("x")
    result = predict(write_photo(tmp_path / "a.png"), "--out", tmp_path / "file" / "out")
    assert result.exit_code == 1
    assert result.stderr.splitlines() == [
        f"hyperfocal: {tmp_path}/file/out: the folder cannot be made: Not a directory"
    ]


def test_a_full_disk_is_one_line_an_image_and_leaves_nothing(predict, tmp_path, monkeypatch):
    def full(depth: DepthMap, path: Path) -> None:
        path.write_bytes(b"half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setitem(formats.WRITERS, ".exr", full)
    result = predict(*(write_photo(tmp_path / f"{name}.png") for name in "ab"))
    assert result.exit_code == 1
    assert result.stderr.count("No space left on device") == 2
    assert names(tmp_path / "out") == []


def test_a_fault_in_one_image_does_not_stop_the_others(predict, tmp_path, monkeypatch):
    whole = Model.predict_with_report

    def faulty(self, photo, *how, **options):
        if photo.stem == "a":
            raise RuntimeError("out of\nmemory")
        return whole(self, photo, *how, **options)

    monkeypatch.setattr(Model, "predict_with_report", faulty)
    result = predict(*(write_photo(tmp_path / f"{name}.png") for name in "ab"))
    assert result.exit_code == 1
    assert f"{tmp_path / 'a.png'}: RuntimeError: out of memory" in result.stderr.splitlines()
    assert names(tmp_path / "out") == ["b.exr", "b_color.png"]


# one output for two inputs


def test_two_photos_of_one_name_do_not_overwrite_each_other(predict, tmp_path):
    first, second = (
        write_photo(tmp_path / "x" / "a.jpg", (80, 64)),
        write_photo(tmp_path / "y" / "a.png", (64, 80)),
    )
    result = predict(first, second)
    assert result.exit_code == 1
    error = next(line for line in result.stderr.splitlines() if line.startswith(f"{second}: "))
    assert str(first) in error
    assert DepthMap.open(tmp_path / "out" / "a.exr").metres.shape == (64, 80)  # of the first


def test_a_depth_map_never_replaces_its_own_photo(predict, tmp_path):
    photo = write_photo(tmp_path / "out" / "a.png")
    before = photo.read_bytes()
    result = predict(photo, "--formats", "png", "--overwrite")
    assert result.exit_code == 1
    assert "overwrite the input" in result.stderr
    assert photo.read_bytes() == before


def test_pictures_made_beside_the_photos_are_not_taken_for_photos(predict, tmp_path):
    write_photo(tmp_path / "out" / "a.jpg")
    assert predict(tmp_path / "out").exit_code == 0
    again = predict(tmp_path / "out")
    assert again.exit_code == 0
    assert names(tmp_path / "out") == ["a.exr", "a.jpg", "a_color.png"]


# stopping and going on


def test_what_is_there_is_skipped_unless_overwritten(predict, tmp_path):
    photos = [write_photo(tmp_path / f"{name}.png") for name in "ab"]
    predict(*photos)
    (tmp_path / "out" / "b_color.png").unlink()
    again = predict(*photos, "--json")
    assert again.exit_code == 0
    assert f"{photos[0]}: already there" in again.stderr
    assert [json.loads(line)["image"] for line in again.stdout.splitlines()] == [str(photos[1])]
    assert len(predict(*photos, "--json", "--overwrite").stdout.splitlines()) == 2


def start(tiny: Path, photos: Path, out: Path) -> subprocess.Popen[str]:
    """A run over many photos, returned once the first is done."""
    command = [
        *MAIN,
        "predict",
        photos,
        "--out",
        out,
        "--model",
        tiny,
        "--json",
        "--tiling",
        "4x4",
        "--threads",
        "1",
    ]
    process = subprocess.Popen(
        list(map(str, command)),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        pipesize=4096,  # a few lines: unread, they hold the run back, however slow this test is
        # The children of a background job ignore it otherwise.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert process.stdout is not None
    assert process.stdout.readline()
    time.sleep(0.1)
    return process


def assert_whole(out: Path) -> int:
    """Every file under a final name is whole; returns how many depth maps there are."""
    maps = list(out.glob("*.exr"))
    for path in maps:
        assert DepthMap.open(path).metres.shape == (300, 400)
    for path in out.glob("[!.]*.png"):
        with Image.open(path) as picture:
            picture.load()
    return len(maps)


@pytest.fixture(scope="module")
def many(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("many")
    for i in range(30):
        write_photo(folder / f"{i:02}.jpg", (400, 300), seed=i)
    return folder


def test_ctrl_c_stops_with_one_line_and_nothing_half_written(tiny, many, tmp_path):
    process = start(tiny, many, tmp_path)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    assert errors.splitlines()[-1] == "hyperfocal: interrupted"
    assert "Traceback" not in errors
    assert 1 <= assert_whole(tmp_path) < 30
    assert not list(tmp_path.glob(".*"))


def test_a_killed_run_goes_on_where_it_was(tiny, many, tmp_path, predict):
    out = tmp_path / "out"
    process = start(tiny, many, out)
    process.kill()
    process.communicate(timeout=30)
    done = assert_whole(out)
    assert 1 <= done < 30
    result = predict(many, "--json")
    assert result.exit_code == 0
    assert 30 - done <= len(result.stdout.splitlines()) <= 30 - done + 1  # one may lack its picture
    assert assert_whole(out) == 30


# the other commands


def test_help_is_quick_and_needs_no_torch():
    program = "import sys; sys.argv = ['hyperfocal', '--help']\nfrom hyperfocal.cli import main\n"
    program += "try: main()\nexcept SystemExit as end: print(end.code, 'torch' in sys.modules, 'numpy' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "predict" in result.stdout
    assert result.stdout.splitlines()[-1] == "0 False False"


@pytest.mark.parametrize(
    "command", ["predict", "models", "evaluate", "bench", "doctor", "synth", "recipes", "train"]
)
def test_every_command_has_help_and_json(command):
    result = CliRunner().invoke(app, [command, "--help"])
    assert result.exit_code == 0
    assert command == "train" or "--json" in result.stdout


def test_version():
    assert CliRunner().invoke(app, ["--version"]).stdout == f"hyperfocal {hyperfocal.__version__}\n"


def test_an_unknown_command_is_exit_2():
    result = CliRunner().invoke(app, ["predct"])
    assert result.exit_code == 2
    assert "predct" in result.stderr


def test_models_measures_the_networks(tiny):
    [row] = json.loads(CliRunner().invoke(app, ["models", str(tiny), "--json"]).stdout)
    model = hyperfocal.load(tiny, device="cpu")
    counts = [sum(p.numel() for p in network.parameters()) for network in (model.coarse, model.refiner)]
    assert row["params"] == {"coarse": counts[0], "refiner": counts[1], "total": sum(counts)}
    assert row["family"] == "patchrefiner_v2"
    assert row["base"] == "efficientnet_dpt"
    assert row["bundled"] is False
    # the 1 x 1 head alone: 2 FLOP a multiply-add, 4 channels, 64 x 96 pixels
    assert row["gflops"]["coarse"] > 2 * 4 * 64 * 96 / 1e9
    assert row["gflops"]["per_tile"] > 0
    assert "Apache-2.0" in CliRunner().invoke(app, ["models", str(tiny)], env={"COLUMNS": "200"}).stdout


def test_bench_counts_and_compares(tiny):
    arguments = [
        "bench",
        "--model",
        str(tiny),
        "--size",
        "288x192",
        "--tiling",
        "2x2",
        "--repeats",
        "2",
        "--json",
    ]
    result = json.loads(CliRunner().invoke(app, [*arguments, "--device", "cpu"]).stdout)
    assert (result["width"], result["height"], result["tiles"]) == (288, 192, 4)
    [row] = json.loads(CliRunner().invoke(app, ["models", str(tiny), "--json"]).stdout)
    assert result["gflop"] == pytest.approx(row["gflops"]["coarse"] + 4 * row["gflops"]["per_tile"], rel=0.01)
    assert result["fraction"] == pytest.approx(result["gflop_per_second"] / result["gemm_gflop_per_second"])
    assert 0 < result["fraction"] < 1
    assert result["peak_rss_mb"] > 50


def test_bench_refuses_a_size_that_is_none():
    assert CliRunner().invoke(app, ["bench", "--size", "4k"]).exit_code == 2


@pytest.mark.parametrize(
    ("words", "package", "extra"),
    [("train tiny-coarse", "cv2", "train"), ("data check nyuv2:DATA", "h5py", "nyuv2")],
)
def test_a_missing_package_is_one_line_that_names_the_extra(words, package, extra, tmp_path):
    (tmp_path / "nyu_depth_v2_labeled.mat").touch()
    without = f"import sys; sys.modules[{package!r}] = None; from hyperfocal.cli import main; main()"
    command = [sys.executable, "-c", without, *words.replace("DATA", str(tmp_path)).split()]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert result.stderr == f"hyperfocal: {package} is missing: pip install 'hyperfocal[{extra}]'\n"


def test_doctor_names_what_works(tiny, monkeypatch):
    monkeypatch.setattr("hyperfocal.models.BUNDLED", ("tiny",))
    monkeypatch.setattr("hyperfocal.models.find", lambda _: tiny)
    monkeypatch.setitem(EXTRAS, "train", ("json", "no_such_module"))
    result = CliRunner().invoke(app, ["doctor", "--json"])
    found = json.loads(result.stdout)
    assert result.exit_code == 0
    assert found["models"] == {"tiny": {"works": True, "trouble": None}}
    assert not found["extras"]["train"]["works"]
    assert "no_such_module: pip install 'hyperfocal[train]'" in found["extras"]["train"]["trouble"]


def test_doctor_fails_where_a_model_does_not_load(tmp_path, monkeypatch):
    monkeypatch.setattr("hyperfocal.models.find", lambda _: tmp_path)
    result = CliRunner().invoke(app, ["doctor"])
    assert result.exit_code == 1
    assert "is not a model directory" in result.stdout
