"""Edge-guided ranking: of two pixels, the one farther in the pseudo label shall be farther (PatchRefiner).

For pairs (a, b) of pixels, with ρ = (q_a + 1e-6) / (q_b + 1e-6) and σ = 0.03:

    (p_a − p_b)²                      where 1/(1+σ) < ρ < 1+σ
    ln(1 + exp(−ℓ · (p_a − p_b)))     elsewhere; ℓ = +1 where ρ ≥ 1+σ, −1 where ρ ≤ 1/(1+σ)

L = mean over the pairs of an image, then over images. After Xian et al. 2020, half of the pairs straddle edges
of the label: four points on a line through an edge pixel along the gradient, two on each side, make three
pairs. The other half is drawn at random.

Where this departs from the published code: the line follows the gradient's orientation (published: an angle in
radians taken from the gradient's *magnitude*, turned or not by the toss of a coin), and the prediction is not
divided by a fixed 3.125 (250 m / 80 m): scale it before the call if the loss shall saturate later.
"""

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from hyperfocal.losses.precision import at_least_float32

ANCHORS = 10_000
Floats = NDArray[np.floating]


def edge_guided_ranking(
    prediction: Tensor, label: Tensor, valid: Tensor, generator: torch.Generator, anchors: int = ANCHORS
) -> Tensor:
    """Ranking loss with freshly drawn pairs, mean over images.

    Args:
        prediction: depth in metres, (N, 1, H, W).
        label: pseudo label > 0 of the same shape, in any unit; finite.
        valid: bool of the same shape: where the real depth is known. Anchors and random pairs come from there.
        generator: draws the pairs; on the CPU.
        anchors: edge pixels drawn in each image; each makes up to three pairs at edges and three random ones.

    Returns:
        A scalar ≥ 0; 0 where the label has no edge.
    """
    losses = [
        ranking(p, q, edge_guided_pairs(q[0], v[0], generator, anchors))
        for p, q, v in zip(prediction, label, valid, strict=True)
    ]
    return torch.stack(losses).mean()


def ranking(prediction: Tensor, label: Tensor, pairs: Tensor, sigma: float = 0.03) -> Tensor:
    """Ranking loss of one image over given pairs.

    Args:
        prediction: depth in metres, any shape.
        label: pseudo label of the same shape, ≥ 0, in any unit.
        pairs: int64, (2, K): flat indices of the first and second pixels.
        sigma: relative difference of the label under which two pixels are equally far.

    Returns:
        A scalar ≥ 0; 0 without pairs.
    """
    p, q = at_least_float32(prediction.flatten(), label.flatten())
    first, second = pairs
    ahead = p[first] - p[second]
    ratio = (q[first] + 1e-6) / (q[second] + 1e-6)
    order = (ratio >= 1 + sigma).to(p.dtype) - (ratio <= 1 / (1 + sigma)).to(p.dtype)
    return torch.where(order == 0, ahead**2, F.softplus(-order * ahead)).sum() / max(1, pairs.shape[1])


def edge_guided_pairs(
    label: Tensor, valid: Tensor, generator: torch.Generator, anchors: int = ANCHORS
) -> Tensor:
    """Pairs across the label's edges, then as many random pairs (at most one for each valid pixel).

    Args:
        label: (H, W), > 0, finite.
        valid: bool, (H, W): where anchors and random pairs may lie.
        generator: draws the pairs; on the CPU.
        anchors: how many edge pixels to draw, with replacement.

    Returns:
        int64, (2, K) flat indices on the label's device, K ≤ 6 · anchors; anchors whose line leaves the image
        are dropped. K = 0 without edges.
    """
    height, width = label.shape
    known = valid.cpu()
    edges, right, down = (torch.from_numpy(x) for x in _edges(label.detach().cpu().float().numpy()))
    candidates = (edges & known).flatten().nonzero()[:, 0]
    if len(candidates) == 0:
        return torch.empty(2, 0, dtype=torch.int64, device=label.device)
    drawn = candidates[torch.randint(len(candidates), (anchors,), generator=generator)]
    # Two points on the near side, two on the far side, each 2 to 30 pixels from the edge.
    side = torch.tensor([-1, -1, 1, 1])[:, None]
    distance = side * torch.randint(2, 31, (4, anchors), generator=generator)
    rows = (drawn // width + distance * down.flatten()[drawn]).round().long()
    columns = (drawn % width + distance * right.flatten()[drawn]).round().long()
    inside = ((rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)).all(0)
    line = (rows * width + columns)[:, inside]
    across = torch.stack([line[:-1].flatten(), line[1:].flatten()])
    pixels = known.flatten().nonzero()[:, 0]
    anywhere = torch.stack(
        [pixels[torch.randperm(len(pixels), generator=generator)[: across.shape[1]]] for _ in range(2)]
    )
    return torch.cat([across, anywhere], 1).to(label.device)


def _edges(label: Floats) -> tuple[NDArray[np.bool_], Floats, Floats]:
    """Canny edges of the log label (σ = 1, Sobel at 0.1 and 0.2), and its unit gradient to the right and down.

    OpenCV's Canny takes integer slopes: 500 keeps the thresholds exact and ln(1000 m / 1 mm) within 16 bits.
    """
    log = cv2.GaussianBlur(np.log(np.maximum(label, 1e-3)), (9, 9), 1, borderType=cv2.BORDER_REPLICATE)
    right, down = (
        cv2.Sobel(log, cv2.CV_32F, *axis, borderType=cv2.BORDER_REPLICATE) for axis in ((1, 0), (0, 1))
    )
    dx, dy = ((500 * slope).round().astype(np.int16) for slope in (right, down))
    edges = np.asarray(cv2.Canny(dx, dy, 50, 100, L2gradient=True))
    length = np.maximum(np.hypot(right, down), 1e-12)
    return edges > 0, right / length, down / length
