"""UnrealStereo4K: reader of its layout, which `hyperfocal synth` writes too.

`<root>/<scene>/{Image0,Disp0,Extrinsics0,Extrinsics1}/<frame>.{png|jpg,npy,txt,txt}`, left views only;
depth = f·B/disparity (Tosi et al., SMD-Nets, CVPR 2021).
"""

from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from hyperfocal.data.sample import Sample
from hyperfocal.errors import HyperfocalError


class Frame(NamedTuple):
    """The files of one frame."""

    image: Path
    disparity: Path
    left: Path
    right: Path


class UnrealStereo4K:
    """The complete frames of a folder, in the order of their names.

    Args:
        root: the folder that holds the scenes. It may grow while it is used: see `refresh`.

    Raises:
        HyperfocalError: the folder holds no complete frame.
    """

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root)
        self.refresh()

    def refresh(self) -> None:
        """Lists the frames anew; a frame that is still being written (a file is missing) is left out."""
        self.frames = [
            frame for scene in sorted(self.root.glob("*/Image0")) for frame in _frames(scene.parent)
        ]
        if not self.frames:
            raise HyperfocalError(
                f"{self.root}: no frames in UnrealStereo4K's layout "
                "(<scene>/Image0/*.png with Disp0/*.npy, Extrinsics0/*.txt and Extrinsics1/*.txt)"
            )

    def __len__(self) -> int:
        return len(self.frames)

    def __getitem__(self, index: int) -> Sample:
        return read_frame(self.frames[index])

    def disparity(self, index: int) -> NDArray[np.float32]:
        """float32 (H, W) in pixels of the left image; 0 = no surface. Edge metrics need it (SEE)."""
        return _disparity(self.frames[index].disparity)


def read_frame(frame: Frame) -> Sample:
    """Reads one frame.

    Raises:
        HyperfocalError: a file cannot be read or does not fit the others.
    """
    pixels = cv2.imread(str(frame.image), cv2.IMREAD_COLOR)
    if pixels is None:
        raise HyperfocalError(f"{frame.image}: not a readable image")
    image = np.asarray(cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB), np.uint8)
    disparity = _disparity(frame.disparity)
    if disparity.shape != image.shape[:2]:
        raise HyperfocalError(
            f"{frame.disparity}: {disparity.shape} does not fit the image's {image.shape[:2]}"
        )
    left, right = _camera(frame.left), _camera(frame.right)
    baseline = abs(left.translation - right.translation)
    metres = np.full_like(disparity, np.inf)
    np.divide(np.float32(left.intrinsics[0, 0] * baseline), disparity, out=metres, where=disparity > 0)
    scene = frame.image.parent.parent.name
    return Sample(image, metres, left.intrinsics, f"{scene}/{frame.image.stem}")


class _Camera(NamedTuple):
    intrinsics: NDArray[np.float64]
    translation: float


def _frames(scene: Path) -> list[Frame]:
    """Complete frames of a scene; four directory listings instead of four look-ups a frame."""
    images, disparities, lefts, rights = (
        {path.stem: path for path in (scene / folder).glob("*") if path.suffix in suffixes}
        for folder, suffixes in (
            ("Image0", (".png", ".jpg")),
            ("Disp0", (".npy",)),
            ("Extrinsics0", (".txt",)),
            ("Extrinsics1", (".txt",)),
        )
    )
    complete = sorted(images.keys() & disparities.keys() & lefts.keys() & rights.keys())
    return [Frame(images[stem], disparities[stem], lefts[stem], rights[stem]) for stem in complete]


def _disparity(path: Path) -> NDArray[np.float32]:
    try:
        disparity: NDArray[np.float32] = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise HyperfocalError(f"{path}: not a readable .npy array ({error})") from error
    if disparity.ndim != 2:
        raise HyperfocalError(f"{path}: expected one disparity a pixel, got shape {disparity.shape}")
    return disparity.astype(np.float32, copy=False)


def _camera(path: Path) -> _Camera:
    """Line 1 is K row by row, line 2 is [R|t] row by row: f is the first number, t_x the fourth of line 2."""
    try:
        k, rt = (np.array(line.split(), float) for line in path.read_text().splitlines()[:2])
        return _Camera(k.reshape(3, 3), float(rt[3]))
    except (OSError, ValueError, IndexError) as error:
        raise HyperfocalError(
            f"{path}: expected a 3×3 K on line 1 and a 3×4 [R|t] on line 2 ({error})"
        ) from error
