"""`key=value` on the command line: a recipe with some values changed, nested ones by `key.key=value`."""

import ast
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from types import NoneType
from typing import Any, TypeVar, get_args, get_type_hints

from hyperfocal.checkpoints.config import unknown
from hyperfocal.data.batches import Canonical
from hyperfocal.data.patches import Patches
from hyperfocal.errors import HyperfocalError
from hyperfocal.train.recipes.recipe import PseudoLabels, Recipe

NESTED = {"patches": Patches, "pseudo": PseudoLabels}  # what a key that holds None starts from

Record = TypeVar("Record", bound=Any)


@dataclass(frozen=True)
class _Override:
    """One `key=value`, as given."""

    text: str
    keys: tuple[str, ...]
    value: str

    def refuse(self, why: str) -> HyperfocalError:
        return HyperfocalError(f"{self.text!r}: {why}")


def override(recipe: Recipe, texts: Iterable[str]) -> Recipe:
    """The recipe with `key=value` changes, applied in order.

    `refiner.encoder=NAME` changes one argument of a network; `refiner.kind=KIND` puts that kind's defaults in the
    place of all of them. `steps=N` puts `epochs` out of force.

    Raises:
        HyperfocalError: no such key (with the nearest known one), a value of the wrong type, or out of its range.
    """
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals:
            raise HyperfocalError(f"{text!r} is not key=value; keys: {_known(recipe)}")
        recipe = _changed(recipe, _Override(text, tuple(key.split(".")), value))
        if key == "steps":
            recipe = replace(recipe, epochs=None)
    return recipe


def _changed(record: Record, given: _Override) -> Record:
    """A dataclass with the value at the override's first key changed."""
    key, *rest = given.keys
    if key not in (keys := [f.name for f in fields(record)]):
        raise given.refuse(str(unknown("key", key, keys)))
    before = getattr(record, key)
    if not rest:
        after = _parsed(key, given, before, get_type_hints(type(record))[key])
    elif isinstance(before, Mapping):
        after = _network(before, rest, given.value)
    elif key in NESTED or is_dataclass(before):
        nested = before or NESTED[key]()
        after = _changed(nested, replace(given, keys=tuple(rest)))
    else:
        raise given.refuse(f"{key} has no keys of its own")
    return replace(record, **{key: after})


def _network(network: Mapping[str, Any], keys: list[str], value: str) -> dict[str, Any]:
    """A network's arguments with one changed; the network itself refuses what it doesn't know."""
    key, *rest = keys
    if rest:
        return {**network, key: _network(network.get(key, {}), rest, value)}
    return {"kind": value} if key == "kind" else {**network, key: _literal(value)}


def _parsed(key: str, given: _Override, before: Any, hint: Any) -> Any:
    """A value of the type that it replaces, or that the key's `hint` names beside None."""
    value = _literal(given.value)
    choices = get_args(hint) if NoneType in get_args(hint) else ()
    if isinstance(before, Canonical) and isinstance(value, tuple) and len(value) == len(before):
        return Canonical(*map(float, value))
    if value is None and choices:
        return None
    if before is None and key in NESTED:
        raise given.refuse(f"set its keys, {key}.KEY=VALUE; keys: {_known(NESTED[key]())}")
    wanted = next((kind for kind in (float, str) if kind in choices), type(before))
    if wanted is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if wanted is str:
        return given.value
    if type(value) is not wanted or (wanted is tuple and not _numbers(value, len(before))):
        raise given.refuse(f"expected a value like {before!r}")
    return value


def _numbers(value: Any, count: int) -> bool:
    return len(value) == count and all(type(x) in (int, float) for x in value)


def _literal(text: str) -> Any:
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


def _known(record: Any) -> str:
    return ", ".join(f.name for f in fields(record))
