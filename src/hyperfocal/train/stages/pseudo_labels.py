"""A teacher's labels for synthetic-to-real training, and the losses that take detail from them."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import cast

import cv2
import numpy as np
import torch
from torch import Tensor

from hyperfocal import checkpoints
from hyperfocal.data.batches import Reader
from hyperfocal.data.crops import Size, crop
from hyperfocal.data.patches import PatchBatch
from hyperfocal.data.sample import Sample
from hyperfocal.depthmap.formats import find_map, read_map
from hyperfocal.errors import HyperfocalError
from hyperfocal.losses.local_ssigm import local_ssigm
from hyperfocal.losses.ranking import edge_guided_ranking
from hyperfocal.losses.ssi import ssi, ssi_normalised
from hyperfocal.losses.ssigm import gm, ssigm
from hyperfocal.models import find
from hyperfocal.refine import Refiner
from hyperfocal.tiles.plan import Box
from hyperfocal.train.recipes import PseudoLabels
from hyperfocal.train.stages.networks import cropped

# (prediction, label, where the label is, where the real truth is, generator, settings) → scalar
Loss = Callable[[Tensor, Tensor, Tensor, Tensor, torch.Generator, PseudoLabels], Tensor]


def _ranking(
    p: Tensor, q: Tensor, valid: Tensor, real: Tensor, g: torch.Generator, settings: PseudoLabels
) -> Tensor:
    return edge_guided_ranking(p, q, valid & real, g)


def _mix(
    p: Tensor, q: Tensor, valid: Tensor, real: Tensor, g: torch.Generator, settings: PseudoLabels
) -> Tensor:
    return 0.1 * _ranking(p, q, valid, real, g, settings) + 0.1 * ssi(p, q, valid)


def _local_ssigm(
    p: Tensor, q: Tensor, valid: Tensor, real: Tensor, g: torch.Generator, settings: PseudoLabels
) -> Tensor:
    if settings.windows == 0:
        return ssigm(p, q, valid)
    return local_ssigm(p, q, valid, g, settings.windows, settings.side)


LOSSES: Mapping[str, Loss] = {
    "ranking": _ranking,
    "ssi": lambda p, q, valid, *_: ssi(p, q, valid),
    "ssi_normalised": lambda p, q, valid, *_: ssi_normalised(p, q, valid),
    "mix": _mix,
    "gm": lambda p, q, valid, *_: gm(p, q, valid),
    "ssigm": lambda p, q, valid, *_: ssigm(p, q, valid),
    "local_ssigm": _local_ssigm,
}


class Labelled:
    """A reader whose `metres` have a second channel: (H, W, 2), the truth and the label of the same pixel.

    Args:
        reader: the frames.
        folder: the labels, by frame name.
        unit: metres of 1 in their files.
    """

    def __init__(self, reader: Reader, folder: Path, unit: float | None) -> None:
        self.reader, self.folder, self.unit = reader, folder, unit

    def __len__(self) -> int:
        return len(self.reader)

    def __getitem__(self, index: int) -> Sample:
        sample = self.reader[index]
        height, width = sample.metres.shape
        label = read_map(find_map(self.folder, sample.name), self.unit).metres
        label = np.where(np.isfinite(label) & (label > 0), label, np.float32(0))
        label = cv2.resize(label, (width, height), interpolation=cv2.INTER_NEAREST_EXACT)
        return replace(sample, metres=np.stack([sample.metres, np.asarray(label, np.float32)], -1))

    def crop(self, index: int, choose: Callable[[Size], Box]) -> Sample:
        """The part of a sample that `choose` picks, knowing its height and width."""
        sample = self[index]
        return crop(sample, choose((sample.metres.shape[0], sample.metres.shape[1])))

    def draw(self, seed: int, position: int) -> int:
        """The reader's own order."""
        return self.reader.draw(seed, position)

    def refresh(self) -> None:
        """Looks for new samples."""
        self.reader.refresh()


class Teacher:
    """A frozen model that labels crops as the student sees them.

    Args:
        name: of a model, or its directory.
        process: size of the student's photos and crops, which must be the teacher's.

    Raises:
        HyperfocalError: there is no such model, or it works at other sizes.
    """

    def __init__(self, name: str, process: tuple[int, int]) -> None:
        config, self.coarse, self.refiner = checkpoints.load(find(name))
        if self.refiner is None:
            raise HyperfocalError(f"the teacher {name} has no refiner: it has no detail to teach")
        if not (tuple(config.coarse_size) == tuple(config.tile_size) == process):
            raise HyperfocalError(
                f"the teacher {name} works at {config.coarse_size} and {config.tile_size}, the student at {process}"
            )

    @torch.no_grad()
    def __call__(self, batch: PatchBatch) -> Tensor:
        """(K, 1, *process) metres."""
        device = batch.photo.device
        whole = self.coarse.to(device)(batch.photo)
        assert self.refiner is not None
        refiner = cast(Refiner, self.refiner.to(device))
        label: Tensor = refiner(batch.windows, *cropped(whole, refiner, batch))
        return label
