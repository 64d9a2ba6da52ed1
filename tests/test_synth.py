"""The procedural world: what its files hold, that they can be made again, and that its depth is true."""

import json
import shutil
import sys
from itertools import pairwise
from pathlib import Path

import cv2
import moderngl
import numpy as np
import pytest
from typer.testing import CliRunner

from hyperfocal.cli import app
from hyperfocal.data.unrealstereo4k import UnrealStereo4K
from hyperfocal.errors import HyperfocalError
from hyperfocal.synth import families, writer
from hyperfocal.synth.referee import cast
from hyperfocal.synth.renderer import Renderer
from hyperfocal.synth.scene import Material, Scene, View
from hyperfocal.synth.textures import Palette
from hyperfocal.synth.writer import SEEDS, SPLITS, Job, good_views, render

WIDTH, HEIGHT = 96, 64
GREY = Palette(np.full((1, 4, 4, 3), 128, np.uint8), {"grain": [0]})


@pytest.fixture(scope="module")
def renderer() -> Renderer:
    return Renderer()


def run(out: Path, workers: int = 1, **changes) -> Path:
    """Render four small stereo frames, two of each of two rooms."""
    job = {"frames": 4, "width": WIDTH, "height": HEIGHT, "views": 2, "stereo": True, "family": "room"}
    list(render(Job(out, **job | changes), workers))
    return out


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.fixture(scope="module")
def frames(tmp_path_factory) -> Path:
    return run(tmp_path_factory.mktemp("frames"))


# the files


def test_layout_is_unrealstereo4ks(frames):
    kinds = {"Image": "png", "Disp": "npy", "Extrinsics": "txt"}
    room = f"{families.number(0, 'room'):05d}"
    assert set(contents(frames)) == {  # and so no temporary files
        f"{room}/{kind}{eye}/{frame:05d}.{ending}"
        for kind, ending in kinds.items()
        for eye in (0, 1)
        for frame in range(4)
    }


def test_a_family_has_a_folder_and_every_family_is_drawn():
    names = [families.name_of(seed) for seed in range(300)]
    assert set(names) == set(families.FAMILIES)
    folders = {(families.name_of(seed), families.number(seed)) for seed in range(300)}
    assert len({number for _, number in folders}) == len(folders) == len(families.FAMILIES)


def test_frames_are_readable_as_unrealstereo4k(frames):
    data = UnrealStereo4K(frames)
    assert len(data) == 4
    for index, sample in enumerate(data[i] for i in range(4)):
        assert sample.image.shape == (HEIGHT, WIDTH, 3)
        assert sample.image.dtype == np.uint8
        assert 10 < sample.image.mean() < 245
        assert sample.image.std() > 5
        disparity = data.disparity(index)
        assert disparity.dtype == np.float32
        np.testing.assert_array_equal(np.isinf(sample.metres), disparity == 0)
        assert (sample.metres > 0.05 * 0.999).all()
        np.testing.assert_allclose(sample.intrinsics[:2, 2], [WIDTH / 2 - 0.5, HEIGHT / 2 - 0.5])


def test_same_seed_gives_same_bytes_with_any_number_of_workers(frames, tmp_path):
    assert contents(run(tmp_path / "two", workers=2)) == contents(frames)


def test_another_seed_gives_other_pictures(frames, tmp_path):
    other = contents(run(tmp_path, frames=2, seed=2))
    ours = set(contents(frames).values())
    assert all(data not in ours for name, data in other.items() if "Image" in name or "Disp" in name)


def test_another_look_gives_another_world(frames, tmp_path):
    other = contents(run(tmp_path, frames=1, look="dusk", stereo=False))
    assert other.keys() < contents(frames).keys()
    for name in ("Image0/00000.png", "Disp0/00000.npy"):
        ours = next(frames.glob(f"*/{name}")).read_bytes()
        assert ours != next(data for path, data in other.items() if path.endswith(name))


def test_a_frame_does_not_depend_on_those_rendered_before(frames, tmp_path):
    alone = contents(run(tmp_path, frames=2, seed=1))  # the second scene of `frames`, here the first
    for frame in (0, 1):
        for kind in ("Disp0", "Disp1"):
            ours = next(frames.glob(f"*/{kind}/{frame + 2:05d}.npy"))
            assert alone[f"{ours.parent.parent.name}/{kind}/{frame:05d}.npy"] == ours.read_bytes()


