"""How the error depends on something else, such as the distance to the nearest depth edge."""

import numpy as np
from numpy.typing import NDArray

from hyperfocal.evaluate.truth import Truth
from hyperfocal.metrics.depth import clip, counted

Floats = NDArray[np.floating]

EDGE_BINS = np.array([0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, np.inf])  # pixels; half-open
DEPTH_BINS = 2.0 ** np.arange(-4, 11, 0.5)  # metres


class Profile:
    """Mean AbsRel in bins of another quantity, over all pixels of all images.

    Attributes:
        bins: (n + 1,) ends of n half-open bins.
        pixels: (n,) how many fell into each.
    """

    def __init__(self, bins: Floats) -> None:
        self.bins = bins
        self.pixels = np.zeros(len(bins) - 1, np.int64)
        self._sums = np.zeros(len(bins) - 1)

    def add(self, positions: Floats, errors: Floats) -> None:
        """Adds pixels: their positions and errors, (K,) each; those outside the bins are left out."""
        count = len(self.pixels)
        where = np.searchsorted(self.bins, positions, side="right") - 1
        inside = (where >= 0) & (where < count)
        self.pixels += np.bincount(where[inside], minlength=count)
        self._sums += np.bincount(where[inside], errors[inside], minlength=count)

    @property
    def means(self) -> Floats:
        """(n,) mean errors, NaN where no pixel fell."""
        with np.errstate(invalid="ignore"):
            return self._sums / self.pixels


class Profiles:
    """AbsRel against the distance to the nearest edge of the truth (those of SEE), and against depth.

    Args:
        min_depth: metres; truth outside the range doesn't count.
        max_depth: metres.

    Attributes:
        edge: over pixels of distance; 0 is an edge pixel itself.
        depth: over metres of truth.
    """

    def __init__(self, min_depth: float = 1e-3, max_depth: float = 80.0) -> None:
        self.range = min_depth, max_depth
        self.edge, self.depth = Profile(EDGE_BINS), Profile(DEPTH_BINS)

    def add(self, truth: Truth, prediction: Floats) -> None:
        """Adds an image; images without an edge count for depth only.

        Args:
            truth: of the frame.
            prediction: (H, W) metres, aligned.
        """
        from scipy.ndimage import distance_transform_edt

        known = counted(truth.metres, None, *self.range)
        g = truth.metres[known]
        errors = np.abs(clip(prediction, *self.range)[known] - g) / g
        self.depth.add(g, errors)
        edges = truth.edges(known)
        if edges.any():
            self.edge.add(distance_transform_edt(~edges)[known], errors)
