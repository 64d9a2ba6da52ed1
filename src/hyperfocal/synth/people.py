"""People-like figures."""

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from hyperfocal.synth import thin
from hyperfocal.synth.light import Vector
from hyperfocal.synth.scene import Material, Scene, frame


def person(s: Scene, at: ArrayLike, yaw: float, seat: float = 0.0) -> None:
    """A figure with its feet or the seat's foot at `at`: standing, walking, or sitting at the height `seat`."""
    rng, here = s.rng, frame(at, yaw)
    h = float(np.clip(rng.normal(1.7, 0.12), 1.1, 1.95))
    hip = seat + 0.05 * h if seat else 0.5 * h
    skin, top = _skin(s), s.material("cloth", 2.0, 0.1)
    trousers, shoes = s.material(s.pick("cloth", "paint"), 2.0, 0.1), s.material("paint", 1.0)
    hair = s.material("wood", 3.0, 0.2)

    def limb(a: Vector, b: Vector, thickness: float, material: Material) -> None:
        s.beam(a, b, thickness * h, material)
        s.add("sphere", b, thickness * h, material)

    def ball(y: float, z: float, size: ArrayLike, material: Material) -> None:
        s.add("sphere", here(0, y * h, hip + z * h), np.multiply(size, h), material, yaw)

    stride = rng.uniform(0, 0.16) * h
    for side, sign in ((-1, 1), (1, -1)):
        x, swing = side * 0.06 * h, sign * stride
        knee = here(x, 0.26 * h, hip) if seat else here(x, swing * 0.6 + 0.02 * h, 0.27 * h)
        foot = (x, 0.28 * h, max(hip - 0.24 * h, 0.03 * h)) if seat else (x, swing, 0.03 * h)
        limb(here(x, 0, hip), knee, 0.095, trousers)
        limb(knee, here(*foot), 0.07, trousers)
        s.add("sphere", here(x, foot[1] + 0.04 * h, foot[2]), (0.06 * h, 0.15 * h, 0.06 * h), shoes, yaw)
        elbow = here(side * 0.15 * h, -swing * 0.4, hip + 0.13 * h)
        reach, lift = rng.uniform(0, 0.22) * h, rng.uniform(-0.03, 0.2) * h
        hand = here(side * 0.14 * h, reach - swing * 0.5, hip + lift)
        limb(here(side * 0.125 * h, 0, hip + 0.31 * h), elbow, 0.06, top)
        limb(elbow, hand, 0.05, skin if rng.random() < 0.5 else top)
    ball(0, 0.17, (0.24, 0.15, 0.42), top)
    ball(0, 0.29, (0.28, 0.13, 0.12), top)
    limb(here(0, 0, hip + 0.34 * h), here(0, 0.01 * h, hip + 0.38 * h), 0.06, skin)
    ball(0.01, 0.43, (0.095, 0.115, 0.14), skin)
    ball(-0.005, 0.45, (0.105, 0.115, 0.12), hair)
    _carries(s, here, hip, h, yaw, seated=seat > 0)


def _carries(
    s: Scene, here: Callable[[float, float, float], Vector], hip: float, h: float, yaw: float, seated: bool
) -> None:
    """Now and then a rucksack, a skirt, a hat, a bag or an umbrella."""
    rng, cloth = s.rng, s.material("cloth", 2.0, 0.1)
    if rng.random() < 0.2 and not seated:
        s.add("sphere", here(0, -0.11 * h, hip + 0.22 * h), (0.19 * h, 0.13 * h, 0.27 * h), cloth, yaw)
    if rng.random() < 0.25 and not seated:
        s.add("cone", here(0, 0, hip - 0.25 * h), (0.34 * h, 0.26 * h, 0.5 * h), cloth, yaw)
    if rng.random() < 0.2:
        s.add("sphere", here(0, 0.01 * h, hip + 0.49 * h), (0.13 * h, 0.15 * h, 0.07 * h), cloth, yaw)
        s.add("cylinder", here(0, 0.01 * h, hip + 0.475 * h), (0.2 * h, 0.21 * h, 0.006 * h), cloth, yaw)
    if rng.random() < 0.2 and not seated:
        s.block(here(0.17 * h, 0, 0.28 * h), (0.06 * h, 0.2 * h, 0.16 * h), cloth, yaw)
        s.beam(here(0.17 * h, 0.06 * h, 0.44 * h), here(0.15 * h, 0, 0.5 * h), 0.01, cloth)
    if rng.random() < (0.25 if s.look.wet else 0.05) and not seated:
        thin.parasol(s, here(0.13 * h, 0.1 * h, 0.62 * h), 0.62 * h, rng.uniform(0.9, 1.2))


def _skin(s: Scene) -> Material:
    tone = s.rng.uniform(0.15, 1.0)
    return s.white()._replace(tint=(0.8 * tone, 0.52 * tone, 0.4 * tone), roughness=0.7)