def test_a_missing_picture_is_rendered_again_and_nothing_else(frames, tmp_path):
    out = tmp_path / "copy"
    shutil.copytree(frames, out)
    lost = next(out.glob("*/Image0/00001.png"))
    lost.unlink()
    before = {p: p.stat().st_mtime_ns for p in out.rglob("*") if p.is_file()}
    run(out)
    assert contents(out) == contents(frames)
    assert {p.stem for p in before if p.stat().st_mtime_ns != before[p]} == {"00001"}


def test_a_failure_leaves_no_temporary_file_and_no_half_frame(tmp_path, monkeypatch):
    def broken(picture):
        raise OSError(28, "No space left on device")

    stub_scene(monkeypatch)
    with monkeypatch.context() as patch:
        patch.setattr(writer, "_png", broken)
        with pytest.raises(OSError, match="No space left"):
            run(tmp_path, frames=1)
    with pytest.raises(HyperfocalError, match="no frames"):
        UnrealStereo4K(tmp_path)
    assert not [p for p in tmp_path.rglob(".*") if p.is_file()]
    run(tmp_path, frames=1)
    assert len(UnrealStereo4K(tmp_path)) == 1


def test_stereo_can_be_added_to_a_run_without_it(tmp_path, monkeypatch):
    stub_scene(monkeypatch)
    run(tmp_path, frames=1, stereo=False)
    assert not list(tmp_path.glob("*/Image1/*"))
    run(tmp_path, frames=1)
    assert list(tmp_path.glob("*/Image1/00000.png"))


def test_scenes_without_open_views_give_fewer_names(tmp_path, monkeypatch):
    stub_scene(monkeypatch, views=1)
    job = Job(tmp_path, 4, WIDTH, HEIGHT, views=2)
    assert list(render(job)) == [["00000"], ["00002"]]


def test_splits_never_share_seeds(tmp_path, monkeypatch):
    seeds: dict[str, set[int]] = {}
    for split in SPLITS:
        drawn: list[int] = []
        stub_scene(monkeypatch, drawn)
        for first in (0, SEEDS - 2):
            run(tmp_path / split / str(first), frames=2, views=1, seed=first, split=split, stereo=False)
        seeds[split] = set(drawn)
        assert len(seeds[split]) == 4
    ranges = sorted((min(s), max(s)) for s in seeds.values())
    assert all(a[1] < b[0] for a, b in pairwise(ranges))
    with pytest.raises(HyperfocalError, match="seed"):
        Job(tmp_path, 3, WIDTH, HEIGHT, seed=SEEDS - 2, views=1)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"split": "dev"}, "train, val, test"),
        ({"family": "moon"}, "street"),
        ({"frames": 0}, "frames"),
        ({"width": 16}, "16x64"),
        ({"height": 20000}, "16384"),
        ({"views": 13}, "1 to 12"),
        ({"look": "noon"}, "day, dusk"),
        ({"passes": 9}, "1 to 8"),
        ({"seed": -1}, "seed -1"),
    ],
)
def test_bad_jobs_are_refused_in_one_line(tmp_path, change, words):
    with pytest.raises(HyperfocalError, match=words) as caught:
        Job(**{"out": tmp_path, "frames": 1, "width": WIDTH, "height": HEIGHT, **change})
    assert "\n" not in str(caught.value)


# depth


def empty_scene() -> Scene:
    return Scene(np.random.default_rng(0), GREY)


def stub_scene(monkeypatch, drawn: list[int] | None = None, views: int = 6) -> None:
    """Replace the families by a cheap scene, a floor under a sky, and note the seeds that are asked for."""

    def build(seed: int, family: str | None = None, look: str = "day") -> Scene:
        if drawn is not None:
            drawn.append(seed)
        scene = empty_scene()
        scene.add("plane", (0, 0, -1.5), (200, 200, 1), Material(0))
        scene.views = [View((0, 0, 0), 0.1 * k, 0.0, 0.0, 1.2) for k in range(views)]
        return scene

    monkeypatch.setattr(families, "build", build)


