"""DenseDepth (Alhashim & Wonka, 2018, arXiv:1812.11941): DenseNet encoder, decoder with skips, inverse depth."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import timm
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hyperfocal.coarse.blocks import Normalize, conv3x3, pyramid_sizes, resize
from hyperfocal.coarse.output import CoarseOutput
from hyperfocal.coarse.precision import full_precision

SKIPS = ("norm0", "pool0", "transition1", "transition2", "norm5")  # strides 2, 4, 8, 16, 32


class DenseNet(nn.Module):
    """timm's DenseNet, tapped where DenseDepth taps it: behind the transitions, where maps are narrow.

    Args:
        name: timm's.

    Attributes:
        channels: of the five maps, strides 32, 16, 8, 4, 2.
    """

    def __init__(self, name: str) -> None:
        super().__init__()
        net: Any = timm.create_model(name, num_classes=0)
        self.layers: nn.Sequential = net.features
        stem: int = net.features.norm0.num_features
        narrow = [net.features.get_submodule(f"transition{i}.conv").out_channels for i in (1, 2)]
        self.channels = (net.num_features, *reversed(narrow), stem, stem)
        self.normalize = Normalize()

    def forward(self, image: Tensor) -> list[Tensor]:
        """(N, 3, h, w) RGB in [0, 1] → maps of `channels`, low to high resolution."""
        x, maps = self.normalize(image), []
        for name, layer in self.layers.named_children():
            x = layer(x)
            if name in SKIPS:
                maps.append(x)
        return maps[::-1]


class UpBlock(nn.Module):
    """Upsample to the skip's size, concatenate, twice 3×3 convolution and leaky ReLU."""

    def __init__(self, c_in: int, c_skip: int, c_out: int) -> None:
        super().__init__()
        self.first = conv3x3(c_in + c_skip, c_out, bias=True)
        self.second = conv3x3(c_out, c_out, bias=True)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        """(N, c_in, h, w), (N, c_skip, 2h, 2w) → (N, c_out, 2h, 2w)."""
        x = self.first(torch.cat((resize(x, skip.shape[-2:]), skip), 1))
        return F.leaky_relu(self.second(F.leaky_relu(x, 0.2)), 0.2)


class DenseDepth(nn.Module):
    """DenseDepth, on DenseNet-161 by default. Weights start random: nothing is downloaded.

    The paper ends at half the image's size. Here one more convolution, at full size, makes the sixth map.

    Args:
        encoder: timm name of a DenseNet.
        widths: channels of the six maps, low to high; the paper's halve from the encoder's.
        max_depth: metres. The network predicts max_depth / depth, at least 1, as in the paper.

    Attributes:
        multiple: of which both sides of an image must be multiples.
        feature_channels: `widths`.
    """

    multiple = 32

    def __init__(
        self,
        encoder: str = "densenet161",
        widths: Sequence[int] = (2208, 1104, 552, 276, 138, 32),
        max_depth: float = 80.0,
    ) -> None:
        super().__init__()
        self.max_depth = max_depth
        self.feature_channels = tuple(widths)
        self.encoder = DenseNet(encoder)
        lowest, *skips = self.encoder.channels
        self.bottleneck = nn.Conv2d(lowest, widths[0], 1)
        self.up = nn.ModuleList(
            UpBlock(c_in, skip, c_out)
            for (c_in, c_out), skip in zip(pairwise(widths[:5]), skips, strict=True)
        )
        self.high = nn.Sequential(conv3x3(widths[4], widths[5], bias=True), nn.LeakyReLU(0.2))
        self.to_inverse = conv3x3(widths[5], 1, bias=True)

    def feature_sizes(self, height: int, width: int) -> list[tuple[int, int]]:
        """Sizes of the six maps, low to high, of an image of `height` × `width` pixels."""
        return pyramid_sizes(height, width)

    def forward(self, image: Tensor) -> CoarseOutput:
        """Predict.

        Args:
            image: (N, 3, h, w) RGB in [0, 1]; h and w multiples of 32.

        Returns:
            Depth (N, 1, h, w) in metres, up to `max_depth`, and six maps, strides 32, 16, 8, 4, 2, 1.
        """
        lowest, *skips = self.encoder(image)
        maps = [self.bottleneck(lowest)]
        for up, skip in zip(self.up, skips, strict=True):
            maps.append(up(maps[-1], skip))
        maps.append(self.high(resize(maps[-1], image.shape[-2:])))
        with full_precision(image.device):
            depth = self.max_depth / (1 + F.softplus(self.to_inverse(maps[-1].float())))
        return CoarseOutput(depth, tuple(maps))
