"""The coarse network on whole photos."""

from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from hyperfocal.data.batches import Reader, WholeBatch
from hyperfocal.train.recipes import Recipe
from hyperfocal.train.stages.datasets import whole_photos
from hyperfocal.train.stages.losses import depth_loss
from hyperfocal.train.stages.networks import coarse_network, slowly
from hyperfocal.train.stages.stage import Part


class Coarse:
    """Any base network: SILog, and gradient matching by its weight."""

    makes: ClassVar[tuple[str, ...]] = ("coarse",)

    def __init__(self, recipe: Recipe) -> None:
        self.recipe = recipe
        self.coarse = coarse_network(recipe)
        self.networks = nn.ModuleDict({"coarse": self.coarse})

    def dataset(self, reader: Reader) -> Dataset[WholeBatch]:
        """Whole photos."""
        return whole_photos(reader, self.recipe)

    def parts(self) -> list[Part]:
        """What was pretrained elsewhere is slower: it knows the world's looks already."""
        return slowly(self.coarse, self.recipe.encoder_lr)

    def train(self) -> None:
        """Batch norms learn too."""
        self.networks.train()

    def loss(self, batch: WholeBatch, generator: torch.Generator) -> Tensor:
        """Of the predicted map."""
        return depth_loss(self.coarse(batch.image).depth, batch.target, self.recipe)
