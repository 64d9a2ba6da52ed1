"""Things that drive.

Each function adds one object with its foot at `at` (metres), turned by `yaw` (radians); fronts face local +y.
"""

import numpy as np
from numpy.typing import ArrayLike

from hyperfocal.synth.scene import Scene, frame
from hyperfocal.synth.stock import VARIANTS


def car(s: Scene, at: ArrayLike, yaw: float) -> None:
    """A car or van, length along its local y."""
    rng, here = s.rng, frame(at, yaw)
    w, length = rng.uniform(1.65, 2.0), rng.uniform(3.6, 5.2)
    h = rng.choice([rng.uniform(1.35, 1.65), rng.uniform(1.8, 2.4)])
    i = rng.integers(VARIANTS)
    coat = s.material("paint", 0.3, 0.75)
    s.add(f"car{i}", at, (w, length, h), coat, yaw)
    s.add(f"glass{i}", at, (w, length, h * 0.985), s.dark(0.95), yaw)
    for end in (-0.32, 0.31):
        _wheels(s, at, yaw, w * 0.94, end * length, 0.66)
    _lights(s, at, yaw, w, length, 0.42 * h)
    for side in (-1, 1):
        s.add("sphere", here(side * 0.53 * w, 0.12 * length, 0.62 * h), (0.18, 0.1, 0.14), coat, yaw)
        s.block(here(side * 0.47 * w, -0.02 * length, 0.3 * h), (0.14, 0.02, 0.28 * h), s.dark(0.5), yaw)
    s.block(here(0, 0, 0.17), (w * 1.01, length * 0.99, 0.1), s.dark(), yaw)
    for end in (-0.497, 0.492):
        s.block(here(0, end * length, 0.3), (0.5, 0.03, 0.11), s.white(), yaw)


def truck(s: Scene, at: ArrayLike, yaw: float) -> None:
    """A lorry with a painted box, or a bus."""
    rng, here = s.rng, frame(at, yaw)
    w, h, length = 2.4, rng.uniform(2.8, 3.7), rng.uniform(6, 11)
    coat, glass = s.material("paint", 0.3, 0.6), s.dark(0.95)
    bus = rng.random() < 0.4
    box = coat if bus else s.material(s.pick("picture", "poster", "paint", "metal"), 0.4, 0.4, 0.1)
    s.block(here(0, -1.0, 0.75), (w, length - 2.0, h - 0.75), box, yaw)
    s.block(here(0, length / 2 - 0.9, 0.45), (w, 1.8, (h if bus else 2.6) - 0.45), coat, yaw)
    s.block(here(0, length / 2 - 0.85, 1.35), (w * 1.01, 1.75, 0.9), glass, yaw)
    if bus:
        s.block(here(0, -0.9, 1.4), (w * 1.01, length - 2.2, 0.95), glass, yaw)
        for y in np.arange(-length / 2 + 0.5, length / 2 - 2, 1.3):
            s.block(here(0, y, 1.4), (w * 1.015, 0.08, 0.95), coat, yaw)
    s.block(here(0, 0, 0.4), (w * 0.8, length * 0.96, 0.35), s.dark(), yaw)
    for end in (-0.33, 0.36):
        _wheels(s, at, yaw, w * 0.93, end * length, 0.95)
    _lights(s, at, yaw, w, length, 0.8)
    for side in (-1, 1):
        s.beam(here(side * 1.2, length / 2 - 0.2, 2.2), here(side * 1.4, length / 2, 2.2), 0.03, s.dark())
        s.block(here(side * 1.42, length / 2, 1.7), (0.2, 0.06, 0.45), s.dark(), yaw)


def _wheels(s: Scene, at: ArrayLike, yaw: float, width: float, y: float, size: float) -> None:
    """Two wheels of a diameter of `size` on an axle at `y`, `width` apart."""
    here, hub = frame(at, yaw), s.material("metal", 1.0, 0.6)
    for side in (-0.5, 0.5):
        wheel = here(side * width, y, size / 2)
        s.add("tyre", wheel, (2.4 * size, size, size), s.dark(), yaw)
        s.add("sphere", wheel, (0.25 * size, 0.62 * size, 0.62 * size), hub, yaw)
        for t in np.linspace(0, np.pi, 6)[:-1]:
            rim = np.array([np.cos(t), np.sin(t)]) * 0.32 * size
            a, b = ((side * (width + 0.27 * size), y + i * rim[0], size / 2 + i * rim[1]) for i in (-1, 1))
            s.beam(here(*a), here(*b), 0.05 * size, hub)


def _lights(s: Scene, at: ArrayLike, yaw: float, width: float, length: float, height: float) -> None:
    """Head and tail lights, which shine where lamps are lit."""
    here = frame(at, yaw)
    glow = 12.0 if s.look.lit else 0.0
    head, tail = s.white(glow), s.white(0.4 * glow)._replace(tint=(0.9, 0.03, 0.03))
    for side in (-0.36, 0.36):
        s.add("sphere", here(side * width, 0.485 * length, height), (0.3, 0.16, 0.14), head, yaw)
        s.add("sphere", here(side * width, -0.49 * length, height * 1.15), (0.25, 0.1, 0.16), tail, yaw)


def bicycle(s: Scene, at: ArrayLike, yaw: float) -> None:
    """Two wheels with spokes, frame, saddle and bars."""
    here = frame(at, yaw)
    tubing, dark = s.material("paint", 1.0, 0.6), s.material("metal", 1.0, 0.4)
    back, front = (0.0, -0.52, 0.34), (0.0, 0.52, 0.34)
    for hub in (back, front):
        s.add("ring", here(*hub), 0.68, dark, yaw)
        for t in np.linspace(0, 2 * np.pi, 19)[:-1]:
            rim = here(0, hub[1] + 0.33 * np.cos(t), hub[2] + 0.33 * np.sin(t))
            s.beam(here(*hub), rim, 0.004, dark)
    crank, seat, head, stem = (0, -0.08, 0.3), (0, -0.22, 0.85), (0, 0.38, 0.85), (0, 0.36, 1.0)
    tubes = [(back, crank), (back, seat), (crank, seat), (crank, head), (seat, head), (front, head)]
    for a, b in (*tubes, (head, stem)):
        s.beam(here(*a), here(*b), 0.035, tubing)
    s.beam(here(-0.27, 0.36, 1.02), here(0.27, 0.36, 1.02), 0.025, dark)
    s.add("sphere", here(0, -0.24, 0.92), (0.16, 0.27, 0.06), dark, yaw)
