"""Asking a run to stop: SIGTERM and SIGINT end it after its step, with a checkpoint."""

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

SAME = 2.0  # seconds: launchers pass on signals that the process had from the terminal already


@contextmanager
def stop_signals() -> Iterator[threading.Event]:
    """SIGTERM and SIGINT set the event instead of ending the process; another one, later, ends it."""
    stopped = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stopped  # only the main thread may handle signals
        return
    first: list[float] = []

    def stop(number: int, _: object) -> None:
        stopped.set()
        first.append(time.monotonic())
        if first[-1] - first[0] > SAME:
            give_back()
            signal.raise_signal(number)

    def give_back() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stopped
    finally:
        give_back()
