"""SMD-Net (Tosi et al., CVPR 2021, arXiv:2104.03866) on a depth network: a bimodal depth at every point.

The coarse network's features, read at a point between its pixels, go through a small network with sine
activations to a mixture of two Laplacians: the surface in front and the one behind. The more likely one is the
depth, so edges are steps, not ramps. As in PatchFusion's Table 2 the features are those of a base network. The
original's mixture is over disparity in parts of the largest; here it is over ln depth in parts of its range.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import ClassVar, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hyperfocal.coarse.precision import full_precision
from hyperfocal.refine.base import Refiner


class Mixture(NamedTuple):
    """π/(2b₁) exp(−|d − μ₁|/b₁) + (1 − π)/(2b₂) exp(−|d − μ₂|/b₂) at each point; all of one shape.

    Attributes:
        logit: of π.
        near: μ₁.
        log_near_scale: ln b₁.
        far: μ₂.
        log_far_scale: ln b₂.
    """

    logit: Tensor
    near: Tensor
    log_near_scale: Tensor
    far: Tensor
    log_far_scale: Tensor

    def mode(self) -> Tensor:
        """Return the mean of the component with the higher peak: never between the two surfaces (eq. 5)."""
        first = F.logsigmoid(self.logit) - self.log_near_scale
        second = F.logsigmoid(-self.logit) - self.log_far_scale
        return torch.where(first >= second, self.near, self.far)


class Sine(nn.Module):
    """sin(30 x), SIREN's activation (Sitzmann et al., 2020)."""

    def forward(self, x: Tensor) -> Tensor:
        """Keep the shape."""
        return torch.sin(30.0 * x)


class SMDNet(Refiner):
    """Coarse features to the more likely of two depths at each pixel of the tile. The tile itself is not read.

    Args:
        coarse_channels: of the six coarse maps, low to high.
        widths: of the hidden layers.
        near: metres, the smallest depth.
        far: metres, the largest.

    Attributes:
        coarse_channels: as given.
    """

    multiple: ClassVar[int] = 1

    def __init__(
        self,
        coarse_channels: Sequence[int] = (256, 256, 256, 256, 256, 32),
        widths: Sequence[int] = (1024, 512, 256, 128),
        near: float = 0.1,
        far: float = 500.0,
    ) -> None:
        super().__init__()
        self.coarse_channels = tuple(coarse_channels)
        self.log_near, self.log_range = math.log(near), math.log(far / near)
        layers: list[nn.Module] = []
        for i, (a, b) in enumerate(pairwise((sum(coarse_channels) + 1, *widths))):
            layers += [_siren(nn.Conv2d(a, b, 1), first=i == 0), Sine()]
        self.head = nn.Sequential(*layers, nn.Conv2d(widths[-1], 5, 1))

    def feature_sizes(self, height: int, width: int) -> list[tuple[int, int]]:
        """All at the tile's own size: each pixel of the tile is a point at which they are read."""
        return [(height, width)] * 6

    def part(self, depth: Tensor) -> Tensor:
        """Metres → where they are in the range of ln depth, in [0, 1]."""
        return ((depth.clamp_min(1e-6).log() - self.log_near) / self.log_range).clamp(0, 1)

    def mixture(self, coarse_depth: Tensor, coarse_features: Sequence[Tensor]) -> Mixture:
        """Return the mixture of `part` at each pixel; five (N, 1, h, w).

        Args:
            coarse_depth: (N, 1, h, w) metres.
            coarse_features: six maps (N, C_i, h, w).
        """
        points = torch.cat((*coarse_features, self.part(coarse_depth)), 1)
        with full_precision(points.device):
            logit, near, near_scale, far, far_scale = self.head(points.float()).chunk(5, 1)
        # Scales of 1e-4 to 1: without a floor the likelihood of a flat region has no maximum.
        scales = [math.log(1e-4) * s.sigmoid() for s in (near_scale, far_scale)]
        return Mixture(logit, near.sigmoid(), scales[0], far.sigmoid(), scales[1])

    def forward(self, tile: Tensor, coarse_depth: Tensor, coarse_features: Sequence[Tensor]) -> Tensor:
        """Predict.

        Args:
            tile: (N, 3, h, w); unread.
            coarse_depth: (N, 1, h, w) metres, the coarse map cropped to the tile.
            coarse_features: six coarse maps (N, C_i, h, w) cropped to the tile.

        Returns:
            (N, 1, h, w) metres in [near, far].
        """
        return torch.exp(self.log_near + self.log_range * self.mixture(coarse_depth, coarse_features).mode())


def _siren(layer: nn.Conv2d, *, first: bool) -> nn.Conv2d:
    """SIREN's start: the activations of every layer spread alike."""
    bound = 1 / layer.in_channels if first else math.sqrt(6 / layer.in_channels) / 30
    nn.init.uniform_(layer.weight, -bound, bound)
    return layer
