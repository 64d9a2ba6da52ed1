"""PatchRefiner V2 end to end (section 3.3), with a trained or a frozen coarse network."""

from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from hyperfocal.data.batches import Reader, WindowBatch
from hyperfocal.data.patches import PatchBatch
from hyperfocal.train.recipes import Recipe
from hyperfocal.train.stages.datasets import windows
from hyperfocal.train.stages.losses import depth_loss, with_own_loss
from hyperfocal.train.stages.networks import coarse_network, cropped, pretrained, refiner_network, slowly
from hyperfocal.train.stages.stage import Part


class EndToEnd:
    """Photo → coarse network → maps cropped to windows → refiner: the loss is on the windows alone.

    Any refiner. `coarse_lr = 0` freezes the coarse network. Batch norms, its own and those of the refiner's
    encoder, keep their statistics unless `batch_norm`: a step of few photos can't estimate them (the published
    code lets them follow batches of four).
    """

    makes: ClassVar[tuple[str, ...]] = ("coarse", "refiner")

    def __init__(self, recipe: Recipe) -> None:
        self.recipe = recipe
        self.coarse = coarse_network(recipe)
        self.refiner: Any = refiner_network(recipe)
        self.networks = nn.ModuleDict({"coarse": self.coarse, "refiner": self.refiner})
        self.coarse.requires_grad_(recipe.coarse_lr > 0)

    @property
    def pretrained(self) -> nn.Module | None:
        """The part of the refiner that was pretrained: its encoder, or its base network, if it has either."""
        base: nn.Module | None = getattr(self.refiner, "base", None)
        return pretrained(self.refiner) if base is None else base

    def dataset(self, reader: Reader) -> Dataset[Any]:
        """Photos with windows."""
        return windows(reader, self.recipe)

    def parts(self) -> list[Part]:
        """The coarse network and what was pretrained in the refiner are slower than the fusion."""
        base = getattr(self.refiner, "base", None)
        inner = slowly(self.refiner if base is None else base, self.recipe.encoder_lr)
        coarse = Part(self.coarse, self.recipe.coarse_lr, self.recipe.coarse_decay)
        return [coarse, *inner, Part(self.refiner)]

    def train(self) -> None:
        """All but the batch norms of what was pretrained, unless the recipe lets them learn."""
        self.coarse.train(self.recipe.batch_norm and self.recipe.coarse_lr > 0)
        self.refiner.train()
        if self.pretrained is not None:
            self.pretrained.train(self.recipe.batch_norm and self.recipe.encoder_lr > 0)

    def crops(self, batch: WindowBatch | PatchBatch) -> tuple[Tensor, list[Tensor]]:
        """Coarse depth and maps of the batch's windows."""
        with torch.set_grad_enabled(self.recipe.coarse_lr > 0):
            whole = self.coarse(batch.photo)
        return cropped(whole, self.refiner, batch)

    def loss(self, batch: WindowBatch | PatchBatch, generator: torch.Generator) -> Tensor:
        """Of the refined windows."""
        depth, features = self.crops(batch)
        if not self.recipe.own:
            return depth_loss(self.refiner(batch.windows, depth, features), batch.target, self.recipe)
        refined, own = self.refiner.with_own_depth(batch.windows, depth, features)
        return with_own_loss(refined, own, batch.target, self.recipe)
