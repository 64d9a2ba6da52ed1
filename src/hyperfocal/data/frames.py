"""What the readers of data sets share: finding the files of each frame, and splits."""

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hyperfocal.data.decode import reading
from hyperfocal.data.sample import Sample, Size
from hyperfocal.errors import HyperfocalError
from hyperfocal.metrics.depth import WHOLE, Window, window_mask
from hyperfocal.tiles.plan import Box


class Frame(NamedTuple):
    """The files of one frame by what they hold: "image", "depth" or "disparity", "camera"..."""

    name: str
    files: Mapping[str, Path]

    @property
    def truth(self) -> Path:
        """The file of depth or disparity."""
        return self.files["depth"] if "depth" in self.files else self.files["disparity"]


class Scope(NamedTuple):
    """Which truth the published numbers of a data set count.

    Attributes:
        max_depth: metres; farther truth doesn't count.
        window: top, bottom, left and right of what counts, in shares of height and width.
    """

    max_depth: float = 80.0
    window: Window = WHOLE

    def inside(self, metres: NDArray[np.float32]) -> NDArray[np.float32]:
        """(H, W) metres, unknown (0) outside the window."""
        mask = window_mask((metres.shape[0], metres.shape[1]), self.window)
        return np.where(mask, metres, np.float32(0))


class Frames(ABC):
    """The complete frames of a folder, in the order of their names.

    Args:
        root: the folder.
        split: only these frames: a list of images, frames or their folders (`<root>/<split>.txt`,
            `<root>/splits/<split>.txt` or a path; a line is a name, or else its first word is, as in the published
            lists), or else the name of one such folder or of one between the root and the depth.

    Attributes:
        frames: those that have all their `parts`.
        incomplete: one line for each of the others, and for each frame that the list names and isn't there.

    Raises:
        HyperfocalError: the folder holds no complete frame.
    """

    wanted: ClassVar[str]  # what a message says that isn't there
    parts: ClassVar[tuple[str, ...]]
    scope: Scope = Scope()

    def __init__(self, root: str | Path, split: str | None = None) -> None:
        self.root, self.split = Path(root), split
        self._order: tuple[tuple[int, int], NDArray[np.intp]] | None = None
        self.refresh()

    @abstractmethod
    def find(self) -> Iterable[Frame]:
        """Frames, some of whose parts may be missing."""

    @abstractmethod
    def read(self, frame: Frame) -> Sample:
        """Reads a complete frame; HyperfocalError names the file that can't be read or doesn't fit."""

    def refresh(self) -> None:
        """Lists the frames anew. A frame that is still being written (a part is missing) is left out."""
        self._order = None
        found = sorted(self.find(), key=lambda frame: frame.name)
        self.incomplete: list[str] = []
        if self.split is not None:
            found, self.incomplete = select(found, self.root, self.split)
        self.frames: list[Frame] = []
        for frame in found:
            lacking = [part for part in self.parts if part not in frame.files]
            if lacking:
                known = next(iter(frame.files.values()))
                self.incomplete.append(f"{known}: its {' and '.join(lacking)} missing")
            else:
                self.frames.append(frame)
        if not self.frames:
            where = self.root if self.split is None else f"{self.root}, split {self.split}"
            first = f"; {self.incomplete[0]}" if self.incomplete else ""
            raise HyperfocalError(f"{where}: no {self.wanted}{first}")

    def __len__(self) -> int:
        return len(self.frames)

    def __getitem__(self, index: int) -> Sample:
        return self.read(self.frames[index])

    def crop(self, index: int, choose: Callable[[Size], Box]) -> Sample:
        """The part of a sample that `choose` picks, knowing its height and width; the whole is decoded here."""
        from hyperfocal.data.crops import crop  # OpenCV, which evaluation does without

        sample = self[index]
        return crop(sample, choose((sample.metres.shape[0], sample.metres.shape[1])))

    def draw(self, seed: int, position: int) -> int:
        """The index that training draws at a place of its endless sequence: epochs, every sample once in each."""
        epoch, place = divmod(position, len(self))
        if self._order is None or self._order[0] != (seed, epoch):
            self._order = (seed, epoch), self.order(seed, epoch)
        return int(self._order[1][place])

    def order(self, seed: int, epoch: int) -> NDArray[np.intp]:
        """(N,) indices in the order of an epoch. It depends on nothing else: not on processes, nor on resuming."""
        return np.random.default_rng((seed, epoch)).permutation(len(self))

    def disparity(self, index: int) -> NDArray[np.float32] | None:
        """None: the edges of this data set are taken from depth."""
        return None


def by_stem(folder: Path, *suffixes: str, prefix: str = "", ending: str = "") -> dict[str, Path]:
    """The files of a folder by what their stems say between `prefix` and `ending`; the first suffix wins.

    One listing instead of a look-up a frame: data sets lie on slow disks.
    """
    found: dict[str, Path] = {}
    files = sorted(p for p in folder.glob(f"{prefix}*") if p.suffix.lower() in suffixes)
    for path in sorted(files, key=lambda p: suffixes.index(p.suffix.lower())):
        if path.stem.endswith(ending):
            found.setdefault(path.stem[len(prefix) : len(path.stem) - len(ending)], path)
    return found


def join(folder: str, **parts: Mapping[str, Path]) -> Iterator[Frame]:
    """Frames named `<folder>/<key>` (`.` is left out) of the files that have the same key."""
    for key in set().union(*parts.values()):
        name = f"{folder}/{key}".removeprefix("./")
        yield Frame(name, {part: files[key] for part, files in parts.items() if key in files})


def select(frames: Sequence[Frame], root: Path, split: str) -> tuple[list[Frame], list[str]]:
    """Return the frames of a split (see `Frames`), and a line for each that its list names in vain."""
    lists = (root / split, root / f"{split}.txt", root / "splits" / f"{split}.txt", Path(split))
    listed = next((path for path in lists if path.is_file()), None)
    if listed is None:
        lines = {_cleaned(split): _cleaned(split)}
    else:
        with reading(listed, "a list of frames"):
            text = listed.read_text(encoding="utf-8")
        found = ((line, line.split()) for line in text.splitlines())
        # KITTI's lists say None for the depth of frames without one.
        lines = {_cleaned(line): _cleaned(words[0]) for line, words in found if words and "None" not in words}
    candidates = lines.keys() | set(lines.values())
    called = [candidates.intersection(_called(frame, root)) for frame in frames]
    met: set[str] = set().union(*called)
    names = {line if line in met else word for line, word in lines.items()}
    chosen = [frame for frame, its_names in zip(frames, called, strict=True) if its_names & names]
    return chosen, [f"{listed}: {name} isn't there" for name in sorted(names - met) if listed]


def _called(frame: Frame, root: Path) -> Iterator[str]:
    """What a list may call a frame.

    Its name, a folder of that, a folder between the root and its truth, or its image's path from any folder on.
    """
    name = frame.name.split("/")
    yield from ("/".join(name[: i + 1]) for i in range(len(name)))
    if "image" in frame.files:
        path = _without_suffix(frame.files["image"].as_posix()).split("/")
        yield from ("/".join(path[i:]) for i in range(len(path) - 1))
    truth = frame.files.get("depth", frame.files.get("disparity"))
    if truth is not None:
        yield from truth.relative_to(root).parts[:-1]


def _cleaned(name: str) -> str:
    return _without_suffix(name.strip().removeprefix("./").strip("/"))


def _without_suffix(path: str) -> str:
    return re.sub(r"\.(png|jpe?g|tiff?|webp|bmp|raw)$", "", path, flags=re.IGNORECASE)
