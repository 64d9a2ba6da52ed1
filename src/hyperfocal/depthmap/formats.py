"""The file formats of depth maps: a function each to write and to read, and the tables by suffix."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import OpenEXR
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from hyperfocal.errors import HyperfocalError
from hyperfocal.photo import load_image, one_line, require_file

if TYPE_CHECKING:
    from hyperfocal.depthmap import DepthMap

T = TypeVar("T")

# Measured on a noisy 3840x2160 16-bit map: level 1 takes 0.34 s, 6.5 MB; 2 0.35 s, 6.4 MB; 3 0.54 s, 6.1 MB.
PNG_LEVEL = 1
PNG_MAX_METRES = 65.535

_PREFIX = "hyperfocal."  # of our text entries, so that they clash with nobody's
_TIFF_DESCRIPTION = 270


@dataclass(frozen=True)
class Contents:
    """What a file holds: (H, W) depth, in its `unit` until `read_map`, our text entries, (H, W) confidence if any."""

    metres: np.ndarray
    text: Mapping[str, str] = field(default_factory=dict)
    confidence: np.ndarray | None = None
    unit: float = 1.0  # metres of 1 in the file


def by_suffix(table: Mapping[str, T], path: Path) -> T:
    """The table's entry for the suffix of `path`; HyperfocalError with the known ones if it has none."""
    try:
        return table[path.suffix.lower()]
    except KeyError:
        suffix = path.suffix or "no suffix"
        raise HyperfocalError(f"{path}: unknown format ({suffix}): known are {' '.join(table)}") from None


def write_npy(depth: DepthMap, path: Path) -> None:
    """NumPy: float32 metres, inf kept; no intrinsics."""
    metres = np.ascontiguousarray(depth.metres)
    with path.open("wb") as file:
        # np.save ends in ndarray.tofile, which forgets why the system refused.
        np.lib.format.write_array_header_1_0(file, np.lib.format.header_data_from_array_1_0(metres))
        file.write(metres.data)


def write_png(depth: DepthMap, path: Path) -> None:
    """16-bit PNG in millimetres: 0 is no surface, 65535 is 65.535 m or farther."""
    metres = depth.metres
    millimetres = np.empty(metres.shape, np.uint16)
    saturated = 0
    for row, output in zip(metres, millimetres, strict=True):
        surface = np.isfinite(row)
        saturated += int(np.count_nonzero(surface & (row > PNG_MAX_METRES)))
        # 1 at least: 0 means that there is no surface.
        output[:] = np.where(surface, np.clip(np.rint(row * 1000), 1, 65535), 0)
    if saturated:
        warnings.warn(
            f"{100 * saturated / metres.size:.2g} % of the pixels are beyond {PNG_MAX_METRES} m, "
            "the end of a 16-bit PNG in millimetres, and saturate: .exr keeps them",
            stacklevel=3,
        )
    info = PngInfo()
    info.add_text("Description", "depth in millimetres; 0 is no surface, 65535 is 65.535 m or farther")
    for key, value in _text(depth, unit="millimetre", scale_to_metres="0.001", no_surface="0").items():
        info.add_text(key, value)
    with path.open("wb") as file:
        Image.fromarray(millimetres).save(file, "PNG", compress_level=PNG_LEVEL, pnginfo=info)


def write_tif(depth: DepthMap, path: Path) -> None:
    """32-bit float TIFF in metres, uncompressed (any program opens it), described by JSON."""
    description = json.dumps(_text(depth, unit="metre", no_surface="inf"))
    with path.open("wb") as file:
        image = Image.fromarray(np.ascontiguousarray(depth.metres))
        image.save(file, "TIFF", tiffinfo={_TIFF_DESCRIPTION: description})


def write_exr(depth: DepthMap, path: Path) -> None:
    """OpenEXR in metres: float32 channel Z, and `confidence` where there is one; ZIP compression."""
    header = {
        **_text(depth, unit="metre", no_surface="inf"),
        "compression": OpenEXR.ZIP_COMPRESSION,
        "type": OpenEXR.scanlineimage,
    }
    channels = {"Z": np.ascontiguousarray(depth.metres)}
    if depth.confidence is not None:
        channels["confidence"] = np.ascontiguousarray(depth.confidence)
    try:
        OpenEXR.File(header, channels).write(str(path))
    except RuntimeError as error:
        raise OSError(str(error)) from error


def read_npy(path: Path) -> Contents:
    """A floating-point (H, W) array in metres."""
    metres = np.load(path, allow_pickle=False)
    if not isinstance(metres, np.ndarray) or not np.issubdtype(metres.dtype, np.floating):
        raise HyperfocalError("holds no array of floating-point metres")
    return Contents(metres)


def read_npz(path: Path) -> Contents:
    """The array "depth" of a NumPy archive, as Depth Pro writes it, or else its only array."""
    with np.load(path, allow_pickle=False) as arrays:
        if "depth" not in arrays and len(arrays) != 1:
            raise HyperfocalError(f"has no array depth, but {', '.join(arrays)}")
        return Contents(arrays["depth" if "depth" in arrays else next(iter(arrays))])


def read_png(path: Path) -> Contents:
    """A 16-bit grey PNG: in millimetres, unless our own text in it says another scale."""
    with load_image(path) as image:
        text = _entries(image.info)
        if not image.mode.startswith("I"):
            raise HyperfocalError(f"is no 16-bit grey PNG (its mode is {image.mode})")
        values = np.asarray(image).astype(np.float32)
    return Contents(values, text, unit=float(text.get("scale_to_metres", "0.001")))


