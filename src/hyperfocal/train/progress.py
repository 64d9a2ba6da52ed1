"""The progress bar: steps, loss, time left; only on a terminal."""

from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn


class Bar:
    """A bar below the lines of the log; a context manager.

    Args:
        step: that the run is at.
        steps: of the whole run.
        shown: False in all processes but one.
    """

    def __init__(self, step: int, steps: int, *, shown: bool = True) -> None:
        console = Console(stderr=True)
        self._progress = Progress(
            TextColumn("training"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("loss {task.fields[loss]:.3f}  {task.fields[rate]:.1f} samples/s  left"),
            TimeRemainingColumn(),
            console=console,
            disable=not (shown and console.is_terminal),
        )
        self._task = self._progress.add_task("", completed=step, total=steps, loss=float("nan"), rate=0.0)

    def __enter__(self) -> "Bar":
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def update(self, step: int, loss: float, rate: float) -> None:
        """Shows a step; `rate` in samples/s."""
        self._progress.update(self._task, completed=step, loss=loss, rate=rate)
