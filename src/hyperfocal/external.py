"""A depth model of the `transformers` library makes the coarse map, and one of our models sharpens it."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from hyperfocal.coarse.transformers_depth import pretrained
from hyperfocal.depthmap import DepthMap
from hyperfocal.errors import HyperfocalError
from hyperfocal.metrics.depth import scale_and_shift
from hyperfocal.photo import MAX_PIXELS, Photo, PhotoLike, read_photo
from hyperfocal.predictor import Model, Report
from hyperfocal.tiles.tiling import AUTO, Tiling

FloatMap = NDArray[np.float32]
VOTES = 500_000  # pixels that fit scale and shift


class ExternalBase:
    """Predicts like a `Model`, with a coarse map from outside.

    Args:
        source: hub id or directory of a depth model of the library.
        model: whose refiner sharpens.
        align: for a model of relative depth: fit scale and shift to the coarse map of `model` itself.

    Attributes:
        name: of both.

    Raises:
        HyperfocalError: the depth model cannot be loaded, is relative and not to be aligned, or `model` has no
            refiner.
    """

    def __init__(self, source: str | os.PathLike[str], model: Model, *, align: bool = False) -> None:
        import transformers

        if model.refiner is None:
            raise HyperfocalError(f"model {model.name!r} has no refiner to sharpen with")
        network, processor, self.metric = pretrained(source)
        if not self.metric and not align:
            raise HyperfocalError(
                f"{os.fspath(source)}: a {network.config.model_type} model predicts relative depth, not metres; "
                f"--align fits it to the coarse map of {model.name}"
            )
        self.model = model
        self.name = f"{os.fspath(source)} + {model.name}"
        self._predict: Any = transformers.pipeline(
            "depth-estimation", model=network, image_processor=processor, device=model.device
        )

    def predict_with_report(
        self,
        photo: PhotoLike,
        tiling: Tiling = AUTO,
        *,
        fov: float | None = None,
        focal_px: float | None = None,
        max_pixels: int = MAX_PIXELS,
    ) -> tuple[DepthMap, Report]:
        """Predict the metric depth of one photo; as `Model.predict_with_report`, but without feedback."""
        if tiling.feedback:  # said before the base network has run
            raise HyperfocalError("a given base takes no feedback: only PatchFusion on its own base does")
        report = Report(tiling.name)
        with report.timing("read"):
            read = read_photo(photo, fov=fov, focal_px=focal_px, max_pixels=max_pixels)
        with report.timing("coarse"):
            metres = self._coarse(read)
        depth, refined = self.model.refine_with_report(read, metres, tiling)
        for stage, seconds in refined.seconds.items():
            report.seconds[stage] = report.seconds.get(stage, 0.0) + seconds
        report.tiles, report.refined, report.notes = refined.tiles, refined.refined, read.notes
        return replace(depth, meta={**depth.meta, "model": self.name}), report

    def _coarse(self, photo: Photo) -> FloatMap:
        """Return the depth model's map in metres, at the photo's size."""
        with torch.inference_mode():
            predicted = self._predict(Image.fromarray(photo.pixels))["predicted_depth"]
        values = np.asarray(predicted.float().cpu().numpy(), np.float32)
        if self.metric:
            return values
        return aligned(values, self.model.predict(photo, tiling="none").metres)


def aligned(inverse: FloatMap, metres: FloatMap) -> FloatMap:
    """Turn inverse depth up to scale and shift into metres, by the least squares in inverse depth.

    Args:
        inverse: (H, W), larger is nearer.
        metres: (H, W), a metric map of the same photo; inf is sky.

    Returns:
        (H, W) metres within the range of `metres`, sky where that has it.

    Raises:
        HyperfocalError: the two say opposite things about what is near.
    """
    step = max(1, round((inverse.size / VOTES) ** 0.5))
    p, g = inverse[::step, ::step], metres[::step, ::step]
    surface = np.isfinite(g)
    if not surface.any():
        return metres
    scale, shift = scale_and_shift(
        p[surface].astype(np.float64), 1 / g[surface].astype(np.float64), "scale-shift"
    )
    if scale <= 0:
        raise HyperfocalError(
            "the relative depth does not fit the metric one: near and far are the other way round"
        )
    nearest, farthest = g[surface].min(), g[surface].max()
    fitted = 1 / np.clip(scale * inverse + shift, 1 / farthest, 1 / nearest)
    return np.where(np.isfinite(metres), fitted, np.inf).astype(np.float32)
