"""Validation: the model as it would be exported now, scored and shown on photos with known depth."""

import logging
import math

import numpy as np
from numpy.typing import NDArray

from hyperfocal.data.kinds import DataSet, InScope
from hyperfocal.data.sample import Sample
from hyperfocal.errors import HyperfocalError
from hyperfocal.evaluate.panel import panel
from hyperfocal.evaluate.score import Row, means, score_image
from hyperfocal.evaluate.truth import Truth
from hyperfocal.predictor import Model
from hyperfocal.train import processes

log = logging.getLogger(__name__)


def validate(model: Model, data: DataSet) -> dict[str, float]:
    """The mean scores of all photos, shared among the processes; each at its own size and true focal length.

    A photo that can't be scored is named in a warning and left out.

    Returns:
        The means of `score_image` in the data set's scope, and how many `images` they are of; empty if of none.
    """
    scoped = InScope(data)
    rows: list[Row] = []
    for index in range(processes.index(), len(data), processes.count()):
        try:
            sample = scoped[index]
            truth = Truth(sample.name, sample.metres, data.disparity(index))
            metres = model.predict(sample.image, focal_px=sample.focal_px).metres
        except HyperfocalError as error:
            log.warning("validation goes on without %s: %s", data.frames[index].name, error)
            continue
        rows.append({**score_image(metres, truth, max_depth=data.scope.max_depth)})
    return {
        name: float(value) for row in means(processes.everybodys(rows), []) for name, value in row.items()
    }


def picture(model: Model, sample: Sample) -> NDArray[np.uint8]:
    """The `panel` of a photo: the map of the whole, and the refined one where the model has a refiner."""
    tilings = {"predicted": "none"} if model.refiner is None else {"coarse": "none", "refined": "auto"}
    maps = {
        title: model.predict(sample.image, tiling=tiling, focal_px=sample.focal_px).metres
        for title, tiling in tilings.items()
    }
    return panel(Truth(sample.name, sample.metres, image=sample.image), maps, max_depth=math.inf)
