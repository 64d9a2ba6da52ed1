"""Stage: what the engine asks of a stage."""

from collections.abc import Iterable
from typing import Protocol, TypeVar

import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from hyperfocal.data.batches import Reader
from hyperfocal.train.recipes import Recipe

Batch = TypeVar("Batch")


class Stage(Protocol[Batch]):
    """One stage of training.

    Attributes:
        recipe: its numbers.
        networks: what is trained; keys "coarse" and "refiner".
    """

    recipe: Recipe
    networks: nn.ModuleDict

    def dataset(self, reader: Reader) -> Dataset[Batch]:
        """Batches by step."""

    def parts(self) -> Iterable[tuple[nn.Module, float]]:
        """Modules with the factor on the learning rate; a parameter belongs to the first that holds it."""

    def train(self) -> None:
        """Puts the networks into training mode."""

    def loss(self, batch: Batch, generator: torch.Generator) -> Tensor:
        """The scalar to minimise; `generator` is the only source of randomness."""
