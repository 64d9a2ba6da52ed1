"""Reading photos: every kind of picture comes out as upright sRGB, every bad input as one clear line."""

import io
import os
import threading
import tracemalloc
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageCms, ImageOps
from PIL.ExifTags import IFD, Base
from PIL.PngImagePlugin import PngInfo

from hyperfocal.errors import HyperfocalError
from hyperfocal.photo import read_photo

WIDTH, HEIGHT = 48, 36


@pytest.fixture
def pixels():
    return np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)


def refused(source, *words, **options):
    """The one line of the refusal, which must hold every word."""
    with pytest.raises(HyperfocalError) as caught:
        read_photo(source, **options)
    message = str(caught.value)
    assert "\n" not in message
    for word in words:
        assert word in message
    return message


def saved(tmp_path, image, name="picture.png", **options):
    path = tmp_path / name
    image.save(path, **options)
    return path


# --- what comes in ---------------------------------------------------------------------------------


def test_every_kind_of_source_gives_the_same_pixels(tmp_path, pixels):
    image = Image.fromarray(pixels)
    path = saved(tmp_path, image, "my photo.v2.png")
    tensor = torch.from_numpy(pixels).permute(2, 0, 1)
    sources = [
        path,
        str(path),
        image,
        pixels,
        pixels.astype(np.float32) / 255,
        pixels.astype(np.float64) / 255,
        np.asfortranarray(pixels),
        tensor,
        tensor / 255,
        (tensor / 255).double().requires_grad_(),
    ]
    for source in sources:
        photo = read_photo(source)
        assert photo.pixels.dtype == np.uint8
        assert photo.pixels.flags.c_contiguous
        assert np.array_equal(photo.pixels, pixels)
        assert photo.notes == ()
    assert read_photo(path).name == "my photo.v2"
    assert read_photo(Image.open(path)).name == "my photo.v2"
    assert read_photo(image).name == read_photo(pixels).name == read_photo(tensor).name == "photo"


def test_half_precision_tensors(pixels):
    tensor = torch.from_numpy(pixels).permute(2, 0, 1) / 255
    for dtype in (torch.float16, torch.bfloat16):
        assert np.abs(read_photo(tensor.to(dtype)).pixels.astype(int) - pixels).max() <= 1


def test_grey_arrays(pixels):
    grey = pixels[..., 0]
    for source in (grey, grey.astype(np.float32) / 255):
        assert np.array_equal(read_photo(source).pixels, np.repeat(grey[..., None], 3, axis=2))


def test_large_pictures_are_converted_in_bands_without_a_seam():
    pixels = np.random.default_rng(0).integers(0, 256, (1100, 1201, 3), np.uint8)
    assert np.array_equal(read_photo(Image.fromarray(pixels)).pixels, pixels)
    assert np.array_equal(read_photo(pixels.astype(np.float32) / 255).pixels, pixels)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("name", ["photo.jpg", "photo.png", "photo.tif", "photo.webp"])
def test_exif_orientation(tmp_path, orientation, name):
    smooth = np.linspace(0, 255, HEIGHT * WIDTH * 3).reshape(HEIGHT, WIDTH, 3).astype(np.uint8)
    exif = Image.Exif()
    exif[Base.Orientation] = orientation
    exif[IFD.Exif] = {Base.FocalLengthIn35mmFilm: 35}
    path = saved(tmp_path, Image.fromarray(smooth), name, exif=exif.tobytes())
    photo = read_photo(path)
    with Image.open(path) as image:
        assert np.array_equal(photo.pixels, np.asarray(ImageOps.exif_transpose(image).convert("RGB")))
    assert photo.pixels.shape[:2] == ((HEIGHT, WIDTH) if orientation < 5 else (WIDTH, HEIGHT))
    height, width = photo.pixels.shape[:2]
    assert photo.camera.source == "exif"
    assert photo.camera.focal_px == pytest.approx(35 / 43.26661 * np.hypot(WIDTH, HEIGHT))
    assert photo.camera.matrix[:2, 2].tolist() == [(width - 1) / 2, (height - 1) / 2]


