"""Edge errors of one image, NumPy: soft edge error (SEE) and the scale-invariant boundaries of Depth Pro."""

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Scalar = TypeVar("Scalar", bound=np.generic)
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
        truth: (H, W) metres; 0 or NaN = unknown. Both, and what lies beyond the border, are taken as 0, as published.
        counts: (H, W), edge pixels of known depth.
        radius: of the window of shifts; 1 is 3×3.

    Returns:
        Metres; NaN where no pixel counts.
    """
    if not counts.any():
        return float("nan")
    (height, width), size = truth.shape, 2 * radius + 1
    padded = np.pad(np.where(np.isnan(truth), 0, truth), radius)
    shifts = (padded[i : i + height, j : j + width][counts] for i in range(size) for j in range(size))
    p = prediction[counts]
    with np.errstate(invalid="ignore"):  # sky over sky is inf − inf: no error
        error = np.min([np.where(g == p, 0, np.abs(g - p)) for g in shifts], axis=0)
    return float(error.mean())


def boundary_scores(
    prediction: Floats,
    truth: Floats,
    valid: Mask | None = None,
    *,
    t_min: float = 1.05,
    t_max: float = 1.25,
    thresholds: int = 10,
) -> dict[str, float]:
    """Scale-invariant boundary precision, recall and F1 (Depth Pro, Bochkovskii et al., 2024, section 3.2).

    A pair of neighbours i, j is an occluding contour at threshold t where depth_j / depth_i > t. Precision
    and recall of the predicted contours are means over the four directions (i left, right, above, below of
    j):

        F1(t) = 2 P R / (P + R),   F1 = Σ_t t · F1(t) / Σ_t t,   t = 1.05 … 1.25 in 10 steps

    so clear contours weigh a little more; P and R are averaged alike. Sky (inf) is farther than anything, sky
    beside sky is no contour.

    Args:
        prediction: (H, W) metres, any scale; inf = sky.
        truth: (H, W) metres; inf = sky.
        valid: (H, W); pairs with an invalid pixel are left out. By default pixels of positive truth.
        t_min: least threshold.
        t_max: largest threshold.
        thresholds: how many.

    Returns:
        boundary_precision, boundary_recall and boundary_f1, in [0, 1].
    """
    valid = truth > 0 if valid is None else valid
    weights = np.linspace(t_min, t_max, thresholds)
    found = zip(*_precisions_and_recalls(_inverse(prediction), _inverse(truth), valid, weights), strict=True)
    values = [(p, r, 2 * p * r / (p + r) if p + r else 0.0) for p, r in found]
    precision, recall, f1 = (float(np.average(v, weights=weights)) for v in zip(*values, strict=True))
    return {"boundary_precision": precision, "boundary_recall": recall, "boundary_f1": f1}


def boundary_f1(prediction: Floats, truth: Floats, valid: Mask | None = None) -> float:
    """The F1 of `boundary_scores` at its published thresholds."""
    return boundary_scores(prediction, truth, valid)["boundary_f1"]


def mask_boundary_recall(
    prediction: Floats,
    mask: Mask,
    *,
    t_min: float = 1.05,
    t_max: float = 1.25,
    thresholds: int = 10,
) -> float:
    """Scale-invariant recall of an object's outline, where only a mask is known (Depth Pro, section 3.2).

    Recalled is an outline pair, i inside and j outside, where depth_j / depth_i > t and is the largest ratio of
    an unbroken run of such pairs in its direction: a blurred contour counts once. Means over directions and
    thresholds as in `boundary_scores`.

    Args:
        prediction: (H, W) metres, any scale; inf = sky.
        mask: (H, W), the object in front; published results take alpha > 0.1 of a matte.
        t_min: least threshold.
        t_max: largest threshold.
        thresholds: how many.

    Returns:
        In [0, 1].
    """
    inverse, weights = _inverse(prediction), np.linspace(t_min, t_max, thresholds)
    recall = np.zeros(thresholds)
    for axis, flipped in _DIRECTIONS:
        inside, outside = _neighbours(mask, axis, flipped)
        outline = inside & ~outside
        near, far = _neighbours(inverse, axis, flipped)
        with np.errstate(divide="ignore", invalid="ignore"):  # beside sky: inf, within it: NaN, no contour
            ratio = near / far
        hits = [int((_thinned(ratio, t) & outline).sum()) for t in weights]
        recall += np.array(hits) / max(1, int(outline.sum())) / 4
    return float(np.average(recall, weights=weights))


_DIRECTIONS = [(axis, flipped) for axis in (0, 1) for flipped in (False, True)]


def _inverse(depth: Floats) -> Floats:
    """1 / depth with sky at 0, so that ratios with sky can be compared by products."""
    with np.errstate(divide="ignore"):
        return np.asarray(1 / np.maximum(depth, 1e-6))


def _precisions_and_recalls(p: Floats, g: Floats, valid: Mask, thresholds: Floats) -> tuple[Floats, Floats]:
    """(thresholds,) each. What is no contour at the least threshold is none: most pixels are looked at once."""
    precision, recall = np.zeros(len(thresholds)), np.zeros(len(thresholds))
    least = thresholds.min()
    for axis, flipped in _DIRECTIONS:
        (near_p, far_p), (near_g, far_g) = (_neighbours(x, axis, flipped) for x in (p, g))
        some = (near_p > least * far_p) | (near_g > least * far_g)
        some &= np.logical_and(*_neighbours(valid, axis, flipped))
        near_p, far_p, near_g, far_g = (x[some] for x in (near_p, far_p, near_g, far_g))
        for i, t in enumerate(thresholds):
            contours_p, contours_g = near_p > t * far_p, near_g > t * far_g
            hits = int((contours_p & contours_g).sum())
            precision[i] += hits / max(1, int(contours_p.sum())) / 4
            recall[i] += hits / max(1, int(contours_g.sum())) / 4
    return precision, recall


def _neighbours(x: NDArray[Scalar], axis: int, flipped: bool) -> tuple[NDArray[Scalar], NDArray[Scalar]]:
    """Both pixels of each pair of neighbours along an axis, which comes last; the second one first if flipped."""
    along = np.moveaxis(x, axis, -1)
    first, second = along[:, :-1], along[:, 1:]
    return (second, first) if flipped else (first, second)


def _thinned(ratio: Floats, t: float) -> Mask:
    """Where the ratio is above t and the (first) largest of its run along the rows."""
    over = ratio > t
    starts = over & ~np.pad(over, ((0, 0), (1, 0)))[:, :-1]
    where = np.flatnonzero(over)
    run = np.cumsum(starts)[where]
    best_first = np.lexsort((where, -ratio.ravel()[where], run))
    thin = np.zeros(over.size, bool)
    thin[where[best_first][np.unique(run, return_index=True)[1]]] = True
    return thin.reshape(over.shape)
