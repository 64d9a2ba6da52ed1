"""ZoeDepth (Bhat et al., 2023, arXiv:2302.12288): BEiT, DPT's decoder and metric bins; the papers' base network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import timm
import torch
import torch.nn.functional as F
from timm.models.beit import gen_relative_position_index
from torch import Tensor, nn

from hyperfocal.coarse.dpt import MetricDPT

GRID = 24  # patches, of the published weights' side: 384 pixels


class BEiT(nn.Module):
    """BEiT (Bao et al., ICLR 2022) for images of any size, tapped four times at equal distances.

    The blocks are timm's. Their tables of relative position biases are kept here, where they are resampled to
    the image's grid. Each tap reads the class token into its patches ("project" readout of DPT).

    Args:
        dim: channels.
        depth: number of blocks.
        heads: of each block's attention.
    """

    patch = 16

    def __init__(self, dim: int, depth: int, heads: int) -> None:
        super().__init__()
        net: Any = timm.create_model(
            "beit_large_patch16_384",
            embed_dim=dim,
            depth=depth,
            num_heads=heads,
            num_classes=0,
            use_rel_pos_bias=False,
        )
        self.dim = dim
        self.project: nn.Conv2d = net.patch_embed.proj
        self.start: nn.Parameter = net.cls_token
        self.blocks: nn.ModuleList = net.blocks
        entries = (2 * GRID - 1) ** 2 + 3  # and from, to and within the class token
        self.position_bias = nn.ParameterList(torch.zeros(entries, heads) for _ in range(depth))
        self.readout = nn.ModuleList(nn.Sequential(nn.Linear(2 * dim, dim), nn.GELU()) for _ in range(4))

    def forward(self, image: Tensor) -> list[Tensor]:
        """(N, 3, h, w) RGB in [0, 1] → four taps (N, dim, h/16, w/16), the deepest first."""
        patches = self.project(2 * image - 1)
        height, width = patches.shape[-2:]
        index = gen_relative_position_index((height, width), device=image.device)
        x = torch.cat((self.start.expand(len(image), -1, -1), patches.flatten(2).transpose(1, 2)), 1)
        taps = []
        for i, (block, table) in enumerate(zip(self.blocks, self.position_bias, strict=True)):
            x = block(x, shared_rel_pos_bias=_resampled(table, height, width)[:, index][None])
            if (i + 1) % (len(self.blocks) // 4) == 0:
                taps.append(x)
        return [
            self._read(readout, tap).transpose(1, 2).reshape(len(image), -1, height, width)
            for readout, tap in zip(self.readout, reversed(taps), strict=True)
        ]

    @staticmethod
    def _read(readout: nn.Module, tap: Tensor) -> Tensor:
        """(N, 1 + patches, dim) → (N, patches, dim)."""
        start, patches = tap[:, :1], tap[:, 1:]
        read: Tensor = readout(torch.cat((patches, start.expand_as(patches)), 2))
        return read


def _resampled(table: Tensor, height: int, width: int) -> Tensor:
    """Biases (entries, heads) of the published grid → (heads, entries') of height × width patches."""
    side, size = 2 * GRID - 1, (2 * height - 1, 2 * width - 1)
    offsets = table[:-3].t().reshape(1, -1, side, side)
    return torch.cat((F.interpolate(offsets, size, mode="bilinear")[0].flatten(1), table[-3:].t()), 1)


class ZoeDepth(MetricDPT):
    """ZoeDepth with one metric head. The defaults are the published BEiT-L-384, processed at 384×512.

    Weights start random: nothing is downloaded.

    Args:
        dim: channels of the transformer.
        depth: number of its blocks, a multiple of 4.
        heads: of each block.
        reassemble: channels of the tapped maps, low to high resolution.
        width: channels of the decoder.

    Attributes:
        multiple: of which both sides of an image must be multiples, so that the six strides are 32 … 1.
    """

    multiple = 32

    def __init__(
        self,
        dim: int = 1024,
        depth: int = 24,
        heads: int = 16,
        reassemble: Sequence[int] = (1024, 1024, 512, 256),
        width: int = 256,
    ) -> None:
        super().__init__(BEiT(dim, depth, heads), reassemble, width)
