"""The fine network on random crops, each seen as a photo of its own (PatchFusion, section 3.1)."""

from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from hyperfocal.data.batches import Reader, WindowBatch
from hyperfocal.data.patches import PatchBatch
from hyperfocal.train.recipes import Recipe
from hyperfocal.train.stages.datasets import windows
from hyperfocal.train.stages.losses import depth_loss
from hyperfocal.train.stages.networks import coarse_network, slowly
from hyperfocal.train.stages.stage import Part


class Fine:
    """A network of the coarse one's design, which its weights are saved and exported as."""

    makes: ClassVar[tuple[str, ...]] = ("coarse",)

    def __init__(self, recipe: Recipe) -> None:
        self.recipe = recipe
        self.fine = coarse_network(recipe)
        self.networks = nn.ModuleDict({"coarse": self.fine})

    def dataset(self, reader: Reader) -> Dataset[Any]:
        """Photos with crops, of which only the crops are used."""
        return windows(reader, self.recipe)

    def parts(self) -> list[Part]:
        """What was pretrained elsewhere is slower."""
        return slowly(self.fine, self.recipe.encoder_lr)

    def train(self) -> None:
        """Batch norms learn too."""
        self.networks.train()

    def loss(self, batch: WindowBatch | PatchBatch, generator: torch.Generator) -> Tensor:
        """Of the predicted crops."""
        return depth_loss(self.fine(batch.windows).depth, batch.target, self.recipe)
