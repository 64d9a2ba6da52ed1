"""SILog: scale-invariant log error (Eigen et al. 2014, in the form of PatchFusion and PatchRefiner).

g = ln(p + 1e-7) − ln(t + 1e-7) on valid pixels of the whole batch
L = 10 · √( Var(g) + λ · mean(g)² ),  Var unbiased, λ = 0.15
"""

import torch
from torch import Tensor


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
    if valid.sum() < 2:
        return prediction.sum() * 0
    g = torch.log(prediction[valid] + 1e-7) - torch.log(target[valid] + 1e-7)
    # A perfect prediction has L = 0, where the root's slope is infinite: the floor gives it slope 0.
    return 10 * torch.sqrt((g.var() + lam * g.mean() ** 2).clamp_min(1e-20))
