"""Reads a photo from anywhere: upright 8-bit sRGB pixels and the camera that took them."""

from __future__ import annotations

import io
import os
import stat
import sys
import threading
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from PIL import Image, ImageCms, UnidentifiedImageError
from PIL.ExifTags import IFD, Base

from hyperfocal.camera import (
    Camera,
    assumed_camera,
    camera_from_exif,
    camera_from_focal_px,
    camera_from_fov,
)
from hyperfocal.errors import HyperfocalError

if TYPE_CHECKING:
    import torch

PhotoLike: TypeAlias = "str | os.PathLike[str] | Image.Image | np.ndarray | torch.Tensor | Photo"

MIN_SIDE = 32  # a network sees nothing in less
MAX_PIXELS = 500_000_000

_BAND_PIXELS = 2**20  # pictures are converted in bands of rows, so that nothing but the result is large
_DRAWINGS = {"EPS", "WMF"}  # Pillow would start another program to draw these
_GREY_MODES = {"1", "L", "LA", "La", "I", "I;16", "I;16L", "I;16B", "I;16N", "F"}

# Upright pixels -> a view of them in the order of the file, for each EXIF orientation.
_AS_STORED: dict[int, Callable[[np.ndarray], np.ndarray]] = {
    2: lambda upright: upright[:, ::-1],
    3: lambda upright: upright[::-1, ::-1],
    4: lambda upright: upright[::-1],
    5: lambda upright: upright.swapaxes(0, 1),
    6: lambda upright: np.rot90(upright),
    7: lambda upright: upright[::-1, ::-1].swapaxes(0, 1),
    8: lambda upright: np.rot90(upright, -1),
}

_pillow_limit_lock = threading.Lock()


@dataclass(frozen=True, eq=False)
class Photo:
    """A photo, ready for the networks.

    Attributes:
        pixels: uint8 (H, W, 3), sRGB, upright. May share memory with the array that it was read from.
        camera: pinhole intrinsics for these pixels.
        name: stem for output files.
        notes: one-liners that the user should hear.
    """

    pixels: np.ndarray
    camera: Camera
    name: str
    notes: tuple[str, ...] = ()


def read_photo(
    source: PhotoLike,
    *,
    fov: float | None = None,
    focal_px: float | None = None,
    max_pixels: int = MAX_PIXELS,
) -> Photo:
    """Reads a photo.

    Pictures of every Pillow mode become 8-bit sRGB: the EXIF orientation is applied, an embedded colour
    profile is followed, transparency is laid on white (the paper that such a picture was drawn for; the
    colours stored under transparent pixels are arbitrary), 16 bits are rounded to 8, and of an
    animation the first frame is taken.

    Args:
        source: a path; a PIL image; an array (H, W, 3) or (H, W), uint8 or float in [0, 1]; or a tensor
            (3, H, W), uint8 or float in [0, 1]. A Photo is returned as it is.
        fov: horizontal field of view in degrees; overrides the EXIF.
        focal_px: focal length in pixels; overrides the EXIF.
        max_pixels: a file whose header promises more is refused before it is decoded.

    Raises:
        HyperfocalError: one line with the file and the reason, if this is no photo of at least 32x32.
    """
    if isinstance(source, Photo):
        return source
    if fov is not None and focal_px is not None:
        raise HyperfocalError("--fov and --focal-px say the same thing: give one of them")
    torch = sys.modules.get("torch")  # whoever holds a tensor has imported it; nobody else waits for it
    notes: list[str] = []
    exif_camera: Camera | None = None
    if isinstance(source, str | os.PathLike):
        path = Path(source)
        name = path.stem
        with load_image(path, max_pixels) as image:
            pixels, exif_camera = _from_image(image, str(path), notes)
    elif isinstance(source, Image.Image):
        name = Path(getattr(source, "filename", "")).stem or "photo"
        _refuse_large("image", source.width, source.height, max_pixels)
        pixels, exif_camera = _from_image(source, "image", notes)
    elif isinstance(source, np.ndarray):
        name, pixels = "photo", _from_array(source, "array", max_pixels)
    elif torch is not None and isinstance(source, torch.Tensor):
        name, pixels = "photo", _from_tensor(source, max_pixels)
    else:
        raise HyperfocalError(f"a photo is a path, PIL image, array or tensor, not {type(source).__name__}")
    height, width = pixels.shape[:2]
    if fov is not None:
        camera = camera_from_fov(width, height, fov)
    elif focal_px is not None:
        camera = camera_from_focal_px(width, height, focal_px)
    else:
        camera = exif_camera or assumed_camera(width, height)
    return Photo(pixels, camera, name, tuple(notes))


