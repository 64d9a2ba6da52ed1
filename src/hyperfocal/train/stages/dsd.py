"""Synthetic to real by detail and scale disentangling (DSD; PatchRefiner, section 3.3; V2, section 3.4)."""

from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.data import Dataset

from hyperfocal.coarse.blocks import resize
from hyperfocal.data.batches import Reader, WindowBatch
from hyperfocal.data.patches import PatchBatch
from hyperfocal.errors import HyperfocalError
from hyperfocal.losses.dsd import dsd
from hyperfocal.train.processes import whole_batch
from hyperfocal.train.recipes import Recipe
from hyperfocal.train.stages.datasets import windows
from hyperfocal.train.stages.e2e import EndToEnd
from hyperfocal.train.stages.pseudo_labels import LOSSES, Labelled, Teacher


class SyntheticToReal(EndToEnd):
    """The scale from sparse real truth, the detail from a teacher that was trained on synthetic photos.

    L = SILog(p, truth) + λ · L_pseudo(p, label). Labels come from a folder, or from a frozen teacher that sees the
    same augmented crops. Any refiner; a frozen coarse network is `coarse_lr = 0`.
    """

    def __init__(self, recipe: Recipe) -> None:
        if recipe.pseudo is None or recipe.patches is None:
            raise HyperfocalError("dsd needs pseudo.* and patches.*")
        if recipe.pseudo.loss not in LOSSES:
            raise HyperfocalError(f"pseudo.loss={recipe.pseudo.loss}: one of {', '.join(LOSSES)}")
        if (recipe.pseudo.model is None) == (recipe.pseudo.folder is None):
            raise HyperfocalError("dsd takes labels from pseudo.model=TEACHER or from pseudo.folder=FOLDER")
        super().__init__(recipe)
        self.pseudo = recipe.pseudo
        model = self.pseudo.model
        self.teacher = None if model is None else Teacher(model, recipe.patches.process)

    def dataset(self, reader: Reader) -> Dataset[Any]:
        """Photos with crops, and with the labels of the folder if there is one."""
        if self.pseudo.folder is not None:
            reader = Labelled(reader, Path(self.pseudo.folder), self.pseudo.unit)
        return windows(reader, self.recipe)

    def loss(self, batch: WindowBatch | PatchBatch, generator: torch.Generator) -> Tensor:
        """Of the refined crops, to the truth and to the labels, each at its own size."""
        assert isinstance(batch, PatchBatch)
        depth, features = self.crops(batch)
        refined = self.refiner(batch.windows, depth, features)
        label = batch.label if self.teacher is None else self.teacher(batch)
        assert label is not None
        refined, target, label = whole_batch(refined, batch.target, label)
        valid = label.isfinite() & (label > 0)
        size = label.shape[-2:]
        real = F.interpolate(target, size, mode="nearest") > 0
        pseudo = LOSSES[self.pseudo.loss](
            resize(refined, size), label.where(valid, 1), valid, real, generator, self.pseudo
        )
        return dsd(resize(refined, target.shape[-2:]), target, target > 0, pseudo, self.pseudo.weight)
