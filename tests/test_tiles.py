"""Tiles: they cover every photo, merge without a trace, and are the published ones where they claim it."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from hyperfocal.errors import HyperfocalError
from hyperfocal.tiles.choose import flat, sees_nothing
from hyperfocal.tiles.merge import BLENDS, Merger, gaussian_mask, ramp, tile_weight
from hyperfocal.tiles.plan import Box, grid, passes, plan, random_tiles
from hyperfocal.tiles.tiling import Tiling

PARITY = Path(__file__).parent / "data" / "parity" / "tiling"
SIDES = st.integers(32, 700)
TILINGS = st.sampled_from(["auto", "1x1", "1x3", "2x2", "3x4", "4x4", "p16", "p49", "r9"])


def merged(
    values: np.ndarray, tiling: str, blend: str = "patchfusion", backwards: bool = False
) -> np.ndarray:
    """Cut a map into tiles and merge them again."""
    merger = Merger(*values.shape)
    for kind, boxes in passes(*values.shape, tiling, tile_size=(64, 96))[:: -1 if backwards else 1]:
        weight = tile_weight(tiling, boxes[0].height, boxes[0].width, kind, blend)
        for box in boxes[:: -1 if backwards else 1]:
            merger.add(values[box.slices], weight, box)
    return merger.result()


@settings(max_examples=60, deadline=None)
@given(SIDES, SIDES, TILINGS, st.integers(0, 99))
def test_tiles_lie_in_the_photo_and_cover_it_with_equal_sizes(height, width, tiling, seed):
    boxes = plan(height, width, tiling, tile_size=(64, 96), seed=seed)
    covered = np.zeros((height, width), bool)
    for top, left, h, w in boxes:
        assert 0 <= top <= top + h <= height
        assert 0 <= left <= left + w <= width
        covered[top : top + h, left : left + w] = True
    assert covered.all()
    assert len({(box.height, box.width) for box in boxes}) == 1


@settings(max_examples=40, deadline=None)
@given(SIDES, SIDES, TILINGS)
def test_a_map_cut_and_merged_is_the_same_map_in_any_order(height, width, tiling):
    values = (
        np.random.default_rng(height * 1000 + width).uniform(0.1, 300, (height, width)).astype(np.float32)
    )
    forward, backward = (merged(values, tiling, backwards=b) for b in (False, True))
    np.testing.assert_allclose(forward, values, rtol=1e-5)
    np.testing.assert_allclose(forward, backward, rtol=1e-5)


@pytest.mark.parametrize("blend", BLENDS)
@pytest.mark.parametrize("size", [(37, 50), (200, 300)])
def test_every_publications_weights_keep_the_map(blend, size):
    values = np.random.default_rng(0).uniform(0.1, 300, size).astype(np.float32)
    np.testing.assert_allclose(merged(values, "r9", blend), values, rtol=1e-5)


@pytest.mark.parametrize(
    ("tiling", "count"), [("none", 0), ("1x1", 1), ("3x5", 15), ("p16", 16), ("p49", 49), ("r128", 177)]
)
def test_names_give_their_number_of_tiles(tiling, count):
    assert len(plan(2160, 3840, tiling)) == count


@pytest.mark.parametrize(
    "tiling", ["", "4", "0x4", "4x", "axb", "r", "r0", "P49", "p48", "4x4 ", "-1x2", "r1.5"]
)
def test_other_names_are_refused(tiling):
    with pytest.raises(HyperfocalError, match="is not known"):
        Tiling(tiling)


def test_a_plan_needs_no_torch():
    """Options are checked and frames are read with it: neither waits for torch."""
    code = (
        "import sys; import hyperfocal.tiles.plan, hyperfocal.tiles.tiling; sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_tiles_too_fine_for_the_photo_are_refused():
    with pytest.raises(HyperfocalError, match="too fine"):
        plan(32, 2000, "5x5")


def test_auto_takes_one_tile_for_a_small_photo_and_four_by_four_at_most():
    assert plan(384, 512, "auto", tile_size=(384, 512)) == [Box(0, 0, 384, 512)]
    assert len(plan(20000, 30000, "auto", tile_size=(384, 512))) == 16


@pytest.mark.parametrize("tiling", ["p16", "p49"])
def test_published_boxes(tiling):
    published = json.loads((PARITY / "boxes.json").read_text())
    boxes = plan(*published["photo"], tiling)
    corners = [[left, top, left + width, top + height] for top, left, height, width in boxes]
    assert corners == published["left_top_right_bottom"][tiling]


@pytest.mark.parametrize(
    "name", ["mask_process_b0.1", "mask_process_b0.15", "mask_raw_b0.1", "mask_raw_b0.15"]
)
def test_published_masks(name):
    """The fixture keeps every seventh row and column."""
    height, width = (384, 512) if "process" in name else (540, 960)
    mask = gaussian_mask(height, width, float(name.split("_b")[1]))
    assert mask.max() == 1
    np.testing.assert_allclose(mask[::7, ::7], np.load(PARITY / "masks.npz")[f"{name}_every7"], atol=2e-6)


@pytest.mark.parametrize("blend", ["patchfusion", "patchrefiner"])
def test_published_p49_map(blend):
    """The fixture's stand-in predictor: what a tile shows, and its number, so that each tile disagrees.

    Published maps stop at 4 × 4 process sizes; every 32nd row and column is kept, a whole row and a column.
    """
    x, y = np.linspace(0, 1, 3840, dtype=np.float32), np.linspace(0, 1, 2160, dtype=np.float32)[:, None]
    channels = (0.5 + 0.5 * np.sin(9 * x + 3 * y), y * x, 0.5 * np.cos(5 * y) + 0.5)
    photo = torch.from_numpy(np.asarray(sum(channels) / 3, np.float32))[None, None]
    merger, number = Merger(1536, 2048), 0
    for seen, way in zip(passes(2160, 3840, "p49"), passes(1536, 2048, "p49"), strict=True):
        weight = tile_weight("p49", 384, 512, way.kind, blend)
        for source, box in zip(seen.boxes, way.boxes, strict=True):
            crop = photo[:, :, *source.slices]
            tile = F.interpolate(crop, (384, 512), mode="bilinear", align_corners=True)[0, 0].numpy()
            merger.add(1 + 4 * tile + np.float32(0.05 * number), weight, box)
            number += 1
    ours, theirs = merger.result(), np.load(PARITY / "merged.npz")
    np.testing.assert_allclose(ours[::32, ::32], theirs[f"{blend}_every32"], atol=5e-6)
    np.testing.assert_allclose(ours[768], theirs[f"{blend}_row768"], atol=5e-6)
    np.testing.assert_allclose(ours[:, 1024], theirs[f"{blend}_column1024"], atol=5e-6)


def test_behind_the_papers_numbers_shifted_tiles_outweigh_the_first_pass_at_its_seams():
    first, later = (tile_weight("p49", 540, 960, kind, "patchfusion_cvpr") for kind in ("first", "shifted"))
    assert first[270, 0] == pytest.approx(1e-3)
    assert first[270, 480] == pytest.approx(1.001)
    assert np.all(later == 1)


def test_p49_is_four_passes_of_which_p16_is_the_first():
    ways = passes(1001, 777, "p49")
    assert [(way.kind, len(way.boxes)) for way in ways] == [
        ("first", 16),
        ("shifted", 12),
        ("shifted", 12),
        ("shifted", 9),
    ]
    assert passes(1001, 777, "p16") == ways[:1]
    *regular, random = passes(1001, 777, "r5")
    assert regular == ways
    assert (random.kind, len(random.boxes)) == ("random", 5)


def test_the_mean_so_far_leaves_the_merger_as_it_is():
    merger, whole = Merger(4, 6), np.ones((4, 6), np.float32)
    merger.add(2 * whole, whole, Box(0, 0, 4, 6))
    assert np.all(merger.mean() == 2)
    merger.add(8 * whole, whole, Box(0, 0, 4, 6))
    assert np.all(merger.mean() == 5)
    assert np.all(merger.result() == 5)


def test_random_tiles_depend_on_the_seed_alone_and_draw_every_offset():
    tiles = random_tiles(40, 50, 30, 30, 2000, seed=3)
    assert tiles == random_tiles(40, 50, 30, 30, 2000, seed=3)
    assert tiles != random_tiles(40, 50, 30, 30, 2000, seed=4)
    assert {tile.top for tile in tiles} == set(range(11))  # the last offset, 40 − 30, included
    assert {tile.left for tile in tiles} == set(range(21))


def test_random_tiles_of_the_whole_photo_are_the_photo():
    assert set(random_tiles(30, 30, 30, 30, 5, seed=0)) == {Box(0, 0, 30, 30)}


def test_neighbouring_ramps_weigh_one_together():
    first, second = grid(64, 150, 1, 2, overlap=1 / 8)
    total = np.zeros((64, 150), np.float32)
    for box in (first, second):
        total[box.slices] += ramp(box.height, box.width)
    middle = total[32]
    np.testing.assert_allclose(middle[second.left : first.left + first.width], 1, atol=0.03)


def test_a_step_between_tiles_becomes_a_slope():
    """Two constant tiles: every merged value lies between them, and no two neighbours jump."""
    boxes = grid(64, 240, 1, 2, overlap=1 / 8)
    merger = Merger(64, 240)
    for value, box in zip((1.0, 2.0), boxes, strict=True):
        shape = (box.height, box.width)
        merger.add(np.full(shape, value, np.float32), tile_weight("1x2", *shape), box)
    row = merger.result()[32]
    assert row[0] == 1
    assert row[-1] == 2
    assert np.all(np.diff(row) >= -1e-6)
    assert np.diff(row).max() < 0.12


def test_where_no_tile_has_been_there_is_nan():
    merger = Merger(4, 4)
    merger.add(np.ones((2, 2), np.float32), np.ones((2, 2), np.float32), Box(0, 0, 2, 2))
    assert np.isnan(merger.result()).sum() == 12


def test_flat_is_what_has_no_contrast_nearby():
    tiles = torch.full((2, 3, 32, 32), 0.5)
    tiles[1, 0, :, 16] = 0.7  # a wire
    blank = flat(tiles)
    assert blank[0].all()
    assert not blank[1, 0, :, 13:20].any()  # the window of 7 around the wire
    assert blank[1, 0, :, :12].all()
    assert blank[1, 0, :, 21:].all()
    assert sees_nothing(blank).tolist() == [True, False]


def test_noise_is_not_contrast():
    noise = (torch.rand(1, 3, 64, 64, generator=torch.manual_seed(0)) - 0.5) * 6 / 255
    assert sees_nothing(flat(0.5 + noise)).all()
