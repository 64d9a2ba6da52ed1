"""BoostingDepth (Miangoleh et al., CVPR 2021, arXiv:2105.14021): one network at two resolutions, merged.

At a low resolution a network knows the structure, at a high one the details. A patch's double estimation is merged
into what is known of the patch already. Which patches, and in which order: `hyperfocal.boosting`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hyperfocal.camera import NEAREST
from hyperfocal.coarse import make
from hyperfocal.refine.baselines.featureless import Featureless
from hyperfocal.refine.baselines.guided_filter import guided_filter
from hyperfocal.refine.baselines.scale_shift import fitted


class Boosting(Featureless):
    """Double estimation of a patch, merged into its coarse depth. The base network is frozen.

    Args:
        base: the network to boost: {"kind": ..., its arguments}.
        merge_widths: of the merging network's levels, from the patch down; trained like any refiner. None: no
            network; `Structured` merges by a rule.
    """

    base: Any  # a CoarseNetwork

    def __init__(self, base: Mapping[str, Any], merge_widths: Sequence[int] | None = None) -> None:
        super().__init__()
        self.base = make(base).requires_grad_(False)
        self.merge = Structured() if merge_widths is None else MergingNetwork(merge_widths)

    def forward(self, tile: Tensor, coarse_depth: Tensor, coarse_features: Sequence[Tensor]) -> Tensor:
        """(N, 3, h, w) in [0, 1] and (N, 1, h, w) metres → (N, 1, h, w) metres, above 0."""
        height, width = (
            max(1, side // 2 // self.base.multiple) * self.base.multiple for side in tile.shape[-2:]
        )
        return self.merged(coarse_depth, self.estimated(tile, (height, width)))

    def estimated(self, image: Tensor, low: tuple[int, int]) -> Tensor:
        """Estimate at two resolutions and merge (section 4).

        Args:
            image: (N, 3, h, w) RGB in [0, 1] at the high resolution.
            low: height and width of the low one.

        Returns:
            (N, 1, h, w) metres.
        """
        structure: Tensor = self.base(F.interpolate(image, low, mode="area")).depth
        structure = F.interpolate(structure, image.shape[-2:], mode="bilinear", align_corners=False)
        return self.merged(structure, self.base(image).depth)

    def merged(self, structure: Tensor, detail: Tensor) -> Tensor:
        """Return the structure of one estimate with the details of the other, brought to its scale first."""
        low = structure.clamp_min(NEAREST)
        high = torch.maximum(fitted(detail, low), low / 10)  # an affine fit can fall below 0
        merged: Tensor = self.merge(low.log(), high.log())
        return merged.exp()


class Structured(nn.Module):
    """The rule in the network's place: the detailed estimate, raised to the structure by a guided filter.

    The difference of both is fitted by a line in the detailed estimate, window by window, with a ridge that prefers
    a flat one: small details are taken over as they are, edges at the height that the structure gives them. The paper
    makes its training targets with guided filters, too. `radius` in pixels, `eps` in (ln depth)².
    """

    def __init__(self, radius: int = 32, eps: float = 0.1) -> None:
        super().__init__()
        self.radius, self.eps = radius, eps

    def forward(self, low: Tensor, high: Tensor) -> Tensor:
        """Two maps (N, 1, h, w) of ln depth → one."""
        return high + guided_filter(high, low - high, self.radius, self.eps)


class MergingNetwork(nn.Module):
    """A U-Net in the manner of pix2pix (Isola et al., 2017) that merges two estimates of ln depth.

    Adds its output to the low estimate, whose mean is taken away and put back. Its last convolution starts at 0:
    untrained, it returns the low estimate.

    Args:
        widths: of the levels, from the map's own resolution down by halves.
    """

    def __init__(self, widths: Sequence[int] = (32, 64, 128, 256, 256)) -> None:
        super().__init__()
        self.stem = nn.Conv2d(2, widths[0], 3, padding=1)
        self.down = nn.ModuleList(
            nn.Sequential(
                nn.LeakyReLU(0.2), nn.Conv2d(a, b, 4, 2, 1, bias=False), nn.InstanceNorm2d(b, affine=True)
            )
            for a, b in pairwise(widths)
        )
        self.up = nn.ModuleList(
            nn.Sequential(
                nn.ReLU(), nn.Conv2d(a + b, a, 3, padding=1, bias=False), nn.InstanceNorm2d(a, affine=True)
            )
            for a, b in pairwise(widths)
        )
        self.last = nn.Conv2d(widths[0], 1, 3, padding=1)
        for parameter in self.last.parameters():
            nn.init.zeros_(parameter)

    def forward(self, low: Tensor, high: Tensor) -> Tensor:
        """Two maps (N, 1, h, w) of ln depth → one."""
        level = low.mean((2, 3), keepdim=True)
        maps = [self.stem(torch.cat((low - level, high - level), 1))]
        for down in self.down:
            maps.append(down(maps[-1]))
        x = maps.pop()
        for up in reversed(self.up):
            skip = maps.pop()
            x = up(torch.cat((skip, F.interpolate(x, skip.shape[-2:], mode="bilinear")), 1))
        merged: Tensor = low + self.last(x)
        return merged
