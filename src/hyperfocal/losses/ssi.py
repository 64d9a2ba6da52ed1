"""SSI: scale-and-shift-invariant error to a pseudo label (MiDaS, Ranftl et al. 2020; PatchRefiner, DSD).

MiDaS form:           (s, t) = argmin Σ (s·p + t − q)² for each image;  L = mean |s·p + t − q|
Depth Anything form:  z(x) = (x − mean x) / std x for each image;       L = mean |z(p) − z(q)|

with the means of L over the valid pixels of the whole batch and std unbiased. PatchRefiner V2's class for the
second form takes one mean and std of the whole batch; here they are each image's own, as the name asks.
The least squares have the closed form s = cov(p, q) / var(p), t = mean q − s · mean p.
"""

import torch
from torch import Tensor

from hyperfocal.losses.precision import at_least_float32

FLAT = 1e-8  # least variance, relative to the mean square, that says more than rounding: 0.1 mm at 1 m


def ssi(prediction: Tensor, label: Tensor, valid: Tensor) -> Tensor:
    """Mean absolute error after each image's best scale and shift (MiDaS form).

    Args:
        prediction: depth, (N, ...); finite where valid.
        label: pseudo label of the same shape, in any unit.
        valid: bool of the same shape.

    Returns:
        A scalar ≥ 0 in the label's unit; 0 where nothing is valid.
    """
    return aligned_residual(prediction, label, valid).abs().sum() / valid.sum().clamp_min(1)


def ssi_normalised(prediction: Tensor, label: Tensor, valid: Tensor) -> Tensor:
    """Mean absolute difference of the two maps, each at mean 0 and deviation 1 (Depth Anything form).

    Args:
        prediction: depth, (N, ...); finite where valid.
        label: pseudo label of the same shape, in any unit.
        valid: bool of the same shape.

    Returns:
        A scalar ≥ 0 without a unit; a flat map counts as 0, and nothing valid gives 0.
    """
    p, q = at_least_float32(prediction, label)
    return (_normalised(p, valid) - _normalised(q, valid)).abs().sum() / valid.sum().clamp_min(1)


def aligned_residual(prediction: Tensor, label: Tensor, valid: Tensor) -> Tensor:
    """s·p + t − q with each image's best scale and shift.

    Args:
        prediction: depth, (N, ...); finite where valid.
        label: pseudo label of the same shape.
        valid: bool of the same shape.

    Returns:
        Same shape, at least float32; 0 where not valid.
    """
    p, q = at_least_float32(prediction.masked_fill(~valid, 0), label.masked_fill(~valid, 0))
    scale, shift = (x.view(-1, *[1] * (p.ndim - 1)) for x in scale_and_shift(p, q, valid))
    return (scale * p + shift - q).masked_fill(~valid, 0)


def scale_and_shift(prediction: Tensor, label: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
    """Least squares s, t of s · prediction + t ≈ label, for each image; differentiable.

    Args:
        prediction: (N, ...); finite where valid.
        label: same shape.
        valid: bool, same shape.

    Returns:
        s and t, (N,), at least float32. Both 0 where the prediction is flat (relative deviation under 1e-4)
        or nothing is valid: no scale is the best there, and none may explode.
    """
    p, q = at_least_float32(prediction, label)
    mean_p, from_mean_p, energy, varies = _moments(p, valid)
    mean_q, from_mean_q, _, _ = _moments(q, valid)
    scale = ((from_mean_p * from_mean_q).sum(1) / energy.where(varies, 1)).where(varies, 0)
    return scale, (mean_q - scale * mean_p).where(varies, 0)


def _moments(x: Tensor, valid: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Mean (N,), deviations (N, pixels), sum of their squares (N,), and where that is not just rounding."""
    known = valid.flatten(1)
    x = x.flatten(1).masked_fill(~known, 0)
    mean = x.sum(1) / known.sum(1).clamp_min(1)
    from_mean = (x - mean[:, None]).masked_fill(~known, 0)
    energy = (from_mean**2).sum(1)
    return mean, from_mean, energy, energy > FLAT * (x**2).sum(1)


def _normalised(x: Tensor, valid: Tensor) -> Tensor:
    """(N, pixels) at mean 0 and unbiased deviation 1; 0 where not valid or flat."""
    _, from_mean, energy, varies = _moments(x, valid)
    variance = energy / (valid.flatten(1).sum(1) - 1).clamp_min(1)
    return from_mean * (varies / torch.sqrt(variance.where(varies, 1)))[:, None]
