"""Training batches: step number in, tensors out.

A batch depends on nothing but (seed, step) and the folder's frames, and each of its photos on nothing but
(seed, step, its place in the batch): a resumed run sees what an uninterrupted one would have seen, and many
processes see together what one would have seen, whatever the number of workers.
"""

import logging
import math
import os
import signal
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import NamedTuple, Protocol, TypeVar

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from hyperfocal.data import crops
from hyperfocal.data.augment import Look, degrade
from hyperfocal.data.sample import Sample
from hyperfocal.errors import HyperfocalError
from hyperfocal.tiles.plan import Box, plan

TILINGS = ("auto", "4x4")  # the tilings that windows imitate: the default one, and the finest that it goes to
LARGEST_SCALE = 1.5  # photos smaller than their tiles teach nothing about detail
RELIST_EVERY = 200  # batches: frames that are still being rendered join a running training

Batch = TypeVar("Batch")

log = logging.getLogger(__name__)


class Part(NamedTuple):
    """Photos `first` to `last` − 1 of the batch of a step."""

    step: int
    first: int
    last: int


class Share(NamedTuple):
    """What one of several processes takes of every batch.

    Attributes:
        process: which one this is, from 0.
        processes: how many there are.
        pieces: that each batch is cut into, to be worked on one after another; the processes share each piece.
    """

    process: int = 0
    processes: int = 1
    pieces: int = 1


class Reader(Protocol):
    """A data set that training draws from: see `Frames`."""

    def __len__(self) -> int: ...
    def __getitem__(self, index: int) -> Sample: ...
    def crop(self, index: int, choose: Callable[[crops.Size], Box]) -> Sample:
        """The part of a sample that `choose` picks, knowing its height and width."""

    def draw(self, seed: int, position: int) -> int:
        """The index of the sample at a place of the endless sequence of a run."""

    def refresh(self) -> None:
        """Looks for new samples."""


class Canonical(NamedTuple):
    """The depth that the networks predict: see `crops.canonical_scale` and `crops.canonical_target`.

    Surfaces end at `limit`, sky lies at `far`, and a prediction from `sky_from` on is read as sky.
    """

    focal: float = 0.65
    limit: float = 250.0
    far: float = 500.0
    sky_from: float = 250.0


class WholeBatch(NamedTuple):
    """Whole photos (or large crops, each its own photo).

    Attributes:
        image: float32 (N, 3, h, w) in [0, 1].
        target: float32 (N, 1, h, w) canonical metres, 0 = unknown.
        names: of the photos.
    """

    image: Tensor
    target: Tensor
    names: tuple[str, ...]


class WindowBatch(NamedTuple):
    """Whole photos and K windows of them at the scale of tiles.

    Attributes:
        photo: float32 (N, 3, h, w) in [0, 1].
        windows: float32 (K, 3, y, x) in [0, 1].
        boxes: float32 (K, 4) top, left, height, width in pixels of `photo`.
        owner: int64 (K,), the photo that each window is of.
        target: float32 (K, 1, y, x) canonical metres of the photo's camera, 0 = unknown.
        names: of the photos.
    """

    photo: Tensor
    windows: Tensor
    boxes: Tensor
    owner: Tensor
    target: Tensor
    names: tuple[str, ...]


def _whole(size: crops.Size) -> Box:
    return Box(0, 0, *size)