def pixel_grid(view: View, width: int, height: int) -> tuple[np.ndarray, np.ndarray, float]:
    """Columns and rows of the pixel centres from the principal point, and the focal length, in pixels."""
    x, y = np.meshgrid(np.arange(width) - (width / 2 - 0.5), np.arange(height) - (height / 2 - 0.5))
    return x, y, width / 2 / np.tan(view.fov / 2)


def test_depth_of_a_wall_is_z_not_the_length_of_the_ray(renderer):
    scene = empty_scene()
    scene.block((0, 10.5, -50), (200, 1, 100), Material(0))  # its front is the plane y = 10
    renderer.load(scene, 1, 64)
    depth = renderer.depth(View((0, 0, 0), 0.0, 0.0, 0.0, np.radians(90)), WIDTH, HEIGHT)
    np.testing.assert_allclose(depth, 10.0, rtol=1e-5)


@pytest.mark.parametrize("pitch", [0.0, -0.4])
def test_depth_of_the_floor_is_exact_at_the_pixel_centres(renderer, pitch):
    scene = empty_scene()
    scene.add("plane", (0, 0, 0), (400, 400, 1), Material(0))
    renderer.load(scene, 1, 64)
    view = View((3.0, -2.0, 1.6), 0.7, pitch, 0.0, np.radians(70))
    depth = renderer.depth(view, WIDTH, HEIGHT)
    _, y, focal = pixel_grid(view, WIDTH, HEIGHT)
    falling = y / focal * np.cos(pitch) - np.sin(pitch)  # of a ray, for one metre of z
    expected = np.divide(1.6, falling, out=np.full_like(falling, np.inf), where=falling > 0)
    near = expected < 50
    assert near.mean() > 0.3
    np.testing.assert_allclose(depth[near], expected[near], rtol=1e-5)
    assert np.isinf(depth[np.isinf(expected)]).all()


