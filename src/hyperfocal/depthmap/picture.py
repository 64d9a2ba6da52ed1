"""The colour picture of a depth map: near is red, far is violet, no surface is grey."""

from __future__ import annotations

import math

import numpy as np

QUANTILES = (0.001, 0.999)  # of inverse depth: a few stray pixels must not take the colours
GREY = (128, 128, 128)

_STEPS = 1024
_SAMPLES = 2**20  # enough for the quantiles of any map
_BAND_PIXELS = 2**20
_FAR_TO_NEAR = (
    (92, 74, 160),
    (56, 128, 190),
    (96, 192, 168),
    (168, 220, 162),
    (228, 244, 154),
    (255, 252, 190),
    (254, 224, 140),
    (252, 174, 98),
    (244, 110, 68),
    (214, 62, 78),
    (158, 6, 66),
)


def depth_picture(metres: np.ndarray, limits: tuple[float, float] | None = None) -> np.ndarray:
    """Colours a depth map on inverse depth, between its own robust quantiles or given limits.

    Args:
        metres: float32 (H, W), above 0; inf where there is no surface.
        limits: the inverse depths of violet and red, such as `robust_range` of another map.

    Returns:
        uint8 (H, W, 3) RGB.
    """
    low, high = robust_range(metres) if limits is None else limits
    scale = (_STEPS - 1) / max(high - low, 1e-6 * high, 1e-30)  # a constant map has no range
    table = _table()
    picture = np.empty((*metres.shape, 3), np.uint8)
    rows = max(1, _BAND_PIXELS // metres.shape[1])
    for top in range(0, len(metres), rows):
        band = metres[top : top + rows]
        position = (np.clip(1 / band, low, high) - low) * scale
        position[np.isinf(band)] = _STEPS
        np.take(table, position.astype(np.intp), axis=0, out=picture[top : top + rows], mode="clip")
    return picture


def robust_range(metres: np.ndarray) -> tuple[float, float]:
    """The quantiles of inverse depth, from a regular subsample."""
    step = math.ceil(math.sqrt(metres.size / _SAMPLES))
    sample = metres[::step, ::step]
    sample = sample[np.isfinite(sample)]
    if not sample.size:
        return 0.0, 1.0
    inverse = 1 / sample
    return float(np.quantile(inverse, QUANTILES[0])), float(np.quantile(inverse, QUANTILES[1]))


def _table() -> np.ndarray:
    """(steps + 1, 3) uint8: far to near, then grey."""
    anchors = np.array(_FAR_TO_NEAR, np.float64)
    position = np.linspace(0, len(anchors) - 1, _STEPS)
    ramp = np.stack([np.interp(position, range(len(anchors)), channel) for channel in anchors.T], axis=1)
    table: np.ndarray = np.rint(np.vstack([ramp, GREY])).astype(np.uint8)
    return table
