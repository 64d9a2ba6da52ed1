"""Thin structure: fences, railings, nets, grilles, ladders, stairs, wires, posts.

Each function adds one object with its foot at `at` (metres), turned by `yaw` (radians); fronts face local +y.
"""

from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike

from hyperfocal.synth.light import Vector
from hyperfocal.synth.scene import Material, Scene, frame, up


def fence(s: Scene, a: ArrayLike, b: ArrayLike, height: float) -> None:
    """Bars, rails, a diagonal net or pickets between two points."""
    rng, p, q = s.rng, np.asarray(a, float), np.asarray(b, float)
    along = q - p
    length = float(np.linalg.norm(along))
    m = s.material(s.pick("metal", "wood", "paint"), 1.0)
    kind = ("bars", "rails", "net", "pickets")[rng.integers(4)]
    for t in np.linspace(0, 1, max(2, int(length / 2.2))):
        s.block(p + along * t, (0.07, 0.07, height * 1.05), m)
    for z in (0.25, 0.5, 0.75, 1.0) if kind == "rails" else (0.1, 0.95):
        s.beam(p + up(height) * z, q + up(height) * z, 0.035, m)
    if kind in ("bars", "pickets"):
        step, width = (0.13, 0.018) if kind == "bars" else (0.16, 0.09)
        yaw = float(np.arctan2(along[1], along[0]))
        for t in np.linspace(0, 1, max(2, int(length / step))):
            s.block(p + along * t, (width, 0.018, height), m, yaw)
    if kind == "net":
        lattice(s, p, along, up(height), rng.uniform(0.08, 0.2), 0.006, m, diagonal=True)


def wires(s: Scene, a: ArrayLike, b: ArrayLike, count: int, sag: float) -> None:
    """`count` overhead cables between the tops of two poles, hanging down by `sag` metres."""
    p, q = np.asarray(a, float), np.asarray(b, float)
    m = s.dark()
    across = np.cross(q - p, [0, 0, 1.0])
    across /= max(float(np.linalg.norm(across)), 1e-9)
    steps = np.linspace(0, 1, 17)[:, None]
    for k in range(count):
        path = p + (q - p) * steps + across * 0.35 * (k - (count - 1) / 2)
        path[:, 2] -= 4 * sag * (steps * (1 - steps))[:, 0]
        for start, end in pairwise(path):
            s.beam(start, end, 0.025, m)


def lamp_post(s: Scene, at: ArrayLike, height: float, yaw: float) -> None:
    """A street lamp with an arm."""
    here = frame(at, yaw)
    steel = s.material("metal", 1.0)
    head, tip = here(0, 0, height), here(1.3, 0, height + 0.25)
    s.beam(at, head, 0.12, steel)
    s.beam(head, tip, 0.06, steel)
    s.block(tip - up(0.1), (0.5, 0.2, 0.1), steel, yaw)
    if s.look.lit:
        s.block(tip - up(0.13), (0.4, 0.15, 0.03), s.white(glow=20.0), yaw)
        x, y, z = (tip - up(0.2)).tolist()
        s.light.lamps.append((x, y, z))


def sign(s: Scene, at: ArrayLike, yaw: float) -> None:
    """A traffic sign or a placard on a pole."""
    here = frame(at, yaw)
    h = s.rng.uniform(1.8, 2.8)
    s.beam(at, here(0, 0, h), 0.06, s.material("metal", 1.0))
    face = s.material("poster", s.rng.uniform(0.5, 1.2), 0.3)
    if s.rng.random() < 0.5:
        s.add("sphere", here(0, -0.05, h - 0.3), (0.65, 0.03, 0.65), face, yaw)
    else:
        s.block(here(0, -0.05, h - 0.7), (s.rng.uniform(0.4, 1.4), 0.03, 0.6), face, yaw)


def lattice(
    s: Scene,
    corner: ArrayLike,
    along: ArrayLike,
    upward: ArrayLike,
    step: float,
    thickness: float,
    material: Material,
    diagonal: bool = False,
    sag: float = 0.0,
) -> None:
    """A grille or net of round bars `step` apart on the parallelogram at `corner` spanned by two vectors.

    A net with `sag` metres hangs out of its plane, most in its middle.
    """
    c, u, v = (np.asarray(part, float) for part in (corner, along, upward))
    width, height = float(np.linalg.norm(u)), float(np.linalg.norm(v))
    normal = np.cross(u, v) / max(width * height, 1e-9)

    def at(x: float, y: float) -> Vector:
        bulge = 16 * sag * x * (1 - x) * y * (1 - y)
        return np.asarray(c + u * x + v * y + normal * bulge)

    def wire(x0: float, y0: float, x1: float, y1: float) -> None:
        n = 9 if sag else 2
        path = [at(x, y) for x, y in zip(np.linspace(x0, x1, n), np.linspace(y0, y1, n), strict=True)]
        for a, b in pairwise(path):
            s.beam(a, b, thickness, material)

    columns, rows = max(1, min(150, round(width / step))), max(1, min(150, round(height / step)))
    if not diagonal:
        for x in np.linspace(0, 1, columns + 1):
            wire(x, 0, x, 1)
        for y in np.linspace(0, 1, rows + 1):
            wire(0, y, 1, y)
        return
    reach = height / max(width, 1e-6)
    for t in np.arange(-reach, 1, step * 1.41 / max(width, 1e-6)):
        low, high = max(t, 0.0), min(t + reach, 1.0)
        if high > low:  # clipped to the frame
            wire(low, (low - t) / reach, high, (high - t) / reach)
            wire(1 - low, (low - t) / reach, 1 - high, (high - t) / reach)


