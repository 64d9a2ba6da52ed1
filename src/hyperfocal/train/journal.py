"""What a run writes down for people to see: `log.csv`, `validation.csv`, and both with pictures for TensorBoard."""

import csv
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hyperfocal.depthmap.atomic import replacing

LOG, VALIDATION = "log.csv", "validation.csv"

OnRow = Callable[[str, Mapping[str, float]], None]


class Journal:
    """The journal of a run's folder; a context manager. What is later than `step` in it is forgotten.

    Args:
        folder: of the run.
        step: that the run is at.
        writes: False in all processes but one: nothing is written.
        on_row: gets each row as well, after its kind: "train" or "validation".
    """

    def __init__(
        self, folder: Path, step: int, *, writes: bool = True, on_row: OnRow = lambda kind, row: None
    ) -> None:
        self.folder, self._board, self._on_row = folder, None, on_row
        if writes:
            from torch.utils.tensorboard import SummaryWriter

            for name in (LOG, VALIDATION):
                _forget_after(step, folder / name)
            board: Any = SummaryWriter  # untyped
            self._board = board(folder / "tensorboard", purge_step=step + 1 if step else None)

    def __enter__(self) -> "Journal":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._board is not None:
            self._board.close()

    def log(self, row: Mapping[str, float]) -> None:
        """A row of measurements of the training; the key "step" says when."""
        self._write(LOG, "train", row)

    def validation(self, row: Mapping[str, float]) -> None:
        """A row of scores on validation data."""
        self._write(VALIDATION, "validation", row)

    def picture(self, name: str, picture: NDArray[np.uint8], step: int) -> None:
        """A picture, (H, W, 3)."""
        if self._board is not None:
            self._board.add_image(name, picture, step, dataformats="HWC")

    def _write(self, file: str, group: str, row: Mapping[str, float]) -> None:
        if self._board is None:
            return
        _append(self.folder / file, row)
        for name, value in row.items():
            if name != "step":
                self._board.add_scalar(f"{group}/{name}", value, int(row["step"]))
        self._board.flush()
        self._on_row(group, row)


def read(path: Path) -> dict[str, list[float]]:
    """The columns of a journal's file; none if it isn't there."""
    if not path.is_file():
        return {}
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    return {name: [float(row[name]) for row in rows] for name in rows[0]} if rows else {}


def _forget_after(step: int, path: Path) -> None:
    """Drops the rows of steps that the checkpoint does not know; they will be made again."""
    if path.exists():
        lines = path.read_text().splitlines(keepends=True)
        whole = [line for line in lines if line.endswith("\n")]  # a killed process may leave half a line
        kept = [line for line in whole[1:] if float(line.split(",")[0]) <= step]
        with replacing(path) as partial:
            partial.write_text("".join(whole[:1] + kept))


def _append(path: Path, row: Mapping[str, float]) -> None:
    with path.open("a+", newline="") as file:
        file.seek(0)
        names = next(csv.reader(file), None)  # what an earlier version measured may differ
        writer = csv.writer(file)
        if names is None:
            writer.writerow(names := list(row))
        values = (row.get(name, math.nan) for name in names)
        writer.writerow(value if isinstance(value, int) else f"{value:.6g}" for value in values)
