"""The metrics as `torchmetrics`: they add up over images and processes, and keep every image's values.

Each is a pure function of its module, called image by image on the CPU; `compute` is the mean over images, as
published, images without a value left out. A sampler that repeats images to fill the last batch counts them
twice: give each process its own.
"""

from collections.abc import Iterator, Mapping
from itertools import repeat
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities import dim_zero_cat

from hyperfocal.metrics.cityscapes import BOUNDARY_ERRORS, cityscapes_scores
from hyperfocal.metrics.consistency import consistency_error
from hyperfocal.metrics.depth import (
    ERRORS,
    WHOLE,
    Alignment,
    Window,
    clip,
    counted,
    resize,
    scores,
    window_mask,
)
from hyperfocal.metrics.edges import boundary_scores, disparity_edges, mask_boundary_recall, soft_edge_error
from hyperfocal.metrics.ordinal import d3r, neighbouring_centres


class PerImage(Metric):
    """A metric that has values for each image and is their mean.

    Attributes:
        names: of the values of an image.
    """

    full_state_update = False
    is_differentiable = False
    names: tuple[str, ...]
    rows: list[Tensor] | Tensor

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.add_state("rows", [], dist_reduce_fx="cat")

    def add(self, values: Mapping[str, float]) -> None:
        """Adds one image's values."""
        assert isinstance(self.rows, list)
        # 1-D, as torchmetrics' stand-in for a process without images is.
        self.rows.append(torch.tensor([values[name] for name in self.names], device=self.device))

    def per_image(self) -> dict[str, Tensor]:
        """Each value of this process's images, (N,); of all processes' inside `with metric.sync_context()`."""
        rows = dim_zero_cat(self.rows) if len(self.rows) else torch.empty(0, device=self.device)
        return dict(zip(self.names, rows.reshape(-1, len(self.names)).unbind(1), strict=True))

    def compute(self) -> dict[str, Tensor]:
        """The mean of each value over the images that have it; NaN where none has."""
        return {name: values.nanmean() for name, values in self.per_image().items()}


