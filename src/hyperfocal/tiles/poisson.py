"""Poisson blending (Pérez et al., 2003): the gradients of the tiles, the level of the coarse map.

With q = ln(tile / coarse), the merged map is coarse · exp(u), where u minimises Σ |∇u − ∇q|² + u² / reach²: a
screened Poisson equation with free borders. In ln depth a tile's own scale has no gradient, so it vanishes; nothing
falls below 0. Solved exactly by Fourier transforms of the mirrored canvas, in O(n log n).
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from hyperfocal.camera import NEAREST
from hyperfocal.tiles.plan import Box

FloatMap = NDArray[np.float32]


class PoissonMerger:
    """Tiles on an (H, W) canvas, joined by their gradients.

    Args:
        coarse: (H, W) metres, above 0.
    """

    def __init__(self, coarse: FloatMap) -> None:
        self._log_coarse = np.log(np.maximum(coarse, NEAREST))
        # Of gradients from a pixel to the next, down and across.
        self._sum = np.zeros((2, *coarse.shape), np.float32)
        self._weight = np.zeros((2, *coarse.shape), np.float32)
        self._reach = 1.0

    def add(self, values: FloatMap, weight: FloatMap, box: Box) -> None:
        """Add one tile in place.

        Args:
            values: (h, w) metres of the tile.
            weight: (h, w), at least 0; a gradient weighs as much as the lesser of its two pixels.
            box: where the tile lies on the canvas, of the same h and w.
        """
        ratio = np.log(np.maximum(values, NEAREST)) - self._log_coarse[box.slices]
        self._reach = max(self._reach, (box.height * box.width) ** 0.5)
        for axis in (0, 1):
            step = np.diff(ratio, axis=axis)
            h, w = step.shape
            least = np.minimum(weight[:h, :w], weight[-h:, -w:])
            self._sum[axis][box.slices][:h, :w] += step * least
            self._weight[axis][box.slices][:h, :w] += least

    def result(self) -> FloatMap:
        """The merged (H, W) map, in metres; the coarse one where no tile has been. Ends the merger."""
        self._weight[self._weight == 0] = 1  # nothing known: the coarse map's own gradient
        gradient = np.divide(self._sum, self._weight, out=self._sum)
        source = -gradient[0] - gradient[1]
        source[1:] += gradient[0, :-1]
        source[:, 1:] += gradient[1, :, :-1]
        return np.asarray(np.exp(self._log_coarse + screened_poisson(source, self._reach**-2)), np.float32)


def screened_poisson(source: FloatMap, screen: float) -> FloatMap:
    """Solve screen·u − Δu = source on a pixel grid with no flow through the borders.

    Args:
        source: (H, W).
        screen: above 0.

    Returns:
        u, (H, W).
    """
    height, width = source.shape
    mirrored = torch.from_numpy(source)
    for axis in (0, 1):
        mirrored = torch.cat((mirrored, mirrored.flip(axis)), axis)
    spectrum = torch.fft.rfft2(mirrored)
    down = 2 - 2 * torch.cos(torch.pi * torch.arange(2 * height) / height)
    across = 2 - 2 * torch.cos(torch.pi * torch.arange(width + 1) / width)
    spectrum /= screen + down[:, None] + across
    return np.asarray(torch.fft.irfft2(spectrum, mirrored.shape)[:height, :width].numpy(), np.float32)
