"""One picture of a prediction: photo | coarse | refined | target | error."""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from hyperfocal.data.sample import Sample
from hyperfocal.depthmap.picture import GREY, depth_picture
from hyperfocal.predictor import Model

HEIGHT = 288  # pixels
WORST = 0.5  # |ln prediction − ln target| that is shown brightest: a factor of 1.65

FloatMap = NDArray[np.float32]


def panels(model: Model, sample: Sample) -> NDArray[np.uint8]:
    """Predict a photo and show it.

    Returns:
        uint8 (H, W, 3): see `picture`; without the refined map where the model has no refiner.
    """
    tilings = ("none",) if model.refiner is None else ("none", "auto")
    maps = [model.predict(sample.image, tiling=t, focal_px=sample.focal_px).metres for t in tilings]
    return picture(sample.image, maps, sample.metres)


def picture(photo: NDArray[np.uint8], predictions: Sequence[FloatMap], target: FloatMap) -> NDArray[np.uint8]:
    """The photo, its depth maps in common colours, and the error of the last prediction.

    Args:
        photo: (H, W, 3).
        predictions: (H, W) metres each, inf = sky.
        target: (H, W) metres; inf = sky; 0, negative or NaN = unknown, shown grey.

    Returns:
        uint8 (HEIGHT or less, …, 3). Dark is right, bright is wrong by a factor of 1.65 or more, grey unknown.
    """
    height = min(HEIGHT, photo.shape[0])
    size = (round(photo.shape[1] * height / photo.shape[0]), height)
    small = [cv2.resize(m, size, interpolation=cv2.INTER_NEAREST) for m in (*predictions, target)]
    known = small[-1] > 0
    maps = np.where(small > np.float32(0), small, np.float32(np.inf))
    last, truth = maps[-2:]
    surface = known & np.isfinite(truth)
    with np.errstate(invalid="ignore"):
        error = np.where(surface, np.abs(np.log(last) - np.log(truth)), 0)
    level = (np.nan_to_num(error, posinf=WORST).clip(0, WORST) / WORST * 255).astype(np.uint8)
    shown = cv2.applyColorMap(level, cv2.COLORMAP_INFERNO)[..., ::-1].copy()
    shown[~surface] = GREY
    small_photo = np.asarray(cv2.resize(photo, size, interpolation=cv2.INTER_AREA), np.uint8)
    return np.hstack([small_photo, depth_picture(np.hstack(list(maps))), np.asarray(shown, np.uint8)])
