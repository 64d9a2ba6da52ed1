"""Compares the entries of a checkpoint with those of a network, strictly."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from torch import Tensor

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