def test_sky_is_inf_and_has_no_disparity(tmp_path, monkeypatch):
    stub_scene(monkeypatch)
    run(tmp_path, frames=1)
    data = UnrealStereo4K(tmp_path)
    above, below = np.s_[: HEIGHT // 2 - 1], np.s_[HEIGHT // 2 + 4 :]
    assert np.isinf(data[0].metres[above]).all()
    assert (data.disparity(0)[above] == 0).all()
    assert np.isfinite(data[0].metres[below]).all()


def test_two_renderers_keep_apart(renderer):
    def wall(distance: float) -> Scene:
        scene = empty_scene()
        scene.block((0, distance + 0.5, -50), (200, 1, 100), Material(0))
        return scene

    view = View((0, 0, 0), 0.0, 0.0, 0.0, 1.0)
    other = Renderer()
    renderer.load(wall(4.0), 1, 64)
    other.load(wall(7.0), 1, 64)
    assert renderer.depth(view, 32, 32)[16, 16] == pytest.approx(4.0, rel=1e-5)
    assert other.depth(view, 32, 32)[16, 16] == pytest.approx(7.0, rel=1e-5)


@pytest.mark.parametrize("family", families.FAMILIES)
@pytest.mark.parametrize("seed", [0, 1])
def test_every_family_has_open_views(renderer, family, seed):
    scene = families.build(seed, family)
    renderer.load(scene, 1, 64)
    assert len(good_views(renderer, scene, 4)) == 4


@pytest.mark.parametrize("family", ["room", "park"])
def test_depth_agrees_with_a_ray_caster(renderer, family):
    width, height = 192, 128
    scene = families.build(1, family)
    renderer.load(scene, 1, 64)
    view = good_views(renderer, scene, 1)[0]
    pixels = np.random.default_rng(0).integers(0, (height, width), (3000, 2))
    ours = renderer.depth(view, width, height)[tuple(pixels.T)]
    theirs = cast(scene, [view], width, height, pixels)[0]
    assert np.isfinite(theirs).mean() > 0.3
    with np.errstate(invalid="ignore"):
        off = np.abs(ours - theirs) / theirs
    off = np.where(ours == theirs, 0, np.nan_to_num(off, nan=1.0))  # inf against inf, inf against a surface
    assert np.median(off[np.isfinite(theirs)]) < 1e-5
    assert (off > 0.01).mean() < 0.001  # pixels on an edge, where the two round differently


def read_camera(path: Path) -> tuple[np.ndarray, np.ndarray]:
    k, pose = (np.array(line.split(), float) for line in path.read_text().splitlines())
    return k.reshape(3, 3), pose.reshape(3, 4)


def test_extrinsics_are_a_rectified_pair(frames):
    for left_file in frames.glob("*/Extrinsics0/*.txt"):
        k, left = read_camera(left_file)
        k1, right = read_camera(Path(str(left_file).replace("Extrinsics0", "Extrinsics1")))
        np.testing.assert_array_equal(k, k1)
        np.testing.assert_allclose(left[:, :3] @ left[:, :3].T, np.eye(3), atol=1e-12)
        assert np.linalg.det(left[:, :3]) == pytest.approx(1)
        np.testing.assert_array_equal(left[:, :3], right[:, :3])
        np.testing.assert_allclose(right[:, 3] - left[:, 3], [-writer.BASELINE, 0, 0], atol=1e-12)


def test_left_and_right_disparity_agree_where_both_see(frames):
    for left_file in sorted(frames.glob("*/Disp0/*.npy")):
        left, right = np.load(left_file), np.load(str(left_file).replace("Disp0", "Disp1"))
        rows, columns = np.nonzero(left > 0)
        d = left[rows, columns]
        x = columns - d
        inside = (x >= 0) & (x <= WIDTH - 1.001)
        rows, d, x = rows[inside], d[inside], x[inside]
        i = x.astype(int)
        a, b, t = right[rows, i], right[rows, i + 1], x - i
        seen = a * (1 - t) + b * t  # disparity is linear on a plane
        visible = np.maximum(a, b) < d * 1.02  # else something nearer hides the point from the right eye
        assert visible.mean() > 0.5
        assert (np.abs(seen - d) < 0.01 * d)[visible].mean() > 0.9


def test_the_right_picture_is_the_left_one_moved_by_the_disparity(frames):
    moved, unmoved = [], []
    for left_file in sorted(frames.glob("*/Image0/*.png")):
        left = cv2.imread(str(left_file)).astype(float)
        right = cv2.imread(str(left_file).replace("Image0", "Image1")).astype(float)
        rows, columns = np.mgrid[:HEIGHT, :WIDTH]
        d = np.load(str(left_file).replace("Image0", "Disp0").replace(".png", ".npy"))
        x = np.rint(columns - d).astype(int)
        inside = (x >= 0) & (d > 2)
        moved.append(np.abs(left - right[rows, np.maximum(x, 0)])[inside].mean())
        unmoved.append(np.abs(left - right)[inside].mean())
    assert np.mean(moved) < 0.8 * np.mean(unmoved)


# the machine and the command line


def test_no_opengl_is_one_line_that_says_what_to_install(monkeypatch):
    def refuse(**settings):
        raise RuntimeError("libEGL.so.1 not loaded")

    monkeypatch.setattr(moderngl, "create_standalone_context", refuse)
    with pytest.raises(HyperfocalError, match=r"libEGL\.so\.1.*apt install libegl1"):
        Renderer()


def command(*options: str | Path):
    return CliRunner().invoke(app, ["synth", *map(str, options)])


def test_command_says_what_it_did_in_json(tmp_path, monkeypatch):
    stub_scene(monkeypatch)
    options = ("--out", tmp_path, "--frames", 3, "--size", "96x64", "--workers", 1, "--views", 2, "--json")
    result = command(*options)
    assert result.exit_code == 0, result.stderr
    answer = json.loads(result.stdout)
    assert (answer["frames"], answer["out"]) == (3, str(tmp_path))
    assert len(UnrealStereo4K(tmp_path)) == 3


@pytest.mark.parametrize(
    "options", [("--size", "96"), ("--family", "moon"), ("--frames", 0), ("--workers", 0)]
)
def test_wrong_usage_exits_with_2_and_writes_nothing(tmp_path, options):
    result = command("--out", tmp_path / "out", "--size", "96x64", *options)
    assert result.exit_code == 2
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("package", ["moderngl", "cv2"])
def test_a_missing_package_is_one_line_that_names_the_extra(tmp_path, monkeypatch, package):
    for name in [n for n in sys.modules if n.startswith("hyperfocal.synth")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    result = command("--out", tmp_path, "--frames", 1, "--size", "96x64")
    assert result.exit_code == 1
    assert result.stderr.strip() == f"hyperfocal: {package} is missing: pip install 'hyperfocal[synth]'"
