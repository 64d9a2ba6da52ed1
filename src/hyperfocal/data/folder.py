"""A plain folder of photos with same-stem depth in `depth/` or beside them.

Depth is .npy, .exr or .tif in metres, or 16-bit .png in millimetres; inf, NaN and 0 are unknown. Where both are .png,
the depth has to be in `depth/`.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hyperfocal.data.sample import Sample
from hyperfocal.depthmap import DepthMap
from hyperfocal.errors import HyperfocalError
from hyperfocal.photo import read_photo

IMAGES = (".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp")
DEPTHS = (".npy", ".exr", ".png", ".tif")


class Pair(NamedTuple):
    """A photo and its depth."""

    image: Path
    depth: Path


class Folder:
    """The pairs of a folder in the order of their names.

    Args:
        root: the folder.
        focal_px: focal length of all photos in pixels; by default that of each photo's EXIF, else assumed.

    Raises:
        HyperfocalError: the folder holds no pair.
    """

    def __init__(self, root: str | Path, focal_px: float | None = None) -> None:
        self.root, self.focal_px = Path(root), focal_px
        photos = sorted(p for p in self.root.glob("*") if p.suffix.lower() in IMAGES)
        pairs = ((photo, self._depth_of(photo)) for photo in photos)
        self.frames = [Pair(photo, depth) for photo, depth in pairs if depth is not None]
        if not self.frames:
            raise HyperfocalError(
                f"{self.root}: no photo with a same-stem {', '.join(DEPTHS)} beside it or in depth/"
            )

    def _depth_of(self, photo: Path) -> Path | None:
        beside = [photo.with_suffix(s) for s in DEPTHS if s != photo.suffix.lower()]
        below = [self.root / "depth" / f"{photo.stem}{s}" for s in DEPTHS]
        return next((p for p in [*below, *beside] if p.is_file()), None)

    def __len__(self) -> int:
        return len(self.frames)

    def __getitem__(self, index: int) -> Sample:
        pair = self.frames[index]
        photo = read_photo(pair.image, focal_px=self.focal_px)
        metres = DepthMap.open(pair.depth).metres
        if metres.shape != photo.pixels.shape[:2]:
            raise HyperfocalError(
                f"{pair.depth}: {metres.shape} does not fit the photo's {photo.pixels.shape[:2]}"
            )
        known = np.where(np.isfinite(metres), metres, np.float32(0))
        return Sample(photo.pixels, known, photo.camera.matrix, photo.name)

    def disparity(self, index: int) -> NDArray[np.float32] | None:
        """There is none: edges are taken from depth."""
        return None
