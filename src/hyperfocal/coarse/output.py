"""What every coarse network returns."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor


class CoarseOutput(NamedTuple):
    """Depth of the whole photo and the features behind it.

    Attributes:
        depth: (N, 1, h, w) in metres ("canonical metres" where the model has a canonical focal length).
        features: six maps from low to high resolution, strides 32, 16, 8, 4, 2, 1.
    """

    depth: Tensor
    features: tuple[Tensor, ...]
