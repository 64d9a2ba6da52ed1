"""PatchFusion: parity with the published system, parameter counts, the G2L's windows, and the contract."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torchvision.models.swin_transformer import SwinTransformerBlock
from torchvision.ops import roi_align

import pf_das
from hyperfocal.checkpoints import ModelConfig, build, load, save
from hyperfocal.checkpoints.published import base_network_state, patchfusion_state
from hyperfocal.cli.models import gflops
from hyperfocal.coarse.blocks import resize
from hyperfocal.coarse.depth_anything import DepthAnything, paper
from hyperfocal.errors import HyperfocalError
from hyperfocal.predictor import Model
from hyperfocal.refine import KINDS
from hyperfocal.refine.blocks import in_bands, up_stage
from hyperfocal.refine.patchfusion import (
    PatchFusion,
    PatchFusionCVPR,
    SwinBlock,
    area_of,
    crop_enlarged,
    decoder_stage,
)

PAPER_BASE = {"kind": "efficientnet_dpt", "widths": (256, 256, 256, 256, 256, 32)}  # ZoeDepth's channels
PUBLISHED = {"base": {"kind": "depth_anything", **paper("vits")}, "size": pf_das.SIZE}

CHANNELS = (32, 32, 16, 16, 8, 8)
BASE = {"kind": "efficientnet_dpt", "widths": CHANNELS}
CONFIG = ModelConfig(
    coarse=BASE,
    refiner={"kind": "patchfusion", "base": BASE, "size": (64, 96)},
    coarse_size=(64, 96),
    tile_size=(64, 96),
    keep_aspect=False,
    canonical_focal=None,
    sky_from=None,
    licence="MIT",
    description="tiny",
)


class Published:
    """The whole published system on the fixture's photo."""

    def __init__(self):
        checkpoint = pf_das.checkpoint()
        coarse = DepthAnything(**paper("vits")).eval()
        coarse.load_state_dict(base_network_state(checkpoint, coarse, "coarse_branch."))
        self.refiner = PatchFusion(**PUBLISHED).eval()
        self.refiner.load_state_dict(patchfusion_state(checkpoint, self.refiner))
        self.depth, features = coarse(pf_das.shrunken(pf_das.photo()))
        self.maps = self.refiner.whole(features)

    def crops(self, top, left):
        """The coarse depth and the maps, cropped to a tile."""
        box = torch.tensor([[top, left, *pf_das.TILE]])
        return self.refiner.crops(self.depth, self.maps, box, pf_das.PHOTO, pf_das.SIZE)

    def tile(self, top, left):
        return self.refiner(pf_das.tile(top, left), *self.crops(top, left))


@pytest.fixture(scope="module")
def published():
    with torch.inference_mode():
        return Published()


@pytest.mark.slow
def test_published_checkpoint_gives_the_published_tile(published):
    with torch.inference_mode():
        depth, maps = published.crops(810, 1920)
        assert pf_das.error(depth, "roi_depth") < 1e-5
        assert max(pf_das.error(maps[i], f"roi_feat_{i}") for i in range(6)) < 1e-5
        assert pf_das.error(published.tile(810, 1920), "tile_depth") < 1e-4


@pytest.mark.slow
def test_published_checkpoint_gives_the_published_p16_map(published):
    with torch.inference_mode():
        rows = [torch.cat([published.tile(540 * i, 960 * j) for j in range(4)], 3) for i in range(4)]
    assert pf_das.error(torch.cat(rows, 2)[..., ::4, ::4], "p16_depth") < 1e-4


def test_published_entries_are_all_used_once():
    with torch.device("meta"):
        refiner = PatchFusion(**PUBLISHED)
        checkpoint = {name: torch.empty(shape) for name, shape in pf_das.keys().items()}
    state = patchfusion_state(checkpoint, refiner)
    assert state.keys() == refiner.state_dict().keys()
    used = {id(v) for v in state.values()}
    unused = {n for n, v in checkpoint.items() if id(v) not in used and not n.startswith("coarse_branch.")}
    known = ("mask_token", "refinenet4.resConfUnit1", "fusion_conv_list.5.", "embed_proj")
    assert all(any(part in name for part in known) for name in unused)
    assert len(unused) == 5 + 2 + 12


def test_published_fine_network_must_be_there():
    with torch.device("meta"):
        refiner = PatchFusion(**PUBLISHED)
        checkpoint = {n: torch.empty(s) for n, s in pf_das.keys().items() if not n.startswith("fine_branch.")}
    with pytest.raises(HyperfocalError, match=r"missing \(base\."):
        patchfusion_state(checkpoint, refiner)


