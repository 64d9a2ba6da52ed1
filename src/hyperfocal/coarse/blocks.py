"""The two layers that coarse networks and refiners share."""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn


def resize(x: Tensor, size: Sequence[int]) -> Tensor:
    """Resize (N, C, h, w) bilinearly, corner pixels on corner pixels; the same map if it has that size."""
    if x.shape[-2:] == tuple(size):
        return x
    return F.interpolate(x, tuple(size), mode="bilinear", align_corners=True)


def conv3x3(c_in: int, c_out: int, *, bias: bool = False) -> nn.Conv2d:
    """3×3 convolution that keeps the size."""
    return nn.Conv2d(c_in, c_out, 3, padding=1, bias=bias)
