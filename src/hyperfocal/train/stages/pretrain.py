"""Noisy pretraining of PatchRefiner V2 (section 3.3)."""

from functools import partial
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from hyperfocal.data.batches import Reader, WholeBatch
from hyperfocal.errors import HyperfocalError
from hyperfocal.train.processes import randn
from hyperfocal.train.recipes import Recipe
from hyperfocal.train.stages.datasets import whole_photos
from hyperfocal.train.stages.losses import with_own_loss
from hyperfocal.train.stages.networks import refiner_network, slowly
from hyperfocal.train.stages.noise import no_coarse
from hyperfocal.train.stages.stage import Part


class NoisyPretraining:
    """The refiner on whole photos, N(0, 1) noise for coarse features, a coarse depth that says nothing.

    So the denoising units learn to tell the image from noise. The encoder sees three channels; the coarse
    depth is the one that the refiner's space shows as 0.
    """

    makes: ClassVar[tuple[str, ...]] = ("refiner",)

    def __init__(self, recipe: Recipe) -> None:
        if recipe.noise not in ("normal", "ones"):
            raise HyperfocalError(f"noise={recipe.noise}: normal or ones")
        self.recipe = recipe
        self.refiner: Any = refiner_network(recipe)
        self.networks = nn.ModuleDict({"refiner": self.refiner})

    def dataset(self, reader: Reader) -> Dataset[WholeBatch]:
        """Whole photos at the size of a window."""
        return whole_photos(reader, self.recipe)

    def parts(self) -> list[Part]:
        """The encoder is slower."""
        return slowly(self.refiner, self.recipe.encoder_lr)

    def train(self) -> None:
        """Batch norms learn too, but for those of a frozen encoder."""
        self.networks.train()
        self.refiner.encoder.net.train(self.recipe.encoder_lr > 0)

    def loss(self, batch: WholeBatch, generator: torch.Generator) -> Tensor:
        """Of the refiner's depth, with fresh noise."""
        draw = (
            torch.ones
            if self.recipe.noise == "ones"
            else partial(randn, generator=generator, device=batch.image.device)
        )
        silent, features = no_coarse(self.refiner, batch.image, draw)
        depth, own = self.refiner.with_own_depth(batch.image, silent, features)
        return with_own_loss(depth, own, batch.target, self.recipe)
