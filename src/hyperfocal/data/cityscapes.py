"""Cityscapes (Cordts et al., CVPR 2016): stereo disparity of street photos 2048×1024.

`<root>/{leftImg8bit,disparity,camera}/<split>/<city>/<frame>_{leftImg8bit.png,disparity.png,camera.json}`;
disparity = (raw − 1) / 256, raw 0 = unknown; depth = baseline · fx / disparity. As in PatchRefiner, the lowest quarter
(the car's own bonnet) and a sixteenth at each side are unknown. Sky is inf where `gtFine/**/<frame>_gtFine_color.png`
says so, and unknown elsewhere. Splits: train, train_extra, val, or a city.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hyperfocal.data.decode import depth_of_disparity, fitting, pinhole, read_png16, read_rgb, reading
from hyperfocal.data.frames import Frame, Frames, Scope, by_stem, join
from hyperfocal.data.sample import Sample


def is_sky(colours: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """(H, W, 3) `gtFine` colours → (H, W): red and green of the label of sky."""
    return np.asarray((colours[..., 0] == 70) & (colours[..., 1] == 130))


def inside(shape: tuple[int, int]) -> NDArray[np.bool_]:
    """(H, W): neither the car's bonnet, a quarter, nor the sides, a sixteenth each."""
    height, width = shape
    mask = np.zeros(shape, bool)
    mask[: height - height // 4, width // 16 : width - width // 16] = True
    return mask


class Cityscapes(Frames):
    """The frames of the splits that have disparity."""

    wanted = (
        "frames in Cityscapes' layout "
        "({leftImg8bit,disparity,camera}/<split>/<city>/*_{leftImg8bit.png,disparity.png,camera.json})"
    )
    parts = ("image", "disparity", "camera")
    scope = Scope(max_depth=250.0, window=(0, 3 / 4, 1 / 16, 15 / 16))

    def find(self) -> Iterator[Frame]:
        """Frames of all splits and cities."""
        for city in self.root.glob("disparity/*/*/"):
            place = f"{city.parent.name}/{city.name}"
            yield from join(
                place,
                image=by_stem(self.root / "leftImg8bit" / place, ".png", ending="_leftImg8bit"),
                disparity=by_stem(city, ".png", ending="_disparity"),
                camera=by_stem(self.root / "camera" / place, ".json", ending="_camera"),
            )

    def read(self, frame: Frame) -> Sample:
        """Reads a frame."""
        image, path, camera = (frame.files[part] for part in self.parts)
        pixels = read_rgb(image)
        disparity = fitting(read_png16(path, 256) - np.float32(1 / 256), pixels, path)
        with reading(camera, "JSON with intrinsic fx, fy, u0, v0 and extrinsic baseline"):
            values = json.loads(camera.read_text())
            intrinsics = pinhole(*(values["intrinsic"][key] for key in ("fx", "fy", "u0", "v0")))
            baseline = float(values["extrinsic"]["baseline"])
        metres = depth_of_disparity(disparity, baseline * intrinsics[0, 0], 0)
        labels = self._labels(frame)
        if labels.is_file():
            sky = is_sky(read_rgb(labels))
            metres[fitting(sky.astype(np.float32), pixels, labels) > 0] = np.inf
        metres[~inside((metres.shape[0], metres.shape[1]))] = 0
        return Sample(pixels, metres, intrinsics, frame.name)

    def segmentation(self, index: int) -> NDArray[np.uint8] | None:
        """(H, W, 3), `gtFine` colours, for outlines; None where they are not there."""
        labels = self._labels(self.frames[index])
        return read_rgb(labels) if labels.is_file() else None

    def _labels(self, frame: Frame) -> Path:
        return self.root / "gtFine" / f"{frame.name}_gtFine_color.png"