def load_image(path: Path, max_pixels: int = MAX_PIXELS) -> Image.Image:
    """Opens a picture file, checks the size in its header, and decodes its first frame.

    Raises:
        HyperfocalError: if there is no such file, it is no picture, is damaged, or is too large.
    """
    require_file(path)
    # Pillow's own limit is one global number below ours; the lock lets threads lift and restore it in turn.
    with _pillow_limit_lock, ExitStack() as on_failure:
        pillow_limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            image = on_failure.enter_context(Image.open(path))
            if image.format in _DRAWINGS:
                raise HyperfocalError(f"{path}: is a drawing ({image.format}), not a photo")
            _refuse_large(str(path), image.width, image.height, max_pixels)
            _exif(image, [])  # Pillow reads a TIFF's from the file, on demand, but load closes the file
            image.load()
            on_failure.pop_all()
            return image
        except HyperfocalError:
            raise
        except UnidentifiedImageError:
            raise HyperfocalError(
                f"{path}: is no picture that can be read (JPEG, PNG, WebP, TIFF...); convert HEIC or RAW"
            ) from None
        except Exception as error:  # a damaged file fails in as many ways as there are formats
            raise HyperfocalError(f"{path}: cannot be decoded: {one_line(error)}") from error
        finally:
            Image.MAX_IMAGE_PIXELS = pillow_limit


def require_file(path: Path) -> None:
    """Raises HyperfocalError unless `path` is a regular file with something in it."""
    try:
        status = path.stat()
    except (OSError, ValueError) as error:  # ValueError: a NUL character in the name
        raise HyperfocalError(f"{path}: {getattr(error, 'strerror', None) or error}") from None
    if stat.S_ISDIR(status.st_mode):
        raise HyperfocalError(f"{path}: is a folder, not a file")
    if not stat.S_ISREG(status.st_mode):
        raise HyperfocalError(f"{path}: is not a regular file")
    if status.st_size == 0:
        raise HyperfocalError(f"{path}: is empty (0 bytes)")


def one_line(error: BaseException) -> str:
    """What an error says, on one line; its name where it says nothing."""
    return " ".join(str(error).split()) or type(error).__name__


def _refuse_small(label: str, width: int, height: int) -> None:
    if min(width, height) < MIN_SIDE:
        raise HyperfocalError(
            f"{label}: {width}x{height} pixels is too small: each side needs {MIN_SIDE} or more"
        )


def _refuse_large(label: str, width: int, height: int, max_pixels: int) -> None:
    if width * height > max_pixels:
        raise HyperfocalError(
            f"{label}: {width}x{height} is {width * height} pixels, more than the limit of {max_pixels}; "
            "raise it with --max-pixels"
        )


