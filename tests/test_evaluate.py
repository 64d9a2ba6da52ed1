"""Scoring: of folders of maps, of a model on data, and the tables that come out."""

import json

import numpy as np
import OpenEXR
import pytest
from PIL import Image
from typer.testing import CliRunner

from frames import write_frames
from hyperfocal.cli import app
from hyperfocal.data.folder import Folder
from hyperfocal.data.kinds import open_data
from hyperfocal.depthmap.formats import READERS
from hyperfocal.errors import HyperfocalError
from hyperfocal.evaluate.maps import (
    Truth,
    find_map,
    folder_truths,
    read_prediction,
    save_pictures,
    score_maps,
)
from hyperfocal.evaluate.score import means, score_image
from tiny_model import tiny_model

TRUTH = np.full((40, 60), 8.0, np.float32)
TRUTH[10:30, 20:40] = 4.0  # contours on all four sides: each direction is a quarter of the boundary F1


def test_the_truth_itself_scores_perfectly():
    scores = score_image(TRUTH, TRUTH, None)
    assert scores["abs_rel"] == scores["rmse"] == scores["see"] == 0
    assert scores["delta1"] == scores["boundary_f1"] == 1


def test_a_wrong_scale_counts_unless_aligned():
    wrong = score_image(TRUTH * 2, TRUTH, None)
    aligned = score_image(TRUTH * 2, TRUTH, None, alignment="median")
    assert wrong["abs_rel"] == pytest.approx(1.0)
    assert aligned["abs_rel"] == pytest.approx(0.0, abs=1e-6)


def test_a_blurred_edge_costs_edge_metrics():
    blurred = TRUTH.copy()
    for column in range(16, 24):
        blurred[10:30, column] = blurred[10:30, 59 - column] = 8 - 4 * (column - 15) / 9
    scores = score_image(blurred, TRUTH, None)
    assert scores["see"] > 0.1
    assert scores["boundary_f1"] < 0.8


def test_sky_is_no_error_of_depth_but_its_contour_counts():
    with_sky = TRUTH.copy()
    with_sky[:10] = np.inf
    scores = score_image(with_sky, with_sky, None)
    assert scores["abs_rel"] == 0
    assert score_image(TRUTH, with_sky, None)["boundary_f1"] < scores["boundary_f1"] == 1


def test_means_leave_out_images_without_a_value():
    rows = [{"tiling": "none", "alignment": "none", "see": v} for v in (1.0, float("nan"), 3.0)]
    assert means(rows) == [{"tiling": "none", "alignment": "none", "see": 2.0, "images": 3.0}]


def test_folder_reads_pairs_and_holes(tmp_path):
    Image.fromarray(np.zeros((40, 60, 3), np.uint8)).save(tmp_path / "a.jpg")
    holed = TRUTH.copy()
    holed[0, 0], holed[0, 1] = np.nan, np.inf
    np.save(tmp_path / "a.npy", holed)
    sample = Folder(tmp_path)[0]
    assert not sample.metres[0, :2].any()
    assert np.array_equal(sample.metres[1:], TRUTH[1:])


def test_folder_says_when_sizes_differ_or_nothing_is_there(tmp_path):
    with pytest.raises(HyperfocalError, match="no photo"):
        Folder(tmp_path)
    Image.fromarray(np.zeros((40, 61, 3), np.uint8)).save(tmp_path / "a.jpg")
    np.save(tmp_path / "a.npy", TRUTH)
    with pytest.raises(HyperfocalError, match="does not fit"):
        Folder(tmp_path)[0]


def test_unknown_kind_names_the_nearest():
    with pytest.raises(HyperfocalError, match="unrealstereo4k"):
        open_data("unrealstereo:somewhere")


def test_command_scores_folders_of_maps(tmp_path):
    for folder, scale in (("pred", 1.1), ("gt", 1.0)):
        (tmp_path / folder).mkdir()
        np.save(tmp_path / folder / "a.npy", TRUTH * np.float32(scale))
    arguments = ["evaluate", "--pred", str(tmp_path / "pred"), "--gt", str(tmp_path / "gt"), "--json"]
    result = CliRunner().invoke(app, arguments)
    rows = {row["alignment"]: row for row in json.loads(result.stdout)}
    assert rows["none"]["abs_rel"] == pytest.approx(0.1, abs=1e-5)
    assert rows["median"]["abs_rel"] == pytest.approx(0.0, abs=1e-5)


def write_pfm(path, metres):
    height, width = metres.shape
    path.write_bytes(f"Pf\n{width} {height}\n-1.0\n".encode() + metres[::-1].astype("<f4").tobytes())


def write_16_bit(path, metres):
    Image.fromarray(np.rint(metres * 256).astype(np.uint16)).save(path)


