"""DINOv2 (Oquab et al., 2023, arXiv:2304.07193), tapped for DPT's decoder: the encoder of both Depth Anythings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import timm
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hyperfocal.coarse.blocks import Normalize


class DINOv2(nn.Module):
    """Taps four blocks of a DINOv2 vision transformer, normalised. Weights start random.

    Args:
        name: timm's.
        taps: the four blocks, shallow to deep; the last four if none are given.
    """

    net: Any  # timm's VisionTransformer
    patch = 14

    def __init__(self, name: str, taps: Sequence[int] | None = None) -> None:
        super().__init__()
        self.net = timm.create_model(name, num_classes=0, dynamic_img_size=True)
        self.dim: int = self.net.num_features
        depth = len(self.net.blocks)
        self.taps = tuple(range(depth - 4, depth) if taps is None else taps)
        self.normalize = Normalize()

    def forward(self, image: Tensor) -> list[Tensor]:
        """(N, 3, h, w) RGB in [0, 1] → four taps (N, dim, h/14, w/14), the deepest first."""
        patches = self.net.patch_embed(self.normalize(image))  # (N, h/14, w/14, dim)
        size = patches.shape[1:3]
        start = self.net.cls_token.expand(len(image), -1, -1)
        x = torch.cat((start, patches.flatten(1, 2)), 1) + self.positions(size)
        taps = []
        for i, block in enumerate(self.net.blocks):
            x = block(x)
            if i in self.taps:
                taps.append(self.net.norm(x)[:, 1:].transpose(1, 2).unflatten(2, size))
        return taps[::-1]

    def positions(self, size: Sequence[int]) -> Tensor:
        """Resample the position embedding as DINOv2 does: bicubic, and a tenth of a patch too wide.

        timm's own resampling is antialiased, which is another function.
        """
        start, grid = self.net.pos_embed[:, :1], self.net.pos_embed[:, 1:]
        side = int(grid.shape[1] ** 0.5)
        if tuple(size) == (side, side):
            return torch.cat((start, grid), 1)
        square = grid.transpose(1, 2).reshape(1, -1, side, side)
        scale = tuple((s + 0.1) / side for s in size)
        resampled = F.interpolate(square.float(), scale_factor=scale, mode="bicubic").to(grid.dtype)
        return torch.cat((start, resampled.flatten(2).transpose(1, 2)), 1)
