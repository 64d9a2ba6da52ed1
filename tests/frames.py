"""Writes tiny frames of boxes before a ground and a sky, in UnrealStereo4K's layout."""

from pathlib import Path

import cv2
import numpy as np

BASELINE = 0.2


def write_frames(root: Path, count: int, size: tuple[int, int] = (96, 128), scene: str = "00000") -> Path:
    """Writes `count` frames of `size` (height, width) below `root` and returns it."""
    for index in range(count):
        write_frame(root, *boxes(np.random.default_rng(index), *size), f"{index:05d}", scene)
    return root


def boxes(rng: np.random.Generator, height: int, width: int) -> tuple[np.ndarray, np.ndarray, float]:
    """Image uint8, metres float32 (inf = sky) and focal length in pixels; a colour tells its depth."""
    focal = float(rng.uniform(0.7, 1.2) * width)
    rows = np.arange(height)[:, None] - height / 2 + 0.5
    ground = np.broadcast_to(np.where(rows > 0, 1.6 * focal / np.maximum(rows, 0.5), np.inf), (height, width))
    metres = ground.astype(np.float32)
    for _ in range(6):
        top, left = rng.integers(height * 3 // 4), rng.integers(width * 3 // 4)
        part = metres[top : top + height // 3, left : left + width // 4]
        part[:] = np.minimum(part, np.float32(rng.uniform(2, 30)))
    shade = np.clip(255 - 55 * np.log(np.minimum(metres, 80)), 0, 255)
    image = np.stack([shade, 255 - shade, np.where(np.isinf(metres), 255, 90)], -1)
    return (image + rng.integers(0, 8, image.shape)).clip(0, 255).astype(np.uint8), metres, focal


def write_frame(
    root: Path, image: np.ndarray, metres: np.ndarray, focal: float, name: str, scene: str = "00000"
) -> None:
    """Writes one frame: image, disparity and both cameras."""
    height, width = metres.shape
    folders = {kind: root / scene / kind for kind in ("Image0", "Disp0", "Extrinsics0", "Extrinsics1")}
    for folder in folders.values():
        folder.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(folders["Image0"] / f"{name}.png"), image[..., ::-1])
    np.save(folders["Disp0"] / f"{name}.npy", (focal * BASELINE / metres).astype(np.float32))
    intrinsics = f"{focal} 0 {(width - 1) / 2} 0 {focal} {(height - 1) / 2} 0 0 1"
    for camera, x in (("Extrinsics0", 0.0), ("Extrinsics1", -BASELINE)):
        pose = f"1 0 0 {x} 0 1 0 0 0 0 1 0"
        (folders[camera] / f"{name}.txt").write_text(f"{intrinsics}\n{pose}\n")