def test_options_override_the_exif(tmp_path, pixels):
    exif = Image.Exif()
    exif[IFD.Exif] = {Base.FocalLengthIn35mmFilm: 35}
    path = saved(tmp_path, Image.fromarray(pixels), "photo.jpg", exif=exif.tobytes())
    assert read_photo(path, fov=90).camera.focal_px == pytest.approx(WIDTH / 2)
    assert read_photo(path, fov=90).camera.source == "fov"
    assert read_photo(path, focal_px=77).camera.focal_px == pytest.approx(77)
    assert read_photo(pixels).camera.source == "assumed"
    refused(path, "--fov", "--focal-px", fov=90, focal_px=77)


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
def test_damaged_exif_does_not_lose_the_picture(tmp_path, pixels, monkeypatch):
    path = saved(
        tmp_path, Image.fromarray(pixels), "photo.jpg", exif=b"Exif\0\0II*\0\xff\xff\xff\xff rubbish"
    )
    assert read_photo(path).camera.source == "assumed"
    monkeypatch.setattr(Image.Exif, "get_ifd", lambda *_: {}["as other versions of Pillow do"])
    assert read_photo(path).notes == ("damaged EXIF: ignored",)


# --- kinds of picture -------------------------------------------------------------------------------


def test_cmyk(tmp_path):
    for name in ("ink.jpg", "ink.tif"):
        path = saved(tmp_path, Image.new("CMYK", (WIDTH, HEIGHT), (0, 255, 255, 0)), name)
        assert np.abs(read_photo(path).pixels.astype(int) - (255, 0, 0)).max() <= 3


def test_palette(tmp_path, pixels):
    image = Image.fromarray(pixels).quantize(16)
    assert np.array_equal(read_photo(saved(tmp_path, image)).pixels, np.asarray(image.convert("RGB")))


def test_palette_with_transparency_is_laid_on_white(tmp_path):
    image = Image.new("P", (WIDTH, HEIGHT), 0)
    image.putpalette([10, 20, 30, 200, 100, 50])
    image.paste(1, (0, 0, 10, HEIGHT))
    photo = read_photo(saved(tmp_path, image, transparency=0))
    assert photo.pixels[0, 0].tolist() == [200, 100, 50]
    assert photo.pixels[0, -1].tolist() == [255, 255, 255]
    assert photo.notes == ("transparent: laid on white",)


def test_alpha_is_laid_on_white(tmp_path):
    for mode, half, full in (("RGBA", (0, 0, 0, 128), (9, 8, 7, 255)), ("LA", (0, 128), (9, 255))):
        image = Image.new(mode, (WIDTH, HEIGHT), half)
        image.paste(full, (0, 0, 10, HEIGHT))
        photo = read_photo(saved(tmp_path, image))
        assert photo.pixels[0, 0].tolist() == ([9, 8, 7] if mode == "RGBA" else [9, 9, 9])
        assert photo.pixels[0, -1].tolist() == [127, 127, 127]
        assert photo.notes == ("transparent: laid on white",)


def test_opaque_alpha_is_not_worth_a_note(tmp_path, pixels):
    photo = read_photo(saved(tmp_path, Image.fromarray(pixels).convert("RGBA")))
    assert np.array_equal(photo.pixels, pixels)
    assert photo.notes == ()


@pytest.mark.parametrize("name", ["grey.png", "grey.tif"])
def test_16_bit_grey_is_scaled_not_clipped(tmp_path, name):
    values = np.linspace(0, 65535, HEIGHT * WIDTH).reshape(HEIGHT, WIDTH).astype(np.uint16)
    photo = read_photo(saved(tmp_path, Image.fromarray(values), name))
    assert np.array_equal(photo.pixels[..., 0], np.rint(values / 257).astype(np.uint8))
    assert np.array_equal(photo.pixels[..., 0], photo.pixels[..., 2])


