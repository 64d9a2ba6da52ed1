"""The Cityscapes protocol of PatchRefiner (section 4.2): scale where it is flat, boundaries where they are true.

Stereo truth is wrong at object boundaries, so depth errors leave them out, and boundaries are judged against
the outlines of the segmentation instead.
"""

import numpy as np
import torch
from kornia.filters import canny as kornia_canny
from kornia.filters import spatial_gradient
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt, maximum_filter
from skimage.feature import canny

from hyperfocal.data.cityscapes import inside, is_sky
from hyperfocal.metrics.depth import clip, counted, resize, scores

Floats = NDArray[np.floating]
Mask = NDArray[np.bool_]
Bytes = NDArray[np.uint8]

MIN_DEPTH, MAX_DEPTH = 1e-3, 250.0
NEAR = 10.0  # pixels within which a boundary has a partner
BOUNDARY_ERRORS = ("precision", "recall", "f1", "edge_accuracy", "edge_completeness")


def without_sky(truth: Floats, segmentation: Bytes) -> Floats:
    """The truth with sky at 0, unknown.

    Args:
        truth: (H, W) metres.
        segmentation: (H, W, 3), `gtFine` colours.
    """
    return np.where(is_sky(segmentation), 0, truth)


def cityscapes_valid(truth: Floats) -> Mask:
    """Where the truth counts: 1 mm–250 m, not the car's bonnet (a quarter) nor the sides (a 16th each).

    Args:
        truth: (H, W) metres; 0 = unknown or sky.
    """
    return counted(truth, inside((truth.shape[0], truth.shape[1])), MIN_DEPTH, MAX_DEPTH)


def log_edges(depth: Floats) -> Mask:
    """Canny edges of ln depth (scikit-image's, σ = 1); around unknown pixels (0, NaN, inf) there are none.

    Args:
        depth: (H, W) metres.
    """
    known = np.isfinite(depth) & (depth > 0)
    edges = canny(np.log(np.where(known, depth, 1)), sigma=1.0, mask=known)  # type: ignore[no-untyped-call]
    return np.asarray(edges)


def true_boundary(truth: Floats, segmentation: Bytes) -> Mask:
    """Outlines of the segmentation within 3 pixels of an edge of the true ln depth.

    Args:
        truth: (H, W) metres; 0 = unknown or sky.
        segmentation: (H, W, 3), `gtFine` colours.
    """
    # Thresholds of 0.1 and 0.2 on values up to 255, as published: any change of the label counts.
    outlines = kornia_canny(_batch(segmentation))[1][0, 0].numpy() > 0
    return outlines & _dilated(log_edges(truth), 7)


def image_edges(image: Bytes, share: float = 0.05) -> Mask:
    """Where the photo's Sobel gradient, summed over colours, is 5 % of its largest or more; dilated 3 × 3.

    Args:
        image: (H, W, 3) sRGB.
        share: of the largest gradient.
    """
    gradient = spatial_gradient(_batch(image)).norm(dim=2).sum(1)[0].numpy()
    return _dilated(gradient >= share * gradient.max(), 3)


def boundary_errors(predicted: Mask, true: Mask, valid: Mask) -> dict[str, float]:
    """How well two boundaries agree, on the pixels that are valid.

    precision, recall and F1 are of pixels, both boundaries dilated 5 × 5. edge_accuracy is the mean distance in
    pixels from the predicted boundary to the true one, of those nearer than 10; edge_completeness that from the
    true to the predicted one, of all (the DBE of iBims-1). Distances are to the nearest boundary, valid or not.

    Args:
        predicted: (H, W).
        true: (H, W).
        valid: (H, W), which pixels are judged.

    Returns:
        precision, recall, f1 in [0, 1] (0 without a hit); edge_accuracy, edge_completeness in pixels, both 10 where
        no predicted boundary is near. All NaN where there is no true boundary.
    """
    judged = true & valid
    if not judged.any():
        return dict.fromkeys(BOUNDARY_ERRORS, float("nan"))
    wide_p, wide_g = (_dilated(edges, 5)[valid] for edges in (predicted, true))
    hits = int((wide_p & wide_g).sum())
    precision, recall = hits / max(1, int(wide_p.sum())), hits / max(1, int(wide_g.sum()))
    f1 = 2 * precision * recall / (precision + recall) if hits else 0.0
    away = distance_transform_edt(~true)[predicted & valid]
    away = away[away < NEAR]
    accuracy = completeness = NEAR
    if away.size:
        accuracy, completeness = away.mean(), distance_transform_edt(~predicted)[judged].mean()
    values = (precision, recall, f1, float(accuracy), float(completeness))
    return dict(zip(BOUNDARY_ERRORS, values, strict=True))


def cityscapes_scores(
    prediction: Floats, truth: Floats, image: Bytes, segmentation: Bytes
) -> dict[str, float]:
    """All numbers of one image.

    Args:
        prediction: (h, w) metres; resized to the truth.
        truth: (H, W) metres; 0 = unknown.
        image: (H, W, 3) sRGB.
        segmentation: (H, W, 3), `gtFine` colours.

    Returns:
        The depth errors of `depth.scores` on flat valid pixels (no true boundary, no edge of the photo), and
        `boundary_errors` on all valid pixels.
    """
    truth = without_sky(truth, segmentation)
    valid, boundary = cityscapes_valid(truth), true_boundary(truth, segmentation)
    metres = clip(resize(prediction, truth.shape), MIN_DEPTH, MAX_DEPTH)
    flat = valid & ~boundary & ~image_edges(image)
    errors = scores(metres, truth, flat, min_depth=MIN_DEPTH, max_depth=MAX_DEPTH)
    return errors | boundary_errors(log_edges(metres), boundary, valid)


def _dilated(edges: Mask, size: int) -> Mask:
    return np.asarray(maximum_filter(edges, size, mode="constant"))


def _batch(image: Bytes) -> torch.Tensor:
    """(1, 3, H, W), float32 in [0, 255]."""
    return torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1)[None].float()
