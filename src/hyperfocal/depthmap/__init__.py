"""DepthMap: metres, confidence and intrinsics of one photo; saves, opens, and becomes a colour picture."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from hyperfocal.camera import Camera, assumed_camera, check_intrinsics
from hyperfocal.depthmap.atomic import replacing
from hyperfocal.depthmap.formats import PICTURE_WRITERS, WRITERS, by_suffix, naming, read_map
from hyperfocal.depthmap.picture import depth_picture
from hyperfocal.errors import HyperfocalError

_DESCRIBING_THE_FILE = {"unit", "scale_to_metres", "no_surface", "intrinsics", "intrinsics_source"}


@dataclass(frozen=True, eq=False)
class DepthMap:
    """A metric depth map.

    Attributes:
        metres: float32 (H, W), distance along the camera's z axis; inf is sky or no surface; never NaN,
            never 0 or less.
        intrinsics: (3, 3) float64 pinhole matrix in pixels, OpenCV axes.
        intrinsics_source: "exif", "focal_px", "fov", "assumed" or "given".
        confidence: float32 (H, W) in [0, 1], or None where the model has none.
        meta: model, tiling, ...: written into the formats that can hold text.

    Raises:
        HyperfocalError: if a shape, dtype or value is not as above.
    """

    metres: np.ndarray
    intrinsics: np.ndarray
    intrinsics_source: str
    confidence: np.ndarray | None = None
    meta: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        metres, confidence = self.metres, self.confidence
        if metres.ndim != 2 or metres.size == 0 or metres.dtype != np.float32:
            raise HyperfocalError(f"depth must be float32 (H, W), not {metres.dtype} {metres.shape}")
        lowest = metres.min()
        if np.isnan(lowest):
            raise HyperfocalError("depth has NaN: no surface is inf")
        if lowest <= 0:
            raise HyperfocalError(f"depth must be above 0 metres, found {lowest:g}")
        check_intrinsics(self.intrinsics)
        if confidence is not None:
            if confidence.shape != metres.shape or confidence.dtype != np.float32:
                raise HyperfocalError(
                    f"confidence must be float32 {metres.shape}, not {confidence.dtype} {confidence.shape}"
                )
            if not (confidence.min() >= 0 and confidence.max() <= 1):
                raise HyperfocalError("confidence must lie in [0, 1]")

    def save(self, path: str | os.PathLike[str], *, color: str | os.PathLike[str] | None = None) -> None:
        """Writes the map in the format that the suffix names: .npy .png (16-bit, millimetres) .tif .exr.

        The folder is created if missing. The file appears whole or not at all, in place of an older one.

        Args:
            path: where to.
            color: also write the colour picture there (.png or .jpg).

        Raises:
            HyperfocalError: if a suffix is unknown or the system refuses.
        """
        path = Path(path)
        write = by_suffix(WRITERS, path)
        if color is not None:
            by_suffix(PICTURE_WRITERS, Path(color))  # refused before anything is written
        with replacing(path) as temporary:
            write(self, temporary)
        if color is not None:
            self.save_picture(color)

    def save_picture(self, path: str | os.PathLike[str]) -> None:
        """Writes the colour picture as 8-bit RGB, .png or .jpg, like `save`."""
        path = Path(path)
        write = by_suffix(PICTURE_WRITERS, path)
        with replacing(path) as temporary:
            write(self.color(), temporary)

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> DepthMap:
        """Reads what `save` writes, and other programs' maps in metres (.png: 16-bit millimetres; also .npz, .pfm).

        0 and NaN, which others use for it, become inf: no surface. A file that holds no intrinsics gets
        assumed ones, and `intrinsics_source` says so.

        Raises:
            HyperfocalError: if the file is missing, damaged, or no depth map.
        """
        path = Path(path)
        with naming(path):
            contents = read_map(path)
            metres = contents.metres
            missing = np.isnan(metres) | (metres == 0)
            if missing.any():
                metres = np.where(missing, np.float32(np.inf), metres)
            camera = _camera(contents.text, metres.shape[1], metres.shape[0])
            meta = {key: value for key, value in contents.text.items() if key not in _DESCRIBING_THE_FILE}
            return cls(metres, camera.matrix, camera.source, contents.confidence, meta)

    def color(self) -> np.ndarray:
        """The colour picture, uint8 (H, W, 3): near red, far violet (on inverse depth), no surface grey."""
        return depth_picture(self.metres)


def _camera(text: Mapping[str, str], width: int, height: int) -> Camera:
    """The camera that a file's text entries give, else the assumed one."""
    if "intrinsics" not in text:
        return assumed_camera(width, height)
    matrix = np.array(json.loads(text["intrinsics"]), np.float64)
    return Camera(matrix, text.get("intrinsics_source", "given"))
