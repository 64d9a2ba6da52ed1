"""Fine tiles, each fitted to the coarse map by one scale and one shift (a row of PatchFusion's Table 2)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from hyperfocal.camera import NEAREST
from hyperfocal.coarse import make
from hyperfocal.refine.baselines.featureless import Featureless


class ScaleShift(Featureless):
    """A base network on the tile, and the affine map of its depth that is nearest to the coarse depth.

    Args:
        base: the network for tiles: {"kind": ..., its arguments}.
    """

    base: Any  # a CoarseNetwork

    def __init__(self, base: Mapping[str, Any]) -> None:
        super().__init__()
        self.base = make(base)

    def forward(self, tile: Tensor, coarse_depth: Tensor, coarse_features: Sequence[Tensor]) -> Tensor:
        """(N, 3, h, w) in [0, 1] and (N, 1, h, w) metres → (N, 1, h, w) metres, at least 0."""
        return fitted(self.base(tile).depth, coarse_depth).clamp_min(0)


def fitted(fine: Tensor, coarse: Tensor) -> Tensor:
    """Return s·fine + t with s and t, of each image, the minimum of Σ ((s·fine + t − coarse) / coarse)².

    Relative errors, so that a strip of sky at hundreds of metres doesn't set the scale of what stands before it.

    Args:
        fine: (N, 1, h, w).
        coarse: (N, 1, h, w) metres.
    """
    weight = coarse.clamp_min(NEAREST) ** -2
    weight = weight / weight.sum((1, 2, 3), keepdim=True)

    def mean(x: Tensor) -> Tensor:
        return (weight * x).sum((1, 2, 3), keepdim=True)

    fine_mean, coarse_mean = mean(fine), mean(coarse)
    centred = fine - fine_mean
    scale = mean(centred * (coarse - coarse_mean)) / mean(centred**2).clamp_min(1e-12)
    return coarse_mean + scale * centred
