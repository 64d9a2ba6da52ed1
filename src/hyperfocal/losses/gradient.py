"""Gradient matching: the error in log depth shall not change from pixel to pixel, which puts edges in place.

    r = ln p − ln t ;  L = Σ_{s = 1, 2, 4, 8} ( mean |r[x + s'] − r[x]| + mean |r[y + s'] − r[y]| )

with r taken at every s-th pixel (s' = one such step). The multi-scale form of MegaDepth and MiDaS, in log
depth. It is not the published `GradMatchLoss` of the PatchRefiner repository, which has one scale and by a
slicing slip only one of the two directions.
"""

from torch import Tensor

from hyperfocal.losses.precision import at_least_float32


def gradient_matching(log_prediction: Tensor, log_target: Tensor, valid: Tensor, scales: int = 4) -> Tensor:
    """Multi-scale gradient matching in both directions.

    Args:
        log_prediction: ln depth, (..., H, W).
        log_target: ln of the true depth, same shape; finite at least where valid.
        valid: bool, same shape. A difference counts where both of its pixels are valid.
        scales: how many, each at half the last one's resolution.

    Returns:
        A scalar ≥ 0; 0 where no two neighbours are valid.
    """
    log_prediction, log_target = at_least_float32(log_prediction, log_target)
    residual = (log_prediction - log_target).masked_fill(~valid, 0)
    total = residual.sum() * 0
    for level in range(scales):
        r, v = residual[..., :: 2**level, :: 2**level], valid[..., :: 2**level, :: 2**level]
        for axis in (-1, -2):
            n = r.shape[axis] - 1
            both = v.narrow(axis, 0, n) & v.narrow(axis, 1, n)
            change = (r.narrow(axis, 1, n) - r.narrow(axis, 0, n)).abs()
            total = total + (change * both).sum() / both.sum().clamp_min(1)
    return total
