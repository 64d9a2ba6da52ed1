"""A plain folder of photos with same-stem depth in `depth/` or beside them.

Depth is .npy, .npz, .exr, .pfm or .tif in metres, or 16-bit .png in millimetres, the first of these that is there;
inf, NaN and 0 are unknown. Where both are .png, the depth has to be in `depth/`.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from hyperfocal.data.decode import fitting
from hyperfocal.data.frames import Frame, Frames, by_stem
from hyperfocal.data.sample import Sample
from hyperfocal.depthmap import DepthMap
from hyperfocal.depthmap.formats import SEARCHED
from hyperfocal.photo import read_photo

IMAGES = (".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp")
DEPTHS = SEARCHED


class Folder(Frames):
    """The pairs of a folder in the order of their names.

    Args:
        root: the folder.
        split: see `Frames`.
        focal_px: focal length of all photos in pixels; by default that of each photo's EXIF, else assumed.

    Raises:
        HyperfocalError: the folder holds no pair.
    """

    wanted = f"photo with a same-stem {', '.join(DEPTHS)} beside it or in depth/"
    parts = ("image", "depth")

    def __init__(self, root: str | Path, split: str | None = None, focal_px: float | None = None) -> None:
        self.focal_px = focal_px
        super().__init__(root, split)

    def find(self) -> Iterator[Frame]:
        """Pairs by their stem; what is beside a photo of the same stem and no photo format is depth."""
        images = by_stem(self.root, *IMAGES)
        below = by_stem(self.root / "depth", *DEPTHS)
        for stem in images.keys() | below.keys() | by_stem(self.root, *DEPTHS).keys():
            beside = (self.root / f"{stem}{suffix}" for suffix in DEPTHS)
            depth = below.get(stem) or next(
                (p for p in beside if p != images.get(stem) and p.is_file()), None
            )
            files = {"image": images.get(stem), "depth": depth}
            yield Frame(stem, {part: path for part, path in files.items() if path is not None})

    def read(self, frame: Frame) -> Sample:
        """Reads a pair."""
        image, depth = (frame.files[part] for part in self.parts)
        photo = read_photo(image, focal_px=self.focal_px)
        metres = fitting(DepthMap.open(depth).metres, photo.pixels, depth)
        known = np.where(np.isfinite(metres), metres, np.float32(0))
        return Sample(photo.pixels, known, photo.camera.matrix, frame.name)
