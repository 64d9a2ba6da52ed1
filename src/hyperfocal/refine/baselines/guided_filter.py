"""Coarse depth through a guided filter: the photo's edges without any learning.

He, Sun, Tang: Guided Image Filtering, TPAMI 2013; He, Sun: Fast Guided Filter, 2015, arXiv:1505.00996.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from hyperfocal.camera import NEAREST
from hyperfocal.refine.baselines.featureless import Featureless


class GuidedFilter(Featureless):
    """ln coarse depth of a tile, filtered with the tile's colours as the guide. No parameters.

    Args:
        radius: half the side of a window, pixels of the tile; about a pixel of the coarse map or two.
        eps: variance of colours in [0, 1] below which a window counts as flat.
    """

    multiple: ClassVar[int] = 1

    def __init__(self, radius: int = 24, eps: float = 1e-3) -> None:
        super().__init__()
        self.radius, self.eps = radius, eps

    def forward(self, tile: Tensor, coarse_depth: Tensor, coarse_features: Sequence[Tensor]) -> Tensor:
        """(N, 3, h, w) in [0, 1] and (N, 1, h, w) metres → (N, 1, h, w) metres, above 0."""
        log = coarse_depth.clamp_min(NEAREST).log()
        return guided_filter(tile, log, self.radius, self.eps).exp()


def guided_filter(guide: Tensor, x: Tensor, radius: int, eps: float, step: int = 4) -> Tensor:
    """Fit x ≈ a·guide + b by ridge regression in each window, apply the mean a and b of a pixel's windows.

    Windows are solved at every `step`-th pixel, a and b enlarged: the fast form, for a guide as sharp as ever.

    Args:
        guide: (N, C, h, w).
        x: (N, 1, h, w), what is filtered.
        radius: half the side of a window, pixels.
        eps: added to the guide's variance, in its units squared.
        step: pixels.

    Returns:
        (N, 1, h, w).
    """
    height, width = guide.shape[-2:]
    small = -(-height // step), -(-width // step)
    g, y = F.adaptive_avg_pool2d(guide.float(), small), F.adaptive_avg_pool2d(x.float(), small)
    half = max(1, radius // step)

    def mean(z: Tensor) -> Tensor:
        z = F.avg_pool2d(z, (1, 2 * half + 1), 1, (0, half), count_include_pad=False)
        return F.avg_pool2d(z, (2 * half + 1, 1), 1, (half, 0), count_include_pad=False)

    channels, g_mean, y_mean = g.shape[1], mean(g), mean(y)
    squares = mean((g[:, :, None] * g[:, None]).flatten(1, 2))
    covariance = squares.view(-1, channels, channels, *small) - g_mean[:, :, None] * g_mean[:, None]
    ridge = eps * torch.eye(channels, device=g.device)
    a = torch.linalg.solve(
        covariance.movedim((1, 2), (-2, -1)) + ridge, (mean(g * y) - g_mean * y_mean).movedim(1, -1)
    ).movedim(-1, 1)
    b = y_mean - (a * g_mean).sum(1, keepdim=True)
    smooth = F.interpolate(mean(torch.cat((a, b), 1)), (height, width), mode="bilinear", align_corners=False)
    return (smooth[:, :-1] * guide).sum(1, keepdim=True) + smooth[:, -1:]
