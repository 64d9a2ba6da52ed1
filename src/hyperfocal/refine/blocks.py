"""Building blocks that the refiners share: parts of the C2F and F2C modules of PatchRefiner V1 and V2."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hyperfocal.coarse.blocks import conv3x3, resize, resized_rows

WIDE, BAND = 256, 96  # channels from which a stage goes band by band, and rows of a band


class ChannelNorm(nn.LayerNorm):
    """Layer norm over the channels of each pixel of (N, C, h, w)."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels, eps=1e-6)

    def forward(self, x: Tensor) -> Tensor:
        """Keep the shape."""
        return super().forward(x.movedim(1, -1)).movedim(-1, 1)


class GuidedFusion(nn.Module):
    """Mixes a map with its coarse guide: (N, C, h, w), (N, G, h, w) → (N, C, h, w). V2's ablation 7."""

    def __init__(self, channels: int, guide_channels: int) -> None:
        super().__init__()
        self.mix = nn.Sequential(
            conv3x3(channels + guide_channels, channels, bias=True),
            ChannelNorm(channels),
            nn.ReLU(),
            nn.Conv2d(channels, channels, 1, bias=False),
        )

    def forward(self, x: Tensor, guide: Tensor) -> Tensor:
        """Return the mix."""
        mixed: Tensor = self.mix(torch.cat((x, guide), 1))
        return mixed


class GuidedDenoising(GuidedFusion):
    """PatchRefiner V2's guided denoising unit (GDU): the mix becomes a mask in (0, 1) on the map."""

    def forward(self, x: Tensor, guide: Tensor) -> Tensor:
        """Return the masked map."""
        return x * super().forward(x, guide).sigmoid()


class Unguided(nn.Module):
    """Leaves the map as it is and the guide unread. V2's ablation 6."""

    def __init__(self, channels: int, guide_channels: int) -> None:
        super().__init__()

    def forward(self, x: Tensor, guide: Tensor) -> Tensor:
        """Return `x`."""
        return x


DENOISERS: dict[str, type[GuidedFusion] | type[Unguided]] = {
    "gate": GuidedDenoising,
    "fuse": GuidedFusion,
    "none": Unguided,
}


class GuidedUnit(nn.Module):
    """One residual 3×3 convolution, then the denoiser: the paper's RCU and GDU."""

    def __init__(self, channels: int, guide_channels: int, denoise: str) -> None:
        super().__init__()
        self.residual = conv3x3(channels, channels, bias=True)
        self.denoise = DENOISERS[denoise](channels, guide_channels)

    def forward(self, x: Tensor, guide: Tensor) -> Tensor:
        """(N, C, h, w), (N, G, h, w) → (N, C, h, w)."""
        denoised: Tensor = self.denoise(x + self.residual(F.relu(x)), guide)
        return denoised


class GuidedBlock(nn.Module):
    """One level of the coarse-to-fine path: add the denoised skip, denoise, project, resize.

    The 1×1 projection runs before the resize: the same function as after it, at a quarter of the cost.
    """

    def __init__(
        self, channels: int, out_channels: int, guide_channels: int, denoise: str, *, skip: bool
    ) -> None:
        super().__init__()
        self.skip_unit = GuidedUnit(channels, guide_channels, denoise) if skip else None
        self.unit = GuidedUnit(channels, guide_channels, denoise)
        self.project = nn.Conv2d(channels, out_channels, 1)

    def forward(self, x: Tensor, guide: Tensor, size: Sequence[int], skip: Tensor | None = None) -> Tensor:
        """`x`, `skip` (N, C, h, w) and `guide` (N, G, h, w) → (N, out_channels, *size)."""
        if self.skip_unit is not None:
            x = x + self.skip_unit(skip, guide)
        return resize(self.project(self.unit(x, guide)), size)


def fuse_block(c_in: int, c_out: int) -> nn.Sequential:
    """3×3 convolution, channel norm, GELU ("CLG")."""
    return nn.Sequential(conv3x3(c_in, c_out), ChannelNorm(c_out), nn.GELU())


def heavy_fuse_block(c_in: int, c_out: int) -> nn.Sequential:
    """The CLG of V2's ablation 2, "heavy F2C": three 3×3 convolutions, no activation between."""
    return nn.Sequential(
        conv3x3(c_in, c_out),
        ChannelNorm(c_out),
        conv3x3(c_out, c_out),
        ChannelNorm(c_out),
        conv3x3(c_out, c_out),
        nn.GELU(),
    )


def in_bands(stage: nn.Module, maps: Sequence[Tensor], size: Sequence[int]) -> Tensor:
    """Run a stage of 3×3 convolutions over maps side by side, each resized to one size.

    A wide stage goes over a band of rows at a time, each with a row more on both sides for every convolution, so
    that hundreds of channels at full resolution are never whole in memory.

    Args:
        stage: convolutions with zero padding, and layers that treat each pixel alike.
        maps: (N, C_i, h_i, w_i).
        size: (height, width) of what the stage sees and returns.
    """
    if sum(x.shape[1] for x in maps) < WIDE:
        return cast(Tensor, stage(torch.cat([resize(x, size) for x in maps], 1)))
    height, halo = size[0], sum(isinstance(layer, nn.Conv2d) for layer in stage.modules())
    bands = []
    for top in range(0, height, BAND):
        start = max(0, top - halo)
        rows = range(start, min(height, top + BAND + halo))
        band = stage(torch.cat([resized_rows(x, size, rows) for x in maps], 1))
        bands.append(band[:, :, top - start : top - start + BAND])
    return torch.cat(bands, 2)


def up_stage(c_in: int, c_out: int, convs: int = 2) -> nn.Sequential:
    """`convs` times 3×3 convolution and GELU; all but the last keep the input's width.

    He's initialisation: with PyTorch's the signal, unnormalised here, shrinks to a third at each convolution.
    """
    convolutions = [conv3x3(a, b) for a, b in pairwise([c_in] * convs + [c_out])]
    for convolution in convolutions:
        nn.init.kaiming_normal_(convolution.weight, nonlinearity="relu")
    return nn.Sequential(*(layer for convolution in convolutions for layer in (convolution, nn.GELU())))
