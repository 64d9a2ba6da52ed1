"""Photometric augmentation: what cameras do to colours and what sensors and files do to pixels.

Strong on purpose: procedural pictures are cleaner than photos, so networks must not rely on their looks.
"""

import math
from dataclasses import dataclass
from typing import Self

import cv2
import numpy as np
from numpy.typing import NDArray

Extent = tuple[float, float, float, float]
WHOLE: Extent = (0.0, 0.0, 1.0, 1.0)


@dataclass(frozen=True)
class Look:
    """How one camera renders colour: drawn once for a photo, applied alike to the whole and to its windows.

    Attributes:
        curve: float32 (256, 1, 3): tone and gain of each channel, 8-bit value to [0, 1] (may exceed it).
        saturation: 0 = grey, 1 = unchanged.
        vignette: light lost in the photo's corners, 0 to 1.
    """

    curve: NDArray[np.float32]
    saturation: float
    vignette: float

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Self:
        """Each property is changed with its own probability, so that some photos stay as they are."""
        gamma = math.exp(_maybe(rng, 0.6, math.log(0.7), math.log(1.4), otherwise=0.0))
        brightness = _maybe(rng, 0.5, 0.75, 1.25, otherwise=1.0)
        contrast = _maybe(rng, 0.5, 0.75, 1.3, otherwise=1.0)
        gains = np.exp(rng.uniform(-0.15, 0.15, 3) * (rng.random() < 0.6))
        saturation = 0.0 if rng.random() < 0.05 else _maybe(rng, 0.6, 0.4, 1.5, otherwise=1.0)
        tone = ((np.arange(256) / 255) ** gamma * brightness - 0.5) * contrast + 0.5
        curve = (tone[:, None] * gains).astype(np.float32)[:, None]
        return cls(curve, saturation, _maybe(rng, 0.3, 0.0, 0.5, otherwise=0.0))

    def __call__(self, image: NDArray[np.uint8], extent: Extent = WHOLE) -> NDArray[np.float32]:
        """Renders an image.

        Args:
            image: uint8 (h, w, 3), the photo or a part of it.
            extent: top, left, bottom, right of the part as fractions of the photo: vignetting depends on
                place.

        Returns:
            float32 (h, w, 3) in [0, 1].
        """
        rendered: NDArray[np.float32] = np.asarray(cv2.LUT(image, self.curve), np.float32)
        if self.saturation != 1:
            grey = rendered.mean(2, keepdims=True)
            rendered = grey + (rendered - grey) * np.float32(self.saturation)
        if self.vignette:
            top, left, bottom, right = extent
            y, x = _centres(top, bottom, image.shape[0])[:, None], _centres(left, right, image.shape[1])
            rendered = rendered * (1 - np.float32(self.vignette / 2) * (y * y + x * x))[..., None]
        return np.clip(rendered, 0, 1)


def degrade(image: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """Lens blur, sensor noise and JPEG, each on a part of the images; (h, w, 3) in [0, 1] to the same."""
    if rng.random() < 0.3:
        image = np.asarray(cv2.GaussianBlur(image, (0, 0), rng.uniform(0.3, 1.2)), np.float32)
    if rng.random() < 0.4:
        read, shot = rng.uniform(0, 0.02), rng.uniform(0, 0.03)
        sigma = np.sqrt(np.float32(read**2) + np.float32(shot**2) * image)
        image = image + sigma * rng.standard_normal(image.shape, np.float32)
    if rng.random() < 0.4:
        quality = int(rng.integers(40, 96))
        image = _jpeg(image, quality)
    return np.clip(image, 0, 1)


def _jpeg(image: NDArray[np.float32], quality: int) -> NDArray[np.float32]:
    pixels = cv2.cvtColor((np.clip(image, 0, 1) * 255 + 0.5).astype(np.uint8), cv2.COLOR_RGB2BGR)
    _, file = cv2.imencode(".jpg", pixels, (cv2.IMWRITE_JPEG_QUALITY, quality))
    decoded = cv2.cvtColor(np.asarray(cv2.imdecode(file, cv2.IMREAD_COLOR)), cv2.COLOR_BGR2RGB)
    return np.asarray(decoded, np.float32) / np.float32(255)


def _centres(first: float, last: float, count: int) -> NDArray[np.float32]:
    """Pixel centres between two fractions of the photo's side, with −1 and 1 its ends."""
    return (2 * (first + (np.arange(count) + 0.5) / count * (last - first)) - 1).astype(np.float32)


def _maybe(rng: np.random.Generator, probability: float, low: float, high: float, otherwise: float) -> float:
    return float(rng.uniform(low, high)) if rng.random() < probability else otherwise
