"""What a run measures of itself: losses, throughput and the share of time spent waiting for data."""

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from hyperfocal.train.recipes import Recipe


class Row(NamedTuple):
    """The steps since the row before: a row of `log.csv`.

    Attributes:
        step: the last one.
        loss: mean.
        lr: of the last part, at the last step.
        gradient_norm: largest, before clipping.
        samples_per_second: photos, over all processes.
        wait: share of the time in which the processor or GPU waited for data.
    """

    step: int
    loss: float
    lr: float
    gradient_norm: float
    samples_per_second: float
    wait: float

    def __str__(self) -> str:
        return (
            f"loss {self.loss:.3f}  lr {self.lr:.1e}  gradient {self.gradient_norm:.1f}  "
            f"{self.samples_per_second:.1f} samples/s  wait {self.wait:.0%}"
        )


class Meter:
    """Measures steps; made when the first one starts."""

    def __init__(self, step: int, recipe: Recipe) -> None:
        self.recipe = recipe
        self.first, self.began = step, time.monotonic()
        self._restart()

    @property
    def rate(self) -> float:
        """Photos a second since the last row, over all processes."""
        return len(self.losses) * self.recipe.batch / max(time.monotonic() - self.since, 1e-9)

    def _restart(self) -> None:
        self.losses: list[float] = []
        self.norms: list[float] = []
        self.since, self.waited = time.monotonic(), 0.0

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Counts the time inside as waiting for data."""
        start = time.monotonic()
        yield
        self.waited += time.monotonic() - start

    @contextmanager
    def pausing(self) -> Iterator[None]:
        """Doesn't count the time inside: checkpoints, validation, pictures."""
        start = time.monotonic()
        yield
        self.since += time.monotonic() - start

    def update(self, step: int, loss: float, lr: float, norm: float) -> Row | None:
        """Notes a step; every `log_every` steps, and at the end, returns the row of those since the last one."""
        self.losses.append(loss)
        self.norms.append(norm)
        every = self.recipe.log_every
        if step != self.recipe.steps and (not every or step % every):
            return None
        seconds = time.monotonic() - self.since
        mean = math.fsum(self.losses) / len(self.losses)
        row = Row(step, mean, lr, max(self.norms), self.rate, self.waited / seconds)
        self._restart()
        return row

    def left(self, step: int) -> str:
        """The time to the last step, as h:mm, if the rest goes as this call's steps did."""
        seconds = (self.recipe.steps - step) * (time.monotonic() - self.began) / (step - self.first)
        hours, minutes = divmod(round(seconds / 60), 60)
        return f"{hours}:{minutes:02d}"
