"""The readers: miniature trees in the real layouts come back exactly; broken ones are named; splits; SSIM."""

import json
import shutil

import cv2
import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

import layouts
from frames import write_frames
from hyperfocal.cli import app
from hyperfocal.data.kinds import KINDS, InScope, open_data
from hyperfocal.data.ssim import ssim_map, view_ssim
from hyperfocal.errors import HyperfocalError
from tiny_model import tiny_model

EVERY = pytest.mark.parametrize("write", layouts.WRITERS, ids=lambda w: w.__name__)
LOSSY = (".jpg", ".JPG")
# ETH3D's files are called .JPG but are raw; a NumPy array and text are cut to nothing readable, too.
CUT = 0.6


@pytest.fixture
def data(write, tmp_path):
    return write(tmp_path)


def check(*arguments: object):
    return CliRunner().invoke(app, ["data", "check", *map(str, arguments)])


def test_every_kind_has_a_tree(tmp_path):
    kinds = {write(tmp_path / write.__name__).kind for write in layouts.WRITERS}
    assert kinds == KINDS.keys() - {"packed"}  # see test_packed.py


@EVERY
class TestEveryKind:
    def test_values_come_back_exactly(self, data, tmp_path):
        reader = open_data(f"{data.kind}:{tmp_path}")
        assert len(reader) == 1
        sample = reader[0]
        assert sample.name == data.name
        assert sample.image.dtype == np.uint8
        difference = np.abs(sample.image.astype(int) - data.image)
        assert difference.max() <= (4 if data.files["image"].suffix in LOSSY else 0)
        assert sample.metres.dtype == np.float32
        np.testing.assert_allclose(sample.metres, data.metres, rtol=3e-7)
        assert (sample.valid == (data.metres > 0)).all()
        np.testing.assert_allclose(sample.intrinsics, data.intrinsics, rtol=1e-12)
        result = check(f"{data.kind}:{tmp_path}")
        assert result.exit_code == 0, result.output
        assert result.stderr == ""

    @pytest.mark.parametrize("part", ["image", "truth", "camera"])
    def test_a_missing_file_is_named_by_itself_or_its_partner(self, data, write, tmp_path, part):
        if part not in data.files:
            pytest.skip("the camera is known")
        data.files[part].unlink()
        result = check(f"{data.kind}:{tmp_path}")
        assert result.exit_code == 1
        (line,) = result.stderr.splitlines()
        if (data.kind, part) == ("kitti", "truth"):  # most frames have none: nothing can tell
            assert "no frames" in line
        else:
            assert any(str(path) in line for path in data.files.values())

    @pytest.mark.parametrize("part", ["image", "truth", "camera"])
    def test_a_truncated_file_is_named(self, data, tmp_path, part):
        if part not in data.files:
            pytest.skip("the camera is known")
        path = data.files[part]
        content = path.read_bytes()
        path.write_bytes(content[: int(len(content) * (CUT if part != "camera" else 0.05))])
        reader = open_data(f"{data.kind}:{tmp_path}")
        with pytest.raises(HyperfocalError) as caught:
            reader[0]
        assert str(caught.value).startswith(str(path))
        result = check(f"{data.kind}:{tmp_path}")
        assert result.exit_code == 1
        assert result.stderr.splitlines() == [str(caught.value)]

    def test_an_image_of_another_size_is_refused(self, data, tmp_path):
        path = data.files["image"]
        with Image.open(path) as image:
            width, height = image.size
            bigger = image.resize((width + 6, height + 10))
        bigger.save(path)
        with pytest.raises(HyperfocalError, match="not fit"):
            open_data(f"{data.kind}:{tmp_path}")[0]

    def test_truth_without_a_known_pixel_is_a_fault(self, data, tmp_path):
        path = data.files["truth"]
        if path.suffix == ".npy":
            np.save(path, np.zeros((layouts.HEIGHT, layouts.WIDTH), np.float32))
        elif path.suffix == ".pfm":
            layouts.save_pfm(path, np.full((layouts.HEIGHT, layouts.WIDTH), np.inf, np.float32), -1)
        elif path.suffix == ".exr":
            path.unlink()
            layouts.save_image(path.with_suffix(".png"), np.zeros((layouts.HEIGHT, layouts.WIDTH), np.uint16))
        elif path.suffix == ".png":
            with Image.open(path) as image:
                size = image.size
            layouts.save_image(path, np.zeros(size[::-1], np.uint16))
        else:
            np.full((layouts.HEIGHT, layouts.WIDTH), np.inf, "<f4").tofile(path)
        result = check(f"{data.kind}:{tmp_path}")
        assert result.exit_code == 1
        (line,) = result.stderr.splitlines()
        assert line.startswith(str(path.with_suffix("")))
        assert "no pixel of known depth" in line

    def test_an_empty_folder_is_one_line(self, data, tmp_path):
        (tmp_path / "empty").mkdir()
        for place in ("empty", "nowhere"):
            result = check(f"{data.kind}:{tmp_path / place}")
            assert result.exit_code == 1
            assert result.stderr.count("\n") == 1
            assert str(tmp_path / place) in result.stderr

    def test_a_split_is_a_folder_or_a_list(self, data, tmp_path):
        source = f"{data.kind}:{tmp_path}"
        assert len(open_data(source, data.name.split("/")[0])) == 1
        relative = data.files["image"].relative_to(tmp_path).as_posix()
        published = relative.removeprefix("raw/").removeprefix("official_splits/test/")
        (tmp_path / "mine.txt").write_text(f"/{published} depth.png 518.8\nnone.png None 721.5\n\n")
        assert [f.name for f in open_data(source, "mine").frames] == [data.name]
        (tmp_path / "mine.txt").write_text(f"{data.name}\nsomewhere/else.png\n")
        reader = open_data(source, str(tmp_path / "mine.txt"))
        assert len(reader) == 1
        assert reader.incomplete == [f"{tmp_path / 'mine.txt'}: somewhere/else isn't there"]
        with pytest.raises(HyperfocalError, match="split elsewhere"):
            open_data(source, "elsewhere")
        (tmp_path / "mine.txt").write_bytes(b"\xff\xfe\x00")
        with pytest.raises(HyperfocalError, match=r"mine\.txt: expected a list"):
            open_data(source, "mine")


