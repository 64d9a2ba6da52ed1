"""Recipes: the numbers of each training run, by name. A file for each paper; overrides come as key=value."""

import difflib
from collections.abc import Iterable

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
from hyperfocal.train.recipes.tiny import TINY_COARSE, TINY_REFINER

__all__ = ["RECIPES", "TINY_COARSE", "TINY_REFINER", "PseudoLabels", "Recipe", "recipe"]

RECIPES: dict[str, Recipe] = {
    **nano.RECIPES,
    **tiny.RECIPES,
    **patchfusion.RECIPES,
    **patchrefiner.RECIPES,
    **patchrefiner_v2.RECIPES,
    **v2_tables.RECIPES,
    **baselines.RECIPES,
}


def recipe(name: str, overrides: Iterable[str] = ()) -> Recipe:
    """The recipe of that name with `key=value` overrides (see `overrides.override`).

    Raises:
        HyperfocalError: no such recipe or key, or a value of the wrong type.
    """
    if name not in RECIPES:
        near = difflib.get_close_matches(name, RECIPES, n=5, cutoff=0.4)
        raise HyperfocalError(f"no recipe {name!r}; near it: {', '.join(near) or ', '.join(nano.RECIPES)}")
    return override(RECIPES[name], overrides)
