"""The predictor around networks whose answer is known: places, detail, memory, blank tiles, wires, scale."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from hyperfocal.coarse import CoarseOutput
from hyperfocal.errors import HyperfocalError
from hyperfocal.loading import choose_dtype
from hyperfocal.predictor import Model
from hyperfocal.refine import Refiner
from hyperfocal.tiles.tiling import Tiling
from tiny_model import CONFIG

STRIDES = (32, 16, 8, 4, 2, 1)


class RedIsDepth(nn.Module):
    """A coarse network whose depth is `factor` × red."""

    def __init__(self, factor: float = 10.0):
        super().__init__()
        self.factor, self.sizes = factor, []

    def forward(self, image):
        self.sizes.append(tuple(image.shape))
        n, _, h, w = image.shape
        features = tuple(torch.zeros(n, 4, h // s, w // s) for s in STRIDES)
        return CoarseOutput(self.factor * image[:, :1], features)


class Answering(Refiner):
    """Answers with a function of the tile and the coarse depth; has memory for `room` tiles; counts them."""

    def __init__(self, answer, room=99):
        super().__init__()
        self.answer, self.room, self.seen, self.sizes = answer, room, 0, set()

    def feature_sizes(self, height, width):
        return [(height // s, width // s) for s in STRIDES]

    def forward(self, tile, coarse_depth, coarse_features):
        if len(tile) > self.room:
            raise torch.OutOfMemoryError("out of memory")
        assert [tuple(f.shape[-2:]) for f in coarse_features] == self.feature_sizes(*tile.shape[-2:])
        assert {len(x) for x in (tile, coarse_depth, *coarse_features)} == {len(tile)}
        self.seen += len(tile)
        self.sizes.add(tuple(tile.shape[-2:]))
        return self.answer(tile, coarse_depth)


def keep(tile, depth):
    return depth


def from_tile(tile, depth):
    return 10 * tile[:, :1]


def near(tile, depth):
    return torch.ones_like(depth)


def model(refiner=None, coarse=None, **changes) -> Model:
    sizes = {"coarse_size": (64, 96), "tile_size": (64, 96), "canonical_focal": None, "sky_from": 300.0}
    config = replace(CONFIG, **sizes | changes)
    return Model("stub", config, coarse or RedIsDepth(), refiner, torch.device("cpu"), torch.float32)


def textured(height: int, width: int) -> np.ndarray:
    """Smooth red, so that shrinking it loses little, and noise in green, so that no tile is blank."""
    y, x = np.mgrid[:height, :width]
    photo = np.zeros((height, width, 3), np.uint8)
    photo[..., 0] = 100 + 50 * np.sin(3 * x / width) + 50 * np.cos(2 * y / height)
    photo[..., 1] = np.random.default_rng(0).integers(0, 256, (height, width))
    return photo


def half_sky() -> np.ndarray:
    """Above: a blank sky, red 255. Below: textured ground, red 60."""
    photo = textured(256, 256)
    photo[:128] = (255, 100, 200)
    photo[128:, :, 0] = 60
    return photo


@pytest.mark.parametrize("keep_aspect", [True, False])
@pytest.mark.parametrize("tiling", ["4x4", "p16", "p49", "r9"])
def test_each_tile_sees_its_own_place(tiling, keep_aspect):
    photo = textured(256, 384)
    metres = (
        model(Answering(from_tile), RedIsDepth(0.1), keep_aspect=keep_aspect)
        .predict(photo, tiling=tiling)
        .metres
    )
    np.testing.assert_allclose(metres, 10 / 255 * photo[..., 0], atol=0.15)


@pytest.mark.parametrize("keep_aspect", [True, False])
@pytest.mark.parametrize("size", [(200, 300), (333, 251)])
@pytest.mark.parametrize("tiling", ["auto", "3x2", "p16", "p49", "r9"])
def test_a_refiner_that_keeps_the_coarse_depth_gives_the_coarse_map(size, tiling, keep_aspect):
    photo, network = textured(*size), model(Answering(keep), keep_aspect=keep_aspect)
    whole, tiled = (network.predict(photo, tiling=name).metres for name in ("none", tiling))
    np.testing.assert_allclose(tiled, whole, atol=0.12)  # of 0 to 10 m: two resamplings apart
    assert np.abs(tiled - whole).mean() < 0.02


def test_tiles_add_detail_that_the_coarse_map_cannot_hold():
    photo = textured(512, 768)
    photo[..., 0] = np.where(np.arange(768) // 4 % 2, 200, 50)  # stripes of 4 px; a coarse pixel is 8
    truth = 10 / 255 * photo[..., 0]
    coarse, sharp = (
        np.abs(model(Answering(from_tile)).predict(photo, tiling=tiling).metres - truth).mean()
        for tiling in ("none", "8x8")
    )
    assert sharp < 0.2 * coarse


def test_the_papers_sizes_are_exact():
    coarse, refiner = RedIsDepth(), Answering(keep)
    model(refiner, coarse, keep_aspect=False, tile_size=(32, 64)).predict(textured(100, 100), tiling="p16")
    assert coarse.sizes == [(1, 3, 64, 96)]
    assert refiner.sizes == {(32, 64)}


def test_without_memory_for_a_batch_it_is_halved():
    photo, refiner = textured(128, 192), Answering(keep, room=3)
    metres = model(refiner).predict(photo, tiling="p16", tile_batch=16).metres
    assert np.array_equal(metres, model(Answering(keep)).predict(photo, tiling="p16").metres)
    assert refiner.seen == 16
    with pytest.raises(HyperfocalError, match="memory"):
        model(Answering(keep, room=0)).predict(photo, tiling="p16")


def test_a_blank_tile_costs_nothing_and_keeps_the_coarse_depth():
    refiner = Answering(near)
    depth, report = model(refiner, sky_from=None).predict_with_report(half_sky(), Tiling("p16"))
    assert (report.tiles, report.refined, refiner.seen) == (16, 8, 8)
    np.testing.assert_allclose(depth.metres[:100], 10, rtol=1e-2)
    np.testing.assert_allclose(depth.metres[-100:], 1, rtol=1e-2)


def test_a_wire_in_the_sky_is_still_refined():
    photo = half_sky()
    photo[:128, 96:104] = 30
    refiner = Answering(lambda tile, depth: torch.where(tile[:, :1] < 0.5, 1.0, depth))
    metres = model(refiner, sky_from=9.0).predict(photo, tiling="2x2").metres
    assert np.isfinite(metres[10:100, 98:102]).all()
    assert np.isinf(metres[10:100, :80]).all()


@pytest.mark.parametrize("size", [(256, 256), (64, 64), (100, 100)])
def test_refine_takes_back_a_scale_that_the_refiner_adds(size):
    given = np.linspace(3, 9, size[0], dtype=np.float32)[:, None].repeat(size[1], 1)
    metres = model(Answering(lambda tile, depth: 1.7 * depth)).refine(textured(256, 256), given).metres
    np.testing.assert_allclose(metres[:, 100], np.linspace(3, 9, 256), rtol=0.05)


def test_networks_that_break_down_do_not_pass_for_depth():
    with pytest.raises(HyperfocalError, match="gave NaN in float32"):
        model(coarse=RedIsDepth(float("nan"))).predict(textured(64, 64))


def test_precision_is_not_bfloat16_by_itself():
    assert choose_dtype("auto", torch.device("cpu")) is torch.float32
    assert choose_dtype("auto", torch.device("cuda")) is torch.float16


def test_the_photo_is_not_written_to():
    photo = textured(64, 96)
    before = photo.copy()
    model(Answering(keep)).predict(photo, tiling="2x2")
    assert np.array_equal(photo, before)
