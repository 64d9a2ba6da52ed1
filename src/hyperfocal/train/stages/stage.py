"""Stage: what the engine asks of a stage."""

from collections.abc import Iterable
from typing import NamedTuple, Protocol, TypeVar

import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from hyperfocal.data.batches import Reader
from hyperfocal.train.recipes import Recipe

Batch = TypeVar("Batch")


class Part(NamedTuple):
    """A module that learns at its own pace.

    Attributes:
        module: whose parameters these are, but for those of an earlier part.
        rate: factor on the recipe's learning rate.
        decay: its weight decay; None: the recipe's.
    """

    module: nn.Module
    rate: float = 1.0
    decay: float | None = None


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

    def parts(self) -> Iterable[Part]:
        """What learns; a parameter belongs to the first part that holds it."""

    def train(self) -> None:
        """Puts the networks into training mode."""

    def loss(self, batch: Batch, generator: torch.Generator) -> Tensor:
        """The scalar to minimise; `generator` is the only source of randomness."""
