"""Geometry of training crops: box, crop, flip and resize of a Sample, and the canonical camera's depth.

Each function returns a Sample whose intrinsics still tell the truth, so metric depth survives all of them.
"""

import math
from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from hyperfocal.data.sample import Sample
from hyperfocal.data.sample import Size as Size
from hyperfocal.tiles.plan import Box


def size_of_area(area: float, aspect: float, multiple: int = 32) -> Size:
    """(height, width) near `area` pixels and near width/height = `aspect`, sides multiples of `multiple`."""
    height = max(1, round(math.sqrt(area / aspect) / multiple)) * multiple
    return height, max(1, round(math.sqrt(area * aspect) / multiple)) * multiple


def draw_size(rng: np.random.Generator, area: float, aspects: tuple[float, float] = (0.6, 1.9)) -> Size:
    """A size of `area` pixels, portrait or landscape: aspect log-uniform in `aspects`."""
    return size_of_area(area, math.exp(rng.uniform(math.log(aspects[0]), math.log(aspects[1]))))


def draw_box(rng: np.random.Generator, inside: Size, size: Size, fraction: tuple[float, float]) -> Box:
    """A random box with the aspect of `size`.

    Its area is U(*fraction) of the largest such box inside, but no less than half the area of `size` where
    the picture allows: magnifying more than √2 shows the network a blur that photos do not have.
    """
    aspect = size[1] / size[0]
    widest = min(inside[1], inside[0] * aspect)
    least = min(1.0, size[0] * size[1] / 2 / (widest * widest / aspect))
    width = widest * math.sqrt(max(rng.uniform(*fraction), least))
    return place_box(rng, inside, (width / aspect, width))


def place_box(rng: np.random.Generator, inside: Size, extent: tuple[float, float]) -> Box:
    """A box of `extent` (height, width; rounded to pixels) at a uniformly random place inside."""
    height, width = (min(max(1, round(side)), limit) for side, limit in zip(extent, inside, strict=True))
    top = int(rng.integers(inside[0] - height + 1))
    left = int(rng.integers(inside[1] - width + 1))
    return Box(top, left, height, width)


def crop(sample: Sample, box: Box) -> Sample:
    """Cuts the box out (views, no copy): the principal point moves, the focal length in pixels stays."""
    intrinsics = sample.intrinsics.copy()
    intrinsics[:2, 2] -= (box.left, box.top)
    image, metres = sample.image[box.slices], sample.metres[box.slices]
    return replace(sample, image=image, metres=metres, intrinsics=intrinsics)


def flip(sample: Sample) -> Sample:
    """Mirrors left and right (views, no copy)."""
    intrinsics = sample.intrinsics.copy()
    intrinsics[0, 2] = sample.image.shape[1] - 1 - intrinsics[0, 2]
    return replace(sample, image=sample.image[:, ::-1], metres=sample.metres[:, ::-1], intrinsics=intrinsics)


def resize(sample: Sample, size: Size) -> Sample:
    """Resizes to `size`: the image with antialiasing, depth by the nearest pixel.

    An average of depths across an edge is a surface that is not there, and a minimum would thicken every near
    object; the nearest pixel is always a measured depth.
    """
    height, width = sample.metres.shape
    rows = ((np.arange(size[0]) + 0.5) * height / size[0]).astype(np.intp)
    columns = ((np.arange(size[1]) + 0.5) * width / size[1]).astype(np.intp)
    intrinsics = sample.intrinsics.copy()
    for axis, scale in enumerate((size[1] / width, size[0] / height)):
        intrinsics[axis] *= scale
        intrinsics[axis, 2] += (scale - 1) / 2  # pixel centres are at integers: x' + ½ = scale · (x + ½)
    metres = sample.metres[rows[:, None], columns]
    return replace(sample, image=resize_image(sample.image, size), metres=metres, intrinsics=intrinsics)


def resize_image(image: NDArray[np.uint8], size: Size) -> NDArray[np.uint8]:
    """Area average where the image shrinks, bilinear where it grows."""
    shrinks = size[0] < image.shape[0]
    resized = cv2.resize(
        np.ascontiguousarray(image), size[::-1], interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    )
    return np.asarray(resized, np.uint8)


def canonical_scale(sample: Sample, canonical_focal: float) -> float:
    """What metres are multiplied by to become canonical metres (Metric3D's canonical camera).

    canonical = metres · canonical_focal · √(W·H) / f: the depth that the same picture would have if its
    camera's focal length were canonical_focal · √(W·H) pixels. Invariant to resizing; a crop keeps f and
    shrinks W·H.
    """
    height, width = sample.metres.shape
    return canonical_focal * math.sqrt(width * height) / sample.focal_px


def canonical_target(
    metres: NDArray[np.float32], scale: float, *, limit: float, far: float
) -> NDArray[np.float32]:
    """Depth as the networks shall predict it: canonical metres up to `limit`, sky at `far`, unknown 0."""
    target: NDArray[np.float32] = np.minimum(metres * np.float32(scale), np.float32(limit))
    target[np.isinf(metres)] = far
    target[~(metres > 0)] = 0
    return target
