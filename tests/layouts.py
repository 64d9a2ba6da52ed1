"""Writes a frame or two of each data set in its real layout, miniature, and says what a reader has to return."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import OpenEXR
from PIL import Image

from frames import write_frame

HEIGHT, WIDTH = 48, 64


class Tree(NamedTuple):
    """What was written."""

    kind: str
    name: str  # of the frame
    image: np.ndarray
    metres: np.ndarray  # 0 = unknown, inf = sky
    intrinsics: np.ndarray
    files: dict[str, Path]  # image, truth, camera


def picture(height: int = HEIGHT, width: int = WIDTH, seed: int = 0) -> np.ndarray:
    """Smooth colours, which JPEG keeps within a few levels."""
    rng, (y, x) = np.random.default_rng(seed), np.mgrid[:height, :width]
    waves = [np.sin(x * a / width + y * b / height + c) for a, b, c in rng.uniform(1, 3, (3, 3))]
    return np.uint8(128 + 100 * np.stack(waves, -1))


def integers(height: int, width: int, low: int, high: int) -> np.ndarray:
    """uint16, with a corner of 0, which is unknown everywhere."""
    values = np.random.default_rng(1).integers(low, high, (height, width)).astype(np.uint16)
    values[:6, :9] = 0
    return values


def matrix(fx: float, fy: float, cx: float, cy: float) -> np.ndarray:
    return np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]])


def save_image(path: Path, pixels: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, quality=100, subsampling=0)
    return path


def save_text(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def save_pfm(path: Path, values: np.ndarray, scale: float) -> Path:
    """Rows from below; a negative scale says little-endian."""
    path.parent.mkdir(parents=True, exist_ok=True)
    head = f"Pf\n{values.shape[1]} {values.shape[0]}\n{scale}\n".encode()
    path.write_bytes(head + values[::-1].astype("<f4" if scale < 0 else ">f4").tobytes())
    return path


def unrealstereo4k(root: Path) -> Tree:
    image, metres = picture(), np.float32(np.random.default_rng(1).uniform(1, 70, (HEIGHT, WIDTH)))
    metres[:5] = np.inf
    write_frame(root, image, metres, 60.0, "00012", "00003")
    scene, intrinsics = root / "00003", matrix(60, 60, (WIDTH - 1) / 2, (HEIGHT - 1) / 2)
    files = {"image": "Image0/00012.png", "truth": "Disp0/00012.npy", "camera": "Extrinsics0/00012.txt"}
    return Tree(
        "unrealstereo4k",
        "00003/00012",
        image,
        metres,
        intrinsics,
        {part: scene / file for part, file in files.items()},
    )


def mvs_synth(root: Path) -> Tree:
    image, metres = picture(), np.float32(np.random.default_rng(1).uniform(1, 700, (HEIGHT, WIDTH)))
    metres[:5] = np.inf
    (root / "0007/depths").mkdir(parents=True)
    header = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
    OpenEXR.File(header, {"Y": metres}).write(str(root / "0007/depths/0042.exr"))
    camera = {"f_x": 70.5, "f_y": 71.5, "c_x": 32.0, "c_y": 24.0, "extrinsic": np.eye(4).tolist()}
    files = {
        "image": save_image(root / "0007/images/0042.png", image),
        "truth": root / "0007/depths/0042.exr",
        "camera": save_text(root / "0007/poses/0042.json", json.dumps(camera)),
    }
    return Tree("mvs-synth", "0007/0042", image, metres, matrix(70.5, 71.5, 32, 24), files)


def middlebury2014(root: Path) -> Tree:
    image, disparity = picture(), np.float32(np.random.default_rng(1).uniform(20, 60, (HEIGHT, WIDTH)))
    disparity[10:20, 10:20] = np.inf
    scene = root / "Adirondack-perfect"
    calibration = (
        "cam0=[4161.221 0 1445.577; 0 4161.221 984.686; 0 0 1]\n"
        "cam1=[4161.221 0 1654.636; 0 4161.221 984.686; 0 0 1]\n"
        f"doffs=209.059\nbaseline=176.252\nwidth={WIDTH}\nheight={HEIGHT}\nndisp=290\nisint=0\n"
    )
    files = {
        "image": save_image(scene / "im0.png", image),
        "truth": save_pfm(scene / "disp0.pfm", disparity, -0.003922),
        "camera": save_text(scene / "calib.txt", calibration),
    }
    save_image(scene / "im1.png", image)
    metres = np.where(np.isinf(disparity), 0, 4161.221 * 0.176252 / (disparity + 209.059)).astype(np.float32)
    intrinsics = matrix(4161.221, 4161.221, 1445.577, 984.686)
    return Tree("middlebury2014", scene.name, image, metres, intrinsics, files)


def cityscapes(root: Path) -> Tree:
    image, raw = picture(), integers(HEIGHT, WIDTH, 257, 30000)
    raw[10, 10] = 1  # disparity 0: infinitely far says stereo, unknown says the protocol
    place, stem = "val/frankfurt", "frankfurt_000000_000294"
    camera = {
        "extrinsic": {"baseline": 0.209313, "pitch": 0.038, "x": 1.7},
        "intrinsic": {"fx": 2262.52, "fy": 2265.3017905988554, "u0": 1096.98, "v0": 513.137},
    }
    labels = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    labels[:, :] = 128, 64, 128
    labels[2:9, 20:50] = 70, 130, 180
    save_image(root / "gtFine" / place / f"{stem}_gtFine_color.png", labels)
    files = {
        "image": save_image(root / "leftImg8bit" / place / f"{stem}_leftImg8bit.png", image),
        "truth": save_image(root / "disparity" / place / f"{stem}_disparity.png", raw),
        "camera": save_text(root / "camera" / place / f"{stem}_camera.json", json.dumps(camera)),
    }
    metres = np.zeros((HEIGHT, WIDTH))
    metres[raw > 1] = 0.209313 * 2262.52 / ((raw[raw > 1] - 1.0) / 256)
    metres[2:9, 20:50] = np.inf
    metres[36:] = 0  # the lowest quarter
    metres[:, :4] = metres[:, 60:] = 0  # a sixteenth at each side
    intrinsics = matrix(2262.52, 2265.3017905988554, 1096.98, 513.137)
    return Tree("cityscapes", f"{place}/{stem}", image, np.float32(metres), intrinsics, files)


def eth3d(root: Path) -> Tree:
    image, metres = picture(), np.float32(np.random.default_rng(1).uniform(1, 70, (HEIGHT, WIDTH)))
    metres[10:30] = np.inf
    scene = root / "courtyard"
    cameras = (
        "# Camera list with one line of data per camera:\n#   CAMERA_ID, MODEL, WIDTH, HEIGHT, PARAMS[]\n"
        "# Number of cameras: 2\n"
        f"0 THIN_PRISM_FISHEYE {WIDTH} {HEIGHT} 3411.42 3410.02 3041.29 2014.07 0.21 0.2 0 0 0 0 0 0\n"
        f"3 THIN_PRISM_FISHEYE {WIDTH} {HEIGHT} 3400.5 3401.5 3000.5 2000.5 0.21 0.2 0 0 0 0 0 0\n"
    )
    images = (
        "# Image list with two lines of data per image:\n# Number of images: 2\n"
        "7 0.1 0.2 0.3 0.4 1 2 3 0 dslr_images/DSC_0285.JPG\n10.5 11.5 -1 12 13 99\n"
        "8 0.1 0.2 0.3 0.4 1 2 3 3 dslr_images/DSC_0286.JPG\n\n"
    )
    save_text(scene / "dslr_calibration_jpg/cameras.txt", cameras)
    truth = scene / "ground_truth_depth/dslr_images/DSC_0286.JPG"
    truth.parent.mkdir(parents=True)
    metres.astype("<f4").tofile(truth)
    files = {
        "image": save_image(scene / "images/dslr_images/DSC_0286.JPG", image),
        "truth": truth,
        "camera": save_text(scene / "dslr_calibration_jpg/images.txt", images),
    }
    known = np.where(np.isinf(metres), 0, metres)
    return Tree("eth3d", "courtyard/DSC_0286", image, known, matrix(3400.5, 3401.5, 3000, 2000), files)


def kitti(root: Path) -> Tree:
    """Full size: the crop is in pixels."""
    image, raw = picture(375, 1242), integers(375, 1242, 0, 20480)
    date, drive = "2011_09_26", "2011_09_26_drive_0002_sync"
    raw_folder = root / "raw" / date / drive / "image_02/data"
    calibration = (
        "calib_time: 09-Jan-2012 13:57:47\ncorner_dist: 9.950000e-02\n"
        "P_rect_00: 700 0 600 0 0 700 170 0 0 0 1 0\n"
        "P_rect_02: 7.215377e+02 0 6.095593e+02 4.485728e+01 0 7.215377e+02 1.728540e+02 2.163791e-01 "
        "0 0 1 2.745884e-03\n"
    )
    save_image(raw_folder / "0000000000.png", image)  # has no depth
    annotated = root / "val" / drive / "proj_depth/groundtruth/image_02"
    files = {
        "image": save_image(raw_folder / "0000000069.png", image),
        "truth": save_image(annotated / "0000000069.png", raw),
        "camera": save_text(root / "raw" / date / "calib_cam_to_cam.txt", calibration),
    }
    top, left = 375 - 352, 13  # (1242 − 1216) / 2
    return Tree(
        "kitti",
        f"{drive}/image_02/0000000069",
        image[top:, left : left + 1216],
        np.float32(raw[top:, left : left + 1216] / 256),
        matrix(721.5377, 721.5377, 609.5593 - left, 172.8540 - top),
        files,
    )


def nyuv2(root: Path) -> Tree:
    image, millimetres = picture(480, 640), integers(480, 640, 700, 9999)
    scene = root / "official_splits/test/bathroom"
    files = {
        "image": save_image(scene / "rgb_00045.jpg", image),
        "truth": save_image(scene / "sync_depth_00045.png", millimetres),
    }
    intrinsics = matrix(518.85790, 519.46961, 325.58245, 253.73617)
    name = "official_splits/test/bathroom/00045"
    return Tree("nyuv2", name, image, np.float32(millimetres / 1000), intrinsics, files)


def scannetpp(root: Path) -> Tree:
    """The phone's depth has 2/15 of the photo's side: 7.5 photo pixels each, as 1920/256."""
    image, millimetres = picture(60, 90), integers(8, 12, 500, 9000)
    millimetres[0, 0] = 0
    phone = root / "data/036bce3393/iphone"
    poses = {
        "frame_000000": {"timestamp": 0.1, "intrinsic": np.eye(3).tolist(), "pose": np.eye(4).tolist()},
        "frame_000010": {"timestamp": 0.2, "intrinsic": matrix(70, 71, 44, 29).tolist()},
    }
    files = {
        "image": save_image(phone / "rgb/frame_000010.jpg", image),
        "truth": save_image(phone / "depth/frame_000010.png", millimetres),
        "camera": save_text(phone / "pose_intrinsic_imu.json", json.dumps(poses)),
    }
    rows, columns = ((np.arange(n) + 0.5) / 7.5 for n in (60, 90))
    metres = np.float32(millimetres / 1000)[np.int64(rows)[:, None], np.int64(columns)]
    return Tree("scannetpp", "036bce3393/frame_000010", image, metres, matrix(70, 71, 44, 29), files)


def folder(root: Path) -> Tree:
    image, metres = picture(), np.float32(np.random.default_rng(1).uniform(1, 70, (HEIGHT, WIDTH)))
    metres[:4], metres[4:6] = np.inf, np.nan
    focal = 28 / np.hypot(36, 24) * np.hypot(WIDTH, HEIGHT)  # assumed: no EXIF
    files = {"image": save_image(root / "a.png", image), "truth": root / "depth/a.npy"}
    files["truth"].parent.mkdir(parents=True)
    np.save(files["truth"], metres)
    known = np.where(np.isfinite(metres), metres, 0)
    return Tree("folder", "a", image, known, matrix(focal, focal, 31.5, 23.5), files)


WRITERS: tuple[Callable[[Path], Tree], ...] = (
    unrealstereo4k,
    mvs_synth,
    middlebury2014,
    cityscapes,
    eth3d,
    kitti,
    nyuv2,
    scannetpp,
    folder,
)
