"""D3R: do depth discontinuities have the right order? (Miangoleh et al., 2021, section 6)."""

import numpy as np
from numpy.typing import NDArray
from skimage.segmentation import slic

Floats = NDArray[np.floating]


def neighbouring_centres(truth: Floats, segments: int = 5000) -> NDArray[np.intp]:
    """Row and column of the centres of each pair of neighbouring superpixels of the true inverse depth.

    Superpixels are SLIC's zero-parameter form, as in the published MATLAB, but of another implementation: which
    centres are compared differs in detail, so compare numbers only with numbers made here.

    Args:
        truth: (H, W) metres; inf = sky, 0 or NaN = unknown.
        segments: about how many superpixels.

    Returns:
        (K, 2, 2): pairs of (row, column).
    """
    known = truth > 0
    nearest = truth[known].min() if known.any() else 1.0
    inverse = np.where(known, nearest / np.where(known, truth, 1), 0)  # in [0, 1]
    labels = slic(inverse, segments, compactness=0.2, slic_zero=True, start_label=0, channel_axis=None)
    beside = np.stack([labels[:, :-1].ravel(), labels[:, 1:].ravel()], 1)
    below = np.stack([labels[:-1].ravel(), labels[1:].ravel()], 1)
    pairs = np.concatenate([beside, below])
    pairs = np.unique(np.sort(pairs[pairs[:, 0] != pairs[:, 1]], axis=1), axis=0)
    sizes = np.maximum(np.bincount(labels.ravel()), 1)
    rows, columns = (np.bincount(labels.ravel(), i.ravel()) // sizes for i in np.indices(labels.shape))
    centres = np.stack([rows, columns], 1)
    return np.asarray(centres[pairs], np.intp)


def d3r(
    prediction: Floats,
    truth: Floats,
    pairs: NDArray[np.integer],
    *,
    discontinuity: float = 0.1,
    tolerance: float = 0.01,
) -> float:
    """D3R = mean |ord(g_i, g_j) − ord(p_i, p_j)| over pairs across a depth discontinuity.

    ord(a, b) is 1 where a / b > 1 + τ, −1 where b / a > 1 + τ, else 0. A pair counts where both truths are
    known and differ by more than 10 %; the order is then asked at τ = 1 %. Invariant to scale. (The published
    code first stretches both maps to [0, 1], which relative depth needs and metric depth does not.)

    Args:
        prediction: (H, W) metres, any scale; inf = sky.
        truth: (H, W) metres; inf = sky, 0 or NaN = unknown.
        pairs: (K, 2, 2) rows and columns, from `neighbouring_centres`.
        discontinuity: least relative difference of the truths.
        tolerance: τ.

    Returns:
        In [0, 2], 0 is best; NaN where no pair counts.
    """
    (p_i, p_j), (g_i, g_j) = (x[pairs[..., 0], pairs[..., 1]].T for x in (prediction, truth))
    counts = (g_i > 0) & (g_j > 0) & (_order(g_i, g_j, discontinuity) != 0)
    if not counts.any():
        return float("nan")
    return float(np.abs(_order(g_i, g_j, tolerance) - _order(p_i, p_j, tolerance))[counts].mean())


def _order(a: Floats, b: Floats, tolerance: float) -> NDArray[np.int_]:
    """By products, so that sky over sky is a tie."""
    first, second = a > (1 + tolerance) * b, b > (1 + tolerance) * a
    return np.subtract(first, second, dtype=int)
