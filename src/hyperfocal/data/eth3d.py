"""ETH3D high-resolution multi-view, training scenes (Schöps et al., CVPR 2017): laser scans seen from DSLR photos.

`<root>/<scene>/{images,ground_truth_depth}/dslr_images/<photo>.JPG` with `dslr_calibration_jpg/{cameras,images}.txt`
(COLMAP): the depth files are raw little-endian float32 metres, row by row, of the photo's size, inf = unknown. Photos
are the original, slightly fisheye ones, as the depth is; the intrinsics leave the distortion out.
"""

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hyperfocal.data.decode import pinhole, read_rgb, reading
from hyperfocal.data.frames import Frame, Frames, by_stem, join
from hyperfocal.data.sample import Sample
from hyperfocal.errors import HyperfocalError

FARTHEST = 1e5  # metres; of the bytes of depths in the wrong order, a third or so are beyond


class ETH3D(Frames):
    """The photos of a folder of scenes."""

    wanted = (
        "frames in ETH3D's layout (<scene>/images/dslr_images/*.JPG with "
        "ground_truth_depth/dslr_images/*.JPG and dslr_calibration_jpg/{cameras,images}.txt)"
    )
    parts = ("image", "depth")

    def find(self) -> Iterator[Frame]:
        """Frames of all scenes with depth."""
        for depths in self.root.glob("*/ground_truth_depth/dslr_images"):
            scene = depths.parent.parent
            images = by_stem(scene / "images" / "dslr_images", ".jpg")
            yield from join(scene.name, image=images, depth=by_stem(depths, ".jpg"))

    def read(self, frame: Frame) -> Sample:
        """Reads a frame."""
        image, depth = (frame.files[part] for part in self.parts)
        pixels = read_rgb(image)
        height, width = pixels.shape[:2]
        with reading(depth, "raw float32"):
            metres = np.fromfile(depth, "<f4")
            if depth.stat().st_size != 4 * height * width:
                raise HyperfocalError(
                    f"{depth.stat().st_size} bytes do not fit the image's {width}×{height} float32"
                )
            if (np.abs(metres[np.isfinite(metres)]) > FARTHEST).any():
                raise HyperfocalError(f"depths beyond {FARTHEST:g} m: isn't little-endian float32")
        metres = np.where(np.isfinite(metres), metres, 0).astype(np.float32).reshape(height, width)
        calibration = image.parents[2] / "dslr_calibration_jpg"
        cameras = _cameras(calibration)
        if image.name not in cameras:
            raise HyperfocalError(f"{calibration / 'images.txt'}: has no {image.name}")
        return Sample(pixels, metres, cameras[image.name], frame.name)


@lru_cache(maxsize=32)  # images.txt holds megabytes of points, too
def _cameras(calibration: Path) -> dict[str, NDArray[np.float64]]:
    """Intrinsics by the name of the photo. COLMAP's pixel centres are at 0.5."""
    path = calibration / "cameras.txt"
    with reading(path, "lines of ID, model, width, height, fx, fy, cx, cy..."):
        cameras = {}
        for line in _lines(path):
            identity, model, _, _, *parameters = line.split()
            if model not in ("PINHOLE", "THIN_PRISM_FISHEYE"):
                raise HyperfocalError(f"camera model {model} isn't one of ETH3D's")
            fx, fy, cx, cy = map(float, parameters[:4])
            cameras[identity] = pinhole(fx, fy, cx - 0.5, cy - 0.5)
    path = calibration / "images.txt"
    with reading(path, "lines of ID, pose, camera and name, each followed by one of points"):
        found = {}
        for line in _lines(path)[::2]:
            *_, identity, name = line.split()
            found[Path(name).name] = cameras[identity]
    return found


def _lines(path: Path) -> list[str]:
    return [line for line in path.read_text().splitlines() if not line.startswith("#")]
