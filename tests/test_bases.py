"""Depth Anything V2 and DenseDepth: the contract, and what each one's depth and maps are."""

import pytest
import torch
from torch import nn

from hyperfocal.checkpoints.published import base_network_state
from hyperfocal.coarse import make
from hyperfocal.coarse.dense_depth import DenseDepth
from hyperfocal.coarse.depth_anything_v2 import DepthAnythingV2, paper
from hyperfocal.errors import HyperfocalError

V2 = {"kind": "depth_anything_v2", **paper("vits")}
DENSE = {"kind": "dense_depth", "encoder": "densenet121", "widths": (32, 24, 16, 12, 8, 4)}


@pytest.mark.parametrize(
    ("network", "size", "sizes"),
    [
        (V2, (42, 70), [(2, 3), (3, 5), (6, 10), (12, 20), (24, 40), (42, 70)]),
        (DENSE, (64, 96), [(64 // s, 96 // s) for s in (32, 16, 8, 4, 2, 1)]),
    ],
    ids=["depth_anything_v2", "dense_depth"],
)
def test_gives_bounded_depth_and_six_maps_that_all_learn(network, size, sizes):
    torch.manual_seed(0)
    net = make({**network, "max_depth": 7.0}).eval()
    depth, features = net(torch.rand(2, 3, *size))
    assert depth.shape == (2, 1, *size)
    assert 0 < depth.min() < depth.max() < 7
    assert [tuple(f.shape[2:]) for f in features] == net.feature_sizes(*size) == sizes
    assert tuple(f.shape[1] for f in features) == net.feature_channels
    depth.mean().backward()
    assert [name for name, p in net.named_parameters() if p.grad is None] == []


@pytest.mark.parametrize(
    ("network", "millions", "last"),
    [
        ({"kind": "depth_anything_v2", **paper("vitb")}, 97.18, 64),
        ({"kind": "depth_anything_v2", **paper("vitl")}, 334.13, 128),
        ({"kind": "dense_depth"}, 80.23, 32),
    ],
)
def test_published_sizes_can_be_built_without_memory(network, millions, last):
    with torch.device("meta"):
        net = make(network)
        depth = net(torch.zeros(1, 3, 448, 448)).depth
    assert depth.shape == (1, 1, 448, 448)
    assert net.feature_channels[5] == last
    assert sum(p.numel() for p in net.parameters()) / 1e6 == pytest.approx(millions, abs=0.01)


def test_depth_anything_v2s_last_map_is_what_comes_before_its_last_convolutions():
    torch.manual_seed(0)
    net = DepthAnythingV2(**paper("vits")).eval()
    with torch.no_grad():
        depth, features = net(torch.rand(1, 3, 28, 28))
        again = 20 * net.to_depth(net.high(features[5])).sigmoid()
    torch.testing.assert_close(depth, again)


def published_names(i):
    """Of one level: module there → here. Levels count from high to low there."""
    low, resizes = 3 - i, {0: 3, 1: 2, 3: 0}
    names = {
        f"projects.{i}": f"reassemble.{low}.0",
        f"scratch.layer{i + 1}_rn": f"projections.{low}",
        f"scratch.refinenet{i + 1}.out_conv": f"blocks.{low}.project",
        f"scratch.refinenet{i + 1}.resConfUnit2.conv1": f"blocks.{low}.unit.conv1",
        f"scratch.refinenet{i + 1}.resConfUnit2.conv2": f"blocks.{low}.unit.conv2",
    }
    if low > 0:
        names[f"scratch.refinenet{i + 1}.resConfUnit1.conv1"] = f"blocks.{low}.skip_unit.conv1"
        names[f"scratch.refinenet{i + 1}.resConfUnit1.conv2"] = f"blocks.{low}.skip_unit.conv2"
    if i in resizes:
        names[f"resize_layers.{i}"] = f"reassemble.{resizes[i]}.1"
    return {f"depth_head.{theirs}": f"decoder.{ours}" for theirs, ours in names.items()}


def test_every_entry_of_a_published_depth_anything_v2_finds_its_place():
    with torch.device("meta"):
        net = DepthAnythingV2(**paper("vits"))
    modules = {
        "pretrained": "encoder.net",
        "depth_head.scratch.output_conv1": "decoder.head",
        "depth_head.scratch.output_conv2.0": "high.0",
        "depth_head.scratch.output_conv2.2": "to_depth",
    }
    for i in range(4):
        modules |= published_names(i)
    ours = net.state_dict()
    theirs = {
        name.replace(here, there, 1): name
        for there, here in modules.items()
        for name in ours
        if name.startswith(f"{here}.")
    }
    assert sorted(theirs.values()) == sorted(ours)
    published = {there: ours[here] for there, here in theirs.items()}
    unused = ("pretrained.mask_token", "depth_head.scratch.refinenet4.resConfUnit1.conv1.weight")
    state = base_network_state(published | {name: torch.empty(1) for name in unused}, net)
    assert all(state[here] is published[there] for there, here in theirs.items())
    del published["depth_head.scratch.output_conv2.2.bias"]
    with pytest.raises(HyperfocalError, match=r"1 missing \(to_depth\.bias\)"):
        base_network_state(published, net)


def test_dense_depth_learns_inverse_depth():
    torch.manual_seed(0)
    net = DenseDepth("densenet121", (32, 24, 16, 12, 8, 4), max_depth=10.0).eval()
    nn.init.zeros_(net.to_inverse.weight)
    image = torch.rand(1, 3, 32, 32)
    with torch.no_grad():
        nn.init.constant_(net.to_inverse.bias, -100.0)
        torch.testing.assert_close(net(image).depth, torch.full((1, 1, 32, 32), 10.0))  # 10 / (1 + 0)
        nn.init.constant_(net.to_inverse.bias, 99.0)
        torch.testing.assert_close(net(image).depth, torch.full((1, 1, 32, 32), 0.1))  # 10 / (1 + 99)


def test_dense_depths_skips_are_the_narrow_maps_behind_the_transitions():
    with torch.device("meta"):
        net = DenseDepth()
    assert net.encoder.channels == (2208, 384, 192, 96, 96)
    assert net.feature_channels == (2208, 1104, 552, 276, 138, 32)
