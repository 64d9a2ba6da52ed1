"""UnrealStereo4K: reader of its layout, which `hyperfocal synth` writes too.

`<root>/<scene>/{Image0,Disp0,Extrinsics0,Extrinsics1}/<frame>.{png|jpg,npy,txt,txt}`, left views only (`Image1` for
SSIM); depth = f·B/disparity (Tosi et al., SMD-Nets, CVPR 2021). The published lists of frames are splits.
"""

from collections.abc import Iterator
from os import SEEK_END
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hyperfocal.data.decode import depth_of_disparity, fitting, intrinsics, read_rgb, reading
from hyperfocal.data.frames import Frame, Frames, by_stem, join
from hyperfocal.data.sample import Sample
from hyperfocal.errors import HyperfocalError

try:
    import cv2
except ImportError:  # only training and rendering install it
    cv2 = None  # type: ignore[assignment]

IMAGES = (".png", ".jpg")
PNG_END = b"IEND\xaeB`\x82"


class UnrealStereo4K(Frames):
    """The frames of a folder of scenes. It may grow while it is used: see `refresh`. Sky is inf."""

    wanted = (
        "frames in UnrealStereo4K's layout "
        "(<scene>/Image0/*.png with Disp0/*.npy, Extrinsics0/*.txt and Extrinsics1/*.txt)"
    )
    parts = ("image", "disparity", "left camera", "right camera")

    def find(self) -> Iterator[Frame]:
        """Frames of all scenes."""
        for scene in self.root.iterdir() if self.root.is_dir() else ():
            parts = {
                "image": by_stem(scene / "Image0", *IMAGES),
                "disparity": by_stem(scene / "Disp0", ".npy"),
                "left camera": by_stem(scene / "Extrinsics0", ".txt"),
                "right camera": by_stem(scene / "Extrinsics1", ".txt"),
            }
            yield from join(scene.name, **parts)

    def read(self, frame: Frame) -> Sample:
        """Reads a frame."""
        image, path = _picture(frame.files["image"]), frame.files["disparity"]
        disparity = fitting(_disparity(path), image, path)
        left, right = (_camera(frame.files[f"{side} camera"]) for side in ("left", "right"))
        baseline = abs(left.translation - right.translation)
        metres = depth_of_disparity(disparity, left.intrinsics[0, 0] * baseline, np.inf)
        return Sample(image, metres, left.intrinsics, frame.name)

    def disparity(self, index: int) -> NDArray[np.float32]:
        """float32 (H, W) in pixels of the left image; 0 = no surface. Edge metrics need it (SEE)."""
        return _disparity(self.frames[index].files["disparity"])

    def right(self, index: int) -> NDArray[np.uint8]:
        """The right view, uint8 (H, W, 3); HyperfocalError if it can't be read."""
        left = self.frames[index].files["image"]
        return _picture(left.parent.with_name("Image1") / left.name)


class _Camera(NamedTuple):
    intrinsics: NDArray[np.float64]
    translation: float


def _picture(path: Path) -> NDArray[np.uint8]:
    """OpenCV decodes a whole 4K PNG in 0.22 s, Pillow in 0.32 s, but Pillow says in one line what is broken."""
    pixels = cv2.imread(str(path), cv2.IMREAD_COLOR) if cv2 is not None and _is_whole_png(path) else None
    return read_rgb(path) if pixels is None else np.asarray(cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB), np.uint8)


def _is_whole_png(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            file.seek(-len(PNG_END), SEEK_END)
            return file.read() == PNG_END
    except OSError:
        return False


def _disparity(path: Path) -> NDArray[np.float32]:
    with reading(path, "a .npy array"):
        disparity: NDArray[np.float32] = np.load(path, allow_pickle=False)
        if disparity.ndim != 2:
            raise HyperfocalError(f"expected one disparity a pixel, got shape {disparity.shape}")
        return disparity.astype(np.float32, copy=False)


def _camera(path: Path) -> _Camera:
    """Line 1 is K row by row, line 2 is [R|t] row by row: f is the first number, t_x the fourth of line 2."""
    with reading(path, "a 3×3 K on line 1 and a 3×4 [R|t] on line 2"):
        k, rt = (np.array(line.split(), float) for line in path.read_text().splitlines()[:2])
        return _Camera(intrinsics(k), float(rt[3]))
