"""A run's recipe in its folder: `recipe.json`, every number of the run."""

import json
from dataclasses import asdict
from pathlib import Path

from hyperfocal.checkpoints.directory import tuples
from hyperfocal.data.batches import Canonical
from hyperfocal.depthmap.atomic import replacing
from hyperfocal.errors import HyperfocalError
from hyperfocal.train.recipes.overrides import NESTED
from hyperfocal.train.recipes.recipe import Recipe

FILE = "recipe.json"
KINDS = {
    "coarse": "efficientnet_dpt",
    "refiner": "patchrefiner_v2",
}  # of version 0.1, which didn't write them


def write_recipe(recipe: Recipe, folder: Path) -> None:
    """Writes the recipe into a run's folder."""
    with replacing(folder / FILE) as path:
        path.write_text(json.dumps(asdict(recipe), indent=2) + "\n", encoding="utf-8")


def read_recipe(folder: Path) -> Recipe:
    """Reads the recipe of a run's folder; keys that came after it have their defaults.

    Raises:
        HyperfocalError: there is none, or it is broken or has keys of a later version.
    """
    path = folder / FILE
    if not path.is_file():
        raise HyperfocalError(f"{folder}: nothing to resume: it has no {FILE}")
    try:
        values = tuples(json.loads(path.read_text(encoding="utf-8")))
        values |= {part: {"kind": kind, **values[part]} for part, kind in KINDS.items()}
        values |= {key: kind(**values[key]) for key, kind in NESTED.items() if values.get(key) is not None}
        return Recipe(**{**values, "canonical": Canonical(*values["canonical"])})
    except (ValueError, TypeError, LookupError) as error:
        raise HyperfocalError(f"{path}: no recipe that can be read: {error}") from error
