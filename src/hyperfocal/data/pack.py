"""Writer of packed frames: any reader's frames into shards (see `packed.py`), by processes, resumable."""

import io
import json
import multiprocessing as mp
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import blosc2
import numpy as np
from numpy.typing import NDArray

from hyperfocal.data.kinds import DataSet
from hyperfocal.data.packed import INDEX, VERSION
from hyperfocal.depthmap.atomic import replacing
from hyperfocal.errors import HyperfocalError

TILE = 256  # tiles of 128 or 512 take as much disk and as long: docs/data/readers.md
COMPRESSION: dict[str, Any] = {
    "codec": blosc2.Codec.ZSTD,
    "clevel": 3,
    "filters": [blosc2.Filter.SHUFFLE],
    "nthreads": 1,
}


class _Shard(NamedTuple):
    data: DataSet
    indices: range
    path: Path


def pack(data: DataSet, out: Path, *, per_shard: int = 32, workers: int = 1) -> Iterator[list[str]]:
    """Writes shards that aren't there yet, then the index; each appears whole or not at all.

    Args:
        data: whose frames; those that can't be read are left out.
        out: folder to fill.
        per_shard: frames a shard: about 16 MB each at 3840×2160.
        workers: processes.

    Yields:
        For each shard, a line for each frame that could not be read, now or when it was written.

    Raises:
        HyperfocalError: `out` can't be written, or holds shards of other frames.
    """
    starts = range(0, len(data), per_shard)
    shards = [
        _Shard(data, range(first, min(first + per_shard, len(data))), out / f"{number:06d}.tar")
        for number, first in enumerate(starts)
    ]
    others = set(out.glob("*.tar")) - {shard.path for shard in shards}
    if others:
        raise HyperfocalError(f"{min(others)}: is of other frames; choose an empty folder")
    if workers == 1:
        yield from map(_write, shards)
    else:
        with mp.get_context("spawn").Pool(workers) as pool:
            yield from pool.imap(_write, shards)
    index = {
        "version": VERSION,
        "scope": data.scope,
        "shards": {s.path.name: {"bytes": s.path.stat().st_size, "frames": entries(s.path)} for s in shards},
    }
    with replacing(out / INDEX) as temporary:
        temporary.write_text(json.dumps(index), encoding="utf-8")


def entries(shard: Path) -> list[dict[str, Any]]:
    """The frames of a shard: name, intrinsics and the offsets of both arrays.

    Raises:
        HyperfocalError: it is no shard.
    """
    frames: list[dict[str, Any]] = []
    try:
        with tarfile.open(shard) as tar:
            for member in tar:
                part = member.name.partition(".")[2]
                if part == "json":
                    frames.append(json.loads(_bytes(tar, member)))
                else:
                    frames[-1][part.removesuffix(".b2nd")] = member.offset_data
    except (tarfile.TarError, ValueError, IndexError) as error:
        raise HyperfocalError(f"{shard}: is no shard of packed frames ({error})") from error
    return frames


def _bytes(tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = tar.extractfile(member)
    return b"" if file is None else file.read()


def _write(shard: _Shard) -> list[str]:
    data, indices, path = shard
    if path.is_file():
        written = {entry["name"] for entry in entries(path)}
        frames = [data.frames[index] for index in indices]
        strangers = written - {frame.name for frame in frames}
        if strangers:
            raise HyperfocalError(f"{path}: is of other frames ({min(strangers)}); choose an empty folder")
        return [f"{f.truth}: was left out of {path} before" for f in frames if f.name not in written]
    faults = []
    with replacing(path) as temporary, tarfile.open(temporary, "w", format=tarfile.USTAR_FORMAT) as tar:
        for index in indices:
            try:
                sample = data[index]
            except HyperfocalError as error:
                faults.append(str(error))
                continue
            about = {"name": sample.name, "intrinsics": sample.intrinsics.ravel().tolist()}
            contents = {
                "json": json.dumps(about).encode(),
                "image.b2nd": _compressed(sample.image),
                "metres.b2nd": _compressed(sample.metres),
            }
            for part, content in contents.items():
                member = tarfile.TarInfo(f"{index:09d}.{part}")
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))
    return faults


def _compressed(array: NDArray[Any]) -> bytes:
    tile = tuple(min(TILE, side) for side in array.shape[:2]) + array.shape[2:]
    packed: Any = blosc2.asarray(np.ascontiguousarray(array), chunks=tile, cparams=COMPRESSION)
    return bytes(packed.to_cframe())