def write_exr(path, metres):
    OpenEXR.File({}, {"Y": np.ascontiguousarray(metres)}).write(str(path))


WRITERS = {
    ".npy": lambda path, metres: np.save(path, metres.astype(np.float16)),
    ".npz": lambda path, metres: np.savez(path, depth=metres, focal=np.float32(1)),
    ".exr": write_exr,
    ".tif": lambda path, metres: Image.fromarray(metres).save(path),
    ".pfm": write_pfm,
    ".png": write_16_bit,
}


@pytest.mark.parametrize("suffix", [s for s in WRITERS if s in READERS])
def test_maps_of_other_programs_are_read(tmp_path, suffix):
    holed = TRUTH.copy()
    holed[0, :5] = 0
    WRITERS[suffix](tmp_path / f"a{suffix}", holed)
    found = read_prediction(find_map(tmp_path, "a"), TRUTH.shape, 1 / 256 if suffix == ".png" else None)
    assert np.isinf(found[0, :5]).all()
    assert np.allclose(found[1:], TRUTH[1:], rtol=1e-6)


def test_a_map_of_another_size_is_resized_but_not_stretched(tmp_path):
    np.save(tmp_path / "small.npy", TRUTH[::2, ::2])
    np.save(tmp_path / "turned.npy", TRUTH.T)
    assert read_prediction(tmp_path / "small.npy", TRUTH.shape).shape == TRUTH.shape
    with pytest.raises(HyperfocalError, match="60 × 40, but the truth is 40 × 60"):
        read_prediction(tmp_path / "turned.npy", TRUTH.shape)


def test_a_map_is_found_by_its_frames_name(tmp_path):
    np.save(tmp_path / "00001.npy", TRUTH)
    assert find_map(tmp_path, "scene/00001").name == "00001.npy"
    np.save(tmp_path / "scene_00001.npy", TRUTH)
    assert find_map(tmp_path, "scene/00001").name == "scene_00001.npy"
    with pytest.raises(HyperfocalError, match="no depth map of scene/00002"):
        find_map(tmp_path, "scene/00002")


@pytest.mark.parametrize("suffix", [".npz", ".exr", ".pfm", ".tif"])
def test_a_picture_beside_a_map_is_not_taken_for_it(tmp_path, suffix):
    WRITERS[suffix](tmp_path / f"x{suffix}", TRUTH)
    Image.fromarray(np.zeros((40, 60, 3), np.uint8)).save(tmp_path / "x.png")
    assert find_map(tmp_path, "x").suffix == suffix
    (truth,) = folder_truths(tmp_path)
    assert np.array_equal(truth.metres, TRUTH)


def test_disparity_is_in_pixels_in_a_png_too(tmp_path):
    pixels = np.arange(40 * 60, dtype=np.uint16).reshape(40, 60)
    for folder in ("gt", "disparity"):
        (tmp_path / folder).mkdir()
    np.save(tmp_path / "gt/a.npy", TRUTH)
    Image.fromarray(pixels).save(tmp_path / "disparity/a.png")
    (truth,) = folder_truths(tmp_path / "gt", tmp_path / "disparity")
    assert np.array_equal(truth.disparity, pixels)  # to the bit: a jump of 1 is no edge


def test_a_picture_that_cannot_be_saved_is_one_line(tmp_path):
    save_pictures(tmp_path / "pictures")("scene/00001", "none", TRUTH)
    with Image.open(tmp_path / "pictures/scene_00001_none.png") as picture:
        assert picture.size == (60, 40)
    (tmp_path / "file").touch()
    with pytest.raises(HyperfocalError, match="cannot be written"):
        save_pictures(tmp_path / "file")("a", "none", TRUTH)


def test_one_map_does_not_serve_two_frames(tmp_path):
    np.save(tmp_path / "00000.npy", TRUTH)
    truths = [Truth(f"{scene}/00000", TRUTH, None) for scene in ("a", "b")]
    with pytest.raises(HyperfocalError, match="for a/00000 or b/00000"):
        list(score_maps(tmp_path, truths, ["none"]))