def read_tif(path: Path) -> Contents:
    """A one-channel 32-bit float TIFF in metres."""
    with load_image(path) as image:
        if image.mode != "F":
            raise HyperfocalError(f"is no 32-bit float TIFF (its mode is {image.mode})")
        description = getattr(image, "tag_v2", {}).get(_TIFF_DESCRIPTION, "")
        metres = np.array(image)
    try:
        entries = json.loads(description)
    except ValueError:  # somebody else's description
        entries = {}
    return Contents(metres, _entries(entries if isinstance(entries, dict) else {}))


def read_exr(path: Path) -> Contents:
    """An OpenEXR file in metres: channel Z, or else the only channel."""
    file = OpenEXR.File(str(path), separate_channels=True)
    channels = file.channels()
    if "Z" not in channels and len(channels) > 1:
        raise HyperfocalError(f"has no channel Z, but {', '.join(channels)}")
    depth = channels["Z"] if "Z" in channels else next(iter(channels.values()))
    confidence = channels["confidence"].pixels if "confidence" in channels else None
    return Contents(depth.pixels, _entries(file.header()), confidence)


def read_pfm(path: Path) -> Contents:
    """A grey PFM in metres, of either endianness. Its scale is no factor: Middlebury's is -0.0039."""
    with load_image(path) as image:
        if image.format != "PPM" or image.mode != "F":
            raise HyperfocalError(f"is no grey PFM (its mode is {image.mode})")
        return Contents(np.array(image))


WRITERS: dict[str, Callable[[DepthMap, Path], None]] = {
    ".npy": write_npy,
    ".png": write_png,
    ".tif": write_tif,
    ".tiff": write_tif,
    ".exr": write_exr,
}
READERS: dict[str, Callable[[Path], Contents]] = {
    ".npy": read_npy,
    ".png": read_png,
    ".tif": read_tif,
    ".tiff": read_tif,
    ".npz": read_npz,
    ".exr": read_exr,
    ".pfm": read_pfm,
}
# Of files of one stem the first of these is the map: those at the end are often pictures of it.
_OFTEN_PICTURES = (".tif", ".tiff", ".png")
SEARCHED = (*(suffix for suffix in READERS if suffix not in _OFTEN_PICTURES), *_OFTEN_PICTURES)


def read_map(path: Path, unit: float | None = None) -> Contents:
    """A file's map in float32 metres, 0, NaN and negative values as they are.

    Args:
        path: of any format of `READERS`.
        unit: metres of 1 in the file; by default what the file says, else millimetres for .png, else metres.

    Raises:
        HyperfocalError: if the file is missing, damaged, or no map.
    """
    read = by_suffix(READERS, path)
    require_file(path)
    with naming(path):
        contents = read(path)
        metres = contents.metres.astype(np.float32, copy=False)
        if metres.ndim != 2 or metres.size == 0:
            raise HyperfocalError(f"holds an array of shape {metres.shape}, not (H, W)")
        unit = contents.unit if unit is None else unit
        return replace(contents, metres=metres if unit == 1 else metres * np.float32(unit), unit=unit)


def find_map(folder: Path, name: str) -> Path:
    """The file of a frame: `<name>`, `<name>` with _ for /, or the last part of `<name>`, and a known suffix.

    Raises:
        HyperfocalError: there is none.
    """
    stems = dict.fromkeys((name, name.replace("/", "_"), Path(name).name))
    found = (folder / f"{stem}{suffix}" for stem in stems for suffix in SEARCHED)
    path = next((p for p in found if p.is_file()), None)
    if path is None:
        raise HyperfocalError(f"{folder}: no depth map of {name} ({' '.join(SEARCHED)})")
    return path


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Turns what goes wrong inside into a HyperfocalError of one line that names the file."""
    try:
        yield
    except HyperfocalError as error:
        line = str(error).removeprefix(f"{path}: ")
        raise HyperfocalError(f"{path}: {line}") from error
    except Exception as error:  # a damaged file fails in as many ways as there are formats
        reason = one_line(error).replace(str(path), path.name)
        raise HyperfocalError(f"{path}: cannot be read as a depth map: {reason}") from error


def write_picture_png(picture: np.ndarray, path: Path) -> None:
    """uint8 (H, W, 3) as 8-bit PNG."""
    with path.open("wb") as file:
        Image.fromarray(picture).save(file, "PNG", compress_level=PNG_LEVEL)


def write_picture_jpg(picture: np.ndarray, path: Path) -> None:
    """uint8 (H, W, 3) as JPEG."""
    with path.open("wb") as file:
        Image.fromarray(picture).save(file, "JPEG", quality=92)


PICTURE_WRITERS: dict[str, Callable[[np.ndarray, Path], None]] = {
    ".png": write_picture_png,
    ".jpg": write_picture_jpg,
    ".jpeg": write_picture_jpg,
}


def _text(depth: DepthMap, **about_values: str) -> dict[str, str]:
    """The entries that a file with room for text gets."""
    camera = {
        "intrinsics": json.dumps(depth.intrinsics.tolist()),
        "intrinsics_source": depth.intrinsics_source,
    }
    return {_PREFIX + key: value for key, value in {**depth.meta, **about_values, **camera}.items()}


def _entries(found: Mapping[Any, Any]) -> dict[str, str]:
    """Our own among the text entries found in a file, without their prefix."""
    return {
        str(key).removeprefix(_PREFIX): str(value)
        for key, value in found.items()
        if str(key).startswith(_PREFIX)
    }