def test_names_with_spaces_in_splits_and_lists(tmp_path):
    for name in ("my", "my scene", "my other scene"):
        layouts.save_image(tmp_path / f"{name}.jpg", layouts.picture())
        np.save(tmp_path / f"{name}.npy", np.ones((48, 64), np.float32))

    def chosen(split):
        return [frame.name for frame in open_data(f"folder:{tmp_path}", split).frames]

    assert chosen("my scene") == ["my scene"]
    (tmp_path / "mine.txt").write_text("  my scene.jpg \n")
    assert chosen("mine") == ["my scene"]
    (tmp_path / "mine.txt").write_text("my other scene\nmy depth.png 518.8\n")
    assert chosen("mine") == ["my", "my other scene"]


def test_train_and_val_of_kitti_are_splits(tmp_path):
    tree = layouts.kitti(tmp_path)
    source = f"kitti:{tmp_path}"
    assert [frame.name for frame in open_data(source, "val").frames] == [tree.name]
    with pytest.raises(HyperfocalError, match="split train"):
        open_data(source, "train")
    for folder in ("raw/2011_09_26", "val"):
        first = tmp_path / folder / "2011_09_26_drive_0002_sync"
        first_of_train = tmp_path / folder.replace("val", "train") / "2011_09_26_drive_0001_sync"
        shutil.copytree(first, first_of_train)
    assert [frame.name for frame in open_data(source, "val").frames] == [tree.name]
    assert [frame.name for frame in open_data(source, "train").frames] == [tree.name.replace("0002", "0001")]


