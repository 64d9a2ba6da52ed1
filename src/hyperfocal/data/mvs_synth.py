"""MVS-Synth (GTAV_540, GTAV_720, GTAV_1080; Huang et al., DeepMVS, CVPR 2018).

`<root>/<sequence>/{images,depths,poses}/<frame>.{png,exr,json}`: EXR of metres, sky is inf. PatchFusion read depth as
16-bit PNG of metres · 256, 0 = unknown: taken where there is no EXR.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hyperfocal.data.decode import fitting, pinhole, read_png16, read_rgb, reading
from hyperfocal.data.frames import Frame, Frames, by_stem, join
from hyperfocal.data.sample import Sample
from hyperfocal.depthmap.formats import read_exr


class MVSSynth(Frames):
    """The frames of a folder of sequences."""

    wanted = "frames in MVS-Synth's layout (<sequence>/images/*.png with depths/*.exr and poses/*.json)"
    parts = ("image", "depth", "camera")

    def find(self) -> Iterator[Frame]:
        """Frames of all sequences."""
        for images in self.root.glob("*/images"):
            sequence = images.parent
            yield from join(
                sequence.name,
                image=by_stem(images, ".png"),
                depth=by_stem(sequence / "depths", ".exr", ".png"),
                camera=by_stem(sequence / "poses", ".json"),
            )

    def read(self, frame: Frame) -> Sample:
        """Reads a frame."""
        image, depth, camera = (frame.files[part] for part in self.parts)
        pixels = read_rgb(image)
        metres = fitting(_metres(depth), pixels, depth)
        with reading(camera, "JSON with f_x, f_y, c_x and c_y"):
            values = json.loads(camera.read_text())
            intrinsics = pinhole(*(values[key] for key in ("f_x", "f_y", "c_x", "c_y")))
        return Sample(pixels, metres, intrinsics, frame.name)


def _metres(path: Path) -> NDArray[np.float32]:
    if path.suffix == ".exr":
        with reading(path, "OpenEXR of one channel"):
            return np.asarray(read_exr(path).metres, np.float32)
    return read_png16(path, 256)
