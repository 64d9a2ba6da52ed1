"""Model: the way from photo to depth map with a tiny random network."""

import logging
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from torch import nn

import hyperfocal
from hyperfocal import checkpoints
from hyperfocal.errors import HyperfocalError
from hyperfocal.loading import choose_device, choose_dtype
from hyperfocal.predictor import Model
from hyperfocal.refine import Refiner
from hyperfocal.refine.roi import crop_maps
from hyperfocal.resample import process_size
from hyperfocal.tiles.merge import gaussian_mask
from hyperfocal.tiles.plan import plan
from hyperfocal.tiles.tiling import Tiling
from tiny_model import CONFIG, networks, tiny_model, write_tiny_model


class Far(nn.Module):
    """A coarse network that puts sky in the upper half: `near` metres below."""

    feature_channels = CONFIG.coarse["widths"]

    def __init__(self, far: float = 400.0, near: float = 5.0) -> None:
        super().__init__()
        self.coarse, self.far, self.near = networks()[0], far, near

    def forward(self, image):
        output = self.coarse(image)
        depth = torch.full_like(output.depth, self.near)
        depth[:, :, : image.shape[2] // 2] = self.far
        return output._replace(depth=depth)


class Hostile(Refiner):
    """A refiner that says 1 m everywhere."""

    coarse_channels = CONFIG.coarse["widths"]

    def feature_sizes(self, height, width):
        return [(height // stride, width // stride) for stride in (32, 16, 8, 4, 2, 1)]

    def forward(self, tile, coarse_depth, coarse_features):
        return torch.ones_like(coarse_depth)


def picture(height: int = 200, width: int = 300, seed: int = 0) -> np.ndarray:
    """A picture with blobs and noise."""
    generator = np.random.default_rng(seed)
    small = Image.fromarray(generator.integers(0, 255, (9, 12, 3), np.uint8)).resize((width, height))
    return np.clip(np.asarray(small) + generator.integers(-20, 20, (height, width, 3)), 0, 255).astype(
        np.uint8
    )


@pytest.fixture(scope="module")
def model() -> Model:
    return tiny_model()


# process sizes


@given(st.integers(32, 20000), st.integers(32, 20000), st.sampled_from([(288, 384), (384, 512), (64, 96)]))
def test_process_size_keeps_the_area_and_the_aspect(height, width, size):
    h, w = process_size(height, width, size, keep_aspect=True)
    assert h % 32 == 0
    assert w % 32 == 0
    assert min(h, w) >= 64
    area = size[0] * size[1]
    if min(h, w) >= 128:  # rounding to 32 moves a side by 16 at most: an eighth of 128
        assert 1 / 1.3 < h * w / area < 1.3
        assert abs(math.log((w / h) / (width / height))) < 0.3
    assert h * w <= 2 * area + 64 * 96


def test_process_size_of_a_picture_of_the_models_size_is_that_size():
    assert process_size(288 * 7, 384 * 7, (288, 384), keep_aspect=True) == (288, 384)


@given(st.integers(32, 9000), st.integers(32, 9000))
def test_process_size_of_the_papers_is_fixed(height, width):
    assert process_size(height, width, (384, 512), keep_aspect=False) == (384, 512)


# any photo


@pytest.mark.parametrize("size", [(32, 32), (33, 47), (32, 2000), (2000, 32), (101, 303), (400, 300)])
@pytest.mark.parametrize("keep_aspect", [True, False])
def test_any_size_gives_a_whole_map(size, keep_aspect):
    depth = tiny_model(keep_aspect=keep_aspect).predict(picture(*size))
    assert depth.metres.shape == size
    assert depth.metres.dtype == np.float32
    assert (depth.metres > 0).all()  # so none is NaN


@pytest.mark.parametrize("tiling", ["auto", "none", "2x3", "p16", "p49", "r4"])
def test_tilings(model, tiling):
    depth, report = model.predict_with_report(picture(), Tiling(tiling))
    assert depth.metres.shape == (200, 300)
    assert report.tiles == {"auto": 6, "none": 0, "2x3": 6, "p16": 16, "p49": 49, "r4": 53}[tiling]
    assert set(report.seconds) == {"read", "coarse", "refine"}
    assert depth.meta == {"model": "tiny", "tiling": tiling}


def test_a_path_an_image_an_array_and_a_tensor_give_the_same(model, tmp_path):
    pixels = picture(64, 80)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    tensor = torch.from_numpy(pixels).permute(2, 0, 1)
    sources = [tmp_path / "a.png", str(tmp_path / "a.png"), Image.fromarray(pixels), tensor, pixels / 255.0]
    expected = model.predict(pixels).metres
    for source in sources:
        np.testing.assert_array_equal(model.predict(source).metres, expected)


def test_notes_reach_the_report(model, tmp_path):
    frames = [Image.fromarray(picture(40, 50, seed)) for seed in (1, 2)]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    assert "more than one frame" in model.predict_with_report(tmp_path / "a.gif")[1].notes[0]


# independence


@pytest.mark.parametrize("tiling", ["3x4", "p16"])
def test_the_tile_batch_does_not_matter(model, tiling):
    one, five = (model.predict(picture(), tiling=tiling, tile_batch=n).metres for n in (1, 5))
    np.testing.assert_allclose(one, five, rtol=1e-4)


def test_the_number_of_threads_does_not_matter(model):
    one = model.predict(picture(64, 96), tiling="1x2").metres
    torch.set_num_threads(2)
    try:
        two = model.predict(picture(64, 96), tiling="1x2").metres
    finally:
        torch.set_num_threads(1)
    np.testing.assert_allclose(one, two, rtol=1e-4)


def test_the_seed_matters_to_random_tiles_only(model):
    def run(tiling: str, seed: int) -> np.ndarray:
        return model.predict(picture(64, 64), tiling=tiling, seed=seed).metres

    np.testing.assert_array_equal(run("r3", 1), run("r3", 1))
    assert not np.array_equal(run("r3", 1), run("r3", 2))
    np.testing.assert_array_equal(run("2x2", 1), run("2x2", 2))


def test_progress_counts_the_tiles(model):
    seen: list[tuple[int, int]] = []
    model.predict(picture(), tiling="2x2", tile_batch=3, on_progress=lambda done, n: seen.append((done, n)))
    assert seen == [(3, 4), (4, 4)]


# feedback of the running mean


class Fed(Refiner):
    """A refiner whose depth follows from all that it is given, pixel by pixel."""

    feeds_back = True

    def feature_sizes(self, height, width):
        return []

    def whole(self, coarse_features):
        return ()

    def crops(self, depth, maps, boxes, photo_size, size, batch_index=None):
        return crop_maps([depth], boxes, photo_size, [size])[0], []

    def forward(self, tile, coarse_depth, coarse_features, running_mean=None):
        seen = coarse_depth if running_mean is None else running_mean
        return 0.3 * coarse_depth + 0.7 * seen.flip(3) + tile.mean(1, keepdim=True)


@pytest.mark.parametrize("tile_batch", [1, 5])
@pytest.mark.parametrize("feedback", [True, False])
def test_consistency_aware_inference_is_the_published_recursion(tile_batch, feedback):
    """A ← (w·P + C·A) / (C + w), C ← C + w; A is frozen within a regular pass, not among random tiles."""
    config = replace(CONFIG, keep_aspect=False, canonical_focal=None, sky_from=None)
    model = Model("fed", config, networks()[0], Fed(), torch.device("cpu"), torch.float32)
    pixels = picture(160, 256)
    photo = torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 255

    def resized(x, size):
        return F.interpolate(x, size, mode="bilinear", align_corners=True)

    with torch.no_grad():
        coarse = model.coarse(resized(photo, (64, 96))).depth
        mean, count = torch.zeros(1, 1, 160, 256), torch.full((1, 1, 160, 256), 1e-30)
        frozen = None
        for i, box in enumerate(plan(160, 256, "r3", seed=7)):
            starts_pass = i in (16, 28, 40) or i >= 49
            frozen = mean.clone() if starts_pass and feedback else frozen
            rows, columns = box.slices
            [depth] = crop_maps([coarse], torch.tensor([box]), (160, 256), [(64, 96)])
            seen = [] if frozen is None else [resized(frozen[:, :, rows, columns], (64, 96))]
            tile = model.refiner(resized(photo[:, :, rows, columns], (64, 96)), depth, [], *seen)
            tile = resized(tile, (box.height, box.width))
            border, floor = 0.15, 1e-3 if i >= 49 else 1e-12 if i < 16 else 0
            weight = torch.from_numpy(gaussian_mask(box.height, box.width, border)) + floor
            a, c = mean[:, :, rows, columns], count[:, :, rows, columns]
            mean[:, :, rows, columns] = (weight * tile + c * a) / (c + weight)
            count[:, :, rows, columns] = c + weight
    ours = model.predict(pixels, tiling="r3", seed=7, tile_batch=tile_batch, feedback=feedback).metres
    np.testing.assert_allclose(ours, mean[0, 0].numpy(), rtol=1e-4)


def test_feedback_is_refused_by_a_refiner_that_has_no_input_for_it(model):
    for refuses in (model, tiny_model(refiner=None)):
        with pytest.raises(HyperfocalError, match="takes no feedback"):
            refuses.predict(picture(), tiling="p49", feedback=True)
    with pytest.raises(HyperfocalError, match="takes no feedback"):
        model.refine_with_report(picture(), np.ones((200, 300)), Tiling("p49", feedback=True))


# coarse map and refiner


def coarse_metres(model: Model, pixels: np.ndarray) -> np.ndarray:
    """The enlarged coarse map, by hand; the picture has the model's own size, so that nothing is resized."""
    height, width = pixels.shape[:2]
    image = torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 255
    with torch.no_grad():
        depth = model.coarse(image).depth
    focal = 28 / math.hypot(36, 24) * math.hypot(width, height)  # of the assumed camera
    return (depth[0, 0] * focal / (0.7 * math.sqrt(width * height))).numpy()


def test_none_is_the_coarse_map_in_metres(model):
    pixels = picture(64, 96)
    np.testing.assert_allclose(
        model.predict(pixels, tiling="none").metres, coarse_metres(model, pixels), rtol=1e-4
    )


@pytest.mark.parametrize("keep_aspect", [True, False])
def test_none_enlarges_in_the_geometry_in_which_the_photo_was_shrunk(keep_aspect):
    model = tiny_model(keep_aspect=keep_aspect, canonical_focal=None)
    pixels = np.repeat(np.repeat(picture(64, 96), 4, 0), 4, 1)
    with torch.no_grad():
        shrunk = F.interpolate(
            torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 255,
            (64, 96),
            mode="bilinear",
            align_corners=not keep_aspect,
        )  # of 4 × 4 equal pixels: the same as their mean where the corners aren't aligned
        depth = F.interpolate(
            model.coarse(shrunk).depth, (256, 384), mode="bilinear", align_corners=not keep_aspect
        )
    np.testing.assert_allclose(model.predict(pixels, tiling="none").metres, depth[0, 0], rtol=1e-3)


def test_an_untrained_refiner_in_log_space_returns_the_coarse_map(tmp_path):
    coarse, refiner = networks()
    nn.init.zeros_(refiner.f2c.final.weight)
    model = Model("tiny", CONFIG, coarse, refiner, torch.device("cpu"), torch.float32)
    pixels = picture(64 * 4, 96 * 4)
    none, tiles = (model.predict(pixels, tiling=tiling).metres for tiling in ("none", "2x2"))
    np.testing.assert_allclose(tiles, none, rtol=0.02)  # crops are resampled once more


def test_a_refiner_changes_the_map(model):
    none, tiles = (model.predict(picture(), tiling=tiling).metres for tiling in ("none", "2x2"))
    assert np.abs(np.log(none / tiles)).max() > 0.01


def test_a_model_without_a_refiner_predicts_its_coarse_map():
    model = tiny_model(refiner=None)
    none, auto = (model.predict(picture(), tiling=tiling).metres for tiling in ("none", "auto"))
    np.testing.assert_array_equal(none, auto)
    with pytest.raises(HyperfocalError, match="no refiner"):
        model.refine(picture(), np.ones((10, 10), np.float32))


# sky


def test_sky_in_flat_tiles_stays_sky_whatever_the_refiner_says():
    pixels = picture(240, 320)
    pixels[:120] = (120, 160, 230)
    model = Model("hostile", CONFIG, Far(), Hostile(), torch.device("cpu"), torch.float32)
    depth, report = model.predict_with_report(pixels, Tiling("4x1"))
    assert np.isinf(depth.metres[:100]).all()
    assert np.isfinite(depth.metres[160:]).all()
    assert report.refined < report.tiles


def test_flat_sky_above_a_skyline_within_one_tile_stays_sky():
    pixels = picture(240, 320)
    pixels[:120] = (120, 160, 230)
    model = Model("hostile", CONFIG, Far(), Hostile(), torch.device("cpu"), torch.float32)
    depth = model.predict(pixels, tiling="1x1").metres
    assert np.isinf(depth[:80]).all()
    assert np.isfinite(depth[160:]).all()


# metres


def test_twice_the_focal_length_is_twice_the_metres(model):
    near, far = (model.predict(picture(), focal_px=focal) for focal in (200, 400))
    assert near.intrinsics_source == "focal_px"
    assert far.intrinsics[0, 0] == 400
    np.testing.assert_allclose(far.metres, 2 * near.metres, rtol=1e-5)


def test_a_model_without_a_canonical_camera_takes_depth_as_metres():
    model = tiny_model(canonical_focal=None)
    near, far = (model.predict(picture(), focal_px=focal).metres for focal in (200, 400))
    np.testing.assert_array_equal(near, far)


# refine


def test_refine_keeps_scale_and_shape_of_the_photo(model):
    given = np.linspace(2, 20, 40 * 60, dtype=np.float32).reshape(40, 60)
    refined = model.refine(picture(), given).metres
    assert refined.shape == (200, 300)
    enlarged = F.interpolate(torch.from_numpy(given)[None, None], (200, 300), mode="bilinear")[0, 0].numpy()
    assert abs(math.log(np.median(refined / enlarged))) < 0.02
    tenfold = model.refine(picture(), 10 * given).metres
    assert 9 < np.median(tenfold) / np.median(refined) < 11


@pytest.mark.parametrize("hole", [0, np.nan, -1])
def test_refine_fills_holes(model, hole):
    given = np.full((50, 75), 7, np.float32)
    given[10:20, 10:20] = hole
    refined = model.refine(picture(), given).metres
    assert np.isfinite(refined).all()
    assert refined[40:80, 40:80].min() > 0.5  # of the same order as its surroundings
    assert refined[40:80, 40:80].max() < 100


def test_refine_keeps_the_given_sky(model):
    given = np.full((200, 300), 7, np.float32)
    given[:100] = np.inf
    pixels = picture()
    pixels[:100] = 200
    refined = model.refine(pixels, given).metres
    assert np.isinf(refined[:70]).all()
    assert np.isfinite(refined[130:]).all()


@pytest.mark.parametrize("given", [np.ones(5), np.zeros((5, 5)), np.full((5, 5), np.nan), np.ones((5, 5, 3))])
def test_refine_refuses_what_is_no_depth_map(model, given):
    with pytest.raises(HyperfocalError, match="given depth"):
        model.refine(picture(), given)


# loading


def test_save_and_load_give_the_same_model(model, tmp_path, caplog):
    model.save_pretrained(tmp_path / "m")
    assert sorted(path.name for path in (tmp_path / "m").iterdir()) == ["config.json", "model.safetensors"]
    with caplog.at_level(logging.INFO, "hyperfocal"):
        loaded = hyperfocal.load(tmp_path / "m", device="cpu")
    assert caplog.messages == [f"model {tmp_path / 'm'} on cpu in float32"]
    np.testing.assert_array_equal(loaded.predict(picture()).metres, model.predict(picture()).metres)


def test_a_hub_id_fetches_only_the_two_files(tmp_path, monkeypatch):
    asked = {}

    def snapshot_download(repository: str, **options: object) -> str:
        asked.update(options, repository=repository)
        return str(write_tiny_model(tmp_path))

    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot_download)
    hyperfocal.load("someone/depth", device="cpu")
    assert asked == {"repository": "someone/depth", "allow_patterns": ["config.json", "model.safetensors"]}


def test_an_unreachable_hub_is_one_line(monkeypatch):
    from huggingface_hub.errors import LocalEntryNotFoundError

    def offline(*_: object, **__: object) -> str:
        raise LocalEntryNotFoundError("outgoing traffic is disabled (HF_HUB_OFFLINE)\nmore\nlines")

    monkeypatch.setattr("huggingface_hub.snapshot_download", offline)
    with pytest.raises(HyperfocalError, match=r"someone/depth.*HF_HUB_OFFLINE") as error:
        hyperfocal.load("someone/depth", device="cpu")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("name", "words"), [("nan0", "did you mean 'nano'"), ("./nowhere", "no model"), ("/a/b", "no model")]
)
def test_an_unknown_model_is_named(name, words):
    with pytest.raises(HyperfocalError, match=words):
        hyperfocal.load(name, device="cpu")


def test_missing_bundled_weights_are_named(monkeypatch, tmp_path):
    monkeypatch.setattr("hyperfocal.models.resources.files", lambda _: tmp_path)
    with pytest.raises(HyperfocalError, match="weights are missing"):
        hyperfocal.load("nano", device="cpu")


@pytest.mark.parametrize("name", ["toaster", "cuda:99", "-1"])
def test_a_device_that_is_not_here_is_refused(name):
    with pytest.raises(HyperfocalError, match=name):
        choose_device(name)


def test_an_unknown_precision_is_refused():
    with pytest.raises(HyperfocalError, match="float8"):
        choose_dtype("float8", torch.device("cpu"))


def test_bfloat16_is_close_to_float32(tmp_path: Path):
    directory = write_tiny_model(tmp_path)
    half, full = (hyperfocal.load(directory, device="cpu", dtype=name) for name in ("bfloat16", "float32"))
    ratio = half.predict(picture()).metres / full.predict(picture()).metres
    assert np.abs(np.log(ratio)).max() < 0.1


def test_config_without_refiner_round_trips(tmp_path):
    config = replace(CONFIG, refiner=None)
    checkpoints.save(tmp_path, config, *networks(config))
    assert hyperfocal.load(tmp_path, device="cpu").refiner is None
