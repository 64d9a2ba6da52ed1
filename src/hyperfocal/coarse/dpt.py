"""DPT's decoder (Ranftl et al., ICCV 2021), and ZoeDepth's networks: a transformer, this decoder, metric bins."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch.nn.functional as F
from torch import Tensor, nn

from hyperfocal.coarse.blocks import conv3x3, resize
from hyperfocal.coarse.metric_bins import MetricBins
from hyperfocal.coarse.output import CoarseOutput


class Transformer(Protocol):
    """What taps a vision transformer for the decoder.

    Attributes:
        patch: side of a patch in pixels.
        dim: channels of the taps.
    """

    patch: int
    dim: int

    def __call__(self, image: Tensor) -> list[Tensor]:
        """(N, 3, h, w) RGB in [0, 1] → four taps (N, dim, h/patch, w/patch), the deepest first."""


class ResidualUnit(nn.Module):
    """x + two pre-activated 3×3 convolutions, as in RefineNet and DPT."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = conv3x3(channels, channels, bias=True)
        self.conv2 = conv3x3(channels, channels, bias=True)

    def forward(self, x: Tensor) -> Tensor:
        """Keep the shape (N, C, h, w)."""
        residual: Tensor = self.conv2(F.relu(self.conv1(F.relu(x))))
        return x + residual


class FusionBlock(nn.Module):
    """One level of the decoder: add the skip, refine, project, resize.

    The 1×1 projection runs before the resize: the same function as after it, at a quarter of the cost.
    """

    def __init__(self, channels: int, *, skip: bool) -> None:
        super().__init__()
        self.skip_unit = ResidualUnit(channels) if skip else None
        self.unit = ResidualUnit(channels)
        self.project = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor, skip: Tensor, size: Sequence[int]) -> Tensor:
        """`x` and `skip` (N, C, h, w) → (N, C, *size); the lowest level has no skip and leaves it unread."""
        if self.skip_unit is not None:
            x = x + self.skip_unit(skip)
        return resize(self.project(self.unit(x)), size)


class Decoder(nn.Module):
    """Four taps of a transformer to five maps and the map of the head.

    Args:
        dim: channels of the taps.
        reassemble: channels of the taps at strides 2, 1, 1/2 and 1/4 patch.
        width: channels of the decoder.
    """

    def __init__(self, dim: int, reassemble: Sequence[int], width: int) -> None:
        super().__init__()
        lowest, _, high, highest = reassemble
        resizes = (
            nn.Conv2d(lowest, lowest, 3, stride=2, padding=1),
            nn.Identity(),
            nn.ConvTranspose2d(high, high, 2, stride=2),
            nn.ConvTranspose2d(highest, highest, 4, stride=4),
        )
        self.reassemble = nn.ModuleList(
            nn.Sequential(nn.Conv2d(dim, c, 1), resized)
            for c, resized in zip(reassemble, resizes, strict=True)
        )
        self.projections = nn.ModuleList(conv3x3(c, width) for c in reassemble)
        self.blocks = nn.ModuleList(FusionBlock(width, skip=i > 0) for i in range(4))
        self.head = conv3x3(width, width // 2, bias=True)

    def forward(self, taps: Sequence[Tensor], sizes: Sequence[tuple[int, int]]) -> list[Tensor]:
        """Decode.

        Args:
            taps: four maps (N, dim, h, w), the deepest first.
            sizes: of the last five maps.

        Returns:
            Six maps from low to high resolution: the lowest tap projected, the four levels of the decoder, and
            the head's map with width/2 channels.
        """
        levels = [
            project(reassemble(tap))
            for project, reassemble, tap in zip(self.projections, self.reassemble, taps, strict=True)
        ]
        *levels_out, last = sizes
        maps = [levels[0]]
        for block, skip, size in zip(self.blocks, levels, levels_out, strict=True):
            maps.append(block(maps[-1], skip, size))
        return [*maps, resize(self.head(maps[-1]), last)]


def map_sizes(height: int, width: int, patch: int) -> list[tuple[int, int]]:
    """Sizes of the decoder's six maps, low to high, of an image of `height` × `width` pixels."""
    h, w = height // patch, width // patch
    return [((h + 1) // 2, (w + 1) // 2), *((h * s, w * s) for s in (1, 2, 4, 8)), (height, width)]


class MetricDPT(nn.Module):
    """Image to metric depth and six feature maps: a vision transformer, DPT's decoder, metric bins.

    The six maps are the lowest level through a 1×1 convolution, the four levels of the decoder, and the last
    map of the relative depth head.

    Args:
        encoder: the transformer.
        reassemble: channels of the tapped maps, low to high resolution.
        width: channels of the decoder.

    Attributes:
        feature_channels: `width` five times, then 32.
    """

    def __init__(self, encoder: Transformer, reassemble: Sequence[int], width: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.feature_channels = (width,) * 5 + (32,)
        self.decoder = Decoder(encoder.dim, reassemble, width)
        self.bottleneck = nn.Conv2d(width, width, 1)
        self.high = nn.Sequential(conv3x3(width // 2, 32, bias=True), nn.ReLU())
        self.to_relative = nn.Sequential(nn.Conv2d(32, 1, 1), nn.ReLU())
        self.bins = MetricBins(self.feature_channels)

    def feature_sizes(self, height: int, width: int) -> list[tuple[int, int]]:
        """Sizes of the six maps, low to high, of an image of `height` × `width` pixels."""
        return map_sizes(height, width, self.encoder.patch)

    def forward(self, image: Tensor) -> CoarseOutput:
        """Predict.

        Args:
            image: (N, 3, h, w) RGB in [0, 1]; h and w multiples of the network's `multiple`.

        Returns:
            Depth (N, 1, h, w) in metres and six maps of `feature_sizes(h, w)`.
        """
        sizes = self.feature_sizes(*image.shape[-2:])
        lowest, *middle, last = self.decoder(self.encoder(image), sizes[1:])
        maps = (self.bottleneck(lowest), *middle, self.high(last))
        return CoarseOutput(self.bins(maps, self.to_relative(maps[5])), maps)
