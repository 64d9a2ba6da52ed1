"""The looks of the world: materials, palette, light. Models trained on one can be judged on another."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from hyperfocal.synth.light import Light, daylight, twilight
from hyperfocal.synth.textures import PLAIN, WEATHERED, Makers


class Look(NamedTuple):
    """What all scenes of a look share.

    Attributes:
        number: keeps the palettes and the chances of looks apart.
        makers: the textures for each kind of surface.
        light: draws the light.
        lit: lamps and windows shine.
        wet: how much smoother, in [0, 1], rain has made the ground.
    """

    number: int
    makers: Makers
    light: Callable[[np.random.Generator], Light]
    lit: bool = False
    wet: float = 0.0


LOOKS: dict[str, Look] = {
    "day": Look(0, PLAIN, daylight),
    "dusk": Look(1, WEATHERED, twilight, lit=True, wet=0.6),
}
