"""Recipes: the numbers of each training run, by name. A file for each paper; overrides come as key=value."""

import difflib
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from hyperfocal.errors import HyperfocalError
from hyperfocal.train.recipes import (
    baselines,
    nano,
    patchfusion,
    patchrefiner,
    patchrefiner_v2,
    tiny,
    v2_tables,
)
from hyperfocal.train.recipes.overrides import override
from hyperfocal.train.recipes.recipe import PseudoLabels, Recipe
from hyperfocal.train.recipes.saved import FILE, read_recipe, write_recipe
from hyperfocal.train.recipes.tiny import TINY_COARSE, TINY_REFINER

__all__ = [
    "FILE",
    "RECIPES",
    "TINY_COARSE",
    "TINY_REFINER",
    "PseudoLabels",
    "Recipe",
    "recipe",
    "write_recipe",
]

_ALL: dict[str, Recipe] = {
    **nano.RECIPES,
    **tiny.RECIPES,
    **patchfusion.RECIPES,
    **patchrefiner.RECIPES,
    **patchrefiner_v2.RECIPES,
    **v2_tables.RECIPES,
    **baselines.RECIPES,
}
RECIPES = {name: replace(recipe, name=name) for name, recipe in _ALL.items()}


def recipe(name: str, overrides: Iterable[str] = (), *, run: Path | None = None) -> Recipe:
    """The recipe of that name with `key=value` overrides (see `overrides.override`).

    Args:
        name: a key of `RECIPES`.
        overrides: applied in order.
        run: folder of a run to go on with: what its own `recipe.json` says stands in the place of the recipe.

    Raises:
        HyperfocalError: no such recipe or key, a value that can't be, or the run is of another recipe.
    """
    if name not in RECIPES:
        near = difflib.get_close_matches(name, RECIPES, n=5, cutoff=0.4)
        raise HyperfocalError(f"no recipe {name!r}; near it: {', '.join(near) or ', '.join(nano.RECIPES)}")
    if run is None:
        return override(RECIPES[name], overrides)
    saved = read_recipe(run)
    if saved.name not in (name, ""):  # runs of earlier versions don't know theirs
        raise HyperfocalError(f"{run}: a run of {saved.name}, not of {name}")
    return override(replace(saved, name=name), overrides)
