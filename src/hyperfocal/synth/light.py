"""The light of a scene: the hours of the day and of the night."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]


@dataclass
class Light:
    """Sun, sky and lamps; radiances are relative, the renderer exposes automatically.

    `sun_direction` is the unit vector towards the sun, `fog` the extinction per metre, `lamps` are positions,
    `exposure` the geometric mean of the picture's linear light after exposure.
    """

    sun_direction: Vector
    sun_colour: Vector
    zenith: Vector
    horizon: Vector
    clouds: float = 0.5
    fog: float = 0.0
    lamps: list[tuple[float, float, float]] = field(default_factory=list)
    lamp_colour: tuple[float, float, float] = (6.0, 5.0, 4.0)
    exposure: float = 0.2


def _towards(azimuth: float, degrees: float) -> Vector:
    e = np.radians(degrees)
    return np.array([np.cos(e) * np.sin(azimuth), np.cos(e) * np.cos(azimuth), np.sin(e)])


def daylight(rng: np.random.Generator) -> Light:
    """Draw a time of day: a sky from cloudless deep blue over haze to overcast white."""
    azimuth, elevation, cover = rng.uniform(0, 2 * np.pi), rng.uniform(12, 70), rng.random()
    warm = np.clip(1.2 - elevation / 30, 0, 1)
    strength = rng.uniform(0.05, 0.2) if cover > 0.75 else rng.uniform(0.7, 1.3)
    sun = np.array([5.2, 4.8 - 1.2 * warm, 4.2 - 2.4 * warm]) * strength
    haze = rng.uniform(0, 1) ** 1.5  # 0: the dark blue of mountain air
    blue = np.array([0.05, 0.15, 0.5]) + haze * np.array([0.15, 0.2, 0.25])
    pale = np.array([0.22 + 0.3 * warm, 0.4, 0.75 - 0.3 * warm]) + haze * np.array([0.4, 0.34, 0.2])
    grey = float(np.clip((cover - 0.55) * 3, 0, 1))
    zenith = (1 - grey) * blue + grey * rng.uniform(0.5, 1.3)
    horizon = (1 - grey) * pale + grey * rng.uniform(0.6, 1.4)
    fog = float(rng.choice([0.0, 0.001, 0.003, 0.01], p=[0.45, 0.35, 0.15, 0.05]))
    clouds = 0.0 if rng.random() < 0.25 else rng.uniform(0.1, 1.0)
    return Light(_towards(azimuth, elevation), sun, zenith, horizon, clouds, fog, [], exposure=0.2)


def twilight(rng: np.random.Generator) -> Light:
    """Draw a low golden sun, a blue hour, a night with lamps, or wet fog."""
    azimuth, kind = rng.uniform(0, 2 * np.pi), rng.choice(4, p=[0.35, 0.25, 0.2, 0.2])
    fog = float(rng.choice([0.0005, 0.003, 0.01]))
    lamp = rng.uniform(10, 25)
    lamp_colour = (lamp, lamp * rng.uniform(0.5, 0.95), lamp * rng.uniform(0.2, 0.9))
    if kind == 0:
        sun, elevation = np.array([5.0, rng.uniform(1.8, 3), rng.uniform(0.5, 1.4)]), rng.uniform(3, 11)
        zenith, horizon = np.array([0.1, 0.16, 0.36]), np.array([0.95, 0.5, 0.25]) * rng.uniform(0.5, 1.1)
    elif kind == 1:
        sun, elevation = np.zeros(3) + 0.01, 5.0
        zenith, horizon = np.array([0.03, 0.06, 0.2]), np.array([0.22, 0.22, 0.38]) * rng.uniform(0.5, 1.5)
    elif kind == 2:
        sun, elevation = np.array([0.05, 0.06, 0.09]), rng.uniform(20, 60)  # the moon
        zenith, horizon = np.array([0.004, 0.006, 0.014]), np.array([0.03, 0.024, 0.02])
    else:
        sun, elevation, fog = np.array([0.3, 0.28, 0.25]), 30.0, rng.uniform(0.008, 0.03)
        horizon = np.array([0.42, 0.42, 0.4]) * rng.uniform(0.6, 1.2)
        zenith = horizon * 0.8
    exposure = (0.16, 0.1, 0.07, 0.22)[kind]
    clouds = rng.uniform(0.0, 0.9)
    direction = _towards(azimuth, elevation)
    return Light(direction, sun, zenith, horizon, clouds, fog, [], lamp_colour, exposure)
