"""Depth errors of one image (Eigen et al., 2014), NumPy: one named function each.

p is the prediction and g the truth, both in metres, as 1-D arrays of the pixels that count; `scores` picks
those and calls all of them. The mean over images is the caller's.
"""

from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from hyperfocal.errors import HyperfocalError

Floats = NDArray[np.floating]
Mask = NDArray[np.bool_]
Alignment = Literal["none", "scale", "median", "scale-shift", "disparity"]
ALIGNMENTS: tuple[Alignment, ...] = get_args(Alignment)

Window = tuple[float, float, float, float]
# The part of an image that counts, as shares of its height and width: top, bottom, left, right.
WHOLE: Window = (0.0, 1.0, 0.0, 1.0)
GARG: Window = (0.40810811, 0.99189189, 0.03594771, 0.96405229)  # KITTI, Garg et al., 2016
EIGEN_KITTI: Window = (0.3324324, 0.91351351, 0.0359477, 0.96405229)  # Eigen et al., 2014
EIGEN_NYU: Window = (45 / 480, 471 / 480, 41 / 640, 601 / 640)  # NYUv2: rows 45–471, columns 41–601


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


ERRORS = ("abs_rel", "sq_rel", "rmse", "rmse_log", "log10", "silog", "delta1", "delta2", "delta3")


def scale_and_shift(p: Floats, g: Floats, how: Alignment) -> tuple[float, float]:
    """(s, t) of an alignment s · p + t of the prediction to the truth.

    - "none": (1, 0)
    - "scale": s = Σ p g / Σ p², the least squares of s · p − g
    - "median": s = median g / median p
    - "scale-shift": the least squares of s · p + t − g
    - "disparity": the same; p and g are inverse depths

    Raises:
        HyperfocalError: no such alignment.
    """
    match how:
        case "none":
            return 1.0, 0.0
        case "scale":
            return float(np.vdot(p, g) / np.vdot(p, p)), 0.0
        case "median":
            return float(np.median(g) / np.median(p)), 0.0
        case "scale-shift" | "disparity":
            spread = float(p.var())  # a constant prediction becomes the mean of the truth
            s = float(np.mean((p - p.mean()) * (g - g.mean()))) / spread if spread else 0.0
            return s, float(g.mean() - s * p.mean())
    raise HyperfocalError(f"alignment {how!r}: known are {', '.join(ALIGNMENTS)}")


def align(prediction: Floats, truth: Floats, valid: Mask, how: Alignment = "none") -> Floats:
    """The prediction aligned to the truth by one scale, or scale and shift, of the whole image.

    "disparity" fits scale and shift to inverse depth, as relative models are judged (MiDaS, Ranftl et al., 2020,
    section 5): s / p + t to 1 / g; what it leaves without a distance becomes inf.

    Args:
        prediction: (H, W) metres; only finite pixels above 0 vote (any finite one for "scale-shift", sky
            as 0 for "disparity").
        truth: (H, W) metres.
        valid: (H, W), which pixels vote.
        how: as in `scale_and_shift`.
    """
    if how == "disparity":
        with np.errstate(divide="ignore"):
            inverse, near = (1 / np.where(x > 0, x, np.inf) for x in (prediction, truth))
            fitted = _fitted(inverse, near, valid & (prediction > 0), how)
            return np.asarray(1 / np.maximum(fitted, 0))
    votes = valid & np.isfinite(prediction) & ((prediction > 0) | (how == "scale-shift"))
    return _fitted(prediction, truth, votes, how)


def _fitted(p: Floats, g: Floats, votes: Mask, how: Alignment) -> Floats:
    """Scaled and shifted: s · p + t, fitted where `votes` says."""
    if how == "none" or not votes.any():
        return p
    s, t = scale_and_shift(p[votes].astype(np.float64), g[votes].astype(np.float64), how)
    return np.asarray(p * s + t)


def resize(prediction: Floats, shape: tuple[int, int]) -> Floats:
    """The prediction at the truth's (height, width): bilinear, corners not aligned, as published.

    Pixels that are not finite (sky) stay whole, as the nearest; they don't touch the others.
    """
    if prediction.shape == shape:
        return prediction
    import torch
    from torch.nn.functional import interpolate

    batch = torch.from_numpy(np.ascontiguousarray(prediction))[None, None]
    finite = batch.isfinite().to(batch.dtype)
    nearest = interpolate(batch, shape, mode="nearest-exact")
    total, weight = (
        interpolate(x, shape, mode="bilinear", align_corners=False)
        for x in (batch.where(finite > 0, 0), finite)
    )
    return np.asarray(torch.where(nearest.isfinite(), total / weight, nearest)[0, 0].numpy())


def window_mask(shape: tuple[int, int], window: Window) -> Mask:
    """(H, W), True inside the window; its ends are rounded down, as published."""
    (height, width), (top, bottom, left, right) = shape, window
    inside = np.zeros(shape, bool)
    inside[int(top * height) : int(bottom * height), int(left * width) : int(right * width)] = True
    return inside


def counted(truth: Floats, valid: Mask | None, min_depth: float, max_depth: float) -> Mask:
    """(H, W): where the truth counts, min_depth < truth < max_depth and `valid`."""
    within = (truth > min_depth) & (truth < max_depth)
    return within if valid is None else within & valid


def clip(prediction: Floats, min_depth: float, max_depth: float) -> Floats:
    """The prediction within the range, where inf counts as `max_depth` and NaN as `min_depth`."""
    return np.clip(np.nan_to_num(prediction, nan=min_depth, posinf=max_depth), min_depth, max_depth)


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
        prediction: (H, W) metres; after alignment clipped to the range (`clip`).
        truth: (H, W) metres; counts where min_depth < truth < max_depth.
        valid: (H, W), a further condition on pixels, such as `window_mask`.
        alignment: one of `ALIGNMENTS`.
        min_depth: metres.
        max_depth: metres.

    Returns:
        The `ERRORS` by name; all NaN if no pixel counts.
    """
    counts = counted(truth, valid, min_depth, max_depth)
    if not counts.any():
        return dict.fromkeys(ERRORS, float("nan"))
    aligned = clip(align(prediction, truth, counts, alignment), min_depth, max_depth)
    p, g = aligned[counts].astype(np.float64), truth[counts].astype(np.float64)
    errors = {f.__name__: f(p, g) for f in (abs_rel, sq_rel, rmse, rmse_log, log10, silog)}
    return errors | {f"delta{k}": delta(p, g, k) for k in (1, 2, 3)}