class TestFormats:
    @pytest.mark.parametrize("below", ["", "depth"])
    def test_a_picture_beside_depth_is_not_taken_for_it(self, tmp_path, below):
        layouts.save_image(tmp_path / "p.jpg", layouts.picture())
        layouts.save_image(tmp_path / below / "p.png", layouts.picture())
        layouts.save_image(tmp_path / below / "p.tif", np.full((48, 64), 3, np.float32))
        assert (open_data(f"folder:{tmp_path}")[0].metres == 3).all()

    @pytest.mark.parametrize("scale", [-1.0, 1.0, -0.003922, 3.5])
    def test_pfm_of_both_endiannesses_whatever_the_scale(self, tmp_path, scale):
        tree = layouts.middlebury2014(tmp_path)
        disparity = np.float32(np.random.default_rng(2).uniform(20, 60, tree.metres.shape))
        layouts.save_pfm(tree.files["truth"], disparity, scale)
        reader = open_data(f"middlebury2014:{tmp_path}")
        np.testing.assert_array_equal(reader.disparity(0), disparity)

    @pytest.mark.parametrize("kind", ["unrealstereo4k", "folder"])
    def test_npy_of_the_other_endianness(self, tmp_path, kind):
        tree = next(w for w in layouts.WRITERS if w.__name__ == kind)(tmp_path)
        path = tree.files["truth"]
        np.save(path, np.load(path).astype(">f4"))
        sample = open_data(f"{kind}:{tmp_path}")[0]
        np.testing.assert_allclose(sample.metres, tree.metres, rtol=3e-7)
        assert sample.metres.dtype == np.dtype("=f4")

    @pytest.mark.parametrize("order", ["<", ">"])
    def test_tif_of_both_endiannesses(self, tmp_path, order):
        tifffile = pytest.importorskip("tifffile")
        tree = layouts.folder(tmp_path)
        tree.files["truth"].unlink()
        tifffile.imwrite(tmp_path / "a.tif", tree.metres, byteorder=order)
        np.testing.assert_array_equal(open_data(f"folder:{tmp_path}")[0].metres, tree.metres)

    def test_raw_depth_of_the_other_endianness_is_refused(self, tmp_path):
        """ETH3D's files have no header that could say so."""
        tree = layouts.eth3d(tmp_path)
        path = tree.files["truth"]
        path.write_bytes(np.fromfile(path, "<f4").astype(">f4").tobytes())
        result = check(f"eth3d:{tmp_path}")
        assert result.exit_code == 1
        assert result.stderr.startswith(str(path))
        assert "endian" in result.stderr

    def test_a_colour_pfm_is_refused(self, tmp_path):
        tree = layouts.middlebury2014(tmp_path)
        tree.files["truth"].write_bytes(b"PF\n64 48\n-1\n" + bytes(64 * 48 * 12))
        with pytest.raises(HyperfocalError, match=r"disp0\.pfm"):
            open_data(f"middlebury2014:{tmp_path}")[0]

    def test_half_a_jpeg_of_unrealstereo4k_is_refused(self, tmp_path):
        path = layouts.unrealstereo4k(tmp_path).files["image"]
        jpeg = layouts.save_image(path.with_suffix(".jpg"), layouts.picture())
        path.unlink()
        assert open_data(f"unrealstereo4k:{tmp_path}")[0].image.shape == (48, 64, 3)
        jpeg.write_bytes(jpeg.read_bytes()[:2000])
        with pytest.raises(HyperfocalError, match=r"00012\.jpg"):
            open_data(f"unrealstereo4k:{tmp_path}")[0]

    def test_an_8_bit_depth_png_is_refused(self, tmp_path):
        tree = layouts.nyuv2(tmp_path)
        layouts.save_image(tree.files["truth"], np.ones((480, 640), np.uint8))
        with pytest.raises(HyperfocalError, match="16-bit"):
            open_data(f"nyuv2:{tmp_path}")[0]

    def test_mvs_synth_as_patchfusion_read_it(self, tmp_path):
        tree = layouts.mvs_synth(tmp_path)
        tree.files["truth"].unlink()
        raw = layouts.integers(layouts.HEIGHT, layouts.WIDTH, 1, 20480)
        layouts.save_image(tree.files["truth"].with_suffix(".png"), raw)
        np.testing.assert_array_equal(open_data(f"mvs-synth:{tmp_path}")[0].metres, np.float32(raw) / 256)

    def test_disparity_edges_where_the_papers_take_them(self, tmp_path):
        for write in layouts.WRITERS:
            tree = write(tmp_path / write.__name__)
            disparity = open_data(f"{tree.kind}:{tmp_path / write.__name__}").disparity(0)
            assert (disparity is not None) == (tree.kind in ("unrealstereo4k", "middlebury2014"))
        assert np.isnan(open_data(f"middlebury2014:{tmp_path / 'middlebury2014'}").disparity(0)[12, 12])

    def test_laser_depth_of_scannetpp_goes_before_the_phones(self, tmp_path):
        tree = layouts.scannetpp(tmp_path)
        rendered = layouts.integers(60, 90, 500, 9000)
        phone = tree.files["truth"].parents[1]
        layouts.save_image(phone / "render_depth/frame_000010.png", rendered)
        sample = open_data(f"scannetpp:{tmp_path}")[0]
        np.testing.assert_array_equal(sample.metres, np.float32(rendered) / 1000)

    def test_a_frame_missing_in_scannetpps_poses_is_named(self, tmp_path):
        tree = layouts.scannetpp(tmp_path)
        tree.files["camera"].write_text("{}")
        with pytest.raises(HyperfocalError, match=r"imu\.json.*frame_000010"):
            open_data(f"scannetpp:{tmp_path}")[0]

    def test_sky_of_cityscapes_is_unknown_without_labels(self, tmp_path):
        layouts.cityscapes(tmp_path)
        next(tmp_path.glob("gtFine/**/*.png")).unlink()
        metres = open_data(f"cityscapes:{tmp_path}")[0].metres
        assert np.isfinite(metres).all()

    @pytest.mark.parametrize(
        ("suffix", "holes"), [(".npy", np.nan), (".exr", np.inf), (".pfm", np.inf), (".tif", 0), (".png", 0)]
    )
    @pytest.mark.parametrize("below", ["", "depth"])
    def test_folder_formats(self, tmp_path, suffix, holes, below):
        metres = np.float32(layouts.integers(48, 64, 500, 9000)) / 1000
        stored = np.where(metres == 0, np.float32(holes), metres)
        layouts.save_image(tmp_path / "p.jpg", layouts.picture())
        path = tmp_path / below / f"p{suffix}"
        path.parent.mkdir(exist_ok=True)
        if suffix == ".npy":
            np.save(path, stored)
        elif suffix == ".exr":
            layouts.OpenEXR.File({"type": layouts.OpenEXR.scanlineimage}, {"Z": stored}).write(str(path))
        elif suffix == ".pfm":
            layouts.save_pfm(path, stored, 1.0)
        else:
            layouts.save_image(path, np.uint16(np.rint(metres * 1000)) if suffix == ".png" else stored)
        reader = open_data(f"folder:{tmp_path}")
        np.testing.assert_allclose(reader[0].metres, metres, rtol=2e-7)
        assert reader.incomplete == []

    def test_nyuv2_of_one_scene(self, tmp_path):
        tree = layouts.nyuv2(tmp_path)
        (frame,) = open_data(f"nyuv2:{tree.files['image'].parent}").frames
        assert frame.name == "00045"

    def test_kitti_with_depth_beside_the_raw_frames(self, tmp_path):
        tree = layouts.kitti(tmp_path)
        drive = tree.files["image"].parents[2]
        (tmp_path / "val" / drive.name / "proj_depth").rename(drive / "proj_depth")
        assert open_data(f"kitti:{tmp_path / 'raw'}").frames[0].name == tree.name

    def test_nyuv2_as_it_is_downloaded(self, tmp_path):
        h5py, scipy_io = pytest.importorskip("h5py"), pytest.importorskip("scipy.io")
        images = [layouts.picture(480, 640, seed) for seed in range(3)]
        metres = np.float32(np.random.default_rng(0).uniform(0.7, 10, (3, 480, 640)))
        with h5py.File(tmp_path / "nyu_depth_v2_labeled.mat", "w") as mat:
            mat["images"] = np.stack([image.transpose(2, 1, 0) for image in images])
            mat["depths"] = metres.transpose(0, 2, 1)
        source = f"nyuv2:{tmp_path}"
        assert len(open_data(source)) == 3
        scipy_io.savemat(tmp_path / "splits.mat", {"trainNdxs": [[3]], "testNdxs": [[1], [2]]})
        reader = open_data(source, "test")
        assert [frame.name for frame in reader.frames] == ["test/00000", "test/00001"]
        np.testing.assert_array_equal(reader[1].metres, metres[1])
        np.testing.assert_array_equal(reader[1].image, images[1])
        (tmp_path / "nyu_depth_v2_labeled.mat").write_bytes(b"cut")
        with pytest.raises(HyperfocalError, match=r"labeled\.mat: expected"):
            open_data(source)


