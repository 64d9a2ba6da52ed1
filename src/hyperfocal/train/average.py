"""The averaged weights: what is saved, validated and exported."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from hyperfocal.train.processes import cut


class Average:
    """Exponential moving average of weights and batch-norm statistics, short at first to forget the start.

    Args:
        networks: whose state is averaged. They keep their tensors: only values change.
        decay: at most; step k uses min(decay, (1 + k) / (10 + k)).

    Attributes:
        state: the averages by name.
    """

    def __init__(self, networks: nn.Module, decay: float) -> None:
        self.decay = decay
        current = networks.state_dict()
        self.state: dict[str, Tensor] = {name: value.detach().clone() for name, value in current.items()}
        self._weights = [(cut(self.state[k]), cut(v)) for k, v in current.items() if v.is_floating_point()]
        self._counts = [(self.state[k], v) for k, v in current.items() if not v.is_floating_point()]

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Takes in the networks' state after step `step`."""
        decay = min(self.decay, (1 + step) / (10 + step))
        averages, values = zip(*self._weights, strict=True)
        torch._foreach_lerp_(averages, values, 1 - decay)
        for count, value in self._counts:
            count.copy_(value)

    @torch.no_grad()
    def load(self, state: Mapping[str, Tensor]) -> None:
        """Takes the averages of a checkpoint, laid out as the networks are."""
        for name, value in self.state.items():
            value.copy_(state[name])
