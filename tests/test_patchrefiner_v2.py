"""PatchRefiner V2: parity with the published networks, parameter counts, ablations, and all else."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from data.parity.seeded import fill_state_dict, seeded_input, seeded_normal
from hyperfocal.checkpoints.published import patchrefiner_v2_state
from hyperfocal.coarse.blocks import pyramid_sizes, resize
from hyperfocal.refine.patchrefiner_v2 import NANO, PatchRefinerV2, paper, widen_stem
from hyperfocal.refine.roi import crop_maps

PARITY = Path(__file__).parent / "data" / "parity" / "networks"
PAPER_LEVELS = [(256, 12, 16), (256, 24, 32), (256, 48, 64), (256, 96, 128), (256, 192, 256), (32, 384, 512)]
# Built by the published code and counted by the paper, never used: GCU1 of the s32 and of the s1 block.
UNUSED_S32, UNUSED_S1 = 1_836_032, 28_800

CHANNELS = (20, 16, 12, 10, 8, 6)
TINY = {
    "encoder": "mobilenetv4_conv_small",
    "coarse_channels": CHANNELS,
    "c2f_widths": (8,) * 5,
    "head_widths": (8, 4),
    "f2c_widths": (16, 12, 8, 8, 6, 4),
    "decoder_widths": (12, 8, 8, 6, 4),
}


def tiny(**changes) -> PatchRefinerV2:
    torch.manual_seed(0)
    return PatchRefinerV2(**TINY | changes).eval()


def inputs(refiner, n=1, height=64, width=96):
    torch.manual_seed(1)
    sizes = refiner.feature_sizes(height, width)
    features = [torch.randn(n, c, *size) for c, size in zip(CHANNELS, sizes, strict=True)]
    return torch.rand(n, 3, height, width), 1 + 9 * torch.rand(n, 1, height, width), features


def parameters(**arguments) -> dict[str, int]:
    with torch.device("meta"):
        refiner = PatchRefinerV2(**arguments)
    counts = {name: sum(p.numel() for p in part.parameters()) for name, part in refiner.named_children()}
    return counts | {"all": sum(counts.values())}


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("PRV2_M", paper("M")),
        ("PRV2_M_F2C", paper("M") | {"c2f_widths": None}),
        ("PRV2_M_SELFAGG", paper("M") | {"denoise": "none"}),
        pytest.param("PRV2_E", paper("E"), marks=pytest.mark.slow),
    ],
)
def test_published_checkpoint_gives_the_published_numbers(name, arguments):
    keys = json.loads((PARITY / name / "keys.json").read_text())
    published = {k: torch.from_numpy(np.asarray(v)) for k, v in fill_state_dict(keys).items()}
    refiner = PatchRefinerV2(**arguments).eval()
    refiner.load_state_dict(patchrefiner_v2_state(published, refiner))
    offsets = []
    refiner.f2c.register_forward_hook(lambda *args: offsets.append(args[-1]))
    with torch.inference_mode():
        depth = refiner(
            torch.from_numpy(seeded_input("crop", (1, 3, 384, 512))),
            torch.from_numpy(seeded_input("coarse_depth_roi", (1, 1, 384, 512), 1, 10)),
            [
                torch.from_numpy(seeded_normal(f"coarse_feat_{i}", (1, *s)))
                for i, s in enumerate(PAPER_LEVELS)
            ],
        )
    with np.load(PARITY / name / "outputs.npz") as expected:
        assert relative_error(offsets[0], expected["offset"]) < 1e-5
        assert relative_error(depth, expected["depth"]) < 1e-6


def relative_error(ours, expected) -> float:
    return float(np.abs(ours[..., ::4, ::4].numpy() - expected).max() / np.ptp(expected))


@pytest.mark.parametrize(
    ("size", "encoder", "total"),
    [("M", 1_261_952, 46_951_989), ("E", 27_288_544, 72_130_709), ("C", 196_304_160, 246_122_965)],
)
def test_published_sizes_have_the_papers_parameters(size, encoder, total):
    counts = parameters(**paper(size))
    assert counts["encoder"] == encoder
    assert counts["f2c"] == 23_882_196
    assert counts["all"] + UNUSED_S32 + UNUSED_S1 == total


def test_ablations_have_the_papers_parameters():
    m = paper("M")
    assert parameters(**m, c2f_widths=None)["all"] == 27_540_308
    assert parameters(**m, c2f_widths=None, heavy=True)["f2c"] == 70_212_336
    # Without denoising the never-used units are a single 3×3 convolution each.
    unused = (256 * 9 + 1) * 256 + (32 * 9 + 1) * 32
    assert parameters(**m, denoise="none")["all"] + unused == 34_453_365
    assert parameters(**m, denoise="fuse")["all"] + UNUSED_S32 + UNUSED_S1 == 46_951_989


@pytest.mark.parametrize(
    "changes",
    [{}, {"c2f_widths": None}, {"c2f_widths": None, "heavy": True}, {"denoise": "none"}, {"denoise": "fuse"}],
)
@pytest.mark.parametrize("space", ["metres", "log"])
def test_every_variant_refines_and_learns(changes, space):
    refiner = tiny(space=space, **changes)
    torch.nn.init.normal_(refiner.f2c.final.weight, 0, 0.1)
    tile, depth, features = inputs(refiner)
    depth.requires_grad_()
    for f in features:
        f.requires_grad_()
    out = refiner(tile, depth, features)
    assert out.shape == depth.shape
    out.sum().backward()
    assert depth.grad.abs().max() > 0
    assert all(f.grad.abs().max() > 0 for f in features)
    unused = [n for n, p in refiner.named_parameters() if p.grad is None]
    assert not unused


def test_gate_only_ever_attenuates():
    refiner = tiny()
    unit = refiner.c2f.blocks[0].unit
    x, guide = torch.randn(2, 8, 4, 4), torch.randn(2, CHANNELS[0], 4, 4)
    ungated = x + unit.residual(x.relu())
    ratio = unit(x, guide) / ungated
    assert ratio.min() > 0
    assert ratio.max() < 1


def test_metres_add_the_offset_and_clamp_at_zero():
    refiner = tiny()
    torch.nn.init.normal_(refiner.f2c.final.weight, 0, 1)
    tile, depth, features = inputs(refiner)
    offset = refiner.offset(tile, 0.1 * depth, features)
    out = refiner(tile, 0.1 * depth, features)
    assert (out == 0).any()
    assert (out > 0).any()
    torch.testing.assert_close(out, torch.maximum(0.1 * depth + offset, torch.zeros(())))


def test_log_starts_as_the_coarse_depth_and_never_falls_to_zero():
    refiner = tiny(space="log")
    tile, depth, features = inputs(refiner)
    assert torch.equal(refiner(tile, depth, features), depth)
    torch.nn.init.normal_(refiner.f2c.final.weight, 0, 1)
    out = refiner(tile, depth, features)
    assert out.min() > 0
    torch.testing.assert_close(out.log(), depth.log() + refiner.offset(tile, depth, features))


def test_log_shows_the_network_the_logarithm():
    metres, log = tiny(), tiny(space="log")
    log.load_state_dict(metres.state_dict())
    tile, depth, features = inputs(metres)
    torch.testing.assert_close(log.offset(tile, depth.exp(), features), metres.offset(tile, depth, features))


@pytest.mark.parametrize("space", ["metres", "log"])
def test_own_depth_comes_with_the_same_refined_depth_and_does_not_see_the_coarse_depth(space):
    refiner = tiny(space=space, coarse_condition=False)
    torch.nn.init.normal_(refiner.f2c.final.weight, 0, 0.1)
    tile, depth, features = inputs(refiner)
    refined, own = refiner.with_own_depth(tile, depth, features)
    torch.testing.assert_close(refined, refiner(tile, depth, features))
    assert own.min() >= 0
    assert own.std() > 0
    torch.testing.assert_close(refiner.with_own_depth(tile, 2 * depth, features)[1], own)


@pytest.mark.parametrize("space", ["metres", "log"])
def test_tiles_of_a_batch_are_independent(space):
    refiner = tiny(space=space)
    torch.nn.init.normal_(refiner.f2c.final.weight, 0, 0.1)
    tile, depth, features = inputs(refiner, n=3)
    together = refiner(tile, depth, features)
    alone = [refiner(tile[i : i + 1], depth[i : i + 1], [f[i : i + 1] for f in features]) for i in range(3)]
    torch.testing.assert_close(together, torch.cat(alone), rtol=1e-5, atol=1e-5)
    assert not torch.allclose(alone[0], alone[1])


def test_coarse_maps_of_other_sizes_are_resized():
    refiner = tiny()
    tile, depth, features = inputs(refiner)
    smooth = [f.mean((2, 3), keepdim=True).expand_as(f) for f in features]
    odd = [f[..., :1, :1].expand(-1, -1, f.shape[2] + 1, f.shape[3] + 3) for f in smooth]
    torch.testing.assert_close(refiner(tile, depth, odd), refiner(tile, depth, smooth))


def test_maps_of_another_base_are_cropped_at_their_own_levels_and_resized():
    """As published for Depth Anything V2: RoIAlign to a map's own size, then corners on corners (method 1.3)."""
    refiner = tiny(coarse_channels=(4,) * 6)
    torch.manual_seed(2)
    sides = (4, 8, 16, 32, 64, 112)  # of a transformer with patches of 14
    maps = [torch.randn(1, 4, side, side) for side in sides]
    boxes, photo, size = torch.tensor([[10.0, 20.0, 40.0, 60.0]]), (120, 160), (224, 224)
    depth, cropped = refiner.crops(torch.ones(1, 1, 112, 112), maps, boxes, photo, size)
    assert [c.shape[-1] for c in cropped] == [2 * side for side in sides]
    expected = crop_maps(maps, boxes, photo, [c.shape[-2:] for c in cropped])
    resized = [resize(e, s) for e, s in zip(expected, refiner.feature_sizes(*size), strict=True)]
    tile = torch.rand(1, 3, *size)
    torch.testing.assert_close(refiner.offset(tile, depth, cropped), refiner.offset(tile, depth, resized))


