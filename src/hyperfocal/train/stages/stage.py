"""Stage: what the engine asks of a stage."""

from collections.abc import Iterable
from typing import ClassVar, NamedTuple, Protocol, TypeVar

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
        makes: the networks that it makes, "coarse", "refiner" or both. With a coarse network they are a model; a
            refiner alone is one that `stages.noise` shows without any.
        recipe: its numbers.
        networks: what is trained, by the names in `makes`.
    """

    makes: ClassVar[tuple[str, ...]]
    recipe: Recipe
    networks: nn.ModuleDict

    def __init__(self, recipe: Recipe) -> None: ...

    def dataset(self, reader: Reader) -> Dataset[Batch]:
        """Batches by step."""

    def parts(self) -> Iterable[Part]:
        """What learns; a parameter belongs to the first part that holds it."""

    def train(self) -> None:
        """Puts the networks into training mode."""

    def loss(self, batch: Batch, generator: torch.Generator) -> Tensor:
        """The scalar to minimise; `generator` is the only source of randomness."""