def test_32_bit_integers_hold_16_bit_grey():
    values = np.linspace(0, 65535, HEIGHT * WIDTH).reshape(HEIGHT, WIDTH).astype(np.int32)
    assert np.array_equal(
        read_photo(Image.fromarray(values)).pixels[..., 0], np.rint(values / 257).astype(np.uint8)
    )
    refused(Image.fromarray(values + 1), "0..65535")
    refused(Image.fromarray(values - 1), "0..65535")


def test_16_bit_rgb_png(tmp_path):
    """Pillow cannot write one, so it is put together by hand."""
    values = np.random.default_rng(0).integers(0, 65536, (HEIGHT, WIDTH, 3)).astype(">u2")
    rows = b"".join(b"\0" + row.tobytes() for row in values)

    def chunk(kind, data):
        return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")

    header = WIDTH.to_bytes(4, "big") + HEIGHT.to_bytes(4, "big") + bytes([16, 2, 0, 0, 0])
    path = tmp_path / "deep.png"
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )
    assert np.abs(read_photo(path).pixels.astype(int) - values / 257).max() <= 1


def test_float_tiff(tmp_path):
    values = np.linspace(0, 1, HEIGHT * WIDTH, dtype=np.float32).reshape(HEIGHT, WIDTH)
    photo = read_photo(saved(tmp_path, Image.fromarray(values), "grey.tif"))
    assert np.array_equal(photo.pixels[..., 1], np.rint(values * 255).astype(np.uint8))
    refused(saved(tmp_path, Image.fromarray(values * 2), "hdr.tif"), "hdr.tif", "[0, 1]")


def test_1_bit(tmp_path):
    image = Image.new("1", (WIDTH, HEIGHT))
    image.paste(1, (0, 0, 10, HEIGHT))
    pixels = read_photo(saved(tmp_path, image)).pixels
    assert pixels[0, 0].tolist() == [255, 255, 255]
    assert pixels[0, -1].tolist() == [0, 0, 0]


@pytest.mark.parametrize("name", ["film.gif", "film.png", "film.webp", "film.tif"])
def test_first_frame_of_an_animation(tmp_path, name):
    colours = [(255, 0, 0), (0, 255, 0), (0, 0, 255)]
    frames = [Image.new("RGB", (WIDTH, HEIGHT), colour) for colour in colours]
    options = {"lossless": True} if name.endswith("webp") else {}
    path = saved(tmp_path, frames[0], name, save_all=True, append_images=frames[1:], **options)
    photo = read_photo(path)
    assert np.array_equal(photo.pixels, np.asarray(frames[0]))
    assert photo.notes == ("more than one frame: number 1 is used",)


