"""Model: the one place that walks from photo to depth map — read, coarse, tiles, refine, merge, metres."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from itertools import chain
from typing import NamedTuple, cast

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from hyperfocal import checkpoints
from hyperfocal.camera import NEAREST
from hyperfocal.checkpoints import ModelConfig
from hyperfocal.coarse import CoarseOutput
from hyperfocal.depthmap import DepthMap
from hyperfocal.errors import HyperfocalError
from hyperfocal.machine import release
from hyperfocal.photo import MAX_PIXELS, Photo, PhotoLike, read_photo
from hyperfocal.refine import Refiner
from hyperfocal.refine.roi import crop_maps
from hyperfocal.resample import FloatMap, process_size, resized, shrunken
from hyperfocal.tiles.choose import flat, sees_nothing
from hyperfocal.tiles.merge import Merger, tile_weight
from hyperfocal.tiles.mergers import MERGERS
from hyperfocal.tiles.plan import Box, Pass, passes
from hyperfocal.tiles.tiling import AUTO, Progress, Tiling


@dataclass
class Report:
    """How a prediction went.

    Attributes:
        tiling: as asked for.
        tiles: how many the photo was cut into.
        refined: how many of them had anything to see and went through the refiner.
        seconds: of the stages "read", "coarse" and "refine" (tiles, merging and metres included).
        notes: what the user should hear about the photo.
    """

    tiling: str
    tiles: int = 0
    refined: int = 0
    seconds: dict[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @contextmanager
    def timing(self, stage: str) -> Iterator[None]:
        """Add the time inside to a stage."""
        start = time.perf_counter()
        yield
        self.seconds[stage] = self.seconds.get(stage, 0.0) + time.perf_counter() - start


class Scene(NamedTuple):
    """What the whole photo gave, and tiles draw from: depth in the networks' metres, and feature maps."""

    photo: Photo
    depth: Tensor
    features: tuple[Tensor, ...]