class Steps:
    """What both kinds of batches share: an index is a step, or a `Part` of its batch; frames in the reader's order."""

    def __init__(self, reader: Reader, batch: int, canonical: Canonical, seed: int) -> None:
        self.reader, self.batch, self.canonical, self.seed = reader, batch, canonical, seed
        self._listed = self._position = 0

    def _rngs(self, index: int | Part) -> tuple[np.random.Generator, list[np.random.Generator]]:
        """One generator for what the whole batch shares, and one for each photo of the part."""
        step, first, last = index if isinstance(index, Part) else Part(index, 0, self.batch)
        if step // RELIST_EVERY != self._listed:
            self._listed = step // RELIST_EVERY
            self.reader.refresh()
        self._position = step * self.batch + first
        # From 1: NumPy takes (seed, step, 0) for the same seed as (seed, step).
        photos = [np.random.default_rng((self.seed, step, photo + 1)) for photo in range(first, last)]
        return np.random.default_rng((self.seed, step)), photos

    def _draw(self, rng: np.random.Generator, choose: Callable[[crops.Size], Box] = _whole) -> Sample:
        """The part of the next frame that `choose` picks, the frame being mirrored half of the time.

        A frame that cannot be read is named and passed over.
        """
        mirrored = False

        def place(size: crops.Size) -> Box:
            nonlocal mirrored
            mirrored = rng.random() < 0.5
            box = choose(size)
            return box._replace(left=size[1] - box.left - box.width) if mirrored else box

        position, self._position = self._position, self._position + 1
        for attempt in range(10):
            try:
                sample = self.reader.crop(self.reader.draw(self.seed, position + attempt), place)
            except HyperfocalError as error:
                log.warning("skipped: %s", error)
                continue
            return crops.flip(sample) if mirrored else sample
        raise HyperfocalError("ten frames in a row could not be read (named above)")


class WholeCrops(Steps, Dataset[WholeBatch]):
    """Large crops of photos as photos of their own, one shape a batch.

    Args:
        reader: the frames.
        batch: images a batch.
        area: pixels of the process size.
        fraction: range of a crop's area in that of the largest one of its aspect.
        canonical: the camera that depth is given for.
        seed: of every random choice.
    """

    def __init__(
        self,
        reader: Reader,
        *,
        batch: int,
        area: int,
        fraction: tuple[float, float],
        canonical: Canonical,
        seed: int,
    ) -> None:
        super().__init__(reader, batch, canonical, seed)
        self.area, self.fraction = area, fraction

    def __getitem__(self, index: int | Part) -> WholeBatch:
        shared, rngs = self._rngs(index)
        size = crops.draw_size(shared, self.area)
        images, targets, names = [], [], []
        for rng in rngs:
            sample = self._draw(rng, partial(crops.draw_box, rng, size=size, fraction=self.fraction))
            sample = crops.resize(sample, size)
            images.append(degrade(Look.draw(rng)(sample.image), rng))
            scale = crops.canonical_scale(sample, self.canonical.focal)
            targets.append(_target(sample.metres, scale, self.canonical))
            names.append(sample.name)
        return WholeBatch(_images(images), _maps(targets), tuple(names))


class WindowCrops(Steps, Dataset[WindowBatch]):
    """Photos with windows at the scale at which the predictor cuts tiles, all with one look.

    Args:
        reader: the frames.
        batch: photos a batch.
        windows: windows a photo.
        area: pixels of the photo's process size.
        tile_size: (height, width) of a tile at prediction; it sets the windows' scale.
        window: (height, width) of a window in pixels, multiples of 32.
        fraction: range of a photo's area in that of the largest crop of its aspect.
        canonical: the camera that depth is given for.
        seed: of every random choice.
    """

    def __init__(
        self,
        reader: Reader,
        *,
        batch: int,
        windows: int,
        area: int,
        tile_size: crops.Size,
        window: crops.Size,
        fraction: tuple[float, float],
        canonical: Canonical,
        seed: int,
    ) -> None:
        super().__init__(reader, batch, canonical, seed)
        self.windows, self.area, self.tile_size = windows, area, tile_size
        self.window, self.fraction = window, fraction

    def __getitem__(self, index: int | Part) -> WindowBatch:
        shared, rngs = self._rngs(index)
        size = crops.draw_size(shared, self.area)
        photos, windows, boxes, targets, names = [], [], [], [], []
        for rng in rngs:
            photo = self._draw(rng, partial(crops.draw_box, rng, size=size, fraction=self.fraction))
            look = Look.draw(rng)
            photos.append(degrade(look(crops.resize_image(photo.image, size)), rng))
            scale = crops.canonical_scale(photo, self.canonical.focal)
            names.append(photo.name)
            height, width = _size(photo)
            for _ in range(self.windows):
                box = self._window_box(rng, (height, width))
                window = crops.resize(crops.crop(photo, box), self.window)
                extent = (box.top, box.left, box.top + box.height, box.left + box.width)
                relative = np.array(extent) / (height, width, height, width)
                top, left, bottom, right = relative.tolist()
                windows.append(degrade(look(window.image, (top, left, bottom, right)), rng))
                targets.append(_target(window.metres, scale, self.canonical))
                boxes.append(
                    np.array(box) * (size[0] / height, size[1] / width, size[0] / height, size[1] / width)
                )
        return WindowBatch(
            photo=_images(photos),
            windows=_images(windows),
            boxes=torch.from_numpy(np.array(boxes, np.float32)),
            owner=torch.arange(len(photos)).repeat_interleave(self.windows),
            target=_maps(targets),
            names=tuple(names),
        )

    def _window_box(self, rng: np.random.Generator, photo: crops.Size) -> Box:
        """A random place, magnified within a quarter as a tiling of this photo would magnify its tiles."""
        tile = plan(*photo, TILINGS[rng.integers(len(TILINGS))], tile_size=self.tile_size)[0]
        scale = math.sqrt(self.tile_size[0] * self.tile_size[1] / (tile.height * tile.width))
        scale = min(scale * rng.uniform(0.8, 1.25), LARGEST_SCALE)
        scale = max(scale, self.window[0] / photo[0], self.window[1] / photo[1])
        return crops.place_box(rng, photo, (self.window[0] / scale, self.window[1] / scale))


