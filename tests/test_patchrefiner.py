"""PatchRefiner (V1): parity of its fusion with the published one, parameter counts, and the contract."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from data.parity.seeded import fill_state_dict, seeded_input, seeded_normal
from hyperfocal.checkpoints import ModelConfig, build, load, save
from hyperfocal.checkpoints.published import patchrefiner_state
from hyperfocal.coarse import CoarseOutput
from hyperfocal.errors import HyperfocalError
from hyperfocal.refine.patchrefiner import PatchRefiner

PARITY = Path(__file__).parent / "data" / "parity" / "networks" / "PRV1"
LEVELS = [(256, 12, 16), (256, 24, 32), (256, 48, 64), (256, 96, 128), (256, 192, 256), (32, 384, 512)]
PAPER_BASE = {
    "kind": "efficientnet_dpt",
    "widths": tuple(level[0] for level in LEVELS),
}  # ZoeDepth's channels

CHANNELS = (20, 16, 12, 10, 8, 6)
BASE = {"kind": "efficientnet_dpt", "widths": CHANNELS}
TINY = {"base": BASE, "f2c_widths": (16, 12, 8, 8, 6, 4), "decoder_widths": (12, 8, 8, 6, 4)}
CONFIG = ModelConfig(
    coarse=BASE,
    refiner={"kind": "patchrefiner", **TINY},
    coarse_size=(64, 96),
    tile_size=(64, 96),
    keep_aspect=False,
    canonical_focal=None,
    sky_from=None,
    licence="MIT",
    description="tiny",
)


class SeededBase(nn.Module):
    """Gives the fixture's fine maps and depth for every tile."""

    def forward(self, tile):
        features = [torch.from_numpy(seeded_normal(f"fine_feat_{i}", (1, *s))) for i, s in enumerate(LEVELS)]
        return CoarseOutput(torch.from_numpy(seeded_input("fine_depth", (1, 1, 384, 512), 1, 10)), features)


def published_fusion():
    keys = json.loads((PARITY / "keys.json").read_text())
    return {name: torch.from_numpy(np.asarray(v)) for name, v in fill_state_dict(keys).items()}


def with_seeded_base() -> PatchRefiner:
    refiner = PatchRefiner(PAPER_BASE).eval()
    refiner.base = SeededBase()
    return refiner


@pytest.mark.slow
def test_published_checkpoint_gives_the_published_numbers():
    refiner = with_seeded_base()
    refiner.load_state_dict(patchrefiner_state(published_fusion(), refiner))
    coarse_depth = torch.from_numpy(seeded_input("coarse_depth_roi", (1, 1, 384, 512), 1, 10))
    coarse = [torch.from_numpy(seeded_normal(f"coarse_feat_{i}", (1, *s))) for i, s in enumerate(LEVELS)]
    with torch.inference_mode():
        depth = refiner(torch.zeros(1, 3, 384, 512), coarse_depth, coarse)
    with np.load(PARITY / "outputs.npz") as outputs:
        expected = outputs["depth"]
    offset = expected - coarse_depth[..., ::4, ::4].numpy()
    assert np.abs(depth[..., ::4, ::4].numpy() - expected).max() / np.ptp(offset) < 1e-5


def test_fusion_has_the_papers_parameters():
    with torch.device("meta"):
        fusion = PatchRefiner(PAPER_BASE).f2c
    count = {name: sum(p.numel() for p in part.parameters()) for name, part in fusion.named_children()}
    assert count == {"merge": 5_919_296, "inject": 2_984_576, "up": 15_088_500, "final": 288}


def test_published_entries_must_fit():
    refiner, published = with_seeded_base(), published_fusion()
    base = {"coarse_branch.core.x": torch.ones(1)}
    assert patchrefiner_state(published | base, refiner).keys() == refiner.state_dict().keys()
    with pytest.raises(HyperfocalError, match=r"nobody knows: refiner_fusion_model\.mystery"):
        patchrefiner_state(published | {"refiner_fusion_model.mystery": torch.ones(1)}, refiner)
    del published["refiner_fusion_model.final_conv.weight"]
    with pytest.raises(HyperfocalError, match=r"1 missing \(f2c\.final\.weight\)"):
        patchrefiner_state(published, refiner)


def tiny() -> PatchRefiner:
    torch.manual_seed(0)
    return PatchRefiner(**TINY).eval()


def inputs(refiner, n=1, height=64, width=96):
    torch.manual_seed(1)
    sizes = refiner.feature_sizes(height, width)
    features = [torch.randn(n, c, *size) for c, size in zip(CHANNELS, sizes, strict=True)]
    return torch.rand(n, 3, height, width), 1 + 9 * torch.rand(n, 1, height, width), features


def test_everything_learns_and_every_input_matters():
    refiner = tiny()
    tile, depth, features = inputs(refiner)
    for x in (tile, depth, *features):
        x.requires_grad_()
    out = refiner(tile, depth, features)
    assert out.shape == depth.shape
    out.sum().backward()
    assert all(x.grad.abs().max() > 0 for x in (tile, depth, *features))
    assert not [name for name, p in refiner.named_parameters() if p.grad is None]


def test_adds_the_offset_and_clamps_at_zero():
    refiner = tiny()
    nn.init.normal_(refiner.f2c.final.weight)
    tile, depth, features = inputs(refiner)
    out = refiner(tile, 0.1 * depth, features)
    assert (out == 0).any()
    assert (out > 0).any()
    expected = 0.1 * depth + refiner.offset(tile, 0.1 * depth, features)
    torch.testing.assert_close(out, expected.clamp_min(0))


def test_tiles_of_a_batch_are_independent():
    refiner = tiny()
    tile, depth, features = inputs(refiner, n=2)
    together = refiner(tile, depth, features)
    alone = [refiner(tile[i : i + 1], depth[i : i + 1], [f[i : i + 1] for f in features]) for i in range(2)]
    torch.testing.assert_close(together, torch.cat(alone), rtol=1e-5, atol=1e-5)
    assert not torch.allclose(*alone)


def test_is_a_model_directory(tmp_path):
    save(tmp_path, CONFIG, *build(CONFIG))
    config, _, refiner = load(tmp_path)
    assert config == CONFIG
    assert isinstance(refiner, PatchRefiner)


@pytest.mark.parametrize(
    ("base", "message"),
    [
        ({"kind": "eficientnet_dpt"}, "unknown base kind .* did you mean 'efficientnet_dpt'"),
        ({**BASE, "width": 3}, "did you mean 'widths'"),
        ({}, "the base network has no kind"),
    ],
)
def test_wrong_base_is_refused(base, message):
    refiner = CONFIG.refiner | {"base": base}
    with pytest.raises(HyperfocalError, match=message):
        ModelConfig(**vars(CONFIG) | {"refiner": refiner})