class DepthErrors(PerImage):
    """δ1–3, AbsRel, SqRel, RMSE, RMSE-log, log10 and SILog (`depth.scores`), in a range and window."""

    names = ERRORS

    def __init__(
        self,
        min_depth: float = 1e-3,
        max_depth: float = 80.0,
        window: Window = WHOLE,
        alignment: Alignment = "none",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.range, self.window, self.alignment = (min_depth, max_depth), window, alignment

    def update(self, prediction: Tensor, truth: Tensor, valid: Tensor | None = None) -> None:
        """Adds images.

        Args:
            prediction: (N, 1, h, w) or (N, h, w) metres, resized to the truth.
            truth: (N, 1, H, W) or (N, H, W) metres.
            valid: like the truth, bool; which pixels count besides.
        """
        low, high = self.range
        for p, g, v in _images(prediction, truth, valid):
            inside = window_mask(g.shape, self.window) & (True if v is None else v)
            p = resize(p, g.shape)
            self.add(scores(p, g, inside, alignment=self.alignment, min_depth=low, max_depth=high))


class SoftEdgeError(PerImage):
    """SEE (`edges.soft_edge_error`) in metres, on edges of the true disparity, or of the true depth without one."""

    names = ("see",)

    def __init__(
        self,
        min_depth: float = 1e-3,
        max_depth: float = 80.0,
        window: Window = WHOLE,
        radius: int = 1,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.range, self.window, self.radius = (min_depth, max_depth), window, radius

    def update(self, prediction: Tensor, truth: Tensor, disparity: Tensor | None = None) -> None:
        """Adds images.

        Args:
            prediction: (N, 1, h, w) or (N, h, w) metres, resized to the truth.
            truth: (N, 1, H, W) or (N, H, W) metres.
            disparity: like the truth, in pixels.
        """
        low, high = self.range
        for p, g, d in _images(prediction, truth, disparity):
            counts = counted(g, window_mask(g.shape, self.window), low, high)
            edges = disparity_edges(np.where(counts, g, np.nan) if d is None else d)
            p = clip(resize(p, g.shape), low, high)
            self.add({"see": soft_edge_error(p, g, edges & counts, self.radius)})


class BoundaryScores(PerImage):
    """Depth Pro's scale-invariant boundary precision, recall and F1 (`edges.boundary_scores`)."""

    names = ("boundary_precision", "boundary_recall", "boundary_f1")

    def update(self, prediction: Tensor, truth: Tensor, valid: Tensor | None = None) -> None:
        """Adds images.

        Args:
            prediction: (N, 1, h, w) or (N, h, w) metres, any scale, resized to the truth.
            truth: (N, 1, H, W) or (N, H, W) metres.
            valid: like the truth, bool; by default where it is positive.
        """
        for p, g, v in _images(prediction, truth, valid):
            self.add(boundary_scores(resize(p, g.shape), g, v))


class MaskBoundaryRecall(PerImage):
    """Depth Pro's boundary recall where only masks are known (`edges.mask_boundary_recall`)."""

    names = ("mask_boundary_recall",)

    def update(self, prediction: Tensor, mask: Tensor) -> None:
        """Adds images.

        Args:
            prediction: (N, 1, h, w) or (N, h, w) metres, any scale, resized to the mask.
            mask: (N, 1, H, W) or (N, H, W), bool.
        """
        for p, m in _images(prediction, mask):
            self.add({"mask_boundary_recall": mask_boundary_recall(resize(p, m.shape), m)})


class D3R(PerImage):
    """Depth discontinuity disagreement ratio (`ordinal.d3r`)."""

    names = ("d3r",)

    def __init__(self, segments: int = 5000, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.segments = segments

    def update(self, prediction: Tensor, truth: Tensor) -> None:
        """Adds images.

        Args:
            prediction: (N, 1, h, w) or (N, h, w) metres, any scale, resized to the truth.
            truth: (N, 1, H, W) or (N, H, W) metres.
        """
        for p, g in _images(prediction, truth):
            self.add({"d3r": d3r(resize(p, g.shape), g, neighbouring_centres(g, self.segments))})


class ConsistencyError(PerImage):
    """CE (`consistency.consistency_error`) in metres."""

    names = ("ce",)

    def update(self, tiles: Tensor, overlap: int) -> None:
        """Adds one image.

        Args:
            tiles: (rows, columns, h, w) metres, predictions of `consistency.consistency_boxes`.
            overlap: pixels that neighbours share.
        """
        self.add({"ce": consistency_error(_numpy(tiles), overlap)})


class CityscapesErrors(PerImage):
    """The Cityscapes protocol (`cityscapes.cityscapes_scores`): depth errors where it is flat, and boundaries."""

    names = ERRORS + BOUNDARY_ERRORS

    def update(self, prediction: Tensor, truth: Tensor, image: Tensor, segmentation: Tensor) -> None:
        """Adds images.

        Args:
            prediction: (N, 1, h, w) or (N, h, w) metres, resized to the truth.
            truth: (N, 1, H, W) or (N, H, W) metres; 0 = unknown.
            image: (N, H, W, 3) uint8 sRGB.
            segmentation: (N, H, W, 3) uint8, `gtFine` colours.
        """
        for p, g, photo, labels in _images(prediction, truth, image, segmentation):
            self.add(cityscapes_scores(p, g, photo, labels))


def _images(first: Tensor, *others: Tensor | None) -> Iterator[tuple[Any, ...]]:
    """NumPy arrays of each image of the batches; (N, 1, H, W) as (N, H, W)."""
    count = len(first)
    batches = [repeat(None, count) if b is None else _numpy(b) for b in (first, *others)]
    maps = [b[:, 0] if isinstance(b, np.ndarray) and b.ndim == 4 and b.shape[1] == 1 else b for b in batches]
    return zip(*maps, strict=True)


def _numpy(batch: Tensor) -> NDArray[Any]:
    batch = batch.detach().cpu()
    return (batch.float() if batch.is_floating_point() else batch).numpy()
