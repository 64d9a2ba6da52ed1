"""Tiling: what a prediction is told about tiles, in one object from the public call down to the walk."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from hyperfocal.tiles.plan import check_tiling

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Tiling:
    """How a photo's tiles are made and walked; `Model.predict` says more of each.

    Attributes:
        name: of the tiling.
        seed: of random tiles.
        batch: tiles at once; None: as many as suit the device.
        feedback: consistency-aware inference.
        on_progress: called with (tiles done, tiles).

    Raises:
        HyperfocalError: no tiling has that name.
    """

    name: str = "auto"
    seed: int = 0
    batch: int | None = None
    feedback: bool = False
    on_progress: Progress | None = None

    def __post_init__(self) -> None:
        check_tiling(self.name)


AUTO = Tiling()