class Model:
    """A coarse network with its refiner, ready to predict.

    Make one with `hyperfocal.load`.

    Attributes:
        name: as loaded.
        config: what it is made of.
        device: where it runs.
        dtype: in which precision.
    """

    def __init__(
        self,
        name: str,
        config: ModelConfig,
        coarse: nn.Module,
        refiner: nn.Module | None,
        device: torch.device,
        dtype: torch.dtype,
    ) -> None:
        self.name, self.config, self.device, self.dtype = name, config, device, dtype
        self.coarse = _placed(coarse, device)
        self.refiner = None if refiner is None else cast(Refiner, _placed(refiner, device))

    def predict(
        self,
        photo: PhotoLike,
        *,
        tiling: str = "auto",
        fov: float | None = None,
        focal_px: float | None = None,
        seed: int = 0,
        tile_batch: int | None = None,
        feedback: bool = False,
        max_pixels: int = MAX_PIXELS,
        on_progress: Progress | None = None,
    ) -> DepthMap:
        """Predict the metric depth of one photo at its own size.

        Args:
            photo: path, PIL image, uint8 or float array (H, W, 3), or tensor (3, H, W).
            tiling: "auto", "none" (the coarse map upsampled), "NxM", "p16", "p49" or "rN".
            fov: horizontal field of view in degrees; overrides EXIF.
            focal_px: focal length in pixels; overrides EXIF.
            seed: of the random tiles of "rN".
            tile_batch: tiles at once: more memory, on a GPU more speed. The result doesn't depend on it.
            feedback: PatchFusion's consistency-aware inference as in its paper (§3.3): from the second pass of
                "p49" and "rN" on, the refiner sees the mean of all earlier passes, in place of its fine depth, and
                random tiles see each other's. Without it, overlapping tiles are averaged alone.
            max_pixels: refuse larger photos.
            on_progress: called with (tiles done, tiles).

        Returns:
            z-depth in metres, inf where there is sky.

        Raises:
            HyperfocalError: the photo can't be read, an option is wrong, or the refiner takes no feedback.
        """
        how = Tiling(tiling, seed, tile_batch, feedback, on_progress)
        return self.predict_with_report(photo, how, fov=fov, focal_px=focal_px, max_pixels=max_pixels)[0]

    def predict_with_report(
        self,
        photo: PhotoLike,
        tiling: Tiling = AUTO,
        *,
        fov: float | None = None,
        focal_px: float | None = None,
        max_pixels: int = MAX_PIXELS,
    ) -> tuple[DepthMap, Report]:
        """`predict`, and how it went."""
        takes = self.refiner is not None and self.refiner.feeds_back and self.config.merge == "mean"
        if tiling.feedback and not takes:
            raise HyperfocalError(f"model {self.name!r} takes no feedback: only PatchFusion does")
        report = Report(tiling.name)
        with report.timing("read"):
            read = read_photo(photo, fov=fov, focal_px=focal_px, max_pixels=max_pixels)
        report.notes = read.notes
        with report.timing("coarse"):
            scene = self._see_whole(read)
            self._rest()
        with report.timing("refine"):
            depth = self._see_tiles(scene, tiling, report)
            self._rest()
            sky = None if self.config.sky_from is None else depth >= self.config.sky_from
            result = self._finish(depth, sky, read, tiling.name)
        return result, report

    def refine(
        self,
        photo: PhotoLike,
        metres: NDArray[np.floating],
        *,
        tiling: str = "auto",
        seed: int = 0,
        tile_batch: int | None = None,
        max_pixels: int = MAX_PIXELS,
        on_progress: Progress | None = None,
    ) -> DepthMap:
        """Sharpen a given depth map with the photo, without moving its scale.

        Args:
            photo: as for `predict`.
            metres: (h, w) z-depth of any size, as another program, LiDAR or stereo gave it; inf is sky, 0 and
                NaN are unknown (filled from this model's own coarse map, scaled to fit).
            tiling: as for `predict`.
            seed: of the random tiles of "rN".
            tile_batch: tiles at once.
            max_pixels: refuse larger photos.
            on_progress: called with (tiles done, tiles).

        Raises:
            HyperfocalError: the model has no refiner, or the map is not a depth map.
        """
        how = Tiling(tiling, seed, tile_batch, on_progress=on_progress)
        return self.refine_with_report(photo, metres, how, max_pixels=max_pixels)[0]

    def refine_with_report(
        self,
        photo: PhotoLike,
        metres: NDArray[np.floating],
        tiling: Tiling = AUTO,
        *,
        max_pixels: int = MAX_PIXELS,
    ) -> tuple[DepthMap, Report]:
        """`refine`, and how it went. A given map takes no feedback."""
        if self.refiner is None:
            raise HyperfocalError(f"model {self.name!r} has no refiner")
        if tiling.feedback:
            raise HyperfocalError("a given depth map takes no feedback: only PatchFusion's own base does")
        report = Report(tiling.name)
        with report.timing("read"):
            read = read_photo(photo, max_pixels=max_pixels)
            given = _checked(metres, read)
        report.notes = read.notes
        with report.timing("coarse"):
            scene = self._see_whole(read)
            scene = scene._replace(depth=self._given_depth(given, scene))
            self._rest()
        with report.timing("refine"):
            depth = self._see_tiles(scene, tiling, report)
            self._rest()
            before = F.interpolate(scene.depth, depth.shape, mode="nearest")[0, 0].cpu().numpy()
            depth *= np.exp(np.median(np.log(before) - np.log(np.maximum(depth, NEAREST))))
            sky = (
                F.interpolate(torch.from_numpy(np.isposinf(given))[None, None].float(), depth.shape)[0, 0] > 0
            )
            result = self._finish(depth, sky.numpy(), read, tiling.name)
        return result, report

    def predict_tiles(
        self, photo: PhotoLike, boxes: Sequence[Box], *, focal_px: float | None = None
    ) -> FloatMap:
        """Predict tiles each by itself, unmerged, as the consistency error wants them (PatchFusion, section 4.1).

        A model with a refiner sees the whole photo for each, as always; without one, each tile is a photo of its own.

        Args:
            photo: as for `predict`.
            boxes: of one size.
            focal_px: of the whole photo, in pixels; overrides EXIF.

        Returns:
            (n, h, w) metres; inf = sky.
        """
        read = read_photo(photo, focal_px=focal_px)
        if self.refiner is None:
            focal = read.camera.focal_px
            return np.stack([self.predict(read.pixels[box.slices], focal_px=focal).metres for box in boxes])
        scene = self._see_whole(read)
        with torch.inference_mode(), self._precision():
            scene = scene._replace(features=self.refiner.whole(scene.features))
        tiles = []
        for box in boxes:
            (depth,), _ = self._refined(scene, [box])
            sky = None if self.config.sky_from is None else depth >= self.config.sky_from
            tiles.append(self._finish(depth, sky, read, "tiles").metres)
        return np.stack(tiles)

    def save_pretrained(self, directory: str | os.PathLike[str]) -> None:
        """Write `config.json` and `model.safetensors`, which `hyperfocal.load(directory)` reads."""
        checkpoints.save(directory, self.config, self.coarse, self.refiner)

    def canonical_scale(self, photo: Photo) -> float:
        """Return the factor from the networks' depth to metres for this photo's camera."""
        if self.config.canonical_focal is None:
            return 1.0
        height, width = _size(photo)
        return photo.camera.focal_px / (self.config.canonical_focal * math.sqrt(height * width))

    # photo → coarse

    def _see_whole(self, photo: Photo) -> Scene:
        """Run the coarse network on the shrunken photo."""
        size = process_size(*_size(photo), self.config.coarse_size, self.config.keep_aspect)
        with torch.inference_mode(), self._precision():
            output: CoarseOutput = self.coarse(self._shrunken([photo.pixels], size))
        return Scene(photo, output.depth.float(), output.features)

    def _given_depth(self, metres: FloatMap, scene: Scene) -> Tensor:
        """Put a given map into the networks' metres, its holes filled from the coarse map."""
        given = metres / np.float32(self.canonical_scale(scene.photo))
        coarse = F.interpolate(scene.depth, given.shape, mode="bilinear")[0, 0].cpu().numpy()
        known = np.isfinite(given) & (given > 0)
        ratio = np.median(given[known] / coarse[known]) if known.any() else 1.0
        far = 2 * (self.config.sky_from or float(coarse.max()))
        filled = np.where(known, given, np.where(np.isposinf(given), far, coarse * ratio))
        return torch.from_numpy(filled.astype(np.float32))[None, None].to(self.device)

    # tiles → refine → merge

    def _see_tiles(self, scene: Scene, tiling: Tiling, report: Report) -> FloatMap:
        """Return the depth (H, W) in the networks' metres: merged tiles, or the coarse map enlarged."""
        height, width = _size(scene.photo)
        ways = passes(height, width, tiling.name, tile_size=self.config.tile_size, seed=tiling.seed)
        if self.refiner is None or not ways:
            return np.asarray(self._enlarged(scene.depth, (height, width))[0])
        report.tiles = sum(len(way.boxes) for way in ways)
        with torch.inference_mode(), self._precision():
            scene = scene._replace(features=self.refiner.whole(scene.features))
        blend = "patchfusion" if self.config.keep_aspect else self.refiner.blend  # ours, or as published
        merger = MERGERS[self.config.merge](
            height, width, lambda: self._enlarged(scene.depth, (height, width))[0]
        )
        batch = tiling.batch or (1 if self.device.type == "cpu" else 8)
        done = 0
        for kind, boxes in _one_by_one(ways) if tiling.feedback else ways:
            weight = tile_weight(tiling.name, boxes[0].height, boxes[0].width, kind, blend)
            mean = cast(Merger, merger).mean() if tiling.feedback and done else None
            start = 0
            while start < len(boxes):
                now = boxes[start : start + batch]
                try:
                    depths, refined = self._refined(scene, now, mean)
                except RuntimeError as error:  # CUDA's and MPS' own classes differ between versions of torch
                    if "out of memory" not in str(error):
                        raise
                    if batch == 1:
                        raise HyperfocalError(f"{self.device} has no memory for one tile; try cpu") from None
                    batch //= 2
                    torch.cuda.empty_cache()
                    continue
                for box, depth in zip(now, depths, strict=True):
                    merger.add(depth, weight, box)
                start += len(now)
                done += len(now)
                report.refined += refined
                if tiling.on_progress is not None:
                    tiling.on_progress(done, report.tiles)
        return merger.result()

    @torch.inference_mode()
    def _refined(
        self, scene: Scene, boxes: Sequence[Box], mean: FloatMap | None = None
    ) -> tuple[FloatMap, int]:
        """Return the depth (n, h, w) of `boxes` at the photo's resolution, and how many were refined."""
        refiner = cast(Refiner, self.refiner)
        pixels, photo_size = scene.photo.pixels, _size(scene.photo)
        size = process_size(boxes[0].height, boxes[0].width, self.config.tile_size, self.config.keep_aspect)
        tiles = self._shrunken([pixels[box.slices] for box in boxes], size)
        blank = flat(tiles)
        where = torch.tensor(boxes, dtype=torch.float32, device=self.device)
        [depth] = crop_maps([scene.depth], where, photo_size, [size])
        seeing = ~sees_nothing(blank)
        if seeing.any():
            given = [
                tiles[seeing],
                *refiner.crops(scene.depth, scene.features, where[seeing], photo_size, size),
            ]
            if mean is not None:
                earlier = torch.from_numpy(np.stack([mean[box.slices] for box in boxes]))[:, None]
                given.append(resized(earlier.to(self.device)[seeing], size, self.config.keep_aspect))
            with self._precision():
                refined = refiner(*given).float()
            if self.config.sky_from is not None:
                # Far sky stays far where nothing in the tile speaks against it.
                clear = (depth[seeing] >= self.config.sky_from) & blank[seeing]
                refined = torch.where(clear, depth[seeing], refined)
            depth[seeing] = refined
        return self._enlarged(depth, (boxes[0].height, boxes[0].width)), int(seeing.sum())

    # merge → depth map

    def _finish(self, depth: FloatMap, sky: NDArray[np.bool_] | None, photo: Photo, tiling: str) -> DepthMap:
        """Turn the networks' depth into metres, and sky into inf; in place."""
        if np.isnan(depth.min()):
            raise HyperfocalError(
                f"model {self.name!r} gave NaN in {str(self.dtype).removeprefix('torch.')}; try float32"
            )
        depth *= np.float32(self.canonical_scale(photo))
        np.maximum(depth, NEAREST, out=depth)
        if sky is not None:
            depth[sky] = np.inf
        meta = {"model": self.name, "tiling": tiling}
        return DepthMap(depth, photo.camera.matrix, photo.camera.source, None, meta)

    # pixels and precision

    def _shrunken(self, pictures: Sequence[NDArray[np.uint8]], size: tuple[int, int]) -> Tensor:
        """Return pictures (n, 3, *size) in [0, 1] on the device."""
        return shrunken(pictures, size, self.config.keep_aspect).to(self.device)

    def _enlarged(self, depth: Tensor, size: tuple[int, int]) -> FloatMap:
        """Return (n, 1, h, w) as (n, *size) on the CPU."""
        large = resized(depth, size, self.config.keep_aspect)
        return np.asarray(large[:, 0].cpu().numpy(), np.float32)

    def _rest(self) -> None:
        """Let go of weights that the next stage doesn't need: those of the other network."""
        if self.refiner is not None:
            release(chain(self.coarse.parameters(), self.refiner.parameters()))

    def _precision(self) -> torch.autocast | nullcontext[None]:
        if self.dtype == torch.float32:
            return nullcontext()
        return torch.autocast(self.device.type, self.dtype)


