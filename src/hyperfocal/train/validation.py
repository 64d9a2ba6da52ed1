"""Validation: the model as it would be exported now, on photos with known depth, by the project's metrics."""

import torch

from hyperfocal.data.kinds import DataSet
from hyperfocal.metrics.running import BoundaryScores, DepthErrors, PerImage, SoftEdgeError
from hyperfocal.predictor import Model
from hyperfocal.train import processes


def validate(model: Model, data: DataSet) -> dict[str, float]:
    """The mean scores of all photos, shared among the processes; each at its own size and true focal length.

    Returns:
        What `DepthErrors`, `SoftEdgeError` and `BoundaryScores` compute, in the data set's scope.
    """
    scope = data.scope
    errors = DepthErrors(max_depth=scope.max_depth, window=scope.window)
    edges = SoftEdgeError(max_depth=scope.max_depth, window=scope.window)
    boundaries = BoundaryScores()
    metrics: list[PerImage] = [metric.to(model.device) for metric in (errors, edges, boundaries)]
    for index in range(processes.index(), len(data), processes.count()):
        sample, disparity = data[index], data.disparity(index)
        metres = model.predict(sample.image, focal_px=sample.focal_px).metres
        prediction, truth = (torch.from_numpy(x)[None] for x in (metres, sample.metres))
        errors.update(prediction, truth)
        edges.update(prediction, truth, None if disparity is None else torch.from_numpy(disparity)[None])
        boundaries.update(prediction, truth)
    return {name: value.item() for metric in metrics for name, value in metric.compute().items()}