def test_has_the_papers_parameters():
    """On ZoeDepth; its table's 432.7 M added are these 87.7 M and a second ZoeDepth of 345.0 M."""

    def count(part):
        return sum(p.numel() for p in part.parameters())

    area_prior, sixth_guide = (
        2_624,
        (64 * 9 + 1) * 32,
    )  # built by the published code, not used by its main branch
    with torch.device("meta"):
        main = PatchFusion(PAPER_BASE)
        cvpr = PatchFusionCVPR(PAPER_BASE)
    assert sum(g2l.position.numel() for g2l in main.g2l) == 23_052_288
    assert count(main.g2l) + area_prior == 35_922_240
    assert count(cvpr.embed_area) == area_prior
    assert count(main.fusion.encoder) == 5_398_048
    assert count(main.fusion.guide) + sixth_guide == 5_917_984
    assert (count(main.fusion.up), count(cvpr.fusion.up)) == (31_136_320, 15_568_688)
    assert count(main.fusion.inject) == 8_877_632
    assert count(main.bins) == 412_353
    assert count(main) - count(main.base) + area_prior + sixth_guide == 87_664_577
    assert count(cvpr.project_coarse) + count(cvpr.project_fine) == 5_919_296
    guided = (cvpr.fusion.encoder, cvpr.fusion.up, cvpr.fusion.inject, cvpr.g2l, cvpr.embed_area)
    assert sum(map(count, guided)) == 65_766_608


@pytest.mark.parametrize("shift", [0, 6])
def test_block_is_torchvisions_where_nothing_is_padded(shift):
    torch.manual_seed(0)
    theirs = SwinTransformerBlock(16, 4, [12, 12], [shift, shift]).eval()
    ours = SwinBlock(16, 4, shift).eval()
    names = {"mlp.0": "mlp.fc1", "mlp.3": "mlp.fc2"}
    state = {k: v for k, v in theirs.state_dict().items() if "index" not in k}
    for a, b in names.items():
        state = {k.replace(a, b): v for k, v in state.items()}
    ours.load_state_dict(state)
    x = torch.randn(2, 24, 36, 16)
    torch.testing.assert_close(ours(x), theirs(x), rtol=1e-4, atol=1e-5)


def reach(shift, row, column, size=(30, 30)):
    """Which pixels a change of one pixel changes."""
    torch.manual_seed(0)
    block, x = SwinBlock(8, 2, shift).eval(), torch.randn(1, *size, 8)
    changed = x.clone()
    changed[0, row, column, 0] += 1
    with torch.no_grad():
        return (block(x) != block(changed)).any(-1)[0]


def rectangle(rows, columns, size=(30, 30)):
    expected = torch.zeros(size, dtype=torch.bool)
    expected[rows, columns] = True
    return expected


def test_attention_stays_in_its_window():
    assert torch.equal(reach(0, 13, 2), rectangle(slice(12, 24), slice(0, 12)))
    assert torch.equal(reach(0, 29, 29), rectangle(slice(24, 30), slice(24, 30)))


def test_shifted_attention_does_not_reach_around_the_border():
    assert torch.equal(reach(6, 13, 20), rectangle(slice(6, 18), slice(18, 30)))
    assert torch.equal(reach(6, 2, 2), rectangle(slice(0, 6), slice(0, 6)))


FORMS = pytest.mark.parametrize("form", [PatchFusion, PatchFusionCVPR])
BOXES = torch.tensor([[0, 0, 64, 96], [20, 30, 64, 96]])  # of a photo of 128 × 192


def tiny(form=PatchFusion) -> PatchFusion:
    torch.manual_seed(0)
    return form(BASE, (64, 96)).eval()


def inputs(refiner, n=1):
    torch.manual_seed(1)
    features = [torch.randn(n, c, *s) for c, s in zip(CHANNELS, refiner.sizes, strict=True)]
    return torch.rand(n, 3, 64, 96), 1 + 9 * torch.rand(n, 1, 64, 96), features


def test_its_cost_can_be_counted():
    coarse, refiner = build(CONFIG)
    once, tile = gflops(Model("tiny", CONFIG, coarse, refiner, torch.device("cpu"), torch.float32))
    assert once > 0
    assert tile > 0


def crops(refiner, depth, features, boxes=BOXES, batch_index=None):
    return refiner.crops(depth, refiner.whole(features), boxes, (128, 192), (64, 96), batch_index)


@FORMS
def test_everything_learns_and_every_input_matters(form):
    refiner = tiny(form)
    tile, depth, features = inputs(refiner)
    for x in (tile, depth, *features):
        x.requires_grad_()
    out = refiner(tile, *crops(refiner, depth, features, BOXES[1:]))
    assert out.shape == depth.shape
    assert out.min() > 0
    out.sum().backward()
    assert all(x.grad.abs().max() > 0 for x in (tile, depth, *features))
    idle = {name for name, p in refiner.named_parameters() if p.grad is None}
    assert idle == ({"project_fine.5.weight", "project_fine.5.bias"} if form is PatchFusionCVPR else set())


