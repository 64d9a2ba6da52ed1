"""Consistency: overlapping crops shall see the same (PatchFusion, consistency-aware training).

L = MSE(features) + μ · MSE(depth),  μ = 0.1

on the pixels of the overlap whose truth is known in the first crop, with one mean over all elements of all
feature levels: high-resolution levels weigh most. PatchFusion trains with SILog + 0.1 · L on crops whose
sides are a quarter of the image's, shifted by a quarter of those.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from hyperfocal.losses.precision import at_least_float32

Pair = tuple[Tensor, Tensor]


def consistency(
    features: Sequence[Pair],
    depth: Pair,
    valid: Tensor,
    shifts: Sequence[tuple[int, int]],
    depth_weight: float = 0.1,
) -> Tensor:
    """Mean squared difference of features and of depth where two crops overlap; neither side is detached.

    Args:
        features: for each level the maps of the first and of the second crop, (N, C_i, h_i, w_i) each.
        depth: of the first and of the second crop, (N, 1, H, W), metres, at the size of the crops.
        valid: bool, (N, 1, H, W): known truth of the first crop.
        shifts: for each of the N pairs, rows and columns from the first crop's origin to the second's, in
            pixels of the crop. Parts of a pixel at a level are cut off: choose multiples of the coarsest step.
        depth_weight: μ.

    Returns:
        A scalar ≥ 0; 0 where nothing overlaps or is valid.
    """
    return _overlap_mse(features, valid, shifts) + depth_weight * _overlap_mse([depth], valid, shifts)


def _overlap_mse(pairs: Sequence[Pair], valid: Tensor, shifts: Sequence[tuple[int, int]]) -> Tensor:
    squares, counts = [], []
    for pair in pairs:
        first, second = at_least_float32(*pair)
        known = F.interpolate(valid.float(), first.shape[-2:], mode="nearest").bool()
        for i, shift in enumerate(shifts):
            (y, y2), (x, x2) = (
                _overlap(int(d * size / whole), size)  # int() cuts both signs towards 0, as published
                for d, size, whole in zip(shift, first.shape[-2:], valid.shape[-2:], strict=True)
            )
            counted = known[i, :, y, x].expand_as(first[i, :, y, x])
            squares.append(((first[i, :, y, x] - second[i, :, y2, x2]) ** 2 * counted).sum())
            counts.append(counted.sum())
    return torch.stack(squares).sum() / torch.stack(counts).sum().clamp_min(1)


def _overlap(shift: int, size: int) -> tuple[slice, slice]:
    """The common part of two rows of pixels, the second of which begins `shift` later: in each one's own."""
    length = max(size - abs(shift), 0)
    first, second = max(shift, 0), max(-shift, 0)
    return slice(first, first + length), slice(second, second + length)
