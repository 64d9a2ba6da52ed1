"""The table of data sets: `KIND:PATH` to a reader."""

import difflib
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from hyperfocal.data.folder import Folder
from hyperfocal.data.sample import Sample
from hyperfocal.data.unrealstereo4k import UnrealStereo4K
from hyperfocal.errors import HyperfocalError


class Reader(Protocol):
    """What every reader offers."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Sample: ...

    def disparity(self, index: int) -> NDArray[np.float32] | None:
        """Disparity in pixels, for edges; None where the data set has none."""


KINDS = {"folder": Folder, "unrealstereo4k": UnrealStereo4K}


def open_data(text: str) -> Reader:
    """Return the reader of `KIND:PATH`.

    Raises:
        HyperfocalError: no such kind (the nearest is named), or nothing there.
    """
    kind, colon, path = text.partition(":")
    if not colon or kind not in KINDS:
        near = difflib.get_close_matches(kind, KINDS, n=1)
        hint = f"did you mean {near[0]}:?" if near else f"KIND is one of {', '.join(KINDS)}"
        raise HyperfocalError(f"data {text!r} is not KIND:PATH; {hint}")
    reader: Reader = KINDS[kind](Path(path))
    return reader