class TestReal:
    def test_a_real_scene_of_middlebury(self, tmp_path):
        """The Motorcycle that scikit-image ships, at a quarter of its size, in the layout of the download."""
        data = pytest.importorskip("skimage.data")
        left, _, disparity = data.stereo_motorcycle()
        scene = tmp_path / "Motorcycle-perfect"
        layouts.save_image(scene / "im0.png", left)
        layouts.save_pfm(scene / "disp0.pfm", disparity, -1)
        calibration = "cam0=[994.978 0 311.193; 0 994.978 254.877; 0 0 1]\ndoffs=31.086\nbaseline=193.001\n"
        layouts.save_text(scene / "calib.txt", calibration)
        sample = open_data(f"middlebury2014:{tmp_path}")[0]
        metres = sample.metres[sample.valid]
        assert sample.valid.mean() == pytest.approx(0.927, abs=0.001)
        assert (metres.min(), metres.max()) == pytest.approx((2.11, 5.02), abs=0.01)
        # The front wheel is nearer than the wall above it.
        assert np.median(sample.metres[300:400, 100:200]) < np.median(sample.metres[20:80, 100:200]) - 1
        assert check(f"middlebury2014:{tmp_path}").exit_code == 0


class TestScope:
    @pytest.mark.parametrize(
        ("kind", "shape", "rows", "columns"),
        [
            ("nyuv2", (480, 640), (45, 471), (41, 601)),
            ("kitti", (352, 1216), (143, 349), (43, 1172)),
            ("eth3d", (40, 60), (0, 40), (0, 60)),
        ],
    )
    def test_windows_of_the_protocols(self, tmp_path, kind, shape, rows, columns):
        write = next(w for w in layouts.WRITERS if w.__name__ == kind)
        write(tmp_path)
        inside = open_data(f"{kind}:{tmp_path}").scope.inside(np.ones(shape, np.float32)) > 0
        expected = np.zeros(shape, bool)
        expected[slice(*rows), slice(*columns)] = True
        np.testing.assert_array_equal(inside, expected)

    def test_evaluation_scores_the_window_and_the_range(self, tmp_path):
        tree = layouts.nyuv2(tmp_path / "data")
        millimetres = np.full((480, 640), 9000, np.uint16)  # outside the window
        millimetres[45:471, 41:601] = 4000
        millimetres[100:200, 100:200] = 60000  # beyond 10 m
        layouts.save_image(tree.files["truth"], millimetres)
        kept = InScope(open_data(f"nyuv2:{tmp_path / 'data'}"))[0].metres
        assert set(np.unique(kept)) == {0, 4, 60}
        tiny_model().save_pretrained(tmp_path / "model")
        arguments = ["evaluate", "--model", tmp_path / "model", "--data", f"nyuv2:{tmp_path / 'data'}"]
        arguments += ["--tiling", "none", "--align", "none", "--json"]
        rows = [
            json.loads(CliRunner().invoke(app, [*map(str, arguments), *more]).stdout)[0]["rmse"]
            for more in ([], ["--max-depth", "80"], ["--split", "official_splits"])
        ]
        assert rows[0] == rows[2] < rows[1] - 5

    def test_ranges_of_the_protocols(self):
        ranges = {"cityscapes": 250.0, "middlebury2014": 10.0, "scannetpp": 10.0, "kitti": 80.0}
        assert {kind: KINDS[kind].scope.max_depth for kind in ranges} == ranges


