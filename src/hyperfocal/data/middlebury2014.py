"""Middlebury 2014 stereo (Scharstein et al., GCPR 2014), its 23 scenes with truth; left views.

`<root>/<scene>/{im0.png,disp0.pfm,calib.txt}`; depth = B·f / (disparity + doffs), B in millimetres, disparity inf =
unknown. The class of PatchFusion cuts the middle 1840×2300 out; here photos are whole.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hyperfocal.data.decode import depth_of_disparity, fitting, intrinsics, read_rgb, reading
from hyperfocal.data.frames import Frame, Frames, Scope
from hyperfocal.data.sample import Sample
from hyperfocal.depthmap.formats import read_pfm

FILES = {"image": "im0.png", "disparity": "disp0.pfm", "camera": "calib.txt"}


class Middlebury2014(Frames):
    """The scenes of a folder."""

    wanted = f"scenes in Middlebury 2014's layout (<scene>/ with {', '.join(FILES.values())})"
    parts = tuple(FILES)
    scope = Scope(max_depth=10.0)

    def find(self) -> Iterator[Frame]:
        """A frame for each folder with any of the files."""
        for scene in self.root.glob("*/"):
            files = {part: scene / name for part, name in FILES.items() if (scene / name).is_file()}
            if files:
                yield Frame(scene.name, files)

    def read(self, frame: Frame) -> Sample:
        """Reads a scene."""
        image, path, camera = (frame.files[part] for part in self.parts)
        pixels = read_rgb(image)
        disparity = fitting(_disparity(path), pixels, path)
        with reading(camera, "cam0=[f 0 cx; 0 f cy; 0 0 1], doffs= and baseline="):
            lines = (line.partition("=") for line in camera.read_text().splitlines())
            values = {key.strip(): value for key, _, value in lines}
            rows = values["cam0"].strip(" []").split(";")
            matrix = intrinsics([row.split() for row in rows])
            focal_baseline = matrix[0, 0] * float(values["baseline"]) / 1000
            doffs = np.float32(values["doffs"])
        metres = depth_of_disparity(np.nan_to_num(disparity + doffs, nan=0), focal_baseline, 0)
        return Sample(pixels, metres, matrix, frame.name)

    def disparity(self, index: int) -> NDArray[np.float32]:
        """float32 (H, W) in pixels of the left image; NaN = unknown. Edge metrics need it (SEE)."""
        return _disparity(self.frames[index].files["disparity"])


def _disparity(path: Path) -> NDArray[np.float32]:
    with reading(path, "a grey PFM"):
        disparity = np.asarray(read_pfm(path).metres, np.float32)
        return np.where(np.isfinite(disparity), disparity, np.float32(np.nan))