def batches(
    dataset: Dataset[Batch],
    first: int,
    last: int,
    *,
    workers: int,
    batch: int = 1,
    share: Share | None = None,
) -> Iterator[Batch]:
    """Batches first .. last−1 in order, prepared ahead by worker processes (0: here, when asked for).

    Args:
        dataset: batches by step; by `Part` where they are shared.
        first: step.
        last: step, exclusive.
        workers: how many.
        batch: photos a step, over all processes.
        share: this process's: its parts of the batches in their order. None asks for whole batches.

    Raises:
        HyperfocalError: `batch` can't be shared evenly, or too many frames can't be read.
    """
    steps = range(first, last)
    loader = DataLoader(
        dataset,
        batch_size=None,
        sampler=steps if share in (None, Share()) else parts(steps, batch, share),
        num_workers=workers,
        prefetch_factor=4 if workers else None,
        pin_memory=torch.cuda.is_available(),
        worker_init_fn=_start_worker,
    )
    try:
        yield from loader
    except HyperfocalError as error:  # a worker's comes with its traceback in the text
        raise HyperfocalError(str(error).strip().rsplit("HyperfocalError: ", 1)[-1]) from None


def parts(steps: Iterable[int], batch: int, share: Share) -> Iterator[Part]:
    """Return what a process takes: its part of each piece of each step's batch.

    Raises:
        HyperfocalError: the batch can't be shared evenly.
    """
    size, left = divmod(batch, share.pieces * share.processes)
    if left:
        raise HyperfocalError(
            f"batch={batch} can't be shared evenly: {share.processes} processes, accumulate={share.pieces}"
        )
    firsts = [(piece * share.processes + share.process) * size for piece in range(share.pieces)]
    return (Part(step, first, first + size) for step in steps for first in firsts)


def _start_worker(_: int) -> None:
    """A worker takes one core only, and leaves Ctrl-C and signals to the group to the main process, which ends it."""
    os.setpgrp()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    cv2.setNumThreads(0)


def _size(sample: Sample) -> crops.Size:
    return sample.image.shape[0], sample.image.shape[1]


def _target(metres: NDArray[np.float32], scale: float, canonical: Canonical) -> NDArray[np.float32]:
    return crops.canonical_target(metres, scale, limit=canonical.limit, far=canonical.far)


def _images(images: list[NDArray[np.float32]]) -> Tensor:
    """(N, 3, h, w), channels last in memory as they come: twice as fast to train on a CPU."""
    return torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2)


def _maps(maps: list[NDArray[np.float32]]) -> Tensor:
    return torch.from_numpy(np.stack(maps))[:, None]
