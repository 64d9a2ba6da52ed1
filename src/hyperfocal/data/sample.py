"""Sample: one photo with its true depth and camera, as every reader returns it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Size = tuple[int, int]  # height, width


@dataclass(frozen=True)
class Sample:
    """One photo with its true depth.

    Attributes:
        image: uint8 (H, W, 3), sRGB.
        metres: float32 (H, W) z-depth; inf = sky or no surface; 0, negative or NaN = unknown.
        intrinsics: float64 (3, 3) pinhole matrix in pixels; pixel centres at integer coordinates.
        name: says which frame of which data set this is.
    """

    image: NDArray[np.uint8]
    metres: NDArray[np.float32]
    intrinsics: NDArray[np.float64]
    name: str

    @property
    def valid(self) -> NDArray[np.bool_]:
        """(H, W): where the truth says something. Sky does (infinitely far); only unknown pixels do not."""
        return self.metres > 0

    @property
    def focal_px(self) -> float:
        """Focal length in pixels, the geometric mean of both axes."""
        return float(np.sqrt(self.intrinsics[0, 0] * self.intrinsics[1, 1]))
