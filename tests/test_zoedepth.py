"""ZoeDepth on BEiT: parity with the published base network, its encoder's position biases, and the contract."""

import json
from pathlib import Path

import numpy as np
import pytest
import timm
import torch

from data.parity.seeded import seeded_input, seeded_tensor
from hyperfocal.checkpoints.published import base_network_state, patchfusion_state, patchrefiner_state
from hyperfocal.coarse import make
from hyperfocal.coarse.zoedepth import BEiT, ZoeDepth, _resampled
from hyperfocal.errors import HyperfocalError
from hyperfocal.refine import PatchFusion, PatchRefiner

FOLDER = Path(__file__).parent / "data" / "parity" / "networks" / "ZOE"
TINY = {"dim": 32, "depth": 4, "heads": 2, "reassemble": (32, 24, 16, 8), "width": 16}


def keys():
    return json.loads((FOLDER / "keys.json").read_text())


def shapes(prefix=""):
    """The published state without its numbers."""
    return {prefix + name: torch.empty(shape, device="meta") for name, shape in keys().items()}


@pytest.fixture(scope="module")
def published_size():
    with torch.device("meta"):
        return ZoeDepth()


@pytest.mark.slow
def test_published_network_gives_the_published_numbers():
    network = ZoeDepth().eval()
    published = {name: torch.from_numpy(seeded_tensor(name, tuple(shape))) for name, shape in keys().items()}
    network.load_state_dict(base_network_state(published, network))
    with torch.inference_mode():
        depth, features = network(torch.from_numpy(seeded_input("image_lr", (1, 3, 384, 512))))
    ours = {"depth": depth[..., ::4, ::4]}
    for i, f in enumerate(features):
        step = max(1, f.shape[-1] // 32)
        ours[f"feat_{i}"] = f[:, ::16, ::step, ::step]
    with np.load(FOLDER / "outputs.npz") as expected:
        assert ours.keys() == set(expected)
        errors = {k: np.abs(v.numpy() - expected[k]).max() / np.ptp(expected[k]) for k, v in ours.items()}
    assert max(errors.values()) < 2e-5, errors


def test_published_entries_are_all_used_once_or_known_to_be_unused(published_size):
    published = shapes()
    used = {id(value) for value in base_network_state(published, published_size).values()}
    assert len(used) == len(published_size.state_dict())
    unused = {name: v for name, v in published.items() if id(v) not in used}
    assert len(unused) == 8
    assert all("refinenet4.resConfUnit1" in n or ".model.head." in n or ".fc_norm." in n for n in unused)
    count = sum(v.numel() for v in (*published_size.parameters(), *unused.values()))
    assert count / 1e6 == pytest.approx(344.817, abs=5e-4)


def test_an_older_state_with_computed_indices_is_taken_and_an_unknown_entry_is_not(published_size):
    index = {"core.core.pretrained.model.blocks.0.attn.relative_position_index": torch.empty(577, 577)}
    assert base_network_state(shapes() | index, published_size)
    with pytest.raises(HyperfocalError, match=r"nobody knows: core\.core\.other"):
        base_network_state(shapes() | {"core.core.other": torch.empty(1)}, published_size)


@pytest.mark.parametrize(
    ("refiner", "rename", "prefix"),
    [
        (PatchRefiner, patchrefiner_state, "refiner_fine_branch."),
        (PatchFusion, patchfusion_state, "fine_branch."),
    ],
)
def test_is_found_in_checkpoints_of_whole_systems(published_size, refiner, rename, prefix):
    with torch.device("meta"):
        network = refiner(base={"kind": "zoedepth"})
    with pytest.raises(HyperfocalError) as error:  # nothing but the base network is there
        rename(shapes(prefix), network)
    missing = len(network.state_dict()) - len(published_size.state_dict())
    counters = sum(name.endswith("num_batches_tracked") for name in network.state_dict())
    assert f"{missing - counters} missing" in str(error.value)
    assert "base." not in str(error.value)


def test_gives_depth_and_six_maps_from_low_to_high():
    torch.manual_seed(0)
    network = make({"kind": "zoedepth", **TINY}).eval()
    with torch.inference_mode():
        depth, features = network(torch.rand(2, 3, 64, 96))
    assert depth.shape == (2, 1, 64, 96)
    assert depth.min() > 0
    assert tuple(f.shape[1] for f in features) == network.feature_channels == (16, 16, 16, 16, 16, 32)
    sizes = [tuple(f.shape[2:]) for f in features]
    assert sizes == network.feature_sizes(64, 96)
    assert sizes == [(64 // stride, 96 // stride) for stride in (32, 16, 8, 4, 2, 1)]


def test_every_parameter_learns():
    torch.manual_seed(0)
    network = ZoeDepth(**TINY)
    depth, features = network(torch.rand(1, 3, 64, 64))
    (depth.mean() + sum(f.mean() for f in features)).backward()
    assert [name for name, p in network.named_parameters() if p.grad is None] == []


def test_encoder_is_timms_at_the_size_of_the_published_weights():
    torch.manual_seed(0)
    shape = {"embed_dim": 32, "depth": 4, "num_heads": 2}
    theirs = timm.create_model("beit_large_patch16_384", num_classes=0, **shape).eval()
    ours = BEiT(32, 4, 2).eval()
    for block in theirs.blocks:
        torch.nn.init.normal_(block.attn.relative_position_bias_table)
        torch.nn.init.ones_(block.gamma_1)
    ours.project, ours.start = theirs.patch_embed.proj, theirs.cls_token
    ours.position_bias.load_state_dict(
        {str(i): block.attn.relative_position_bias_table for i, block in enumerate(theirs.blocks)}
    )
    for mine, block in zip(ours.blocks, theirs.blocks, strict=True):
        mine.load_state_dict(block.state_dict(), strict=False)
    image = torch.rand(1, 3, 384, 384)
    with torch.inference_mode():
        taps, maps = ours(image), theirs.forward_intermediates(2 * image - 1, return_prefix_tokens=True)[1]
        for readout, tap, (patches, start) in zip(ours.readout, taps, reversed(maps), strict=True):
            tokens = torch.cat((start, patches.flatten(2).transpose(1, 2)), 1)
            read = ours._read(readout, tokens).transpose(1, 2).view_as(tap)
            torch.testing.assert_close(tap, read, rtol=1e-4, atol=1e-4)


def test_position_biases_keep_their_direction_on_another_grid():
    row_offsets = torch.arange(47.0).view(47, 1).expand(47, 47).reshape(-1, 1)
    resampled = _resampled(torch.cat((row_offsets, torch.tensor([[7.0], [8.0], [9.0]]))), 12, 30)
    offsets, token = resampled[0, :-3].view(23, 59), resampled[0, -3:]
    assert token.tolist() == [7, 8, 9]
    torch.testing.assert_close(offsets, offsets[:, :1].expand(23, 59))  # along a row nothing changes
    assert (offsets[1:, 0] > offsets[:-1, 0]).all()
    torch.testing.assert_close(offsets[11, 0], torch.tensor(23.0))  # no offset stays no offset