@pytest.mark.parametrize("photo", [(224, 288), (384, 512), (256, 320), (672, 96)])
@pytest.mark.parametrize("tile", [(384, 512), (352, 544), (192, 192)])
def test_maps_of_a_pyramid_are_cropped_at_the_encoders_sizes(photo, tile):
    maps = [torch.empty(1, 1, *size) for size in pyramid_sizes(*photo)]
    assert tiny().crop_sizes(maps, tile) == tiny().feature_sizes(*tile)


@pytest.mark.parametrize(("height", "width"), [(32, 32), (96, 160)])
def test_takes_any_multiple_of_32(height, width):
    refiner = tiny()
    assert refiner.feature_sizes(height, width)[0] == (height // 32, width // 32)
    assert refiner(*inputs(refiner, 1, height, width)).shape == (1, 1, height, width)


@pytest.mark.parametrize("encoder", ["mobilenetv4_conv_small", "tf_efficientnet_lite0", "convnext_atto"])
def test_noisily_pretrained_refiner_keeps_its_function_when_widened(encoder):
    pretrained, refiner = tiny(encoder=encoder, coarse_condition=False), tiny(encoder=encoder)
    refiner.load_state_dict(widen_stem(pretrained.state_dict()))
    tile, depth, features = inputs(refiner)
    torch.testing.assert_close(refiner(tile, depth, features), pretrained(tile, depth, features))


def test_noisy_pretraining_is_the_same_forward():
    metres, log = tiny(coarse_condition=False), tiny(coarse_condition=False, space="log")
    log.load_state_dict(metres.state_dict())
    tile, depth, noise = inputs(metres)
    zero, one = (torch.full_like(depth, model.space.silent) for model in (metres, log))
    assert not metres.space.show(zero).any()
    assert not log.space.show(one).any()
    offset = metres.offset(tile, zero, noise)
    torch.testing.assert_close(metres(tile, zero, noise), offset.relu())
    torch.testing.assert_close(log(tile, one, noise), offset.exp())


def test_coarse_depth_reaches_the_encoder_only_when_conditioned():
    for conditioned in (True, False):
        refiner = tiny(coarse_condition=conditioned)
        tile, depth, features = inputs(refiner)
        seen = []
        refiner.encoder.register_forward_hook(lambda *args, seen=seen: seen.append(args[-1][0]))
        refiner(tile, depth, features)
        refiner(tile, 2 * depth, features)
        assert torch.equal(*seen) is not conditioned


def test_nano_fits_its_budget():
    refiner = PatchRefinerV2(**NANO).eval()
    sizes = refiner.feature_sizes(384, 512)
    features = [torch.rand(1, c, *s) for c, s in zip(refiner.coarse_channels, sizes, strict=True)]
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        refiner(torch.rand(1, 3, 384, 512), torch.ones(1, 1, 384, 512), features)
    assert counter.get_total_flops() < 22e9
