"""Scoring: of folders of maps, of models on data, and the tables and pages that come out."""

import csv
import json
import os
import re
from pathlib import Path

import numpy as np
import OpenEXR
import pytest
from PIL import Image
from typer.testing import CliRunner

import layouts
from frames import write_frames
from hyperfocal.cli import app
from hyperfocal.data.folder import Folder
from hyperfocal.data.kinds import open_data
from hyperfocal.depthmap.formats import READERS, find_map
from hyperfocal.errors import HyperfocalError
from hyperfocal.evaluate import models
from hyperfocal.evaluate.maps import MapFolder, read_prediction
from hyperfocal.evaluate.models import ModelRun
from hyperfocal.evaluate.panel import CELL, UNKNOWN, error_picture, panel
from hyperfocal.evaluate.profile import Profiles
from hyperfocal.evaluate.report import Report
from hyperfocal.evaluate.score import means, score, score_image
from hyperfocal.evaluate.table import best, cells, markdown
from hyperfocal.evaluate.truth import Truth, Truths, data_truths, folder_truths
from hyperfocal.metrics.consistency import consistency_boxes
from tiny_model import tiny_model

TRUTH = np.full((40, 60), 8.0, np.float32)
TRUTH[10:30, 20:40] = 4.0  # contours on all four sides: each direction is a quarter of the boundary F1


def test_the_truth_itself_scores_perfectly():
    scores = score_image(TRUTH, Truth("", TRUTH))
    assert scores["abs_rel"] == scores["rmse"] == scores["see"] == 0
    assert scores["delta1"] == scores["boundary_f1"] == 1


def test_a_wrong_scale_counts_unless_aligned():
    wrong = score_image(TRUTH * 2, Truth("", TRUTH))
    aligned = score_image(TRUTH * 2, Truth("", TRUTH), alignment="median")
    assert wrong["abs_rel"] == pytest.approx(1.0)
    assert aligned["abs_rel"] == pytest.approx(0.0, abs=1e-6)


def test_a_blurred_edge_costs_edge_metrics():
    blurred = TRUTH.copy()
    for column in range(16, 24):
        blurred[10:30, column] = blurred[10:30, 59 - column] = 8 - 4 * (column - 15) / 9
    scores = score_image(blurred, Truth("", TRUTH))
    assert scores["see"] > 0.1
    assert scores["boundary_f1"] < 0.8


def test_sky_is_no_error_of_depth_but_its_contour_counts():
    with_sky = TRUTH.copy()
    with_sky[:10] = np.inf
    scores = score_image(with_sky, Truth("", with_sky))
    assert scores["abs_rel"] == 0
    assert score_image(TRUTH, Truth("", with_sky))["boundary_f1"] < scores["boundary_f1"] == 1


@pytest.mark.filterwarnings("error")
def test_means_leave_out_images_without_a_value():
    nan = float("nan")
    rows = [
        {
            "tiling": "none",
            "alignment": "none",
            "see": see,
            "d3r": nan,
            "seconds": seconds,
            "peak_rss_mb": peak,
        }
        for see, seconds, peak in ((1.0, 3.0, 10.0), (nan, 4.0, 30.0), (3.0, 50.0, 20.0))
    ]
    (row,) = means(rows, ("tiling", "alignment"))
    assert np.isnan(row.pop("d3r"))  # nowhere a value, and no warning
    assert row == {
        "tiling": "none",
        "alignment": "none",
        "see": 2,
        "seconds": 4,
        "peak_rss_mb": 30,
        "images": 3,
    }


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
    report, source = Report(tmp_path), MapFolder("peer", tmp_path)
    report.add(source, Truth("scene/00001", TRUTH), TRUTH)
    with Image.open(tmp_path / "pictures/scene_00001__peer.jpg") as picture:
        assert picture.width > 2 * CELL
    (tmp_path / "file").mkdir()
    (tmp_path / "file/pictures").touch()
    with pytest.raises(HyperfocalError, match="cannot be written"):
        Report(tmp_path / "file").add(source, Truth("a", TRUTH), TRUTH)


def test_one_map_does_not_serve_two_frames(tmp_path):
    np.save(tmp_path / "00000.npy", TRUTH)
    truths = [Truth(f"{scene}/00000", TRUTH, None) for scene in ("a", "b")]
    with pytest.raises(HyperfocalError, match="for a/00000 or b/00000"):
        list(score(MapFolder("peer", tmp_path), truths, ["none"]))


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


