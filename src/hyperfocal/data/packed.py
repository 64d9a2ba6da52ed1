"""Packed frames: reader of shards from which a crop is decoded without its frame, here or behind an address.

`<root>/index.json` and `<root>/000000.tar`...: plain WebDataset tars with `<number>.{json,image.b2nd,metres.b2nd}` a
frame, written by `pack.py`. Arrays are Blosc2's, lossless, in tiles that are compressed each by itself; the index says
where in a shard each one begins, so it is read in place.
"""

import hashlib
import json
import os
from collections.abc import Callable, Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import blosc2
import numpy as np
from numpy.typing import NDArray

from hyperfocal.data.decode import intrinsics, reading
from hyperfocal.data.frames import Frame, Frames, Scope
from hyperfocal.data.sample import Sample, Size
from hyperfocal.errors import HyperfocalError
from hyperfocal.tiles.plan import Box

INDEX = "index.json"
VERSION = 1
MIXED = 8  # shards whose frames are drawn side by side
CACHE = Path("~/.cache/hyperfocal/shards")
CACHE_GB = 200.0
MAPPED: dict[str, Any] = {"mmap_mode": "r", "dparams": {"nthreads": 1}}


class Packed(Frames):
    """The frames of a folder of shards, or of one behind an address, whose shards are copied when they are needed.

    Training draws each frame once an epoch, shard by shard: see `shard_order`. There is no disparity: evaluate on the
    data set itself.

    Args:
        root: a folder, or an address that WebDataset opens (https://..., gs://..., hf://..., or a command that
            prints a file, as `pipe:aws s3 cp s3://bucket/frames/{} -`; {} is the file's name, or else it is appended).
        split: names of frames or scenes, or a list of them: see `Frames`.
        cache: folder for copies; $HYPERFOCAL_CACHE or ~/.cache/hyperfocal/shards if not given.
        cache_gb: the oldest copies are deleted above this; $HYPERFOCAL_CACHE_GB or 200 if not given.

    Raises:
        HyperfocalError: no index there, one of a later version, or the address can't be opened.
    """

    wanted = f"packed frames ({INDEX} and its shards, which `hyperfocal data pack` writes)"
    parts = ("image", "depth")

    def __init__(
        self,
        root: str | Path,
        split: str | None = None,
        cache: Path | None = None,
        cache_gb: float | None = None,
    ) -> None:
        self.address = str(root)
        self.remote = ":" in self.address.partition("/")[0]
        self.cache = (cache or Path(os.environ.get("HYPERFOCAL_CACHE", CACHE))).expanduser()
        self.cache_gb = cache_gb or float(os.environ.get("HYPERFOCAL_CACHE_GB", CACHE_GB))
        super().__init__(root, split)

    def refresh(self) -> None:
        """Lists the frames anew."""
        super().refresh()
        number = {name: number for number, name in enumerate(sorted(self._shards))}
        self._shard_of = np.array([number[frame.truth.name] for frame in self.frames])

    def find(self) -> Iterator[Frame]:
        """Frames of all shards."""
        text = self._index_text()
        with reading(self.root / INDEX, "the index of packed frames"):
            index = json.loads(text)
            if index["version"] != VERSION:
                raise HyperfocalError(f"is of version {index['version']}; this program reads {VERSION}")
            max_depth, window = index["scope"]
            self.scope = Scope(max_depth, tuple(window))
            self._shards: dict[str, Any] = index["shards"]
            self._copies = self.cache / hashlib.sha256(text).hexdigest()[:16]
            self._entries = {entry["name"]: entry for s in self._shards.values() for entry in s["frames"]}
        for name, shard in self._shards.items():
            for entry in shard["frames"]:
                yield Frame(entry["name"], dict.fromkeys(self.parts, self.root / name))

    def read(self, frame: Frame) -> Sample:
        """Reads a whole frame."""
        return self._read(frame, lambda size: Box(0, 0, *size))

    def crop(self, index: int, choose: Callable[[Size], Box]) -> Sample:
        """Decodes only the tiles that the crop touches."""
        return self._read(self.frames[index], choose)

    def order(self, seed: int, epoch: int) -> NDArray[np.intp]:
        """Shard by shard: see `shard_order`."""
        return shard_order(self._shard_of, seed, epoch)

    def _read(self, frame: Frame, choose: Callable[[Size], Box]) -> Sample:
        entry, path = self._entries[frame.name], self._path(frame.truth.name)
        with reading(path, f"{frame.name} as Blosc2 arrays"):
            image, metres = (_array(path, entry[part]) for part in ("image", "metres"))
            height, width = metres.shape
            box = choose((height, width))
            matrix = intrinsics(entry["intrinsics"])
            matrix[:2, 2] -= box.left, box.top
            return Sample(image[box.slices], metres[box.slices], matrix, frame.name)

    def _index_text(self) -> bytes:
        if self.remote:
            return self._fetched_index
        path = self.root / INDEX
        if not path.is_file():
            raise HyperfocalError(f"{self.root}: no {self.wanted}")
        return path.read_bytes()

    @cached_property
    def _fetched_index(self) -> bytes:
        from webdataset.gopen import gopen

        with reading(Path(self.address), f"an address with {INDEX}"), gopen(self._url(INDEX)) as stream:
            return bytes(stream.read())

    def _path(self, name: str) -> Path:
        """Where the shard is on this machine; fetches it if it isn't."""
        path = (self._copies if self.remote else self.root) / name
        with reading(path, "a shard"):
            if self.remote and not path.is_file():
                self._fetch(path)
            size, expected = path.stat().st_size, self._shards[name]["bytes"]
            if size != expected:
                if self.remote:
                    path.unlink()
                raise HyperfocalError(f"has {size} bytes where the index says {expected}")
        return path

    def _fetch(self, path: Path) -> None:
        from webdataset.cache import LRUCleanup, download

        path.parent.mkdir(parents=True, exist_ok=True)
        LRUCleanup(str(path.parent), int(self.cache_gb * 1e9), interval=None).cleanup()
        download(self._url(path.name), str(path))

    def _url(self, name: str) -> str:
        return self.address.replace("{}", name) if "{}" in self.address else f"{self.address}/{name}"


def shard_order(shard_of: NDArray[np.intp], seed: int, epoch: int) -> NDArray[np.intp]:
    """The order of an epoch: every frame once, frames of about `MIXED` shards mixed, a new shard now and then.

    It depends on nothing else, so it is the same for any number of processes and after any resume, and a machine needs
    no more than the mixed shards at a time.

    Args:
        shard_of: (N,) the shard of each frame, counted from 0.
        seed: of the run.
        epoch: from 0.

    Returns:
        (N,) indices of frames.
    """
    rng = np.random.default_rng((seed, epoch))
    turn = rng.permutation(shard_of.max() + 1)
    return np.argsort(turn[shard_of] + MIXED * rng.random(len(shard_of)))


def _array(path: Path, offset: int) -> Any:
    return blosc2.open(str(path), "r", offset, **MAPPED)
