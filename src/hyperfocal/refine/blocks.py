"""What the refiners share: the fine-to-coarse module (F2C) of both PatchRefiners, and its blocks."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import cast

import torch
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


class FineToCoarse(nn.Module):
    """F2C: fuses fine and coarse maps and two depth maps at every level, up to the offset at stride 1.

    Args:
        coarse: channels of the six coarse maps.
        fine: channels of the six fine maps.
        widths: channels of the six fused maps.
        decoder: output channels of the five up stages.
        heavy: the heavy variant, ablation 2: three convolutions instead of one, five instead of two.
    """

    def __init__(
        self,
        coarse: Sequence[int],
        fine: Sequence[int],
        widths: Sequence[int],
        decoder: Sequence[int],
        *,
        heavy: bool,
    ) -> None:
        super().__init__()
        fuse, convs = (heavy_fuse_block, 5) if heavy else (fuse_block, 2)
        self.merge = nn.ModuleList(fuse(c + f, w) for c, f, w in zip(coarse, fine, widths, strict=True))
        self.inject = nn.ModuleList(fuse(w + 2, w) for w in widths)
        below = (widths[0], *decoder)
        self.up = nn.ModuleList(
            up_stage(b + w + 2, out, convs) for b, w, out in zip(below[:5], widths[1:], decoder, strict=True)
        )
        self.final = conv3x3(decoder[-1], 1)

    def forward(
        self, coarse: Sequence[Tensor], fine: Sequence[Tensor], coarse_depth: Tensor, fine_depth: Tensor
    ) -> Tensor:
        """Return the offset (N, 1, h, w) from six coarse and fine maps and two (N, 1, h, w) depth maps."""
        depths = torch.cat((coarse_depth, fine_depth), 1)
        x: Tensor | None = None
        for i, (c, f) in enumerate(zip(coarse, fine, strict=True)):
            size = c.shape[-2:]
            here = resize(depths, size)
            level = self.inject[i](torch.cat((self.merge[i](torch.cat((c, f), 1)), here), 1))
            x = level if x is None else in_bands(self.up[i - 1], (x, level, here), size)
        offset: Tensor = self.final(x)
        return offset
