"""The papers' training batches: the whole photo and random crops of a fixed share of it, both at the process size.

PatchFusion, PatchRefiner and PatchRefiner V2 train on these: plain bilinear samples with the corners aligned and
without antialiasing, depth in metres within a range, weak augmentation. Our own models use `batches` instead.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from hyperfocal.data.batches import Canonical, Part, Reader, Steps, WholeBatch
from hyperfocal.data.crops import Size, place_box
from hyperfocal.errors import HyperfocalError
from hyperfocal.resample import resized
from hyperfocal.tiles.plan import Box

FloatMap = NDArray[np.float32]


@dataclass(frozen=True)
class Patches:
    """What a data set's photos and crops look like in training. Sizes are (height, width).

    Attributes:
        image: size that every photo is brought to, if it has another.
        split: rows and columns of which a crop is one.
        process: size at which the photo and the crops enter the networks.
        depth: metres; truth at or outside these two is unknown, sky too.
        rotation: degrees, of a random turn to either side.
    """

    image: Size = (2160, 3840)
    split: tuple[int, int] = (4, 4)
    process: Size = (384, 512)
    depth: tuple[float, float] = (1e-3, 80.0)
    rotation: float = 1.0

    @property
    def raw(self) -> Size:
        """Size of a crop in pixels of the photo."""
        return self.image[0] // self.split[0], self.image[1] // self.split[1]


class PatchBatch(NamedTuple):
    """Whole photos and K random crops of them.

    Attributes:
        photo: float32 (N, 3, *process) in [0, 1].
        windows: float32 (K, 3, *process) in [0, 1], the crops.
        boxes: float32 (K, 4) top, left, height, width in pixels of `photo`.
        owner: int64 (K,), the photo that each crop is of.
        target: float32 (K, 1, *raw) metres, 0 = unknown.
        label: float32 (K, 1, *raw) metres of a pseudo label, 0 = unknown; None without labels.
        shifts: int64 (K / 2, 2), rows and columns from each crop of the first half to its partner in the second;
            None where crops come alone.
        names: of the photos.
    """

    photo: Tensor
    windows: Tensor
    boxes: Tensor
    owner: Tensor
    target: Tensor
    label: Tensor | None
    shifts: Tensor | None
    names: tuple[str, ...]


class _PaperSteps(Steps):
    """Photos by step, at one size and augmented.

    A reader may give `metres` a second channel, (H, W, 2): a pseudo label, which goes where the truth goes.
    """

    def __init__(self, reader: Reader, *, batch: int, patches: Patches, seed: int) -> None:
        super().__init__(reader, batch, Canonical(), seed)
        self.patches = patches

    def _photo(self, rng: np.random.Generator) -> tuple[FloatMap, FloatMap, str]:
        """Image (H, W, 3) in [0, 1], metres (H, W, channels) with unknown truth 0, and the name."""
        sample, patches = self._draw(rng), self.patches
        image, metres = np.ascontiguousarray(sample.image), np.ascontiguousarray(sample.metres)
        if metres.shape[:2] != patches.image:
            image = np.asarray(cv2.resize(image, patches.image[::-1]), np.uint8)
            metres = np.asarray(
                cv2.resize(metres, patches.image[::-1], interpolation=cv2.INTER_NEAREST_EXACT)
            )
        image, metres = rotated(image, metres, rng.uniform(-patches.rotation, patches.rotation))
        metres = np.nan_to_num(metres.reshape(*patches.image, -1), nan=0.0, posinf=0.0, neginf=0.0)
        truth = metres[..., 0]
        truth[(truth <= patches.depth[0]) | (truth >= patches.depth[1])] = 0
        return coloured(image, rng), metres, sample.name


class PaperPhotos(_PaperSteps, Dataset[WholeBatch]):
    """Whole photos: the image at the process size, its truth at the photo's own.

    Args:
        reader: the frames.
        batch: photos a batch.
        patches: their sizes and the range of depth.
        seed: of every random choice.
    """

    def __getitem__(self, index: int | Part) -> WholeBatch:
        _, rngs = self._rngs(index)
        images, targets, names = [], [], []
        for rng in rngs:
            image, metres, name = self._photo(rng)
            images.append(sampled(image, self.patches.process))
            targets.append(metres[..., 0])
            names.append(name)
        return WholeBatch(torch.cat(images), _stacked(targets), tuple(names))


class PaperPatches(_PaperSteps, Dataset[PatchBatch]):
    """Whole photos with random crops of `Patches.raw`.

    Args:
        reader: the frames.
        batch: photos a batch.
        windows: crops a photo.
        patches: sizes and the range of depth.
        pairs: each crop gets a partner, shifted by a quarter of its sides to a random one of the sides that stay
            inside: the overlapping crops of PatchFusion's consistency-aware training.
        seed: of every random choice.

    Raises:
        HyperfocalError: pairs, of crops so large that a partner has no room.
    """

    def __init__(
        self, reader: Reader, *, batch: int, windows: int, patches: Patches, pairs: bool, seed: int
    ) -> None:
        super().__init__(reader, batch=batch, patches=patches, seed=seed)
        if pairs and min(patches.split) < 2:
            raise HyperfocalError(
                f"overlapping crops need patches.split of at least (2, 2), not {patches.split}"
            )
        self.windows, self.pairs = windows, pairs

    def __getitem__(self, index: int | Part) -> PatchBatch:
        _, rngs = self._rngs(index)
        photos, names = [], []
        cuts: list[list[tuple[Tensor, FloatMap, Box, int]]] = [[], []]  # the crops, and their partners
        shifts = []
        for owner, rng in enumerate(rngs):
            image, metres, name = self._photo(rng)
            photos.append(sampled(image, self.patches.process))
            names.append(name)
            for _ in range(self.windows):
                box = place_box(rng, self.patches.image, self.patches.raw)
                boxes = [box, partner(rng, box, self.patches.image)] if self.pairs else [box]
                shifts.append((boxes[-1].top - box.top, boxes[-1].left - box.left))
                for side, one in zip(cuts, boxes, strict=False):
                    crop = sampled(image[one.slices], self.patches.process)
                    side.append((crop, metres[one.slices], one, owner))
        windows, targets, places, owners = zip(*(cut for side in cuts for cut in side), strict=True)
        scale = np.tile(np.divide(self.patches.process, self.patches.image), 2)
        labelled = targets[0].shape[-1] > 1
        return PatchBatch(
            photo=torch.cat(photos),
            windows=torch.cat(windows),
            boxes=torch.from_numpy((np.array(places) * scale).astype(np.float32)),
            owner=torch.tensor(owners),
            target=_stacked([t[..., 0] for t in targets]),
            label=_stacked([t[..., 1] for t in targets]) if labelled else None,
            shifts=torch.tensor(shifts) if self.pairs else None,
            names=tuple(names),
        )


def partner(rng: np.random.Generator, box: Box, inside: Size) -> Box:
    """The box, moved by a quarter of its height and of its width, up or down and left or right but inside."""
    moved = []
    for start, length, full in ((box.top, box.height, inside[0]), (box.left, box.width, inside[1])):
        starts = [s for s in (start - length // 4, start + length // 4) if 0 <= s <= full - length]
        moved.append(starts[rng.integers(len(starts))])
    return Box(moved[0], moved[1], box.height, box.width)


def rotated(image: NDArray[np.uint8], metres: FloatMap, degrees: float) -> tuple[NDArray[np.uint8], FloatMap]:
    """Turns about the centre: the image bilinearly, depth by the nearest pixel; what comes in is 0."""
    if degrees == 0:
        return image, metres
    height, width = image.shape[:2]
    turn = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), degrees, 1)
    turned = cv2.warpAffine(image, turn, (width, height), flags=cv2.INTER_LINEAR)
    depth = cv2.warpAffine(metres, turn, (width, height), flags=cv2.INTER_NEAREST)
    return np.asarray(turned, np.uint8), np.asarray(depth, np.float32)


def coloured(image: NDArray[np.uint8], rng: np.random.Generator) -> FloatMap:
    """To [0, 1]; half of the time with another gamma, brightness and gain of each channel, each within 10 %."""
    values = np.arange(256, dtype=np.float32)[:, None, None] / 255
    curve = np.repeat(values, 3, 2)
    if rng.random() < 0.5:
        gamma, brightness, *gains = rng.uniform(0.9, 1.1, 5)
        curve = np.clip(values**gamma * brightness * np.array(gains), 0, 1).astype(np.float32)
    return np.asarray(cv2.LUT(image, curve), np.float32)


def sampled(image: FloatMap, size: Size) -> Tensor:
    """(1, 3, *size): bilinear samples with the corners aligned, without antialiasing, as published."""
    pixels = torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1)[None]
    return resized(pixels, size, keep_aspect=False)


def _stacked(maps: Sequence[FloatMap]) -> Tensor:
    return torch.from_numpy(np.stack(maps))[:, None]
