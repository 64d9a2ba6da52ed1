"""Where a tile can tell more than the coarse map: nowhere that it has no contrast to see by.

In a clear sky or on a blank wall a tile has nothing to go by, and what a refiner writes there is invention; the
coarse network has seen the whole photo. The predictor keeps the coarse depth of far sky pixels whose
surroundings are flat, and of tiles that are flat all over, which then cost nothing.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

NOISE = 6 / 255  # largest spread that sensor noise and JPEG leave in a blank surface, once a tile is resized
WINDOW = 7  # pixels


def flat(tiles: Tensor, noise: float = NOISE, window: int = WINDOW) -> Tensor:
    """Pixels whose surroundings are blank: no channel spreads by more than `noise` within the window.

    Args:
        tiles: (N, 3, h, w) RGB in [0, 1], at the size at which the refiner sees them.
        noise: largest spread, in [0, 1].
        window: odd side of the neighbourhood, pixels.

    Returns:
        (N, 1, h, w) bool.
    """
    tiles = F.avg_pool2d(tiles, 3, 1, 1, count_include_pad=False)  # averages noise out, keeps wires in
    highest, lowest = _local_max(tiles, window), -_local_max(-tiles, window)
    return (highest - lowest).amax(1, keepdim=True) <= noise


def sees_nothing(flat_pixels: Tensor) -> Tensor:
    """Tiles without any contrast: (N, 1, h, w) bool of `flat` → (N,) bool."""
    return flat_pixels.flatten(1).all(1)


def _local_max(x: Tensor, window: int) -> Tensor:
    """Maximum over a square window, a row and then a column at a time."""
    x = F.max_pool2d(x, (1, window), 1, (0, window // 2))
    return F.max_pool2d(x, (window, 1), 1, (window // 2, 0))
