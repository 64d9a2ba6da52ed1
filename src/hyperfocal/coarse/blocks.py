"""What coarse networks and refiners share: layers, and the sizes of a pyramid."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from timm.data import IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD
from torch import Tensor, nn


class Normalize(nn.Module):
    """RGB in [0, 1] to that of a pretrained encoder; its numbers are no part of a state.

    Args:
        mean: of the three channels; ImageNet's.
        std: the same.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self, mean: Sequence[float] = IMAGENET_DEFAULT_MEAN, std: Sequence[float] = IMAGENET_DEFAULT_STD
    ) -> None:
        super().__init__()
        for name, values in (("mean", mean), ("std", std)):
            self.register_buffer(name, torch.tensor(values).view(1, 3, 1, 1), persistent=False)

    def forward(self, image: Tensor) -> Tensor:
        """Keep the shape (N, 3, h, w)."""
        return (image - self.mean) / self.std


def pyramid_sizes(height: int, width: int) -> list[tuple[int, int]]:
    """Sizes of six maps, low to high, strides 32 to 1, of an image of `height` × `width` pixels."""
    return [(height // stride, width // stride) for stride in (32, 16, 8, 4, 2, 1)]


def resize(x: Tensor, size: Sequence[int]) -> Tensor:
    """Resize (N, C, h, w) bilinearly, corner pixels on corner pixels; the same map if it has that size."""
    if x.shape[-2:] == tuple(size):
        return x
    return F.interpolate(x, tuple(size), mode="bilinear", align_corners=True)


def resized_rows(x: Tensor, size: Sequence[int], rows: range) -> Tensor:
    """Return rows of `resize(x, size)`, without the others ever being in memory."""
    height = x.shape[2]
    if height == size[0]:
        return resize(x[:, :, rows.start : rows.stop], (len(rows), size[1]))
    if height == 1:
        return resize(x, (len(rows), size[1]))
    step = (height - 1) / max(size[0] - 1, 1)
    above = [min(int(row * step), height - 2) for row in rows]
    first, last = above[0], above[-1] + 2
    wide = resize(x[:, :, first:last], (last - first, size[1]))
    upper = torch.tensor([row - first for row in above], device=x.device)
    weight = x.new_tensor([row * step - y for row, y in zip(rows, above, strict=True)])[:, None]
    return torch.lerp(wide[:, :, upper], wide[:, :, upper + 1], weight)


def conv3x3(c_in: int, c_out: int, *, bias: bool = False) -> nn.Conv2d:
    """3×3 convolution that keeps the size."""
    return nn.Conv2d(c_in, c_out, 3, padding=1, bias=bias)