def _placed(network: nn.Module, device: torch.device) -> nn.Module:
    """Put a network on its device for inference, in the layout in which convolutions are fastest."""
    network.eval().to(device).to(memory_format=torch.channels_last)
    release(network.parameters())  # what the file had of those that were copied
    return network


def _one_by_one(ways: Sequence[Pass]) -> Iterator[Pass]:
    """Yield the passes, random tiles in a pass of their own each."""
    for way in ways:
        if way.kind == "random":
            yield from (Pass(way.kind, [box]) for box in way.boxes)
        else:
            yield way


def _checked(metres: NDArray[np.floating], photo: Photo) -> FloatMap:
    """Return a given depth map as float32, or say why it can't be one of this photo."""
    given = np.asarray(metres, np.float32)
    if given.ndim != 2 or not (given > 0).any():
        raise HyperfocalError(f"the given depth must be (h, w) with positive values, not {given.shape}")
    (height, width), (h, w) = _size(photo), given.shape
    if abs(math.log(w / h * height / width)) > 0.05:
        raise HyperfocalError(
            f"the given depth is {w}×{h}, of another aspect than the photo's {width}×{height}"
        )
    return given


def _size(photo: Photo) -> tuple[int, int]:
    return photo.pixels.shape[0], photo.pixels.shape[1]
