"""Edge errors of one image, NumPy: soft edge error (SEE) and the scale-invariant boundary F1."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]
Mask = NDArray[np.bool_]


def disparity_edges(disparity: Floats, threshold: float = 1.0) -> Mask:
    """Pixels whose value differs from a 4-neighbour's by more than `threshold` (SMD-Nets, 2021).

    Args:
        disparity: (H, W) in pixels; published results use depth in metres where there is no disparity.
        threshold: in the map's unit.
    """
    edges = np.zeros(disparity.shape, bool)
    for axis in (0, 1):
        jump = np.abs(np.diff(disparity, axis=axis)) > threshold
        before, after = np.moveaxis(edges, axis, 0)[:-1], np.moveaxis(edges, axis, 0)[1:]
        before |= np.moveaxis(jump, axis, 0)
        after |= np.moveaxis(jump, axis, 0)
    return edges


def soft_edge_error(prediction: Floats, truth: Floats, counts: Mask, radius: int = 1) -> float:
    """SEE = mean over edge pixels of min over the 3×3 shifts of |g(shifted) − p|, in metres (SMD-Nets, 2021).

    Depth that is right but a pixel aside costs nothing; depth between the two sides of an edge does.

    Args:
        prediction: (H, W) metres, clipped to the range of the evaluation.
        truth: (H, W) metres; unknown pixels 0. Beyond the border it is taken as 0, as published.
        counts: (H, W), edge pixels of known depth.
        radius: of the window of shifts; 1 is 3×3.

    Returns:
        Metres; NaN where no pixel counts.
    """
    if not counts.any():
        return float("nan")
    (height, width), size = truth.shape, 2 * radius + 1
    padded = np.pad(truth, radius)
    shifts = (padded[i : i + height, j : j + width][counts] for i in range(size) for j in range(size))
    p = prediction[counts]
    with np.errstate(invalid="ignore"):  # sky over sky is inf − inf: no error
        error = np.min([np.where(g == p, 0, np.abs(g - p)) for g in shifts], axis=0)
    return float(error.mean())


def boundary_f1(
    prediction: Floats,
    truth: Floats,
    valid: Mask | None = None,
    *,
    t_min: float = 1.05,
    t_max: float = 1.25,
    thresholds: int = 10,
) -> float:
    """Scale-invariant boundary F1 (Depth Pro, Bochkovskii et al., 2024, section 3.2).

    A pair of neighbours i, j is an occluding contour at threshold t where depth_j / depth_i > t. Precision
    and recall of the predicted contours are means over the four directions (i left, right, above, below of
    j):

        F1(t) = 2 P R / (P + R),   F1 = Σ_t t · F1(t) / Σ_t t,   t = 1.05 … 1.25 in 10 steps

    so clear contours weigh a little more. Sky (inf) is farther than anything, sky beside sky is no contour.

    Args:
        prediction: (H, W) metres, any scale; inf = sky.
        truth: (H, W) metres; inf = sky.
        valid: (H, W); pairs with an invalid pixel are left out. By default pixels of positive truth.
        t_min: least threshold.
        t_max: largest threshold.
        thresholds: how many.

    Returns:
        In [0, 1].
    """
    valid = truth > 0 if valid is None else valid
    weights = np.linspace(t_min, t_max, thresholds)
    near_p, near_g = _inverse(prediction), _inverse(truth)
    return float(np.average([_f1(near_p, near_g, valid, t) for t in weights], weights=weights))


def _inverse(depth: Floats) -> Floats:
    """1 / depth with sky at 0, so that ratios with sky can be compared by products."""
    with np.errstate(divide="ignore"):
        return np.asarray(1 / np.maximum(depth, 1e-6))


def _f1(p: Floats, g: Floats, valid: Mask, t: float) -> float:
    precision = recall = 0.0
    for flipped in (False, True):
        for axis in (0, 1):
            contours_p, contours_g = (_contours(x, t, axis, flipped) for x in (p, g))
            pairs = _both(valid, axis)
            hits = int((contours_p & contours_g & pairs).sum())
            precision += hits / max(1, int((contours_p & pairs).sum())) / 4
            recall += hits / max(1, int((contours_g & pairs).sum())) / 4
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def _contours(inverse: Floats, t: float, axis: int, flipped: bool) -> Mask:
    """Where the first of two neighbours (the second if flipped) is nearer by more than the factor t."""
    along = np.moveaxis(inverse, axis, 0)
    near, far = (along[1:], along[:-1]) if flipped else (along[:-1], along[1:])
    return near > t * far


def _both(valid: Mask, axis: int) -> Mask:
    along = np.moveaxis(valid, axis, 0)
    return along[1:] & along[:-1]