def _from_image(image: Image.Image, label: str, notes: list[str]) -> tuple[np.ndarray, Camera | None]:
    """Upright sRGB pixels and the camera that the EXIF tells; appends to `notes`."""
    _refuse_small(label, *image.size)
    try:
        exif = _exif(image, notes)
        image.load()  # turns a TIFF upright, and then removes the orientation from the EXIF
        if _has_more_frames(image):
            notes.append(f"more than one frame: number {image.tell() + 1} is used")
        orientation = exif.get(Base.Orientation, 1)
        width, height = image.size if orientation not in (5, 6, 7, 8) else image.size[::-1]
        upright = np.empty((height, width, 3), np.uint8)
        stored = _AS_STORED[orientation](upright) if orientation in _AS_STORED else upright
        to_srgb = _srgb_converter(image, notes)
        rows = max(1, _BAND_PIXELS // image.width)
        transparent = False
        for top in range(0, image.height, rows):
            band = image.crop((0, top, image.width, min(top + rows, image.height)))
            band, see_through = _opaque_8_bit(band)
            transparent |= see_through
            stored[top : top + rows] = np.asarray(to_srgb(band))
    except HyperfocalError as error:
        raise HyperfocalError(f"{label}: {error}") from None
    except Exception as error:  # a closed or truncated file, a mode that Pillow can't convert, ...
        raise HyperfocalError(f"{label}: cannot be decoded: {one_line(error)}") from error
    if transparent:
        notes.append("transparent: laid on white")
    return upright, camera_from_exif(exif, width, height)


def _has_more_frames(image: Image.Image) -> bool:
    try:
        # An MPO is a JPEG that carries previews or a second eye, not an animation.
        return bool(getattr(image, "is_animated", False)) and image.format != "MPO"
    except Exception:  # damaged after the frame that we have
        return False


def _exif(image: Image.Image, notes: list[str]) -> Image.Exif:
    """The image's EXIF, its photographic part included."""
    try:
        exif = image.getexif()
        exif.get_ifd(IFD.Exif)
        return exif
    except Exception:  # the EXIF is only a hint: a damaged one must not lose the picture
        notes.append("damaged EXIF: ignored")
        return Image.Exif()


def _opaque_8_bit(band: Image.Image) -> tuple[Image.Image, bool]:
    """The band in a mode of 8-bit channels without alpha, and whether any of it was transparent."""
    if band.mode.startswith("I"):
        values = np.asarray(band)
        if values.min() < 0 or values.max() > 65535:
            raise HyperfocalError("has integers outside 0..65535: a photo has 8 or 16 bits a channel")
        eight_bit = (values.astype(np.uint32) + 128) // 257  # 65535 / 255 = 257, rounded to the nearest
        return Image.fromarray(eight_bit.astype(np.uint8)), False
    if band.mode == "F":
        return Image.fromarray(_unit_to_uint8(np.asarray(band))), False
    if band.has_transparency_data:
        with_alpha = band.convert("RGBA")
        white = Image.new("RGBA", band.size, "white")
        see_through = np.asarray(with_alpha.getchannel("A")).min() < 255
        return Image.alpha_composite(white, with_alpha).convert("RGB"), bool(see_through)
    return band, False


def _srgb_converter(image: Image.Image, notes: list[str]) -> Callable[[Image.Image], Image.Image]:
    """The way from the image's colours to sRGB: through its embedded profile where it has a usable one."""
    icc = image.info.get("icc_profile")
    if not icc:
        return lambda band: band.convert("RGB")
    mode = "L" if image.mode in _GREY_MODES else "CMYK" if image.mode == "CMYK" else "RGB"
    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(icc))
        if "sRGB" in ImageCms.getProfileDescription(profile):
            return lambda band: band.convert("RGB")
        transform = ImageCms.buildTransform(profile, ImageCms.createProfile("sRGB"), mode, "RGB")
    except (ImageCms.PyCMSError, ImportError, OSError, TypeError, ValueError):
        notes.append("colour profile cannot be used: colours taken as sRGB")
        return lambda band: band.convert("RGB")

    def convert(band: Image.Image) -> Image.Image:
        converted = ImageCms.applyTransform(band.convert(mode), transform)
        assert converted is not None  # it is only None for in-place transforms
        return converted

    return convert


def _from_array(array: np.ndarray, label: str, max_pixels: int) -> np.ndarray:
    """uint8 or unit-range float, (H, W, 3) or (H, W) -> uint8 (H, W, 3)."""
    if not (array.ndim == 2 or (array.ndim == 3 and array.shape[2] == 3)):
        raise HyperfocalError(f"{label}: shape must be (H, W, 3) or (H, W), not {array.shape}")
    _refuse_small(label, array.shape[1], array.shape[0])
    _refuse_large(label, array.shape[1], array.shape[0], max_pixels)
    if array.dtype != np.uint8 and not np.issubdtype(array.dtype, np.floating):
        raise HyperfocalError(f"{label}: dtype must be uint8, or float in [0, 1], not {array.dtype}")
    if array.ndim == 3 and array.dtype == np.uint8:
        return np.ascontiguousarray(array)
    pixels = np.empty((*array.shape[:2], 3), np.uint8)
    rows = max(1, _BAND_PIXELS // array.shape[1])
    for top in range(0, len(array), rows):
        band = array[top : top + rows]
        try:
            eight_bit = band if band.dtype == np.uint8 else _unit_to_uint8(band)
        except HyperfocalError as error:
            raise HyperfocalError(f"{label}: {error}") from None
        pixels[top : top + rows] = eight_bit if array.ndim == 3 else eight_bit[..., None]
    return pixels


def _from_tensor(tensor: Any, max_pixels: int) -> np.ndarray:
    if tensor.ndim != 3 or tensor.shape[0] != 3:
        raise HyperfocalError(f"tensor: shape must be (3, H, W), not {tuple(tensor.shape)}")
    if tensor.is_floating_point():
        tensor = tensor.float()  # numpy has no bfloat16
    return _from_array(tensor.detach().cpu().permute(1, 2, 0).numpy(), "tensor", max_pixels)


def _unit_to_uint8(values: np.ndarray) -> np.ndarray:
    low, high = float(values.min()), float(values.max())
    if not (low >= 0 and high <= 1):  # also False for NaN
        found = "NaN" if np.isnan(low) else f"{low:g} to {high:g}"
        raise HyperfocalError(f"floating-point pixels must lie in [0, 1], found {found}")
    return np.rint(values * np.float32(255)).astype(np.uint8)
