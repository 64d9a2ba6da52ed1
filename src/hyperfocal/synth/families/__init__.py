"""The scene families: each fills a `Scene` with ground, things, light and a row of views.

Adding one is a file with a function and a line in `FAMILIES`.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from hyperfocal.synth import props
from hyperfocal.synth.families.aisle import aisle
from hyperfocal.synth.families.closeup import closeup
from hyperfocal.synth.families.park import park
from hyperfocal.synth.families.room import room
from hyperfocal.synth.families.site import site
from hyperfocal.synth.families.street import street
from hyperfocal.synth.scene import Scene
from hyperfocal.synth.textures import palette

PALETTE_SHARED_BY = 12  # scenes in a row that share a palette and a stock of meshes


class Family(NamedTuple):
    """How a family's scenes are filled, and which share of all seeds draws it."""

    fill: Callable[[Scene], None]
    share: float
    indoor: bool = False


FAMILIES: dict[str, Family] = {
    "street": Family(street, 0.24),
    "room": Family(room, 0.26, indoor=True),
    "park": Family(park, 0.2),
    "closeup": Family(closeup, 0.12),
    "aisle": Family(aisle, 0.08, indoor=True),
    "site": Family(site, 0.1),
}


def name_of(seed: int, family: str | None = None) -> str:
    """Return the family that `seed` draws, or `family` where one is asked for."""
    shares = [f.share for f in FAMILIES.values()]
    return family or str(np.random.default_rng([seed, 3]).choice(list(FAMILIES), p=shares))


def number(seed: int, family: str | None = None) -> int:
    """Return the family's number, which names its folder."""
    return list(FAMILIES).index(name_of(seed, family))


def build(seed: int, family: str | None = None) -> Scene:
    """Build the scene of `seed`; `family` overrides the family that the seed would draw."""
    chosen, block = FAMILIES[name_of(seed, family)], seed // PALETTE_SHARED_BY
    scene = Scene(np.random.default_rng([seed, 1]), palette(block), chosen.indoor)
    scene.meshes.update(props.stock(block))
    chosen.fill(scene)
    return scene
