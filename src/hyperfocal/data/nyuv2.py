"""NYU Depth V2 (Silberman et al., ECCV 2012): Kinect depth of rooms, 640×480.

Either the labelled set as it is downloaded, `nyu_depth_v2_labeled.mat` (with `splits.mat` for the splits train and
test), or pairs as everybody extracts them: `<root>/**/<scene>/{rgb,sync_depth}_<frame>.{jpg,png}`, 16-bit millimetres,
0 = unknown; splits are lists of frames. The camera is the toolbox's.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from hyperfocal.data.decode import fitting, pinhole, read_png16, read_rgb, reading
from hyperfocal.data.frames import Frame, Frames, Scope, by_stem, join
from hyperfocal.data.sample import Sample
from hyperfocal.metrics.depth import EIGEN_NYU

INTRINSICS = (518.85790, 519.46961, 325.58245, 253.73617)
MAT = "nyu_depth_v2_labeled.mat"


def nyuv2(root: str | Path, split: str | None = None) -> Frames:
    """Return the reader of what lies in `root`: the labelled .mat file, or else pairs.

    Raises:
        HyperfocalError: neither is there.
    """
    return NYUv2Labelled(root, split) if (Path(root) / MAT).is_file() else NYUv2Pairs(root, split)


class NYUv2Pairs(Frames):
    """Photos and depth maps as files."""

    wanted = f"frames of NYU Depth V2 ({MAT}, or <scene>/rgb_*.jpg with sync_depth_*.png)"
    parts = ("image", "depth")
    scope = Scope(max_depth=10.0, window=EIGEN_NYU)

    def find(self) -> Iterator[Frame]:
        """Frames of all scenes, at any depth below the root."""
        for scene in self.root.glob("**/"):
            images = by_stem(scene, ".jpg", ".png", prefix="rgb_")
            depths = by_stem(scene, ".png", prefix="sync_depth_")
            if images or depths:
                yield from join(scene.relative_to(self.root).as_posix(), image=images, depth=depths)

    def read(self, frame: Frame) -> Sample:
        """Reads a frame."""
        image, depth = (frame.files[part] for part in self.parts)
        pixels = read_rgb(image)
        metres = fitting(read_png16(depth, 1000), pixels, depth)
        return Sample(pixels, metres, pinhole(*INTRINSICS), frame.name)


class NYUv2Labelled(Frames):
    """The 1449 frames of the .mat file by their index from 0; depth with its holes filled, as published."""

    wanted = f"frames in {MAT}"
    parts = ("depth",)
    scope = NYUv2Pairs.scope

    def find(self) -> Iterator[Frame]:
        """A frame for each index, `<split>/<index>` where there is a splits.mat."""
        path, splits = self.root / MAT, self.root / "splits.mat"
        with _open(path) as mat:
            names = [f"{index:05d}" for index in range(len(mat["depths"]))]
        if splits.is_file():
            from scipy.io import loadmat

            with reading(splits, "trainNdxs and testNdxs"):
                found = loadmat(splits)
                for split in ("train", "test"):
                    for index in found[f"{split}Ndxs"].ravel() - 1:  # MATLAB counts from 1
                        names[index] = f"{split}/{index:05d}"
        yield from (Frame(name, {"depth": path}) for name in names)

    def read(self, frame: Frame) -> Sample:
        """Reads a frame; MATLAB stores arrays by columns."""
        path, index = frame.files["depth"], int(frame.name.rpartition("/")[2])
        with _open(path) as mat:
            pixels = np.ascontiguousarray(mat["images"][index].transpose(2, 1, 0), np.uint8)
            metres = np.ascontiguousarray(mat["depths"][index].T, np.float32)
        return Sample(pixels, fitting(metres, pixels, path), pinhole(*INTRINSICS), frame.name)


@contextmanager
def _open(path: Path) -> Iterator[Any]:
    import h5py

    with reading(path, "MATLAB 7.3 with images and depths"), h5py.File(path) as mat:
        yield mat
