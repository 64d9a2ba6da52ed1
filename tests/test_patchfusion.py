"""PatchFusion: parity with the published system, parameter counts, the G2L's windows, and the contract."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torchvision.models.swin_transformer import SwinTransformerBlock

import pf_das
from hyperfocal.checkpoints import ModelConfig, build, load, save
from hyperfocal.checkpoints.published import base_network_state, patchfusion_state
from hyperfocal.cli.models import gflops
from hyperfocal.coarse.depth_anything import DepthAnything, paper
from hyperfocal.errors import HyperfocalError
from hyperfocal.predictor import Model
from hyperfocal.refine.patchfusion import PatchFusion, SwinBlock
from hyperfocal.refine.roi import crop_maps, extents_of

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
        [depth] = crop_maps([self.depth], box, pf_das.PHOTO, [pf_das.SIZE])
        sizes, extents = self.refiner.feature_sizes(*pf_das.SIZE), extents_of(self.maps, pf_das.PHOTO)
        return depth, crop_maps(self.maps, box, pf_das.PHOTO, sizes, extents=extents)

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
        cvpr = PatchFusion(PAPER_BASE, projections=True, narrow=True)
    assert sum(g2l.position.numel() for g2l in main.g2l) == 23_052_288
    assert count(main.g2l) + area_prior == 35_922_240
    assert count(main.fusion.encoder) == 5_398_048
    assert count(main.fusion.guide) + sixth_guide == 5_917_984
    assert (count(main.fusion.up), count(cvpr.fusion.up)) == (31_136_320, 15_568_688)
    assert count(main.fusion.inject) == 8_877_632
    assert count(main.bins) == 412_353
    assert count(main) - count(main.base) + area_prior + sixth_guide == 87_664_577
    assert count(cvpr.project_coarse) + count(cvpr.project_fine) == 5_919_296


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


def tiny(**changes) -> PatchFusion:
    torch.manual_seed(0)
    return PatchFusion(BASE, (64, 96), **changes).eval()


def inputs(refiner, n=1):
    torch.manual_seed(1)
    features = [torch.randn(n, c, *s) for c, s in zip(CHANNELS, refiner.sizes, strict=True)]
    return torch.rand(n, 3, 64, 96), 1 + 9 * torch.rand(n, 1, 64, 96), features


def test_its_cost_can_be_counted():
    coarse, refiner = build(CONFIG)
    once, tile = gflops(Model("tiny", CONFIG, coarse, refiner, torch.device("cpu"), torch.float32))
    assert once > 0
    assert tile > 0


@pytest.mark.parametrize("changes", [{}, {"projections": True, "narrow": True}])
def test_everything_learns_and_every_input_matters(changes):
    refiner = tiny(**changes)
    tile, depth, features = inputs(refiner)
    for x in (tile, depth, *features):
        x.requires_grad_()
    out = refiner(tile, depth, refiner.whole(features))
    assert out.shape == depth.shape
    assert out.min() > 0
    out.sum().backward()
    assert all(x.grad.abs().max() > 0 for x in (tile, depth, *features))
    idle = {name for name, p in refiner.named_parameters() if p.grad is None}
    assert idle == ({"project_fine.5.weight", "project_fine.5.bias"} if changes else set())


def test_tiles_of_a_batch_are_independent():
    refiner = tiny()
    tile, depth, features = inputs(refiner, n=2)
    maps = refiner.whole(features)
    together = refiner(tile, depth, maps)
    alone = [refiner(tile[i : i + 1], depth[i : i + 1], [m[i : i + 1] for m in maps]) for i in range(2)]
    torch.testing.assert_close(together, torch.cat(alone), rtol=1e-5, atol=1e-5)
    assert not torch.allclose(*alone)


def test_photo_of_another_size_is_refused():
    refiner = tiny()
    with pytest.raises(HyperfocalError, match=r"processed at \(64, 96\), not \(96, 64\)"):
        refiner.whole([f.transpose(2, 3) for f in inputs(refiner)[2]])


def test_model_sees_the_whole_once_and_every_tile():
    torch.manual_seed(0)
    coarse, refiner = build(CONFIG)
    calls = {"whole": 0, "tile": 0}

    def count(name):
        return lambda *_: calls.update({name: calls[name] + 1})

    refiner.g2l[0].register_forward_hook(count("whole"))
    refiner.base.register_forward_hook(count("tile"))
    model = Model("tiny", CONFIG, coarse, refiner, torch.device("cpu"), torch.float32)
    photo = np.random.default_rng(0).integers(0, 255, (128, 192, 3), np.uint8)
    metres = model.predict(photo, tiling="2x2").metres
    assert metres.shape == (128, 192)
    assert np.isfinite(metres).all()
    assert calls == {"whole": 1, "tile": 4}
    model.predict(photo, tiling="none")
    assert calls == {"whole": 1, "tile": 4}


def test_half_precision_comes_close():
    refiner = tiny()
    tile, depth, features = inputs(refiner)
    with torch.inference_mode():
        exact = refiner(tile, depth, refiner.whole(features))
        with torch.autocast("cpu", torch.bfloat16):
            rounded = refiner(tile, depth, refiner.whole(features))
    assert rounded.dtype == torch.float32
    torch.testing.assert_close(rounded, exact, rtol=0.05, atol=0.05)


def test_is_a_model_directory(tmp_path):
    save(tmp_path, CONFIG, *build(CONFIG))
    config, _, refiner = load(tmp_path)
    assert config == CONFIG
    assert isinstance(refiner, PatchFusion)


def test_sizes_are_multiples_of_what_the_base_network_asks():
    depth_anything = {"kind": "depth_anything", **paper("vits")}
    refiner = {"kind": "patchfusion", "base": depth_anything, "size": pf_das.SIZE}
    sized = {"coarse_size": pf_das.SIZE, "tile_size": pf_das.SIZE}
    replace(CONFIG, coarse=depth_anything, refiner=refiner, **sized)
    with pytest.raises(HyperfocalError, match="tile_size must be two positive multiples of 14"):
        replace(CONFIG, coarse=depth_anything, refiner=refiner, **sized | {"tile_size": (384, 512)})
    with pytest.raises(HyperfocalError, match="coarse_size must be two positive multiples of 32"):
        replace(CONFIG, **sized)