def texture(height: int, width: int, seed: int = 0) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(0, 1, (height, width, 3))
    return np.uint8(np.clip(128 + 300 * cv2.GaussianBlur(noise, (0, 0), 2), 0, 255))


class TestSSIM:
    def test_agrees_with_a_known_implementation(self):
        metrics = pytest.importorskip("skimage.metrics")
        rng = np.random.default_rng(0)
        a = np.float32(layouts.picture(60, 80)[..., 0])
        b = np.clip(a + rng.normal(0, 12, a.shape), 0, 255).astype(np.float32)
        options = {"gaussian_weights": True, "use_sample_covariance": False, "full": True}
        _, expected = metrics.structural_similarity(a, b, data_range=255, **options)
        np.testing.assert_allclose(ssim_map(a, b), expected, atol=1e-3)

    @pytest.mark.parametrize("shift", [0.0, 3.0, 4.5])
    def test_the_right_disparity_explains_the_right_view(self, shift):
        wide = texture(60, 120)
        left = wide[:, 10:90]
        x, y = np.meshgrid(np.arange(80, dtype=np.float32) + 10 + shift, np.arange(60, dtype=np.float32))
        right = cv2.remap(wide, x, y, cv2.INTER_CUBIC)
        true = np.full((60, 80), shift or 1e-6, np.float32)
        assert view_ssim(left, right, true) > 0.95
        assert view_ssim(left, right, true + 6) < 0.5
        assert np.isnan(view_ssim(left, right, true + 90))

    def test_command_drops_pairs_that_disparity_does_not_explain(self, tmp_path):
        write_frames(tmp_path, 3)
        scene = tmp_path / "00000"
        (scene / "Image1").mkdir()
        for index in range(3):
            left = texture(96, 128, index)
            right = np.roll(left, -5, axis=1) if index != 1 else left
            cv2.imwrite(str(scene / f"Image0/0000{index}.png"), left)
            cv2.imwrite(str(scene / f"Image1/0000{index}.png"), right)
            np.save(scene / f"Disp0/0000{index}.npy", np.full((96, 128), 5, np.float32))
        (scene / "Image1/00002.png").unlink()
        source, sound = f"unrealstereo4k:{tmp_path}", tmp_path / "sound.txt"
        assert check(source).exit_code == 0
        result = check(source, "--ssim", "--write-list", sound)
        assert result.exit_code == 1
        low, missing = result.stderr.splitlines()
        assert low.startswith(str(scene / "Disp0/00001.npy"))
        assert "SSIM" in low
        assert missing.startswith(str(scene / "Image1/00002.png"))
        assert sound.read_text() == "00000/00000\n"
        assert [f.name for f in open_data(source, "sound").frames] == ["00000/00000"]

    def test_command_refuses_ssim_of_single_views(self, tmp_path):
        layouts.nyuv2(tmp_path)
        assert check(f"nyuv2:{tmp_path}", "--ssim").exit_code == 2