def railing(s: Scene, a: ArrayLike, b: ArrayLike, height: float = 1.0) -> None:
    """A handrail on posts with balusters, cables or a grille; `a` and `b` may differ in height."""
    rng, p, q = s.rng, np.asarray(a, float), np.asarray(b, float)
    along = q - p
    length = float(np.linalg.norm(along))
    steel = s.material(s.pick("metal", "paint", "wood"), 1.0, 0.5)
    for t in np.linspace(0, 1, max(2, int(length / 1.2))):
        s.beam(p + along * t, p + along * t + up(height), 0.04, steel)
    s.beam(p + up(height), q + up(height), rng.uniform(0.03, 0.07), steel)
    kind = ("balusters", "cables", "grille")[rng.integers(3)]
    if kind == "balusters":
        for t in np.linspace(0, 1, max(2, int(length / 0.12))):
            s.beam(p + along * t, p + along * t + up(height), 0.012, steel)
    elif kind == "cables":
        for z in np.linspace(0.12, 0.85, 6):
            s.beam(p + up(z * height), q + up(z * height), 0.005, steel)
    else:
        lattice(s, p + up(0.1), along, up(height - 0.15), rng.uniform(0.04, 0.1), 0.005, steel)


def ladder(s: Scene, at: ArrayLike, yaw: float, height: float) -> None:
    """A ladder that leans back, away from its front."""
    here, metal = frame(at, yaw), s.material(s.pick("metal", "wood"), 1.0)
    lean = -0.28 * height
    for x in (-0.2, 0.2):
        s.beam(here(x, 0, 0), here(x, lean, height), 0.035, metal)
    for z in np.arange(0.25, height, 0.28):
        y = lean * z / height
        s.beam(here(-0.2, y, z), here(0.2, y, z), 0.022, metal)


def stairs(s: Scene, at: ArrayLike, yaw: float, steps: int, width: float) -> None:
    """Steps that rise towards the back, open or closed, with a railing on either side."""
    here, stone = frame(at, yaw), s.material(s.pick("noise", "wood", "masonry", "metal"), 0.6)
    rise, run = 0.17, 0.28
    closed = s.rng.random() < 0.5
    for k in range(steps):
        z = k * rise if not closed else 0.0
        s.block(
            here(0, -k * run, z + 0.13 * (not closed)),
            (width, run + 0.02, (k + 1) * rise if closed else 0.04),
            stone,
            yaw,
        )
    for x in (-width / 2, width / 2):
        if s.rng.random() < 0.8:
            railing(s, here(x, 0, rise), here(x, -(steps - 1) * run, steps * rise), 0.95)


def goal(s: Scene, at: ArrayLike, yaw: float, width: float, height: float) -> None:
    """A goal with a net."""
    here, bar, cord = frame(at, yaw), s.white(), s.material(s.pick("white", "cloth"), 1.0)
    corners = [
        here(-width / 2, 0, 0),
        here(-width / 2, 0, height),
        here(width / 2, 0, height),
        here(width / 2, 0, 0),
    ]
    for a, b in pairwise(corners):
        s.beam(a, b, 0.1, bar)
    back = here(0, -0.35 * height, 0) - here(0, 0, height)
    step = s.rng.uniform(0.1, 0.2)
    lattice(s, corners[1], corners[2] - corners[1], back, step, 0.006, cord, sag=0.2)
    for top, foot in ((corners[1], corners[0]), (corners[2], corners[3])):
        lattice(s, foot, back + up(height), up(height) * 0.6, step, 0.006, cord)
        s.beam(top, top + back, 0.03, bar)


def trolley(s: Scene, at: ArrayLike, yaw: float) -> None:
    """A wire shopping trolley."""
    here, steel = frame(at, yaw), s.material("metal", 1.0, 0.6)
    x, front, back, low, high = 0.27, 0.45, -0.4, 0.5, 0.95
    sides = [(here(-x, back, low), here(-x, front, low)), (here(x, back, low), here(x, front, low))]
    for a, b in sides:
        lattice(s, a, b - a, up(high - low), 0.06, 0.005, steel)
    lattice(s, sides[0][0], sides[1][0] - sides[0][0], sides[0][1] - sides[0][0], 0.06, 0.005, steel)
    for y in (back, front):
        lattice(s, here(-x, y, low), here(x, y, low) - here(-x, y, low), up(high - low), 0.06, 0.005, steel)
    for side in (-x, x):
        s.beam(here(side, back, low), here(side, back, 0.08), 0.025, steel)
        s.beam(here(side, back, 0.12), here(side, front, 0.12), 0.025, steel)
        s.beam(here(side, back, high), here(side, back - 0.12, 1.05), 0.025, steel)
        for y in (back, front):
            s.add("tyre", here(side, y, 0.06), (0.3, 0.12, 0.12), s.dark(), yaw)
    s.beam(here(-x, back - 0.12, 1.05), here(x, back - 0.12, 1.05), 0.03, s.material("paint", 1.0))


def parasol(s: Scene, at: ArrayLike, height: float, width: float) -> None:
    """A parasol or umbrella: a cone of cloth on a pole, its ribs below it."""
    p, cloth, steel = np.asarray(at, float), s.material("cloth", 1.0, 0.05), s.material("metal", 1.0)
    s.beam(p, p + up(height), 0.035, steel)
    s.add("cone", p + up(0.82 * height), (width, width, 0.18 * height), cloth)
    for a in np.linspace(0, 2 * np.pi, 9)[:-1]:
        rim = np.array([np.cos(a) * width / 2, np.sin(a) * width / 2, 0.82 * height])
        s.beam(p + rim, p + up(0.97 * height), 0.012, steel)
        s.beam(p + rim * [0.5, 0.5, 1.1], p + up(0.7 * height), 0.008, steel)
