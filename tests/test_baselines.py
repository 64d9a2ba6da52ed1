"""Baselines: refiners without training, and the two ways to join tiles that undo a scale of each tile's own."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

import hyperfocal
from hyperfocal import baselines, checkpoints
from hyperfocal.boosting import BoostingModel
from hyperfocal.cli.models import describe
from hyperfocal.coarse import CoarseOutput
from hyperfocal.errors import HyperfocalError
from hyperfocal.loading import outline
from hyperfocal.models import config_of, matching
from hyperfocal.predictor import Model
from hyperfocal.refine.baselines.boosting import Boosting, MergingNetwork, Structured
from hyperfocal.refine.baselines.guided_filter import GuidedFilter, guided_filter
from hyperfocal.refine.baselines.scale_shift import ScaleShift, fitted
from hyperfocal.tiles.content import edges, high_scale, patches
from hyperfocal.tiles.deformation import DeformationMerger
from hyperfocal.tiles.merge import Merger, tile_weight
from hyperfocal.tiles.plan import Box, plan
from hyperfocal.tiles.poisson import PoissonMerger, screened_poisson
from hyperfocal.tiles.tiling import Tiling
from test_predictor import picture
from tiny_model import CONFIG, write_tiny_model

HEIGHT, WIDTH = 160, 240


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model directory whose coarse network baselines are made on."""
    return write_tiny_model(tmp_path_factory.mktemp("base"))


def model(what: str, base: Path, **changes: object) -> Model:
    """A baseline on `base`, by way of a directory of its own."""
    config, coarse, refiner = baselines.on(what, base)
    directory = base / what
    checkpoints.save(directory, replace(config, **changes), coarse, refiner)
    return hyperfocal.load(directory, device="cpu")


class Known(nn.Module):
    """In the place of a base network: depth is the picture's red, in units of 20 m, scaled and shifted."""

    multiple = 32

    def __init__(self, scale: float = 1.0, shift: float = 0.0) -> None:
        super().__init__()
        self.scale, self.shift = scale, shift

    def forward(self, image):
        return CoarseOutput(self.scale * 20 * image[:, :1] + self.shift, ())


def ramp_with_steps() -> np.ndarray:
    """Depth in metres that falls from top to bottom, with boxes that stand out."""
    truth = np.repeat(np.linspace(18, 3, HEIGHT, dtype=np.float32)[:, None], WIDTH, 1)
    truth[40:70, 30:90] = 6
    truth[80:150, 110:135] = 2.5
    truth[30:50, 150:235] = 9
    return truth


def blurred(depth: np.ndarray, cells: int = 8) -> np.ndarray:
    """What a coarse network could know of it."""
    x = torch.from_numpy(depth)[None, None]
    x = F.avg_pool2d(x, 2 * cells + 1, 1, cells, count_include_pad=False)
    return x[0, 0].numpy()


def error(found: np.ndarray, truth: np.ndarray) -> float:
    """Mean relative error."""
    return float(np.abs(found / truth - 1).mean())


def joined(merger, tiling: str, change) -> np.ndarray:
    """The truth cut into tiles, each changed by `change(tile, number)`, and joined again."""
    truth = ramp_with_steps()
    boxes = plan(HEIGHT, WIDTH, tiling)
    weight = tile_weight(tiling, boxes[0].height, boxes[0].width)
    for number, box in enumerate(boxes):
        merger.add(change(truth[box.slices], number).astype(np.float32), weight, box)
    return merger.result()


def scaled(tile: np.ndarray, number: int) -> np.ndarray:
    """A scale of the tile's own: 0.7 to 1.4."""
    return tile * (0.7 * 2 ** ((number * 0.618) % 1))


# every baseline is an ordinary model


@pytest.mark.parametrize("what", baselines.BASELINES)
def test_a_baseline_is_an_ordinary_model(what, base):
    made = model(what, base)
    depth, report = made.predict_with_report(picture(), Tiling("2x3"))
    assert depth.metres.shape == (200, 300)
    assert (depth.metres > 0).all()
    assert report.refined == (0 if what == "coarse" else 6)
    one, four = (made.predict(picture(), tiling="2x3", tile_batch=n).metres for n in (1, 4))
    np.testing.assert_allclose(one, four, rtol=1e-3)
    row = describe(outline(str(base / what)))
    assert row["family"] == ("efficientnet_dpt" if what == "coarse" else made.config.refiner["kind"])
    assert made.config.description.startswith("baseline")