class TestCheck:
    @pytest.mark.parametrize("command", [["data", "check"], ["evaluate", "--model", "nano", "--data"]])
    def test_an_unknown_kind_is_a_wrong_command(self, command):
        result = CliRunner().invoke(app, [*command, "unrealstereo:somewhere"])
        assert result.exit_code == 2
        assert "unrealstereo4k" in result.stderr

    def test_incomplete_and_broken_frames_are_named_and_the_others_counted(self, tmp_path):
        write_frames(tmp_path, 4)
        scene = tmp_path / "00000"
        (scene / "Disp0/00001.npy").unlink()
        (scene / "Image0/00003.png").write_bytes(b"no picture")
        result = check(f"unrealstereo4k:{tmp_path}", "--json")
        answer = json.loads(result.stdout)
        assert result.exit_code == 1
        assert (answer["sound"], answer["broken"]) == (2, 2)
        assert answer["faults"] == result.stderr.splitlines()
        incomplete, broken = answer["faults"]
        assert incomplete == f"{scene / 'Image0/00001.png'}: its disparity missing"
        assert broken.startswith(str(scene / "Image0/00003.png"))

    def test_kitti_frames_without_depth_are_no_fault_but_depth_without_frames_is(self, tmp_path):
        tree = layouts.kitti(tmp_path)
        assert check(f"kitti:{tmp_path}").exit_code == 0
        alone = tree.files["truth"].with_name("0000000070.png")
        alone.write_bytes(tree.files["truth"].read_bytes())
        result = check(f"kitti:{tmp_path}")
        assert result.stderr.splitlines() == [f"{alone}: its image missing"]

    def test_impossible_intrinsics_are_a_fault(self, tmp_path):
        tree = layouts.mvs_synth(tmp_path)
        tree.files["camera"].write_text('{"f_x": -70, "f_y": 70, "c_x": 1, "c_y": 1}')
        result = check(f"mvs-synth:{tmp_path}")
        assert result.exit_code == 1
        assert "intrinsics" in result.stderr
