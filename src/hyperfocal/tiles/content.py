"""BoostingDepth's patches: where a photo has more to see than its whole shows (Miangoleh et al., CVPR 2021, section 5).

Contextual cues are the photo's edges. They say how large a photo may go through a network before parts of it see no
cue within the receptive field, and which patches have enough cues to be worth an estimate of their own.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hyperfocal.tiles.plan import Box, grid

Mask = NDArray[np.bool_]
Counts = Any  # int64, of the shape that the places have
Place = int | NDArray[np.int_]

EDGE = 0.05  # of the full range: a step of brightness from a pixel to the next that counts as a cue
BLIND = 0.2  # share of pixels that may see no cue at the high resolution: R_20
OVERLAP = 1 / 3  # of neighbouring patches
SCALES = (4.0, 3.5, 3.0, 2.5, 2.0, 1.5)  # high resolutions that are tried, as multiples of the low one
GROWTH = 1 / 8  # of a patch's first side, a step


def edges(pixels: NDArray[np.uint8]) -> Mask:
    """Where an (h, w, 3) picture has contextual cues: (h, w)."""
    down, across = np.gradient(pixels.mean(-1, dtype=np.float32) / 255)
    return np.asarray(np.hypot(down, across) > EDGE)


def high_scale(cues: Mask) -> float:
    """Return the largest of `SCALES` at which at most `BLIND` of the pixels see no cue; 1 if there is none.

    At a scale s the receptive field, which at 1 covers the photo, covers 1 / s of its sides.

    Args:
        cues: (h, w).
    """
    integral = _integral(cues)
    height, width = cues.shape
    for scale in SCALES:
        half_h, half_w = round(height / scale / 2), round(width / scale / 2)
        top, bottom = (np.clip(np.arange(height) + d, 0, height) for d in (-half_h, half_h + 1))
        left, right = (np.clip(np.arange(width) + d, 0, width) for d in (-half_w, half_w + 1))
        seen = _count(integral, top[:, None], left, bottom[:, None], right)
        if (seen == 0).mean() <= BLIND:
            return scale
    return 1.0


def patches(cues: Mask, height: int, width: int) -> list[Box]:
    """Return the patches to estimate, the largest first.

    A grid of patches, each of the receptive field at the high resolution, overlapped by a third. Those with a
    smaller share of cues than the photo are dropped; the others grow until theirs is no larger.

    Args:
        cues: (h, w), of the photo at any size.
        height: of the photo.
        width: of the photo.
    """
    integral, share = _integral(cues), float(cues.mean())
    down, across = cues.shape[0] / height, cues.shape[1] / width
    count = math.ceil((high_scale(cues) - OVERLAP) / (1 - OVERLAP))

    def density(box: Box) -> float:
        top, bottom = round(box.top * down), round((box.top + box.height) * down)
        left, right = round(box.left * across), round((box.left + box.width) * across)
        area: int = max(1, (bottom - top) * (right - left))
        return int(_count(integral, top, left, bottom, right)) / area

    grown = []
    for start in grid(height, width, count, count, OVERLAP):
        box, steps = start, 0
        while density(box) > share and (box.height < height or box.width < width):
            steps += 1
            box = _grown(start, 1 + GROWTH * steps, height, width)
        if steps:
            grown.append(box)
    return sorted(grown, key=lambda box: -box.height * box.width)


def _grown(box: Box, factor: float, height: int, width: int) -> Box:
    """`box` enlarged about its centre and pushed back into the photo."""
    h, w = min(height, round(box.height * factor)), min(width, round(box.width * factor))
    top = min(max(0, box.top - (h - box.height) // 2), height - h)
    left = min(max(0, box.left - (w - box.width) // 2), width - w)
    return Box(top, left, h, w)


def _integral(cues: Mask) -> Counts:
    return np.pad(cues.astype(np.int64).cumsum(0).cumsum(1), ((1, 0), (1, 0)))


def _count(integral: Counts, top: Place, left: Place, bottom: Place, right: Place) -> Counts:
    """Cues in half-open rectangles."""
    return integral[bottom, right] - integral[top, right] - integral[bottom, left] + integral[top, left]
