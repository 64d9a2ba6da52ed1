"""Negative log-likelihood of a mixture of two Laplacians (SMD-Nets, Tosi et al., CVPR 2021, eq. 3)."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from hyperfocal.losses.precision import at_least_float32


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


def mixture_nll(mixture: Mixture, target: Tensor, valid: Tensor) -> Tensor:
    """Return the mean −ln p(target) over the points in `valid`; 0 where there is none.

    Args:
        mixture: at each point.
        target: of the mixture's shape and unit.
        valid: bool, of the same shape.
    """
    logit, near, near_scale, far, far_scale = (x[valid] for x in at_least_float32(*mixture))
    if not valid.any():
        return 0.0 * mixture.near.sum()
    goal = target[valid].to(near.dtype)
    first = F.logsigmoid(logit) - near_scale - (goal - near).abs() / near_scale.exp()
    second = F.logsigmoid(-logit) - far_scale - (goal - far).abs() / far_scale.exp()
    return (math.log(2) - torch.logaddexp(first, second)).mean()
