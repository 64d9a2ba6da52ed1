"""Depth errors of one image (Eigen et al., 2014), NumPy: one named function each.

p is the prediction and g the truth, both in metres, as 1-D arrays of the pixels that count; `scores` picks
those and calls all of them. The mean over images is the caller's.
"""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]
Mask = NDArray[np.bool_]
Alignment = Literal["none", "median"]


def abs_rel(p: Floats, g: Floats) -> float:
    """AbsRel = mean |p − g| / g."""
    return float(np.mean(np.abs(p - g) / g))


def sq_rel(p: Floats, g: Floats) -> float:
    """SqRel = mean (p − g)² / g, in metres."""
    return float(np.mean((p - g) ** 2 / g))


def rmse(p: Floats, g: Floats) -> float:
    """RMSE = √ mean (p − g)², in metres."""
    return float(np.sqrt(np.mean((p - g) ** 2)))


def rmse_log(p: Floats, g: Floats) -> float:
    """RMSE of natural logarithms = √ mean (ln p − ln g)²."""
    return float(np.sqrt(np.mean((np.log(p) - np.log(g)) ** 2)))


def log10(p: Floats, g: Floats) -> float:
    """log10 = mean |log₁₀ p − log₁₀ g|."""
    return float(np.mean(np.abs(np.log10(p) - np.log10(g))))


def silog(p: Floats, g: Floats) -> float:
    """SILog = 100 · √( mean e² − (mean e)² ), e = ln p − ln g."""
    return float(100 * np.std(np.log(p) - np.log(g)))


def delta(p: Floats, g: Floats, k: int = 1) -> float:
    """δ_k: fraction of pixels with max(p/g, g/p) < 1.25^k."""
    return float(np.mean(np.maximum(p / g, g / p) < 1.25**k))


def align(prediction: Floats, truth: Floats, valid: Mask, how: Alignment = "none") -> Floats:
    """The prediction with its scale left ("none") or set to the truth's ("median": · median g / median p).

    Args:
        prediction: (H, W) metres; pixels that are not finite do not vote.
        truth: (H, W) metres.
        valid: (H, W), which pixels vote.
        how: which alignment.
    """
    votes = valid & np.isfinite(prediction) & (prediction > 0)
    if how == "none" or not votes.any():
        return prediction
    return np.asarray(prediction * (np.median(truth[votes]) / np.median(prediction[votes])))


def scores(
    prediction: Floats,
    truth: Floats,
    valid: Mask | None = None,
    *,
    alignment: Alignment = "none",
    min_depth: float = 1e-3,
    max_depth: float = 80.0,
) -> dict[str, float]:
    """All depth errors of one image.

    Args:
        prediction: (H, W) metres; after alignment clipped to the range, where inf counts as `max_depth` and
            NaN as `min_depth`.
        truth: (H, W) metres; counts where min_depth < truth < max_depth.
        valid: (H, W), a further condition on pixels.
        alignment: "none" or "median".
        min_depth: metres.
        max_depth: metres.

    Returns:
        abs_rel, sq_rel, rmse, rmse_log, log10, silog, delta1, delta2, delta3; all NaN if no pixel counts.
    """
    counts = (truth > min_depth) & (truth < max_depth) & (True if valid is None else valid)
    aligned = align(prediction, truth, counts, alignment)
    clipped = np.clip(np.nan_to_num(aligned, nan=min_depth, posinf=max_depth), min_depth, max_depth)
    p, g = clipped[counts].astype(np.float64), truth[counts].astype(np.float64)
    errors = {f.__name__: f for f in (abs_rel, sq_rel, rmse, rmse_log, log10, silog)}
    if not counts.any():
        return dict.fromkeys([*errors, "delta1", "delta2", "delta3"], float("nan"))
    return {name: f(p, g) for name, f in errors.items()} | {f"delta{k}": delta(p, g, k) for k in (1, 2, 3)}
