"""The picture of a frame: photo, truth, predictions and error, whole and at full resolution where edges are."""

from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from hyperfocal.depthmap.picture import depth_picture, robust_range
from hyperfocal.evaluate.truth import Truth
from hyperfocal.metrics.depth import clip, counted

Bytes = NDArray[np.uint8]
Floats = NDArray[np.floating]

CELL = 480  # pixels of width of each of the pictures
FULL = float(np.log(1.25))  # log ratio of the strongest colour: the limit of δ1
UNKNOWN = (128, 128, 128)
_NEAR_TO_FAR = ((5, 48, 97), (67, 147, 195), (247, 247, 247), (214, 96, 77), (103, 0, 31))
_CAPTION = 24


def error_picture(
    prediction: Floats, truth: Floats, min_depth: float = 1e-3, max_depth: float = 80.0
) -> Bytes:
    """Colours ln(prediction / truth): white is right, blue too near, red too far, grey doesn't count.

    Args:
        prediction: (H, W) metres, aligned.
        truth: (H, W) metres.
        min_depth: metres; truth outside the range doesn't count, predictions are clipped to it.
        max_depth: metres.

    Returns:
        (H, W, 3); the colours are full at a ratio of 1.25.
    """
    known = counted(truth, None, min_depth, max_depth)
    g = np.where(known, truth, 1).astype(np.float32)
    p = np.where(known, clip(prediction, min_depth, max_depth), 1).astype(np.float32)
    level = np.clip(np.log(p / g) / FULL, -1, 1)
    anchors = np.linspace(0, 255, len(_NEAR_TO_FAR))
    table = np.stack(
        [np.interp(np.arange(256), anchors, c) for c in zip(*_NEAR_TO_FAR, strict=True)], 1
    ).astype(np.uint8)
    picture: Bytes = table[((level + 1) * 127.5).round().astype(np.uint8)]
    picture[~known] = UNKNOWN
    return picture


def panel(
    truth: Truth, predictions: Mapping[str, Floats], min_depth: float = 1e-3, max_depth: float = 80.0
) -> Bytes:
    """Photo (if there is one), truth, predictions and the last one's error side by side, in one colour scale.

    Below them, if the frame is so large that they are shrunk, the part of the frame with most edges, pixel by pixel.

    Args:
        truth: of the frame.
        predictions: by title: (H, W) metres, aligned.
        min_depth: metres; truth outside the range doesn't count.
        max_depth: metres.
    """
    known = counted(truth.metres, None, min_depth, max_depth)
    height, width = known.shape
    surface = np.where(truth.metres > 0, truth.metres, np.float32(np.inf))
    limits = robust_range(surface)
    pictures = {} if truth.image is None else {"photo": truth.image}
    pictures["truth"] = depth_picture(surface, limits)
    for title, metres in predictions.items():
        shown = np.where(metres > 0, metres, np.inf).astype(np.float32)
        pictures[title] = depth_picture(shown, limits)
    error = error_picture(list(predictions.values())[-1], truth.metres, min_depth, max_depth)
    pictures["error: blue too near, red too far"] = error
    cell = CELL, max(1, round(CELL * height / width))
    rows = [_row(_resized(picture, cell) for picture in pictures.values())]
    if width > 1.5 * CELL and height > cell[1]:
        rows.append(_row(picture[_busiest(truth.edges(known), cell)] for picture in pictures.values()))
    return np.concatenate([_captions(list(pictures)), *rows])


def _row(pictures: Iterator[Bytes]) -> Bytes:
    """Pictures side by side, a line of white between and below."""
    row = np.concatenate([np.pad(p, ((0, 4), (0, 4), (0, 0)), constant_values=255) for p in pictures], 1)
    return row[:, :-4]


def _resized(picture: Bytes, size: tuple[int, int]) -> Bytes:
    how = Image.Resampling.BOX if picture.shape[1] > size[0] else Image.Resampling.NEAREST
    return np.asarray(Image.fromarray(picture).resize(size, how))


def _busiest(edges: NDArray[np.bool_], size: tuple[int, int]) -> tuple[slice, slice]:
    """Rows and columns of the window of that (width, height) with most edges, on a grid of half windows."""
    width, height = size
    tops = range(0, edges.shape[0] - height + 1, max(1, height // 2))
    lefts = range(0, edges.shape[1] - width + 1, max(1, width // 2))
    windows = ((slice(t, t + height), slice(c, c + width)) for t in tops for c in lefts)
    return max(windows, key=lambda window: int(edges[window].sum()))


def _captions(texts: list[str]) -> Bytes:
    strip = Image.new("RGB", (len(texts) * (CELL + 4) - 4, _CAPTION), "white")
    draw = ImageDraw.Draw(strip)
    for i, text in enumerate(texts):
        draw.text((i * (CELL + 4) + 2, 2), text, "black", ImageFont.load_default(17))
    return np.asarray(strip)