@FORMS
def test_tiles_of_a_batch_are_independent(form):
    refiner = tiny(form)
    tile, depth, features = inputs(refiner, n=2)
    depth, features = depth[:1], [f[:1] for f in features]
    with torch.inference_mode():
        together = refiner(tile, *crops(refiner, depth, features))
        alone = [
            refiner(tile[i : i + 1], *crops(refiner, depth, features, BOXES[i : i + 1])) for i in range(2)
        ]
    torch.testing.assert_close(together, torch.cat(alone), rtol=1e-5, atol=1e-5)
    assert not torch.allclose(*alone)


@FORMS
def test_crops_of_many_photos_are_those_of_each(form):
    refiner = tiny(form)
    _, depth, features = inputs(refiner, n=2)
    with torch.inference_mode():
        together = crops(refiner, depth, features, BOXES[[0, 1, 1]], torch.tensor([1, 0, 1]))
        second = crops(refiner, depth[1:], [f[1:] for f in features])
    torch.testing.assert_close(together[0][[0, 2]], second[0])
    for ours, expected in zip(together[1], second[1], strict=True):
        torch.testing.assert_close(ours[[0, 2]], expected, rtol=1e-5, atol=1e-5)


@FORMS
def test_only_with_the_area_prior_has_each_tile_g2l_maps_of_its_own(form):
    """A pixel that two tiles share has the same coarse maps in both, and the same G2L maps in the main branch."""
    refiner = tiny(form)
    _, depth, features = inputs(refiner)
    shifted = torch.tensor([[0, 0, 64, 96], [32, 32, 64, 96]])  # one pixel of the lowest maps apart
    with torch.inference_mode():
        _, maps = crops(refiner, depth, features, shifted)
    for level in range(12):
        step = (32 * maps[level].shape[2] // 64, 32 * maps[level].shape[3] // 96)
        first, second = maps[level][0, :, step[0] :, step[1] :], maps[level][1, :, : -step[0], : -step[1]]
        same = torch.allclose(first, second, atol=1e-4)
        assert same == (level < 6 or form is PatchFusion)


def test_area_is_where_a_box_lies():
    assert torch.equal(
        area_of(torch.tensor([[2, 4, 4, 4]]), (8, 16), (4, 4))[0, 0].nonzero(), torch.tensor([[1, 1], [2, 1]])
    )
    halves = area_of(torch.tensor([[0, 0, 54, 96], [54, 96, 54, 96]]), (108, 192), (14, 18))
    assert halves.sum((1, 2, 3)).tolist() == [63, 63]
    assert area_of(torch.tensor([[0, 0, 7, 9]]), (7, 9), (5, 3)).all()


@pytest.mark.parametrize("size", [(48, 64), (30, 96), (12, 12)])
def test_crops_of_the_enlarged_map_are_roi_aligns(size):
    torch.manual_seed(0)
    depth, photo = torch.rand(1, 1, 24, 32), (135, 240)
    boxes = torch.tensor([[0, 0, 66, 120], [11, 7, 66, 120], [69, 120, 66, 120]])
    large = F.interpolate(depth, photo, mode="bilinear", align_corners=True)
    corners = torch.stack((boxes[:, 1], boxes[:, 0], boxes[:, 1] + boxes[:, 3], boxes[:, 0] + boxes[:, 2]), 1)
    rois = torch.cat((torch.zeros(3, 1), corners.float()), 1)
    expected = roi_align(large, rois, size, aligned=True)
    torch.testing.assert_close(crop_enlarged(depth, boxes, photo, size), expected, rtol=0, atol=1e-5)


@FORMS
def test_the_running_mean_takes_the_place_of_the_fine_depth(form):
    refiner = tiny(form)
    tile, depth, features = inputs(refiner)
    with torch.inference_mode():
        given = crops(refiner, depth, features, BOXES[:1])
        own = refiner.base(tile).depth
        torch.testing.assert_close(refiner(tile, *given, own), refiner(tile, *given))
        assert not torch.allclose(refiner(tile, *given, own + 1), refiner(tile, *given))


@pytest.mark.parametrize("stage", [decoder_stage(260, 8, 4), up_stage(260, 4, convs=5)])
@pytest.mark.parametrize("height", [5, 96, 100, 200])
def test_a_stage_in_bands_is_the_whole_stage(stage, height):
    torch.manual_seed(0)
    maps, rows = [torch.randn(2, 200, height, 6), torch.randn(2, 60, -(-height // 2), 3)], []
    whole = stage(torch.cat([resize(x, (height, 6)) for x in maps], 1))
    with stage[0].register_forward_pre_hook(lambda _, given: rows.append(given[0].shape[2])):
        torch.testing.assert_close(in_bands(stage, maps, (height, 6)), whole, rtol=1e-4, atol=1e-5)
    assert len(rows) == -(-height // 96)
    assert max(rows) <= 106


def test_photo_of_another_size_is_refused():
    refiner = tiny()
    with pytest.raises(HyperfocalError, match=r"processed at \(64, 96\), not \(96, 64\)"):
        refiner.whole([f.transpose(2, 3) for f in inputs(refiner)[2]])


def model(form="patchfusion") -> Model:
    torch.manual_seed(0)
    config = replace(CONFIG, refiner={**CONFIG.refiner, "kind": form})
    return Model("tiny", config, *build(config), torch.device("cpu"), torch.float32)


PHOTO = np.random.default_rng(0).integers(0, 255, (128, 192, 3), np.uint8)


def test_model_sees_the_whole_once_and_every_tile():
    """And every tile is cropped out of the same maps in memory, whatever the batch."""
    sees, calls, given = model(), Counter(), set()

    def count(name):
        return lambda *_: calls.update([name])

    def crop(depth, maps, *args, whole=sees.refiner.crops):
        given.add((depth.shape[0], *(m.data_ptr() for m in maps), *(m.shape[0] for m in maps)))
        return whole(depth, maps, *args)

    sees.refiner.crops = crop
    sees.coarse.register_forward_hook(count("coarse"))
    for g2l in sees.refiner.g2l:
        g2l.register_forward_hook(count("g2l"))
    sees.refiner.base.register_forward_hook(count("tile"))
    metres = sees.predict(PHOTO, tiling="p16").metres
    assert metres.shape == (128, 192)
    assert np.isfinite(metres).all()
    assert calls == {"coarse": 1, "g2l": 6, "tile": 16}
    sees.predict(PHOTO, tiling="2x2", tile_batch=3)
    assert calls["coarse"] == 2
    assert calls["g2l"] == 12
    sees.predict(PHOTO, tiling="none")
    assert calls["g2l"] == 12
    assert len(given) == 2  # the maps of two photos, one each


def test_with_the_area_prior_g2l_runs_for_each_tile():
    sees, calls = model("patchfusion_cvpr"), Counter()
    sees.refiner.g2l[0].register_forward_hook(lambda *_: calls.update(["g2l"]))
    assert np.isfinite(sees.predict(PHOTO, tiling="2x2").metres).all()
    assert calls == {"g2l": 4}


def test_feedback_reaches_every_tile_after_the_first_pass():
    sees, fed = model(), []

    def forward(tile, coarse_depth, coarse_features, running_mean=None):
        fed.append(None if running_mean is None else running_mean.shape)
        return coarse_depth

    sees.refiner.forward = forward
    sees.predict(PHOTO, tiling="p49", feedback=True)
    assert fed == [None] * 16 + [(1, 1, 64, 96)] * 33
    fed.clear()
    sees.predict(PHOTO, tiling="p49")
    assert fed == [None] * 49


def test_half_precision_comes_close():
    refiner = tiny()
    tile, depth, features = inputs(refiner)
    with torch.inference_mode():
        exact = refiner(tile, depth, refiner.whole(features))
        with torch.autocast("cpu", torch.bfloat16):
            rounded = refiner(tile, depth, refiner.whole(features))
    assert rounded.dtype == torch.float32
    torch.testing.assert_close(rounded, exact, rtol=0.05, atol=0.05)


@pytest.mark.parametrize("form", ["patchfusion", "patchfusion_cvpr"])
def test_is_a_model_directory(tmp_path, form):
    config = replace(CONFIG, refiner={**CONFIG.refiner, "kind": form})
    save(tmp_path, config, *build(config))
    loaded, _, refiner = load(tmp_path)
    assert loaded == config
    assert type(refiner) is KINDS[form]


@pytest.mark.parametrize("changes", [{"coarse_size": (96, 64)}, {"keep_aspect": True}])
def test_photos_of_another_size_are_refused_before_anything_is_built(changes):
    with pytest.raises(HyperfocalError, match=r"tied to photos of \(64, 96\)"):
        replace(CONFIG, **changes)


def test_sizes_are_multiples_of_what_the_base_network_asks():
    depth_anything = {"kind": "depth_anything", **paper("vits")}
    refiner = {"kind": "patchfusion", "base": depth_anything, "size": pf_das.SIZE}
    sized = {"coarse_size": pf_das.SIZE, "tile_size": pf_das.SIZE}
    replace(CONFIG, coarse=depth_anything, refiner=refiner, **sized)
    with pytest.raises(HyperfocalError, match="tile_size must be two positive multiples of 14"):
        replace(CONFIG, coarse=depth_anything, refiner=refiner, **sized | {"tile_size": (384, 512)})
    with pytest.raises(HyperfocalError, match="coarse_size must be two positive multiples of 32"):
        replace(CONFIG, **sized)