@pytest.mark.parametrize("what", baselines.BASELINES)
def test_a_baseline_predicts_on_its_own_tiling_and_in_the_papers_geometry(what, base):
    depth = model(what, base, keep_aspect=False).predict(picture(130, 170)).metres
    assert depth.shape == (130, 170)
    assert (depth > 0).all()


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("baseline-guided-da-vits", (784, 1036)),  # any size
        ("baseline-tiles-da-vits", (392, 518)),
        ("baseline-tiles-prv2-m-da-vits", (378, 518)),  # the tiles of V2, to multiples of 14
        ("smd-net-da-vits", (392, 518)),  # any size
    ],
)
def test_tiles_are_of_a_size_that_the_refiner_takes(name, size):
    assert config_of(name).tile_size == size


def test_the_guided_filter_takes_a_tile_of_any_size():
    assert GuidedFilter()(torch.rand(1, 3, 33, 47), torch.rand(1, 1, 33, 47), ()).shape == (1, 1, 33, 47)


def test_baselines_have_the_weights_of_their_base(base):
    _, trained, _ = checkpoints.load(base)
    _, coarse, refiner = baselines.on("poisson", base)
    for name, value in trained.state_dict().items():
        assert torch.equal(coarse.state_dict()[name], value)
        assert torch.equal(refiner.base.state_dict()[name], value)


def test_baselines_of_the_bundled_model_are_loaded_and_listed_by_name():
    names = matching(["baseline-*-nano"])
    assert names == [f"baseline-{what}-nano" for what in baselines.BASELINES]
    made = hyperfocal.load("baseline-poisson-nano", device="cpu")
    assert made.config.merge == "poisson"
    assert made.config == outline("baseline-poisson-nano").config
    trained = hyperfocal.load("nano", device="cpu").coarse.state_dict()
    assert all(torch.equal(value, trained[name]) for name, value in made.refiner.base.state_dict().items())
    assert outline("baseline-tiles-zoedepth").refiner is not None  # any base network
    with pytest.raises(HyperfocalError, match="unknown baseline 'magic'"):
        hyperfocal.load("baseline-magic-nano", device="cpu")
    with pytest.raises(HyperfocalError, match="'nan0'"):
        hyperfocal.load("baseline-tiles-nan0", device="cpu")


def test_without_a_refiner_the_coarse_map_is_all_there_is(base):
    original = hyperfocal.load(base, device="cpu").predict(picture(), tiling="none").metres
    np.testing.assert_array_equal(model("coarse", base).predict(picture()).metres, original)


def test_an_unknown_baseline_and_an_unknown_merger_are_refused():
    with pytest.raises(HyperfocalError, match="did you mean 'poisson'"):
        baselines.config("poison", CONFIG)
    with pytest.raises(HyperfocalError, match="unknown merge 'median'"):
        replace(CONFIG, merge="median")


def test_a_config_from_before_mergers_takes_the_mean(base, tmp_path):
    config = json.loads((base / "config.json").read_text())
    del config["merge"]
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "model.safetensors").symlink_to(base / "model.safetensors")
    assert hyperfocal.load(tmp_path, device="cpu").config.merge == "mean"


# guided filter


def test_the_guided_filter_leaves_a_constant_alone():
    tile = torch.rand(2, 3, 96, 128)
    depth = torch.full((2, 1, 96, 128), 7.5)
    torch.testing.assert_close(GuidedFilter(8)(tile, depth, ()), depth, rtol=1e-4, atol=0)


def test_the_guided_filter_brings_a_soft_step_to_the_edge_of_the_photo():
    tile = torch.full((1, 3, 96, 128), 0.2)
    tile[..., 64:] = 0.8
    truth = torch.where(tile[:, :1] > 0.5, 8.0, 3.0)
    coarse = F.avg_pool2d(truth, (1, 25), 1, (0, 12), count_include_pad=False)
    sharp = GuidedFilter(16)(tile, coarse, ())
    across = sharp[0, 0, 48].diff()
    assert across.argmax() == 63
    assert across.max() > 10 * coarse[0, 0, 48].diff().max()
    assert sharp.min() > 2.9
    assert sharp.max() < 8.1


def test_the_guided_filter_recovers_what_is_linear_in_the_guide():
    guide = torch.rand(1, 3, 32, 48)
    x = guide.mul(torch.tensor([1.0, -2.0, 0.5]).view(3, 1, 1)).sum(1, keepdim=True) + 4
    torch.testing.assert_close(guided_filter(guide, x, 6, 1e-8, step=1), x, rtol=0, atol=1e-3)


# scale and shift


def test_a_fit_recovers_scale_and_shift_of_each_tile():
    truth = torch.from_numpy(ramp_with_steps())[None, None].repeat(2, 1, 1, 1)
    wrong = truth * torch.tensor([0.3, 2.0]).view(2, 1, 1, 1) + torch.tensor([4.0, -1.0]).view(2, 1, 1, 1)
    torch.testing.assert_close(fitted(wrong, truth), truth, rtol=1e-4, atol=1e-3)


