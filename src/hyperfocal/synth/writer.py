"""Renders scenes into UnrealStereo4K's own layout, in parallel, resumably, never leaving half a frame.

`<root>/0000F/{Image0,Disp0,Extrinsics0,Extrinsics1}/NNNNN.{png,npy,txt}`, F = number of the scene family. Disparity is
float32 pixels, 0 where there is no surface; depth = focal · baseline / disparity. `stereo` adds Image1 and Disp1.
"""

import multiprocessing as mp
import os
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from hyperfocal.errors import HyperfocalError
from hyperfocal.synth import families
from hyperfocal.synth.renderer import Renderer, camera_axes
from hyperfocal.synth.scene import Scene, View

SPLITS = {"train": 0, "val": 1_000_000, "test": 2_000_000}  # seeds of one split never meet another's
BASELINE = 0.2


@dataclass(frozen=True)
class Job:
    """What to render: `frames` pictures of width × height; `views` of them from each scene.

    The seed of scene i is `SPLITS[split] + seed + i`: the same job writes the same bytes, whatever `workers`.
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

    def __post_init__(self) -> None:
        if self.split not in SPLITS:
            raise HyperfocalError(f"split {self.split!r}: one of {', '.join(SPLITS)}")
        if self.family is not None and self.family not in families.FAMILIES:
            raise HyperfocalError(f"scene family {self.family!r}: one of {', '.join(families.FAMILIES)}")
        if min(self.width, self.height) < 32 or self.frames < 1:
            raise HyperfocalError(f"{self.frames} frames of {self.width}x{self.height}: at least one of 32x32")
        if not 1 <= self.views <= families.VIEWS // 2:
            raise HyperfocalError(f"{self.views} views a scene: 1 to {families.VIEWS // 2}")


def _put(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_bytes(data)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _npy(array: NDArray[np.float32]) -> bytes:
    buffer = BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def _png(picture: NDArray[np.uint8]) -> bytes:
    return bytes(cv2.imencode(".png", picture[..., ::-1], [cv2.IMWRITE_PNG_COMPRESSION, 1])[1])


def _extrinsics(view: View, focal: float, width: int, height: int, shift: float) -> bytes:
    """Line 1: the 3×3 intrinsics; line 2: the 3×4 world-to-camera matrix (OpenCV axes), both row by row."""
    eye, forward, right, up = camera_axes(view)
    rotation = np.stack([right, -up, forward])
    pose = np.column_stack([rotation, -rotation @ (eye + right * shift)])
    k = [focal, 0, width / 2 - 0.5, 0, focal, height / 2 - 0.5, 0, 0, 1]
    return "\n".join(" ".join(repr(float(v)) for v in row) for row in (k, pose.ravel())).encode() + b"\n"


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


def _render_scene(job: Job, index: int) -> list[str]:
    """Render the frames of scene `index` that aren't there yet; return the names of all its frames."""
    names = [f"{index * job.views + k:05d}" for k in range(job.views) if index * job.views + k < job.frames]
    seed = SPLITS[job.split] + job.seed + index
    folder = job.out / f"{families.number(seed, job.family):05d}"
    done = [n for n in names if (folder / "Image0" / f"{n}.png").exists()]
    if len(done) == len(names):
        return names
    renderer = _renderer()
    scene = families.build(seed, job.family)
    large = job.width * job.height > 1_000_000
    renderer.load(scene, 16 if large else 12, 4096 if large else 2048)
    exposures = np.exp(np.random.default_rng([seed, 2]).normal(0, 0.25, job.views))
    for name, view, exposure in zip(names, good_views(renderer, scene, job.views), exposures, strict=False):
        focal = job.width / 2 / np.tan(view.fov / 2)
        for eye in (0, 1):
            shift = BASELINE * eye
            _put(folder / f"Extrinsics{eye}" / f"{name}.txt", _extrinsics(view, focal, job.width, job.height, shift))
            if eye and not job.stereo:
                continue
            depth = renderer.depth(view, job.width, job.height, shift)
            _put(folder / f"Disp{eye}" / f"{name}.npy", _npy((focal * BASELINE / depth).astype(np.float32)))
        if job.stereo:
            right = renderer.colour(view, job.width, job.height, job.passes, float(exposure), BASELINE)
            _put(folder / "Image1" / f"{name}.png", _png(right))
        # the left picture last: a frame that has it is whole
        left = renderer.colour(view, job.width, job.height, job.passes, float(exposure))
        _put(folder / "Image0" / f"{name}.png", _png(left))
    return names


_RENDERER: list[Renderer] = []


def _renderer() -> Renderer:
    """Return this process' renderer: an OpenGL context is made once and can't cross a fork."""
    if not _RENDERER:
        _RENDERER.append(Renderer())
    return _RENDERER[0]


def _task(item: tuple[Job, int]) -> list[str]:
    return _render_scene(*item)


def render(job: Job, workers: int = 1) -> Iterator[list[str]]:
    """Render `job`; yield each scene's frame names as it is done. Frames already there are kept."""
    tasks = [(job, i) for i in range(-(-job.frames // job.views))]
    if workers <= 1:
        yield from map(_task, tasks)
        return
    with mp.get_context("spawn").Pool(workers) as pool:
        # neighbours share a palette and a stock of meshes, so hand them out in runs
        yield from pool.imap_unordered(_task, tasks, chunksize=families.PALETTE_SHARED_BY)
