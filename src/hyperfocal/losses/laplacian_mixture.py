"""Negative log-likelihood of a mixture of two Laplacians (SMD-Nets, Tosi et al., CVPR 2021, eq. 3)."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from hyperfocal.losses.precision import at_least_float32


def mixture_nll(
    mixture: tuple[Tensor, Tensor, Tensor, Tensor, Tensor], target: Tensor, valid: Tensor
) -> Tensor:
    """Return the mean −ln p(target) over the points in `valid`; 0 where there is none.

    Args:
        mixture: logit of π, μ₁, ln b₁, μ₂ and ln b₂ of π/(2b₁) exp(−|d − μ₁|/b₁) + (1 − π)/(2b₂) exp(−|d − μ₂|/b₂),
            all of one shape.
        target: of the same shape, and the unit of μ and b.
        valid: bool, of the same shape.
    """
    logit, near, near_scale, far, far_scale = (x[valid] for x in at_least_float32(*mixture))
    if not valid.any():
        return near.sum()
    goal = target[valid].to(near.dtype)
    first = F.logsigmoid(logit) - near_scale - (goal - near).abs() / near_scale.exp()
    second = F.logsigmoid(-logit) - far_scale - (goal - far).abs() / far_scale.exp()
    return (math.log(2) - torch.logaddexp(first, second)).mean()