def test_the_sky_does_not_set_the_scale():
    truth = torch.linspace(2, 20, 1000).view(1, 1, 10, 100)
    fine, coarse = 0.5 * truth, truth.clone()
    fine[..., :5], coarse[..., :5] = 400.0, 800.0
    coarse[..., 5:10] = 500.0  # which only the coarse map calls sky
    found = fitted(fine, coarse)[..., 10:]
    assert (found / truth[..., 10:] - 1).abs().mean() < 0.1


def test_a_blank_estimate_becomes_the_coarse_level():
    coarse = torch.full((1, 1, 8, 8), 6.0)
    torch.testing.assert_close(fitted(torch.ones(1, 1, 8, 8), coarse), coarse)


def test_tiles_that_are_right_up_to_scale_and_shift_give_the_truth():
    truth = ramp_with_steps()
    pixels = np.repeat((truth / 20 * 255).round()[..., None], 3, 2).astype(np.uint8)
    changes = {"coarse_size": (160, 256), "tile_size": (160, 256), "canonical_focal": None, "sky_from": None}
    config = replace(CONFIG, refiner={"kind": "scale_shift", "base": CONFIG.coarse}, **changes)
    refiner = ScaleShift(CONFIG.coarse)
    refiner.base = Known(0.4, 3.0)
    made = Model("fit", config, Known(), refiner, torch.device("cpu"), torch.float32)
    assert error(made.predict(pixels, tiling="2x2").metres, truth) < 0.02


# fine tiles


def test_a_fine_tile_is_predicted_as_a_photo_of_the_same_camera(base):
    pixels = picture(64 * 4, 96 * 4)  # p16's tiles are of the model's own size
    tiles = model("tiles", base, sky_from=None).predict(pixels, tiling="p16", focal_px=500).metres
    alone = model("coarse", base, sky_from=None).predict(
        np.ascontiguousarray(pixels[64:128, 192:288]), focal_px=500
    )
    np.testing.assert_allclose(tiles[64:128, 192:288], alone.metres, rtol=1e-3)


def test_fine_tiles_of_a_network_without_a_canonical_camera_are_taken_as_they_are(base):
    pixels = picture(64 * 4, 96 * 4)
    tiles = (
        model(
            "tiles",
            base,
            sky_from=None,
            canonical_focal=None,
            refiner={
                "kind": "fine_tiles",
                "base": CONFIG.coarse,
                "canonical": False,
            },
        )
        .predict(pixels, tiling="p16")
        .metres
    )
    alone = model("coarse", base, sky_from=None, canonical_focal=None)
    np.testing.assert_allclose(
        tiles[:64, :96], alone.predict(np.ascontiguousarray(pixels[:64, :96])).metres, rtol=1e-3
    )


# Poisson blending


def test_screened_poisson_solves_its_equation():
    source = np.random.default_rng(0).normal(size=(31, 44)).astype(np.float32)
    u = screened_poisson(source, 0.05)
    p = np.pad(u, 1, mode="edge")  # no flow through the borders
    laplacian = p[2:, 1:-1] + p[:-2, 1:-1] + p[1:-1, 2:] + p[1:-1, :-2] - 4 * u
    np.testing.assert_allclose(0.05 * u - laplacian, source, atol=1e-4)


@pytest.mark.parametrize("tiling", ["3x3", "p49"])
def test_poisson_blending_undoes_the_scale_of_each_tile(tiling):
    truth = ramp_with_steps()
    coarse = blurred(truth)
    mean = error(joined(Merger(HEIGHT, WIDTH), tiling, scaled), truth)
    poisson = error(joined(PoissonMerger(coarse), tiling, scaled), truth)
    assert poisson < 0.2 * mean
    assert poisson < 0.5 * error(coarse, truth)


def test_poisson_blending_of_tiles_without_overlap_leaves_no_seam():
    truth = ramp_with_steps()
    coarse = blurred(truth)
    poisson = joined(PoissonMerger(coarse), "p16", scaled)
    mean = joined(Merger(HEIGHT, WIDTH), "p16", scaled)

    def seam(depth: np.ndarray) -> float:
        rows = np.s_[118:121]  # no step of the truth crosses the tiles' border there, but for one box
        return float(np.abs(np.diff(np.log(depth[rows, 58:62] / truth[rows, 58:62]))).max())

    assert seam(mean) > 0.1
    assert seam(poisson) < 0.2 * seam(mean)


def test_poisson_blending_keeps_a_constant_and_the_coarse_map_where_no_tile_is():
    flat = np.full((64, 96), 5, np.float32)
    merger = PoissonMerger(flat)
    merger.add(flat[:32, :48], np.ones((32, 48), np.float32), Box(0, 0, 32, 48))
    np.testing.assert_allclose(merger.result(), flat, rtol=1e-5)


# deformation fields


