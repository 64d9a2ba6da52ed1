"""ScanNet++ (Yeshwanth et al., ICCV 2023), the iPhone's frames: rooms, 1920×1440.

`<root>/[data/]<scene>/iphone/{rgb/<frame>.jpg,pose_intrinsic_imu.json}` with depth in 16-bit millimetres, 0 = unknown,
from the laser scan (`render_depth/<frame>.png`, rendered by the toolkit) or else the phone's LiDAR
(`depth/<frame>.png`, 256×192); smaller depth is enlarged to the photo's size, nearest pixel. Scenes and the published
lists of scenes are splits.
"""

import json
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hyperfocal.data.decode import intrinsics, read_png16, read_rgb, reading
from hyperfocal.data.frames import Frame, Frames, Scope, by_stem, join
from hyperfocal.data.sample import Sample
from hyperfocal.errors import HyperfocalError


class ScanNetPP(Frames):
    """The frames of a folder of scenes."""

    wanted = (
        "frames in ScanNet++'s layout ([data/]<scene>/iphone/rgb/*.jpg with render_depth/*.png or depth/*.png, "
        "and pose_intrinsic_imu.json)"
    )
    parts = ("image", "depth", "camera")
    scope = Scope(max_depth=10.0)

    def find(self) -> Iterator[Frame]:
        """Frames of all scenes whose video has been taken apart."""
        data = self.root / "data"
        for photos in (data if data.is_dir() else self.root).glob("*/iphone/rgb"):
            phone = photos.parent
            images = by_stem(photos, ".jpg", ".png")
            depths = by_stem(phone / "depth", ".png") | by_stem(phone / "render_depth", ".png")
            camera = phone / "pose_intrinsic_imu.json"
            cameras = dict.fromkeys(images, camera) if camera.is_file() else {}
            yield from join(phone.parent.name, image=images, depth=depths, camera=cameras)

    def read(self, frame: Frame) -> Sample:
        """Reads a frame."""
        image, depth, camera = (frame.files[part] for part in self.parts)
        pixels = read_rgb(image)
        metres = _enlarged(read_png16(depth, 1000), pixels, depth)
        with reading(camera, f"JSON with the 3×3 intrinsic of {image.stem}"):
            matrix = intrinsics(_poses(camera)[image.stem]["intrinsic"])
        return Sample(pixels, metres, matrix, frame.name)


def _enlarged(metres: NDArray[np.float32], image: NDArray[np.uint8], path: Path) -> NDArray[np.float32]:
    (height, width), (rows, columns) = image.shape[:2], metres.shape
    if rows > height or rows * width != columns * height:
        raise HyperfocalError(f"{path}: {metres.shape} does not fit the image's {image.shape[:2]}")
    row, column = ((np.arange(n) * 2 + 1) * m // (2 * n) for n, m in ((height, rows), (width, columns)))
    return np.asarray(metres[row[:, None], column])


@lru_cache(maxsize=8)  # megabytes a scene
def _poses(path: Path) -> dict[str, Any]:
    poses: dict[str, Any] = json.loads(path.read_text())
    return poses
