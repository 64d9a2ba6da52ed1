"""Between a photo's pixels and a network's: at which size a picture goes in, and how depth comes back.

Our own models keep a picture's aspect and average areas when they shrink it (no aliasing, as they were trained). The
papers' models were trained at one size, on bilinear samples with the corners aligned and no antialiasing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

FloatMap = NDArray[np.float32]


def process_size(height: int, width: int, size: tuple[int, int], keep_aspect: bool) -> tuple[int, int]:
    """Return the (height, width) at which a picture goes through a network.

    Args:
        height: of the picture.
        width: of the picture.
        size: the model's.
        keep_aspect: False: exactly `size`, as the papers do. True: the area of `size` in the picture's own
            aspect, sides multiples of 32 and at least 64, so that a strip of a picture doesn't become a line.
    """
    if not keep_aspect:
        return size
    area = size[0] * size[1]
    aspect = min(max(width / height, 4096 / area), area / 4096)
    h, w = math.sqrt(area / aspect), math.sqrt(area * aspect)
    return max(64, round(h / 32) * 32), max(64, round(w / 32) * 32)


def shrunken(pictures: Sequence[NDArray[np.uint8]], size: tuple[int, int], keep_aspect: bool) -> Tensor:
    """Return pictures (h, w, 3) as (n, 3, *size) in [0, 1]."""
    if keep_aspect:
        arrays = [np.asarray(_area_resized(picture, size)) for picture in pictures]
        batch = torch.from_numpy(np.stack(arrays)).permute(0, 3, 1, 2).float()
    else:
        tensors = [torch.from_numpy(np.ascontiguousarray(p)).permute(2, 0, 1).float() for p in pictures]
        batch = torch.cat([resized(tensor[None], size, keep_aspect) for tensor in tensors])
    return (batch / 255).contiguous(memory_format=torch.channels_last)


def resized(maps: Tensor, size: tuple[int, int], keep_aspect: bool) -> Tensor:
    """Return maps (n, c, h, w) as (n, c, *size), bilinearly, in the geometry in which pictures are shrunk."""
    return F.interpolate(maps, size, mode="bilinear", align_corners=not keep_aspect)


def _area_resized(picture: NDArray[np.uint8], size: tuple[int, int]) -> Image.Image:
    height, width = size
    shrinks = height * width < picture.shape[0] * picture.shape[1]
    how = Image.Resampling.BOX if shrinks else Image.Resampling.BILINEAR
    return Image.fromarray(picture).resize((width, height), how)