@pytest.mark.parametrize("tiling", ["2x2", "p16", "p49", "r5"])
def test_tiles_that_agree_are_not_deformed(tiling):
    found = joined(DeformationMerger(HEIGHT, WIDTH), tiling, lambda tile, number: tile)
    np.testing.assert_allclose(found, ramp_with_steps(), rtol=1e-4)


def test_deformation_fields_make_tiles_agree():
    truth = ramp_with_steps()

    def off(tile, number):
        return 1 / (1 / scaled(tile, number) + 0.02 * (number % 3))

    def spread(merger) -> float:
        return float(np.std(np.log(joined(merger, "p49", off) / truth)))

    assert spread(DeformationMerger(HEIGHT, WIDTH)) < 0.4 * spread(Merger(HEIGHT, WIDTH))


def test_a_constant_stays_constant_under_deformation():
    found = joined(DeformationMerger(HEIGHT, WIDTH), "3x3", lambda tile, number: np.full_like(tile, 4))
    np.testing.assert_allclose(found, 4, rtol=1e-5)


# BoostingDepth


def busy(height: int, width: int) -> np.ndarray:
    """A picture of noise."""
    return np.random.default_rng(0).integers(0, 255, (height, width, 3), np.uint8)


def test_a_blank_photo_has_no_patches_and_no_high_resolution():
    cues = edges(np.full((96, 128, 3), 90, np.uint8))
    assert high_scale(cues) == 1
    assert patches(cues, 960, 1280) == []


def test_a_photo_full_of_cues_is_seen_at_the_highest_resolution():
    assert high_scale(edges(busy(96, 128))) == 4


def test_patches_grow_from_where_the_detail_is():
    pixels = np.full((192, 256, 3), 90, np.uint8)
    pixels[:48, :64] = busy(48, 64)
    pixels[::24, ::24] = 250  # some cues everywhere
    cues = edges(pixels)
    boxes = patches(cues, 1920, 2560)
    assert boxes
    assert [box.height * box.width for box in boxes] == sorted(
        (b.height * b.width for b in boxes), reverse=True
    )
    smallest = 2560 / high_scale(cues)
    for box in boxes:
        assert box.top >= 0
        assert box.left >= 0
        assert box.top + box.height <= 1920
        assert box.left + box.width <= 2560
        assert box.width >= smallest
        assert box.top < 480  # reaches into the corner
        assert box.left < 640


def test_boosting_is_loaded_as_a_model_that_chooses_its_patches(base):
    made = model("boosting", base)
    assert isinstance(made, BoostingModel)
    pixels = picture(256, 384)
    seen: list[tuple[int, int]] = []
    depth, report = made.predict_with_report(
        pixels, Tiling(on_progress=lambda done, n: seen.append((done, n)))
    )
    assert report.tiles == len(seen) > 0
    assert seen[-1] == (report.tiles, report.tiles)
    assert not np.array_equal(depth.metres, made.predict(pixels, tiling="none").metres)


def test_boosting_leaves_a_photo_without_detail_at_its_base_estimate(base):
    made = model("boosting", base)
    depth, report = made.predict_with_report(np.full((256, 384, 3), 120, np.uint8))
    assert report.tiles == 0
    np.testing.assert_array_equal(
        depth.metres, made.predict(np.full((256, 384, 3), 120, np.uint8), tiling="none").metres
    )


def test_the_rule_takes_structure_from_one_estimate_and_detail_from_the_other():
    rows = torch.linspace(0, 2, 128).view(1, 1, 128, 1).expand(1, 1, 128, 160)
    detail = 0.1 * torch.sign(torch.sin(torch.arange(160) / 3)).expand(1, 1, 128, 160)
    merged = Structured()(rows, detail + 0.3)
    inner = np.s_[..., 40:-40, 40:-40]
    assert (merged - rows - detail)[inner].abs().mean() < 0.03


def test_an_untrained_merging_network_returns_the_structure_and_learns():
    torch.manual_seed(0)
    refiner = Boosting(CONFIG.coarse, (8, 16, 16))
    tile, coarse = torch.rand(2, 3, 64, 96), torch.rand(2, 1, 64, 96) + 2
    torch.testing.assert_close(refiner(tile, coarse, ()), coarse)
    trained = [p for p in refiner.parameters() if p.requires_grad]
    assert {id(p) for p in trained} == {id(p) for p in refiner.merge.parameters()}
    truth = coarse * (1 + 0.2 * tile[:, :1])
    optimiser = torch.optim.Adam(trained, 1e-2)
    losses = []
    for _ in range(8):
        loss = (refiner(tile, coarse, ()).log() - truth.log()).abs().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.8 * losses[0]
    assert all(p.grad is not None for p in trained)


@pytest.mark.parametrize("size", [(64, 96), (70, 98), (33, 47)])
def test_the_merging_network_takes_any_size(size):
    low = torch.rand(1, 1, *size)
    assert MergingNetwork((4, 8, 8))(low, low).shape == low.shape
