"""What every coarse network is, and what it returns."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from torch import Tensor


class CoarseOutput(NamedTuple):
    """Depth of the whole photo and the features behind it.

    Attributes:
        depth: (N, 1, h, w) in metres ("canonical metres" where the model has a canonical focal length).
        features: six maps from low to high resolution, strides 32, 16, 8, 4, 2, 1.
    """

    depth: Tensor
    features: tuple[Tensor, ...]


class CoarseNetwork(Protocol):
    """What a coarse network is; PatchRefiner and PatchFusion run one on each tile, too.

    Attributes:
        multiple: of which both sides of its input must be multiples.
        feature_channels: of the six maps.
    """

    multiple: int
    feature_channels: tuple[int, ...]

    def feature_sizes(self, height: int, width: int) -> list[tuple[int, int]]:
        """Sizes of the six maps, low to high, of an image of height × width pixels."""

    def __call__(self, image: Tensor) -> CoarseOutput:
        """(N, 3, h, w) RGB in [0, 1] → depth (N, 1, h, w) and six maps."""
