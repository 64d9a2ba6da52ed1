"""KITTI depth (Geiger et al., IJRR 2013; Uhrig et al., 3DV 2017): LiDAR on street photos.

`<date>/<drive>/image_0{2,3}/data/<frame>.png` and `<date>/calib_cam_to_cam.txt` (raw, rectified) with
`<drive>/proj_depth/groundtruth/image_0{2,3}/<frame>.png` (annotated: metres · 256, 0 = unknown), each directly in the
root or one or two folders below (`raw/`, `train/`, `val/`, `gts/`...). Frames are cut to the lowest middle 352×1216,
the "KB crop". Splits are the folders `train` and `val` of the annotated depth, or the Eigen lists with truth.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hyperfocal.data.decode import fitting, pinhole, read_png16, read_rgb, reading
from hyperfocal.data.frames import Frame, Frames, Scope, by_stem, join
from hyperfocal.data.sample import Sample
from hyperfocal.errors import HyperfocalError
from hyperfocal.metrics.depth import GARG

HEIGHT, WIDTH = 352, 1216


class KITTI(Frames):
    """The frames that have depth."""

    wanted = (
        "frames in KITTI's layout (<date>/<drive>/image_02/data/*.png and <date>/calib_cam_to_cam.txt with "
        "<drive>/proj_depth/groundtruth/image_02/*.png)"
    )
    parts = ("image", "depth", "camera")
    scope = Scope(window=GARG)

    def find(self) -> Iterator[Frame]:
        """Frames of all drives with depth. Most raw frames have none: those are no frames."""
        above = ("", "*/", "*/*/")
        raw = {p.parent.name: p.parent for a in above for p in self.root.glob(f"{a}*_sync/image_0[23]")}
        for folder in (f for a in above for f in self.root.glob(f"{a}*_sync/proj_depth/groundtruth/*/")):
            drive, camera = folder.parents[2].name, folder.name
            depths, images = by_stem(folder, ".png"), {}
            calibration: dict[str, Path] = {}
            if drive in raw:
                images = by_stem(raw[drive] / camera / "data", ".png", ".jpg")
                file = raw[drive].parent / "calib_cam_to_cam.txt"
                calibration = dict.fromkeys(depths, file) if file.is_file() else {}
            with_depth = {key: path for key, path in images.items() if key in depths}
            yield from join(f"{drive}/{camera}", image=with_depth, depth=depths, camera=calibration)

    def read(self, frame: Frame) -> Sample:
        """Reads a frame."""
        image, path, calibration = (frame.files[part] for part in self.parts)
        pixels = read_rgb(image)
        metres = fitting(read_png16(path, 256), pixels, path)
        top, left = pixels.shape[0] - HEIGHT, (pixels.shape[1] - WIDTH) // 2
        if min(top, left) < 0:
            raise HyperfocalError(f"{image}: {pixels.shape[:2]} is smaller than the crop of {HEIGHT}×{WIDTH}")
        crop = np.s_[top : top + HEIGHT, left : left + WIDTH]
        intrinsics = _intrinsics(calibration, image.parent.parent.name[-2:])
        intrinsics[:2, 2] -= left, top
        return Sample(pixels[crop], metres[crop], intrinsics, frame.name)


def _intrinsics(path: Path, camera: str) -> NDArray[np.float64]:
    with reading(path, f"a line P_rect_{camera}: of a 3×4 matrix"):
        lines = dict(line.split(":", 1) for line in path.read_text().splitlines() if ":" in line)
        p = np.array(lines[f"P_rect_{camera}"].split(), np.float64).reshape(3, 4)
        return pinhole(p[0, 0], p[1, 1], p[0, 2], p[1, 2])
