"""Renders scenes into UnrealStereo4K's own layout, in parallel, resumably, never leaving half a frame.

`<root>/0000F/{Image0,Disp0,Extrinsics0,Extrinsics1}/NNNNN.{png,npy,txt}`, F = number of the scene family.
Disparity is float32 pixels, 0 where there is no surface; depth = focal · baseline / disparity. `stereo` adds
Image1 and Disp1. A file of Extrinsics holds the 3×3 intrinsics and the 3×4 world-to-camera matrix.
"""

import multiprocessing as mp
import os
import signal
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from hyperfocal.depthmap.atomic import replacing
from hyperfocal.errors import HyperfocalError
from hyperfocal.synth import families
from hyperfocal.synth.families import FAMILIES, PALETTE_SHARED_BY
from hyperfocal.synth.looks import LOOKS
from hyperfocal.synth.renderer import Renderer, camera_axes
from hyperfocal.synth.scene import VIEWS, Scene, View

SEEDS = 1_000_000  # of each split
SPLITS = {"train": 0, "val": SEEDS, "test": 2 * SEEDS}  # seeds of one split never meet another's
BASELINE = 0.2  # metres


@dataclass(frozen=True)
class Job:
    """What to render; the same job writes the same bytes, whatever the number of workers.

    Attributes:
        out: folder to fill.
        frames: how many, at most: a scene without enough open views gives fewer.
        width, height: pixels.
        seed: scene i has the seed `SPLITS[split] + seed + i`.
        split: a key of `SPLITS`.
        views: frames from each scene.
        passes: drawings averaged for a picture, each with its own offset within the pixel.
        stereo: also the right picture and its disparity.
        family: only this scene family.
        look: a key of `looks.LOOKS`.

    Raises:
        HyperfocalError: one of them is out of range.
    """

    out: Path
    frames: int
    width: int
    height: int
    seed: int = 0
    split: str = "train"
    views: int = 4
    passes: int = 2
    stereo: bool = False
    family: str | None = None
    look: str = "day"

    def __post_init__(self) -> None:
        if self.split not in SPLITS:
            raise HyperfocalError(f"split {self.split!r}: one of {', '.join(SPLITS)}")
        if self.family is not None and self.family not in FAMILIES:
            raise HyperfocalError(f"scene family {self.family!r}: one of {', '.join(FAMILIES)}")
        if self.look not in LOOKS:
            raise HyperfocalError(f"look {self.look!r}: one of {', '.join(LOOKS)}")
        if self.frames < 1:
            raise HyperfocalError(f"{self.frames} frames: at least 1")
        if not 32 <= min(self.width, self.height) <= max(self.width, self.height) <= 16384:
            raise HyperfocalError(f"frames of {self.width}x{self.height}: sides of 32 to 16384 pixels")
        if not 1 <= self.views <= VIEWS // 2:
            raise HyperfocalError(f"{self.views} views a scene: 1 to {VIEWS // 2}")
        if not 1 <= self.passes <= 8:
            raise HyperfocalError(f"{self.passes} passes: 1 to 8")
        if not 0 <= self.seed <= SEEDS - self.scenes:
            raise HyperfocalError(f"seed {self.seed}: a split has seeds 0 to {SEEDS - 1}, one for each scene")

    @property
    def scenes(self) -> int:
        """How many scenes the frames take."""
        return -(-self.frames // self.views)


def render(job: Job, workers: int = 1) -> Iterator[list[str]]:
    """Render `job`; yield the names of each scene's frames as it is done. Frames already there are kept.

    Raises:
        HyperfocalError: no OpenGL through EGL, or a file can't be written.
    """
    tasks = [(job, i) for i in range(job.scenes)]
    workers = min(workers, job.scenes)
    if workers <= 1:
        yield from map(_render_scene, tasks)
        return
    # neighbours share a palette and a stock of meshes, so hand them out in runs
    run = min(PALETTE_SHARED_BY, -(-job.scenes // workers))
    with mp.get_context("spawn").Pool(workers, _start_worker) as pool:
        yield from pool.imap_unordered(_render_scene, tasks, chunksize=run)


def good_views(renderer: Renderer, scene: Scene, count: int) -> list[View]:
    """Return up to `count` of the scene's views that aren't blocked by something right before the lens."""
    good = []
    for view in scene.views:
        depth = renderer.depth(view, 96, 64)
        if (depth < 0.3).mean() < 0.05 and np.median(depth) > 0.4 and (depth < 1000).mean() > 0.25:
            good.append(view)
        if len(good) == count:
            break
    return good


def _start_worker() -> None:
    os.environ["LP_NUM_THREADS"] = "1"  # else llvmpipe starts a thread for every core in every worker
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's, which then stops the pool:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # clean up and go


@cache
def _renderer() -> Renderer:
    """This process' renderer: an OpenGL context takes a while to make and can't cross a fork."""
    return Renderer()


def _render_scene(task: tuple[Job, int]) -> list[str]:
    """Render the frames of scene `index` that aren't there yet; return the names of all it has."""
    job, index = task
    seed = SPLITS[job.split] + job.seed + index
    folder = job.out / f"{families.number(seed, job.family):05d}"
    first = index * job.views
    names = [f"{k:05d}" for k in range(first, min(first + job.views, job.frames))]
    if all(_is_whole(job, folder, name) for name in names):
        return names
    renderer, scene = _renderer(), families.build(seed, job.family, job.look)
    large = job.width * job.height > 1_000_000
    renderer.load(scene, 24 if large else 16, 4096 if large else 2048)
    exposures = np.exp(np.random.default_rng([seed, 2]).normal(0, 0.3, job.views))
    good = good_views(renderer, scene, job.views)[: len(names)]
    for name, view, exposure in zip(names, good, exposures, strict=False):
        if not _is_whole(job, folder, name):
            _write_frame(job, folder, name, renderer, view, float(exposure))
    return names[: len(good)]


def _is_whole(job: Job, folder: Path, name: str) -> bool:
    eyes = (0, 1) if job.stereo else (0,)
    return all((folder / f"Image{eye}" / f"{name}.png").exists() for eye in eyes)


def _write_frame(job: Job, folder: Path, name: str, renderer: Renderer, view: View, exposure: float) -> None:
    """Write all files of a frame, pictures last and the left one at the very end: with them it is whole."""
    width, height = job.width, job.height
    focal = width / 2 / np.tan(view.fov / 2)
    for eye in (1, 0):
        camera = _extrinsics(view, focal, width, height, BASELINE * eye)
        _put(folder / f"Extrinsics{eye}" / f"{name}.txt", camera)
    for eye in (1, 0) if job.stereo else (0,):
        shift = BASELINE * eye
        depth = renderer.depth(view, width, height, shift)
        _put(folder / f"Disp{eye}" / f"{name}.npy", _npy((focal * BASELINE / depth).astype(np.float32)))
        picture = renderer.colour(view, width, height, job.passes, exposure, shift)
        _put(folder / f"Image{eye}" / f"{name}.png", _png(picture))


def _put(path: Path, data: bytes) -> None:
    with replacing(path) as temporary:
        temporary.write_bytes(data)


def _npy(array: NDArray[np.float32]) -> bytes:
    buffer = BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def _png(picture: NDArray[np.uint8]) -> bytes:
    return bytes(cv2.imencode(".png", picture[..., ::-1], [cv2.IMWRITE_PNG_COMPRESSION, 1])[1])


def _extrinsics(view: View, focal: float, width: int, height: int, shift: float) -> bytes:
    """Line 1: the 3×3 intrinsics; line 2: the 3×4 world-to-camera matrix (OpenCV axes), both row by row."""
    eye, forward, right, up = camera_axes(view, shift)
    rotation = np.stack([right, -up, forward])
    pose = np.column_stack([rotation, -rotation @ eye])
    k = [focal, 0, width / 2 - 0.5, 0, focal, height / 2 - 0.5, 0, 0, 1]
    return "\n".join(" ".join(repr(float(v)) for v in row) for row in (k, pose.ravel())).encode() + b"\n"