def test_command_compares_models_and_writes_a_report(tmp_path):
    write_frames(tmp_path / "data", 2, size=(128, 160))
    tiny_model().save_pretrained(tmp_path / "model")
    tiny_model(refiner=None).save_pretrained(tmp_path / "coarse")
    report = tmp_path / "report"
    named = (f"base={tmp_path / 'coarse'}", tmp_path / "nowhere", tmp_path / "model")
    options = [word for name in named for word in ("--model", name)]
    options += [
        "--data",
        f"unrealstereo4k:{tmp_path / 'data'}",
        "--limit",
        1,
        "--tiling",
        "2x2",
        "--also",
        "ce,d3r",
    ]
    result = CliRunner().invoke(app, ["evaluate", *map(str, [*options, "--report", report])])
    assert result.exit_code == 1  # one of the three models isn't there; the others are scored
    assert "nowhere" in result.stderr
    with (report / "images.csv").open(newline="") as file:
        rows = {(Path(row["model"]).name, row["alignment"]): row for row in csv.DictReader(file)}
    assert rows.keys() == {(m, a) for m in ("base", "model") for a in ("none", "median")}
    for row in rows.values():
        assert {float(row[key]) > 0 for key in ("ce", "seconds", "gflop", "peak_rss_mb", "abs_rel")} == {True}
        assert float(row["d3r"]) >= 0
    costs = [float(rows[name, "none"]["gflop"]) for name in ("base", "model")]
    assert costs[0] < costs[1]
    page = (report / "index.html").read_text()
    links = set(re.findall(r"(?:src|href)='?([^' >]+)", page))
    assert {"errors.png", "cost.png"} < links
    assert all((report / link).is_file() for link in links)
    assert "licence Apache-2.0" in page
    assert "truth of 0.001–80 m counts" in page
    assert (report / "report.md").read_text().count("\n| ") == 1 + 4
    with (report / "edges.csv").open(newline="") as file:
        assert sum(int(row["pixels"]) for row in csv.DictReader(file)) > 0


def ended(*_):
    """As if the system had ended the process."""
    os._exit(9)


def test_a_model_whose_process_is_ended_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr(models, "_load", ended)
    with pytest.raises(HyperfocalError, match="for want of memory"):
        list(score(ModelRun("nano", "nano", "none"), [Truth("a", TRUTH)]))


def test_tiles_of_ce_see_the_whole_photo_or_are_photos_of_their_own():
    photo = np.random.default_rng(0).integers(0, 256, (128, 160, 3), np.uint8)
    boxes, _ = consistency_boxes(128, 160)
    refined = tiny_model().predict_tiles(photo, boxes, focal_px=100)
    assert refined.shape == (16, 32, 40)
    again = tiny_model().predict_tiles(photo, boxes[5:6], focal_px=100)
    assert np.array_equal(again[0], refined[5])
    coarse = tiny_model(refiner=None)
    alone = coarse.predict_tiles(photo, boxes[:1], focal_px=100)
    crop = photo[boxes[0].slices]
    assert np.array_equal(alone[0], coarse.predict(crop, focal_px=100).metres)


def test_truths_are_limited_evenly_read_again_and_keep_the_pairs_of_d3r():
    read = []

    def one(index):
        read.append(index)
        return Truth(str(index), TRUTH)

    truths = Truths(9, one, limit=3, with_pairs=True)
    assert [truth.name for truth in truths] == ["0", "4", "8"]
    (first, _, _), (again, _, _) = list(truths), list(truths)
    assert first.pairs is again.pairs
    assert read == [0, 4, 8] * 3
    assert len(Truths(2, one, limit=5)) == 2


def test_each_program_may_have_its_own_unit(tmp_path):
    for folder, suffix, scale in (("a", ".png", 1), ("b", ".npy", 100), ("gt", ".npy", 1)):
        (tmp_path / folder).mkdir()
        WRITERS[suffix](tmp_path / folder / f"x{suffix}", TRUTH * np.float32(scale))
    options = ["--gt", tmp_path / "gt", "--pred", tmp_path / "a", "--pred", f"cm={tmp_path / 'b'}", "--json"]
    options += ["--align", "none", "--pred-unit", 1 / 256]
    result = CliRunner().invoke(app, ["evaluate", *map(str, options), "--pred-unit", "cm=0.01"])
    assert [row["abs_rel"] for row in json.loads(result.stdout)] == pytest.approx([0, 0], abs=1e-6)
    wrong = CliRunner().invoke(app, ["evaluate", *map(str, options), "--pred-unit", "mm=0.001"])
    assert wrong.exit_code == 2
    assert "no --pred is named mm" in wrong.output


def test_json_says_null_where_there_is_no_number(tmp_path):
    for folder in ("pred", "gt"):
        (tmp_path / folder).mkdir()
        np.save(tmp_path / folder / "a.npy", np.full((40, 60), 100, np.float32))  # all beyond 80 m
    options = ["--pred", tmp_path / "pred", "--gt", tmp_path / "gt", "--json"]
    result = CliRunner().invoke(app, ["evaluate", *map(str, options)])
    assert json.loads(result.stdout, parse_constant=pytest.fail)[0]["abs_rel"] is None


