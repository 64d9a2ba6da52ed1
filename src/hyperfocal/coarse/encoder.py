"""The image encoder that coarse networks and refiners share: a timm pyramid with its own normalisation."""

from __future__ import annotations

from typing import Any

import timm
import torch
from torch import Tensor, nn

from hyperfocal.coarse.blocks import Normalize


class Encoder(nn.Module):
    """Turns an image into five feature maps, strides 32, 16, 8, 4, 2 (low to high resolution).

    Weights start random: nothing is downloaded. A network without a stride-2 map (ConvNeXt) gets one
    from its stride-4 map by a transposed convolution, as in PatchRefiner V2.

    Args:
        name: timm model name, tag included where the mean and the deviation depend on it.
        extra_channels: input channels after RGB, passed through unnormalised.

    Attributes:
        channels: channels of the five maps.
        extra_channels: as given.
    """

    def __init__(self, name: str, extra_channels: int = 0) -> None:
        super().__init__()
        self.extra_channels = extra_channels
        self.net = timm.create_model(name, pretrained=False, features_only=True, in_chans=3 + extra_channels)
        info: Any = self.net.feature_info
        channels, strides = info.channels(), info.reduction()
        self.to_stride2: nn.Module | None = None
        if strides[0] == 4:
            half = channels[0] // 2
            self.to_stride2 = nn.Sequential(nn.ConvTranspose2d(channels[0], half, 2, stride=2), nn.ReLU())
            channels = [half, *channels]
        self.channels: tuple[int, ...] = tuple(reversed(channels))
        published: Any = timm.get_pretrained_cfg(name)
        self.normalize = Normalize(published.mean, published.std)

    def forward(self, image: Tensor, extra: Tensor | None = None) -> tuple[Tensor, ...]:
        """Encode `image` (N, 3, h, w) in [0, 1] and `extra` (N, extra_channels, h, w), if there is any."""
        x = self.normalize(image)
        maps = self.net(x if extra is None else torch.cat((x, extra), 1))
        if self.to_stride2 is not None:
            maps = [self.to_stride2(maps[0]), *maps]
        return tuple(reversed(maps))
