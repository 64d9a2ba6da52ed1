"""The scene families: each fills a `Scene` with ground, things, light and a row of views.

Adding one is a file with a function and a line in `FAMILIES`.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from hyperfocal.synth import stock
from hyperfocal.synth.families.aisle import aisle
from hyperfocal.synth.families.closeup import closeup
from hyperfocal.synth.families.park import park
from hyperfocal.synth.families.room import room
from hyperfocal.synth.families.site import site
from hyperfocal.synth.families.street import street
from hyperfocal.synth.families.workshop import workshop
from hyperfocal.synth.looks import LOOKS
from hyperfocal.synth.scene import Scene
from hyperfocal.synth.textures import Palette, palette

PALETTE_SHARED_BY = 12  # scenes in a row that share a palette and a stock of meshes


class Family(NamedTuple):
    """How a family's scenes are filled, and which share of all seeds draws it."""

    fill: Callable[[Scene], None]
    share: float
    indoor: bool = False


FAMILIES: dict[str, Family] = {
    "street": Family(street, 0.22),
    "room": Family(room, 0.25, indoor=True),
    "park": Family(park, 0.18),
    "closeup": Family(closeup, 0.1),
    "aisle": Family(aisle, 0.07, indoor=True),
    "site": Family(site, 0.1),
    "workshop": Family(workshop, 0.08, indoor=True),
}


def name_of(seed: int, family: str | None = None) -> str:
    """Return the family that `seed` draws, or `family` where one is asked for."""
    shares = [f.share for f in FAMILIES.values()]
    return family or str(np.random.default_rng([seed, 3]).choice(list(FAMILIES), p=shares))


def number(seed: int, family: str | None = None) -> int:
    """Return the family's number, which names its folder."""
    return list(FAMILIES).index(name_of(seed, family))


def build(seed: int, family: str | None = None, look: str = "day") -> Scene:
    """Build the scene of `seed` in a `look`; `family` overrides the family that the seed would draw."""
    chosen, block = FAMILIES[name_of(seed, family)], seed // PALETTE_SHARED_BY
    rng = np.random.default_rng([seed, 1, LOOKS[look].number])
    scene = Scene(rng, _palette(look, block), chosen.indoor, LOOKS[look])
    scene.meshes.update(stock.stock(block))
    chosen.fill(scene)
    middle = np.mean([view.eye for view in scene.views], 0)
    scene.light.lamps.sort(key=lambda lamp: float(np.linalg.norm(middle - lamp)))
    return scene


@lru_cache(maxsize=2)
def _palette(look: str, block: int) -> Palette:
    return palette(LOOKS[look].makers, 10 * block + LOOKS[look].number)