def test_command_puts_models_and_other_programs_into_one_table(tmp_path):
    write_frames(tmp_path / "data", 2)
    tiny_model().save_pretrained(tmp_path / "model")
    data, reader = f"unrealstereo4k:{tmp_path / 'data'}", open_data(f"unrealstereo4k:{tmp_path / 'data'}")
    (tmp_path / "peer").mkdir()
    for index in range(2):
        sample = reader[index]
        np.savez(tmp_path / "peer" / f"{sample.name.replace('/', '_')}.npz", depth=sample.metres * 2)
    options = [
        "--model",
        str(tmp_path / "model"),
        "--pred",
        f"DepthPro={tmp_path / 'peer'}",
        "--tiling",
        "none",
    ]
    arguments = ["evaluate", "--data", data, *options, "--align", "none,scale", "--json"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    rows = {(row["model"], row["alignment"]): row for row in json.loads(result.stdout)}
    assert len(rows) == 4
    assert rows["DepthPro", "none"]["abs_rel"] == pytest.approx(1, rel=0.1)  # less where clipped at 80 m
    assert rows["DepthPro", "scale"]["abs_rel"] == pytest.approx(0, abs=1e-5)
    assert {row["images"] for row in rows.values()} == {2}


def test_command_refuses_two_maps_of_one_name_and_unknown_alignments(tmp_path):
    for folder in ("a/depth", "b/depth", "gt"):
        (tmp_path / folder).mkdir(parents=True)
        np.save(tmp_path / folder / "x.npy", TRUTH)
    maps = [word for folder in ("a", "b") for word in ("--pred", str(tmp_path / folder / "depth"))]
    twice = CliRunner().invoke(app, ["evaluate", *maps, "--gt", str(tmp_path / "gt")])
    assert twice.exit_code == 2
    assert "a second depth" in twice.output
    affine = CliRunner().invoke(
        app, ["evaluate", *maps[:2], "--gt", str(tmp_path / "gt"), "--align", "affine"]
    )
    assert affine.exit_code == 2
    assert "scale-shift" in affine.output


def test_command_scores_a_model_and_writes_a_report(tmp_path):
    write_frames(tmp_path / "data", 1)
    tiny_model().save_pretrained(tmp_path / "model")
    data = f"unrealstereo4k:{tmp_path / 'data'}"
    report = tmp_path / "report"
    arguments = ["evaluate", "--model", str(tmp_path / "model"), "--data", data, "--report", str(report)]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    assert (report / "report.md").read_text().count("\n") == 2 + 4  # head, rule, 2 tilings × 2 alignments
    assert len((report / "images.csv").read_text().splitlines()) == 1 + 4
    assert len(list((report / "pictures").glob("*.png"))) == 2


def evaluate_without_a_model(monkeypatch, tmp_path, *arguments):
    """What the command says before it would load a model."""
    write_frames(tmp_path / "data", 1)
    monkeypatch.setattr("hyperfocal.predictor.load", lambda *_, **__: pytest.fail("loaded a model"))
    source = ["--model", "nano", "--data", f"unrealstereo4k:{tmp_path / 'data'}"]
    return CliRunner().invoke(app, ["evaluate", *source, *map(str, arguments)])


def test_command_refuses_missing_and_doubled_maps_before_it_loads_a_model(tmp_path, monkeypatch):
    missing = evaluate_without_a_model(monkeypatch, tmp_path, "--pred", tmp_path / "nowhere")
    assert missing.exit_code == 1
    assert missing.stderr == f"hyperfocal: {tmp_path / 'nowhere'}: no folder of depth maps\n"
    doubled = evaluate_without_a_model(monkeypatch, tmp_path, "--pred", f"nano={tmp_path}")
    assert doubled.exit_code == 2
    assert "a second nano" in doubled.stderr


@pytest.mark.parametrize("report", ["file", "file/report"])
def test_command_refuses_a_report_folder_before_it_loads_a_model(tmp_path, monkeypatch, report):
    (tmp_path / "file").touch()
    result = evaluate_without_a_model(monkeypatch, tmp_path, "--report", tmp_path / report)
    assert result.exit_code == 1
    assert result.stderr.startswith(f"hyperfocal: {tmp_path / report}: cannot be written: ")
    assert result.stderr.count("\n") == 1


def test_command_refuses_a_read_only_report_folder(tmp_path, monkeypatch):
    def refuse(dir):  # noqa: A002 - root may write anywhere, so it is played
        raise PermissionError(13, "Permission denied", str(dir))

    monkeypatch.setattr("tempfile.TemporaryFile", refuse)
    result = evaluate_without_a_model(monkeypatch, tmp_path, "--report", tmp_path / "report")
    assert result.stderr == f"hyperfocal: {tmp_path / 'report'}: cannot be written: Permission denied\n"


def test_a_report_that_cannot_be_written_is_one_line(tmp_path):
    for folder in ("pred", "gt", "report/report.md"):
        (tmp_path / folder).mkdir(parents=True)
    for folder in ("pred", "gt"):
        np.save(tmp_path / folder / "a.npy", TRUTH)
    options = [word for name in ("pred", "gt", "report") for word in (f"--{name}", str(tmp_path / name))]
    result = CliRunner().invoke(app, ["evaluate", *options])
    assert result.exit_code == 1
    assert "report.md: cannot be written: " in result.stderr
    assert [path.name for path in (tmp_path / "report").iterdir()] == ["report.md"]


def test_command_refuses_half_a_question():
    assert CliRunner().invoke(app, ["evaluate", "--model", "nano"]).exit_code == 2
