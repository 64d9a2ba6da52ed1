"""Does disparity explain a stereo pair? SSIM of the left view and the right one, warped to it.

PatchFusion drops the frames of UnrealStereo4K below 0.7 (section 4.1): 131 of train and validation.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


def view_ssim(left: NDArray[np.uint8], right: NDArray[np.uint8], disparity: Floats) -> float:
    """Mean SSIM of the left view and left(x, y) = right(x − d, y), over the pixels that the right view has.

    Occluded pixels, which only the left view sees, count: nothing tells them before the comparison.

    Args:
        left: (H, W, 3) sRGB; compared as luma.
        right: (H, W, 3).
        disparity: (H, W) pixels of the left view; 0 = none.

    Returns:
        In [-1, 1]; NaN where no pixel has its match inside the right view.
    """
    luma, other = (cv2.cvtColor(view, cv2.COLOR_RGB2GRAY).astype(np.float32) for view in (left, right))
    height, width = luma.shape
    x = np.arange(width, dtype=np.float32) - disparity
    y = np.broadcast_to(np.arange(height, dtype=np.float32)[:, None], x.shape)
    seen = (disparity > 0) & (x >= 0) & (x <= width - 1)
    if not seen.any():
        return float("nan")
    warped = np.where(seen, cv2.remap(other, x, np.ascontiguousarray(y), cv2.INTER_LINEAR), luma)
    return float(ssim_map(luma, warped)[seen].mean())


def ssim_map(a: Floats, b: Floats) -> Floats:
    """SSIM at each pixel of two (H, W) images in [0, 255] (Wang et al., 2004): Gaussian window, σ = 1.5.

    (2 μa μb + C1)(2 σab + C2) / ((μa² + μb² + C1)(σa² + σb² + C2)), C1 = (0.01·255)², C2 = (0.03·255)².
    """

    def mean(values: Floats) -> Floats:
        return np.asarray(cv2.GaussianBlur(values, (11, 11), 1.5, borderType=cv2.BORDER_REFLECT), np.float32)

    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    mean_a, mean_b = mean(a), mean(b)
    variances = mean(a * a) + mean(b * b) - mean_a**2 - mean_b**2
    covariance = mean(a * b) - mean_a * mean_b
    means = (2 * mean_a * mean_b + c1) / (mean_a**2 + mean_b**2 + c1)
    return means * (2 * covariance + c2) / (variances + c2)