def odd_profile():
    """An sRGB profile whose red and green primaries are swapped."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    profile = profile.replace("sRGB".encode("utf-16-be"), "Swap".encode("utf-16-be"))
    return profile.replace(b"rXYZ", b"....").replace(b"gXYZ", b"rXYZ").replace(b"....", b"gXYZ")


def test_colour_profile_is_followed(tmp_path):
    red = Image.new("RGB", (WIDTH, HEIGHT), (255, 0, 0))
    photo = read_photo(saved(tmp_path, red, icc_profile=odd_profile()))
    assert np.abs(photo.pixels.astype(int) - (0, 255, 0)).max() <= 2
    assert photo.notes == ()


def test_colour_profile_with_alpha_and_palette(tmp_path):
    red = Image.new("RGB", (WIDTH, HEIGHT), (255, 0, 0))
    for image in (red.convert("RGBA"), red.quantize(4)):
        photo = read_photo(saved(tmp_path, image, icc_profile=odd_profile()))
        assert np.abs(photo.pixels.astype(int) - (0, 255, 0)).max() <= 2


def test_srgb_profile_changes_nothing(tmp_path, pixels):
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert np.array_equal(
        read_photo(saved(tmp_path, Image.fromarray(pixels), icc_profile=profile)).pixels, pixels
    )


@pytest.mark.parametrize("profile", [b"rubbish", odd_profile()])
def test_unusable_colour_profile_is_said_and_ignored(tmp_path, profile):
    grey = Image.new("L", (WIDTH, HEIGHT), 77)  # for which a profile of RGB is no use
    photo = read_photo(saved(tmp_path, grey, icc_profile=profile))
    assert (photo.pixels == 77).all()
    assert photo.notes == ("colour profile cannot be used: colours taken as sRGB",)


# --- what is refused --------------------------------------------------------------------------------


def test_missing_folder_empty_and_special_files(tmp_path):
    refused(tmp_path / "none.jpg", "none.jpg", "No such file")
    refused(tmp_path, str(tmp_path), "folder")
    refused("", "folder")
    (tmp_path / "empty.jpg").touch()
    refused(tmp_path / "empty.jpg", "empty.jpg", "0 bytes")
    os.mkfifo(tmp_path / "pipe.jpg")
    refused(tmp_path / "pipe.jpg", "pipe.jpg", "not a regular file")
    refused("nul\0.jpg", "null")
    refused("x" * 5000 + ".jpg", "too long")


def test_text_named_jpg(tmp_path):
    (tmp_path / "note.jpg").write_text("Dear reader,\nthis is no photo.")
    refused(tmp_path / "note.jpg", "note.jpg", "no picture")


@pytest.mark.parametrize("name", ["cut.jpg", "cut.png", "cut.webp", "cut.tif", "cut.gif"])
@pytest.mark.parametrize("kept", [0.02, 0.3, 0.6, 0.9])
def test_truncated_files(tmp_path, name, kept):
    pixels = np.random.default_rng(0).integers(0, 256, (200, 200, 3), np.uint8)
    path = saved(tmp_path, Image.fromarray(pixels), name)
    path.write_bytes(path.read_bytes()[: int(kept * path.stat().st_size)])
    refused(path, name)


def test_drawings_do_not_start_another_program(tmp_path):
    path = tmp_path / "photo.jpg"
    path.write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 100 100\n%%EndComments\n%%EOF\n")
    refused(path, "photo.jpg", "drawing")


@pytest.mark.parametrize("size", [(1, 1), (31, 400), (400, 31)])
def test_too_small(tmp_path, size):
    words = (f"{size[0]}x{size[1]}", "32")
    refused(saved(tmp_path, Image.new("RGB", size), "small.png"), "small.png", *words)
    refused(Image.new("RGB", size), *words)
    refused(np.zeros((size[1], size[0], 3), np.uint8), *words)
    refused(torch.zeros(3, size[1], size[0]), *words)


def test_32_is_enough():
    assert read_photo(Image.new("RGB", (32, 32))).pixels.shape == (32, 32, 3)


def test_bomb_is_refused_by_its_header_before_it_is_decoded(tmp_path, monkeypatch):
    path = saved(tmp_path, Image.new("1", (64, 64)), "bomb.png")
    data = bytearray(path.read_bytes())
    data[16:24] = (30_000).to_bytes(4, "big") * 2  # the size in the header
    data[29:33] = zlib.crc32(data[12:29]).to_bytes(4, "big")
    path.write_bytes(data)
    monkeypatch.setattr("PIL.PngImagePlugin.PngImageFile.load", lambda image: pytest.fail("decoded"))
    refused(path, "bomb.png", "30000x30000", "900000000", "500000000", "--max-pixels")


@pytest.mark.parametrize("name", ["large.png", "large.tif"])
@pytest.mark.filterwarnings("error")
def test_limit_is_ours_and_pillows_is_left_as_it_was(tmp_path, monkeypatch, name):
    width, height, limit = 2048, 1100, 2**20  # more than twice its limit is an error to Pillow
    path = saved(tmp_path, Image.new("RGB", (width, height)), name)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
    assert read_photo(path, max_pixels=width * height).pixels.shape == (height, width, 3)
    assert limit == Image.MAX_IMAGE_PIXELS
    refused(path, "--max-pixels", max_pixels=width * height - 1)
    assert limit == Image.MAX_IMAGE_PIXELS
    refused(np.zeros((height, width, 3), np.uint8), "--max-pixels", max_pixels=width * height - 1)


def test_threads_leave_pillows_limit_as_it_was(tmp_path, pixels):
    path, before = saved(tmp_path, Image.fromarray(pixels)), Image.MAX_IMAGE_PIXELS
    threads = [threading.Thread(target=lambda: [read_photo(path) for _ in range(20)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert before == Image.MAX_IMAGE_PIXELS


@pytest.mark.parametrize(
    ("source", "word"),
    [
        (np.zeros((64, 64, 4), np.uint8), "(64, 64, 4)"),
        (np.zeros((3, 64, 64), np.uint8), "(3, 64, 64)"),
        (np.zeros((1, 64, 64, 3), np.uint8), "(1, 64, 64, 3)"),
        (np.zeros(64, np.uint8), "(64,)"),
        (np.zeros((64, 64, 3), np.uint16), "uint16"),
        (np.zeros((64, 64, 3), np.int64), "int64"),
        (np.zeros((64, 64, 3), bool), "bool"),
        (np.zeros((64, 64, 3), complex), "complex"),
        (np.full((64, 64, 3), 1.01), "[0, 1]"),
        (np.full((64, 64, 3), -0.01), "[0, 1]"),
        (np.full((64, 64, 3), np.nan), "NaN"),
        (np.full((64, 64), np.inf), "[0, 1]"),
        (torch.zeros(64, 64, 3), "(64, 64, 3)"),
        (torch.zeros(1, 3, 64, 64), "(1, 3, 64, 64)"),
        (torch.zeros(3, 64, 64, dtype=torch.int32), "int32"),
        (torch.full((3, 64, 64), 255.0), "[0, 1]"),
        (b"bytes", "bytes"),
        (None, "NoneType"),
    ],
)
def test_wrong_arrays(source, word):
    refused(source, word)


def test_one_bad_value_in_a_late_band_is_found():
    values = np.zeros((1100, 1201), np.float32)
    values[-1, -1] = np.nan
    refused(values, "array", "NaN")


def test_closed_image(tmp_path, pixels):
    image = Image.open(saved(tmp_path, Image.fromarray(pixels)))
    image.close()
    refused(image, "image", "cannot be decoded")


# --- memory -----------------------------------------------------------------------------------------


def test_reading_allocates_little_more_than_the_result(tmp_path):
    path = saved(tmp_path, Image.new("RGB", (4000, 3000)), "large.jpg", exif=turned())
    tracemalloc.start()
    photo = read_photo(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert photo.pixels.shape == (4000, 3000, 3)
    assert peak < 1.4 * photo.pixels.nbytes


def turned():
    exif = Image.Exif()
    exif[Base.Orientation] = 6
    return exif


def test_reading_leaves_the_callers_image_alone(tmp_path, pixels):
    image = Image.open(saved(tmp_path, Image.fromarray(pixels), "turned.png", exif=turned()))
    assert read_photo(image).pixels.shape == (WIDTH, HEIGHT, 3)
    assert image.size == (WIDTH, HEIGHT)
    assert image.getexif()[Base.Orientation] == 6


def test_files_are_closed(tmp_path, pixels):
    path = saved(tmp_path, Image.fromarray(pixels))
    bad = tmp_path / "bad.png"
    bad.write_bytes(path.read_bytes()[:-200])
    read_photo(path)
    refused(bad, "bad.png")
    if Path("/proc/self/fd").exists():
        held = {str(fd.readlink()) for fd in Path("/proc/self/fd").iterdir() if fd.is_symlink()}
        assert not {str(path), str(bad)} & held


def test_text_bomb_in_a_png_is_one_line(tmp_path, pixels):
    info = PngInfo()
    info.add_text("Comment", "x" * 2_000_000, zip=True)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", pnginfo=info)
    (tmp_path / "text.png").write_bytes(buffer.getvalue())
    refused(tmp_path / "text.png", "text.png")
