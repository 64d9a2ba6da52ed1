"""The table of data sets: `KIND:PATH` to a reader."""

import difflib
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from hyperfocal.data.cityscapes import Cityscapes
from hyperfocal.data.eth3d import ETH3D
from hyperfocal.data.folder import Folder
from hyperfocal.data.frames import Frame, Frames, Scope
from hyperfocal.data.kitti import KITTI
from hyperfocal.data.middlebury2014 import Middlebury2014
from hyperfocal.data.mvs_synth import MVSSynth
from hyperfocal.data.nyuv2 import nyuv2
from hyperfocal.data.sample import Sample
from hyperfocal.data.scannetpp import ScanNetPP
from hyperfocal.data.unrealstereo4k import UnrealStereo4K
from hyperfocal.errors import HyperfocalError


class UnknownKind(HyperfocalError):  # noqa: N818 - what users read is its text
    """`KIND:PATH` names no kind of data set: the command is wrong, not the data."""


class Reader(Protocol):
    """What every reader offers."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Sample: ...

    def disparity(self, index: int) -> NDArray[np.float32] | None:
        """Disparity in pixels, for edges; None where the data set has none."""


class DataSet(Reader, Protocol):
    """A reader that also knows its files (see `Frames`) and the protocol of published numbers."""

    @property
    def scope(self) -> Scope:
        """Which truth counts."""

    @property
    def frames(self) -> Sequence[Frame]:
        """The files of each sample."""

    @property
    def incomplete(self) -> Sequence[str]:
        """One line for each frame that lacks a file."""


class InScope:
    """`data` as published numbers see it: truth outside the window of its scope is unknown."""

    def __init__(self, data: DataSet) -> None:
        self.data, self.disparity = data, data.disparity

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, index: int) -> Sample:
        sample = self.data[index]
        return replace(sample, metres=self.data.scope.inside(sample.metres))


def packed(root: str, split: str | None = None) -> Frames:
    """Return the reader of packed frames; it needs Blosc2, which the others do without."""
    from hyperfocal.data.packed import Packed

    return Packed(root, split)


KINDS: dict[str, Callable[[str, str | None], Frames]] = {
    "unrealstereo4k": UnrealStereo4K,
    "mvs-synth": MVSSynth,
    "middlebury2014": Middlebury2014,
    "cityscapes": Cityscapes,
    "eth3d": ETH3D,
    "kitti": KITTI,
    "nyuv2": nyuv2,
    "scannetpp": ScanNetPP,
    "folder": Folder,
    "packed": packed,
}


def open_data(text: str, split: str | None = None) -> Frames:
    """Return the reader of `KIND:PATH`, of one split or of all frames: see `Frames`.

    Raises:
        UnknownKind: no such kind; the nearest is named.
        HyperfocalError: nothing there.
    """
    kind, colon, path = text.partition(":")
    if not colon or kind not in KINDS:
        near = difflib.get_close_matches(kind, KINDS, n=1)
        hint = f"did you mean {near[0]}:?" if near else f"KIND is one of {', '.join(KINDS)}"
        raise UnknownKind(f"data {text!r} is not KIND:PATH; {hint}")
    return KINDS[kind](path, split)
