"""The entries of a checkpoint: read, written, compared with a network's strictly, put into it without a copy."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from hyperfocal.depthmap.atomic import replacing, to_disk
from hyperfocal.errors import HyperfocalError


class MisfitError(HyperfocalError):
    """A checkpoint that is not the network's.

    Attributes:
        count: of the entries that differ.
    """

    def __init__(self, message: str, count: int) -> None:
        super().__init__(message)
        self.count = count


def check_state(source: str, expected: Mapping[str, Tensor], given: Mapping[str, Tensor]) -> None:
    """Make sure that `given` has the names and shapes of `expected`, no more and no fewer.

    Raises:
        MisfitError: one line that names `source`, counts the differences and lists the first ones.
    """
    differences = {
        "missing": [name for name in expected if name not in given],
        "unexpected": [name for name in given if name not in expected],
        "of another shape": [
            f"{name} {list(given[name].shape)} instead of {list(expected[name].shape)}"
            for name in expected
            if name in given and given[name].shape != expected[name].shape
        ],
    }
    found = [f"{len(names)} {sort} ({first(names)})" for sort, names in differences.items() if names]
    if found:
        count = sum(map(len, differences.values()))
        raise MisfitError(f"{source} does not fit the network: {'; '.join(found)}", count)


def first(names: Iterable[str], count: int = 3) -> str:
    """Return the first `count` names in one line, with dots where there are more."""
    names = list(names)
    return ", ".join(names[:count]) + (", ..." if len(names) > count else "")


class Unwritten(TorchFunctionMode):
    """Networks made inside have parameters whose memory nobody writes, for those that `fill` gives all of them.

    Drawing random weights for a network of 300 million takes seconds, and memory that a file's weights then take
    again. Buffers are made as always.
    """

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        """Leave out what works in place on a parameter."""
        kwargs = kwargs or {}
        target, name = kwargs.get("tensor", args[0] if args else None), func.__name__
        in_place = name.endswith("_") and not name.endswith("__") and name != "requires_grad_"
        return target if in_place and isinstance(target, nn.Parameter) else func(*args, **kwargs)


def fill(network: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Make the tensors of `state` the network's own, in the network's types: a weight of a file stays in the file.

    Args:
        network: in any state, `Unwritten` too.
        state: as `check_state` wants it.
    """
    types = {name: value.dtype for name, value in network.state_dict().items()}
    own = {
        # Counters are copied, so that no file stays mapped for them alone.
        name: value.to(types[name]) if value.is_floating_point() else value.to(types[name], copy=True)
        for name, value in state.items()
    }
    network.load_state_dict(own, assign=True)


def read_state(path: Path) -> dict[str, Tensor]:
    """Map the tensors of a safetensors file.

    Raises:
        HyperfocalError: it can't be read.
    """
    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise HyperfocalError(f"{path} is not a readable safetensors file: {error}") from error


def write_state(path: Path, state: Mapping[str, Tensor]) -> None:
    """Write tensors as safetensors, whole or not at all.

    Raises:
        HyperfocalError: the file can't be written.
    """
    own: dict[str, Tensor] = {}
    taken = set()
    for name, value in state.items():
        value = value.cpu().contiguous()
        memory = value.untyped_storage()
        # A checkpoint may have given two networks the same weights; in the file each has its own.
        shared = memory.data_ptr() in taken or memory.nbytes() > value.nbytes
        own[name] = value.clone() if shared else value
        taken.add(memory.data_ptr())
    with replacing(path) as partial:
        partial.touch()
        mode = partial.stat().st_mode  # safetensors gives its files to their owner alone
        try:
            save_file(own, partial, metadata={"format": "pt"})
        except SafetensorError as error:  # of a full disk, too
            raise OSError(str(error)) from error
        partial.chmod(mode)
        to_disk(partial)
