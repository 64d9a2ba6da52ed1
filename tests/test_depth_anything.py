"""Depth Anything with metric bins: parity with PatchFusion's published base networks, and the contract."""

import pytest
import torch
from torch import nn

import pf_das
from hyperfocal.checkpoints.published import base_network_state
from hyperfocal.coarse import make
from hyperfocal.coarse.depth_anything import DepthAnything, paper
from hyperfocal.coarse.metric_bins import MetricBins


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return DepthAnything(**paper("vits")).eval()


def loaded(network, branch):
    prefix = f"{branch}_branch."
    network.load_state_dict(base_network_state(pf_das.checkpoint(prefix), network, prefix))
    return network


def test_published_coarse_network_gives_the_published_numbers(network):
    with torch.inference_mode():
        depth, features = loaded(network, "coarse")(pf_das.shrunken(pf_das.photo()))
    assert [tuple(f.shape[2:]) for f in features] == network.feature_sizes(*pf_das.SIZE)
    assert max(pf_das.error(f, f"coarse_feat_{i}") for i, f in enumerate(features)) < 1e-5
    assert pf_das.error(depth, "coarse_depth") < 1e-5


def test_published_fine_network_gives_the_published_numbers(network):
    with torch.inference_mode():
        depth = loaded(network, "fine")(pf_das.tile(810, 1920)).depth
    assert pf_das.error(depth, "fine_depth") < 1e-5


def test_published_entries_are_all_used_once(network):
    published = pf_das.checkpoint("coarse_branch.")
    used = {id(v) for v in base_network_state(published, network, "coarse_branch.").values()}
    assert len(used) == len(network.state_dict())
    unused = {name for name, v in published.items() if id(v) not in used}
    assert all("mask_token" in name or "refinenet4.resConfUnit1" in name for name in unused)
    assert len(unused) == 5


@pytest.mark.parametrize(("height", "width"), [(42, 70), (28, 14)])
def test_gives_depth_and_six_maps_from_low_to_high(network, height, width):
    with torch.inference_mode():
        depth, features = network(torch.rand(2, 3, height, width))
    assert depth.shape == (2, 1, height, width)
    assert depth.min() > 0
    assert tuple(f.shape[1] for f in features) == network.feature_channels == (64, 64, 64, 64, 64, 32)
    assert [tuple(f.shape[2:]) for f in features] == network.feature_sizes(height, width)


def test_positions_of_the_pretrained_size_are_taken_as_they_are(network):
    assert torch.equal(network.encoder.positions((37, 37)), network.encoder.net.pos_embed)
    assert network.encoder.positions((28, 37)).shape == (1, 1 + 28 * 37, 384)


@pytest.mark.parametrize(("size", "channels"), [("vitb", 128), ("vitl", 256)])
def test_larger_published_sizes_can_be_built(size, channels):
    with torch.device("meta"):
        network = make({"kind": "depth_anything", **paper(size)})
    assert network.feature_channels == (channels,) * 5 + (32,)


def bins():
    torch.manual_seed(0)
    head = MetricBins((6, 5, 4, 3, 2, 7), bins=8, embedding=16)
    maps = [torch.randn(2, c, 2**i, 3 * 2**i) for i, c in enumerate((6, 5, 4, 3, 2, 7))]
    return head, maps, torch.rand(2, 1, 32, 96)


def test_bins_learn_and_read_every_map():
    head, maps, relative = bins()
    for x in (*maps, relative):
        x.requires_grad_()
    depth = head(maps, relative)
    assert depth.shape == (2, 1, 32, 96)
    assert depth.min() > 0
    depth.sum().backward()
    assert all(x.grad.abs().max() > 0 for x in (*maps, relative))
    assert all(p.grad is not None for p in head.parameters())


def test_attractors_pull_centres_towards_them_by_less_than_the_distance():
    head, _, _ = bins()
    centres, point = torch.linspace(0, 3, 8).view(1, 8, 1, 1), torch.tensor(1.5).view(1, 1, 1, 1)
    moved = head._attracted(centres, point)
    assert ((moved - centres).sign() == (point - centres).sign()).all()
    assert ((moved - point).abs() < (centres - point).abs()).all()


def test_depth_is_a_mean_of_the_centres():
    head, maps, relative = bins()
    head.alpha = 1e12  # so steep that attractors pull at nothing
    nn.init.zeros_(head.seed[-1].weight)
    nn.init.constant_(head.seed[-1].bias, 3.0)
    with torch.no_grad():
        depth = head(maps, relative)
        torch.testing.assert_close(depth, torch.full_like(depth, 3.0485874), rtol=1e-4, atol=0)  # softplus(3)
        head.seed[-1].bias.copy_(torch.linspace(1, 3, 8))
        spread = head(maps, relative)
    assert spread.std() > 0
    assert 1.3132 < spread.min() < spread.max() < 3.0486


def test_bins_are_float32_under_autocast():
    head, maps, relative = bins()
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(head(maps, relative), head([m.float() for m in maps], relative))
        assert head([m.bfloat16() for m in maps], relative).dtype == torch.float32
