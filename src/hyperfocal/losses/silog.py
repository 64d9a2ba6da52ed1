"""SILog: scale-invariant log error (Eigen et al. 2014, in the form of PatchFusion and PatchRefiner).

g = ln(p + 1e-7) − ln(t + 1e-7) on valid pixels of the whole batch
L = 10 · √( Var(g) + λ · mean(g)² ),  Var unbiased, λ = 0.15

`silog_per_image` takes mean and variance of each image by itself and averages them below the root:
L = 10 · √( mean over images of ( Var(g) + λ · mean(g)² ) )
"""

import torch
from torch import Tensor

from hyperfocal.losses.precision import at_least_float32

FLOOR = (
    1e-20  # a perfect prediction has L = 0, where the root's slope is infinite: the floor gives it slope 0
)


def silog(prediction: Tensor, target: Tensor, valid: Tensor, lam: float = 0.15) -> Tensor:
    """SILog over the valid pixels of a whole batch.

    Args:
        prediction: depth ≥ 0, any shape.
        target: true depth of the same shape.
        valid: bool of the same shape.
        lam: weight of the mean, that is of the scale: 0 ignores it, 1 counts it fully.

    Returns:
        A scalar; 0 (with zero gradients) where fewer than two pixels are valid.
    """
    prediction, target = at_least_float32(prediction, target)
    if valid.sum() < 2:
        return prediction.sum() * 0
    g = torch.log(prediction[valid] + 1e-7) - torch.log(target[valid] + 1e-7)
    return 10 * torch.sqrt((g.var() + lam * g.mean() ** 2).clamp_min(FLOOR))


def silog_per_image(prediction: Tensor, target: Tensor, valid: Tensor, lam: float = 0.15) -> Tensor:
    """SILog with the scale of each image its own: windows of one photo may be wrong in different ways.

    Args:
        prediction: depth ≥ 0, (N, ...).
        target: true depth of the same shape.
        valid: bool of the same shape.
        lam: weight of the mean, as in `silog`.

    Returns:
        A scalar; images without two valid pixels count as perfect.
    """
    prediction, target = at_least_float32(prediction, target)
    g = (
        ((prediction + 1e-7).log() - (target.masked_fill(~valid, 1) + 1e-7).log())
        .masked_fill(~valid, 0)
        .flatten(1)
    )
    known = valid.flatten(1)
    count = known.sum(1)
    mean = g.sum(1) / count.clamp_min(1)
    variance = ((g - mean[:, None]) ** 2 * known).sum(1) / (count - 1).clamp_min(1)
    error = (variance + lam * mean**2) * (count >= 2)
    return 10 * torch.sqrt(error.mean().clamp_min(FLOOR))