def test_maps_of_disparity_are_aligned_in_disparity_and_not_otherwise(tmp_path):
    holed = TRUTH.copy()
    holed[:3] = 0
    np.save(tmp_path / "a.npy", np.float32(5) + 40 / TRUTH)
    source = MapFolder("MiDaS", tmp_path, disparity=True)
    (row,) = score(source, [Truth("a", holed)], ["none", "scale"])
    assert row["alignment"] == "disparity"
    assert row["abs_rel"] == pytest.approx(0, abs=1e-4)


def test_cityscapes_gets_its_own_protocol(tmp_path):
    layouts.cityscapes(tmp_path)
    (truth,) = data_truths(open_data(f"cityscapes:{tmp_path}"))
    assert truth.segmentation is not None
    scores = score_image(truth.metres, truth, max_depth=250)
    assert {"cityscapes_rmse", "cityscapes_f1", "cityscapes_edge_accuracy"} < scores.keys()


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("kitti", "0.001–80 m counts, in rows 40.8–99.2 % and columns 3.6–96.4 %"),
        ("nyuv2", "0.001–10 m counts, in rows 9.4–98.1 % and columns 6.4–93.9 %"),
        ("cityscapes", "0.001–250 m counts, in rows 0.0–75.0 % and columns 6.2–93.8 %"),
        ("scannetpp", "0.001–10 m counts; "),
    ],
)
def test_command_says_which_truth_counts_for_each_kind(tmp_path, kind, words):
    getattr(layouts, kind)(tmp_path / "data")
    (tmp_path / "pred").mkdir()
    arguments = ["evaluate", "--data", f"{kind}:{tmp_path / 'data'}", "--pred", str(tmp_path / "pred")]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 1  # the folder is empty
    assert words in " ".join(result.stderr.split())


def test_the_error_picture_says_which_way():
    truth = TRUTH.copy()
    truth[0] = 0
    near, right, far = (
        error_picture(TRUTH * np.float32(k), truth)[20, 30].astype(int) for k in (0.8, 1, 1.25)
    )
    assert near[2] > near[0]
    assert far[0] > far[2]
    assert right.min() > 240
    assert (error_picture(TRUTH, truth)[0] == UNKNOWN).all()


def test_a_large_frame_is_shown_whole_and_pixel_by_pixel():
    large = np.kron(TRUTH, np.ones((20, 20), np.float32))
    photo = np.zeros((*large.shape, 3), np.uint8)
    shown = panel(Truth("a", large, image=photo), {"prediction": large})
    small = panel(Truth("a", TRUTH), {"prediction": TRUTH})
    assert shown.shape[1] == 4 * CELL + 12
    assert small.shape[1] == 3 * CELL + 8
    assert shown.shape[0] > 1.8 * small.shape[0]


def test_several_predictions_stand_side_by_side_with_the_error_of_the_last():
    shown = panel(Truth("a", TRUTH), {"coarse": TRUTH, "refined": TRUTH * np.float32(1.25)})
    assert shown.shape[1] == 4 * CELL + 12
    red, _, blue = shown[shown.shape[0] // 2, -CELL // 2].astype(int)
    assert red > blue + 50


def test_profiles_tell_errors_at_edges_from_others():
    wrong = TRUTH.copy()
    edges = Truth("", TRUTH).edges(TRUTH > 0)
    wrong[edges] *= 1.5
    profiles = Profiles()
    profiles.add(Truth("", TRUTH), wrong)
    assert profiles.edge.means[0] == pytest.approx(0.5)
    assert np.nanmax(profiles.edge.means[1:]) == 0
    assert profiles.edge.pixels[0] == edges.sum()
    assert profiles.edge.pixels.sum() == profiles.depth.pixels.sum() == TRUTH.size


def test_the_table_leaves_empty_columns_out_and_marks_the_best():
    rows = [
        {
            "model": name,
            "tiling": "",
            "alignment": "none",
            "abs_rel": error,
            "delta1": share,
            "ce": float("nan"),
        }
        for name, error, share in (("a", 0.1, 0.8), ("b", 0.2, float("nan")))
    ]
    assert cells(rows)[0] == ["model", "tiling", "alignment", "AbsRel ↓", "δ1 ↑"]
    assert best(rows) == {(0, 3)}
    assert markdown(rows).splitlines()[-1] == "| b | – | none | 0.2000 | – |"


def evaluate_without_a_model(monkeypatch, tmp_path, *arguments):
    """What the command says before it would load a model."""
    write_frames(tmp_path / "data", 1)
    monkeypatch.setattr("hyperfocal.loading.load", lambda *_, **__: pytest.fail("loaded a model"))
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
    assert not list((tmp_path / "report").glob(".*"))  # no half of it


def test_command_refuses_half_a_question():
    assert CliRunner().invoke(app, ["evaluate", "--model", "nano"]).exit_code == 2
