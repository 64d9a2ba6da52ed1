"""Files that appear whole or not at all."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hyperfocal.errors import HyperfocalError


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path in `path`'s folder (created if missing), renamed to `path` when the block succeeds.

    On any failure, Ctrl-C included, the temporary file is removed and a file already at `path` is untouched.

    Raises:
        HyperfocalError: one line for what the system refused (full disk, read-only folder, ...).
    """
    # Not tempfile: its files are readable by their owner only, and the final file would stay so.
    temporary = path.parent / f".hyperfocal-{uuid.uuid4().hex}"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield temporary
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        # Pillow and OpenEXR have their own words, without the system's, when a write fails half-way.
        words = " ".join(str(error).replace(str(temporary), path.name).split())
        reason = error.strerror or f"{words} (is the disk full?)"
        raise HyperfocalError(f"{path}: cannot be written: {reason}") from error


def to_disk(path: Path) -> None:
    """Wait until a file's content is on the disk: a rename may reach it before, and the power fail between."""
    with path.open("r+b") as file:  # Windows wants to write for this
        os.fsync(file.fileno())
