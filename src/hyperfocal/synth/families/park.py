"""The park: meadows, woods and hills."""

from itertools import pairwise

import numpy as np

from hyperfocal.synth import people, props, stock, thin
from hyperfocal.synth.families.ground import rolling_ground
from hyperfocal.synth.scene import VIEWS, Scene, up


def park(s: Scene) -> None:
    """Meadows, woods, rocks, a path, benches, people; hills or mountains behind."""
    rng = s.rng
    relief = float(rng.choice([0.3, 1.5, 5.0]))
    rolling_ground(s, 220.0, relief)
    s.centre, s.radius = np.zeros(3), 55.0
    s.add("plane", (0, 0, -relief - 0.5), (3000, 3000, 1), s.material("ground", 0.05, 0.05))
    _mountains(s)
    _plants(s)
    for _ in range(rng.integers(0, 8)):
        people.person(s, _anywhere(s, 10), s.yaw())
    for _ in range(rng.integers(0, 5)):
        props.bench(s, _anywhere(s, 10), s.yaw())
    for _ in range(rng.integers(0, 4)):
        _fence(s)
    _path(s)
    if rng.random() < 0.5:
        _playground(s)
    if rng.random() < 0.25:
        _pond(s, relief)
    if rng.random() < 0.35:
        x, y = (rng.normal(size=2) * 25).tolist()
        props.building(s, s.on_ground(x, y), s.yaw(), (8, 7, 5))
    for _ in range(VIEWS):
        _view(s)


def _anywhere(s: Scene, spread: float) -> tuple[float, float, float]:
    """Draw a point of the ground, normally distributed about the origin."""
    x, y = np.clip(s.rng.normal(size=2) * spread, -105, 105).tolist()
    return s.on_ground(x, y)


def _mountains(s: Scene) -> None:
    """Ranges near and far, and the edge of a wood."""
    rng = s.rng
    for _ in range(rng.integers(0, 6)):
        a, far = s.yaw(), float(np.exp(rng.uniform(np.log(150), np.log(2500))))
        size = far * rng.uniform(0.6, 1.4)
        surface = s.material(s.pick("ground", "noise", "foliage"), 0.02, 0.05)
        at = (far * np.cos(a) * 1.3, far * np.sin(a) * 1.3, -2.0)
        height = size * rng.uniform(0.06, 0.35)
        s.add(f"range{rng.integers(stock.VARIANTS)}", at, (size, size, height), surface, s.yaw())
    if rng.random() < 0.7:
        start = s.yaw()
        for a in np.arange(0, rng.uniform(1, 6.3), 0.07):
            r = 95 + 8 * np.sin(3 * a) + rng.normal() * 4
            x, y = r * np.cos(start + a), r * np.sin(start + a)
            props.bush(s, s.on_ground(x, y), rng.uniform(6, 14))


def _plants(s: Scene) -> None:
    rng = s.rng
    dense = float(rng.choice([0.3, 1.0, 2.0]))
    for _ in range(int(35 * dense)):
        props.tree(s, _anywhere(s, 45), rng.uniform(3, 16))
    for _ in range(int(25 * dense)):
        props.bush(s, _anywhere(s, 25), rng.uniform(0.4, 2.5))
    for _ in range(rng.integers(0, 20)):
        props.fern(s, _anywhere(s, 10), rng.uniform(0.4, 1.3))
    for _ in range(rng.integers(5, 40)):
        props.rock(s, _anywhere(s, 20), rng.uniform(0.2, 2.5))
    for _ in range(6):
        n = int(rng.integers(300, 1500))
        xy = rng.normal(size=(n, 2)) * rng.uniform(3, 16) + rng.normal(size=2) * 8
        mesh, sizes = f"tuft{rng.integers(stock.VARIANTS)}", rng.uniform(0.1, 0.6, n)
        s.scatter(mesh, np.clip(xy, -100, 100), sizes, s.material("foliage", 3.0, 0.1))


def _playground(s: Scene) -> None:
    """Swings, a climbing net, goals, a trampoline fence, a sheet of lines: thin things on flat ground."""
    rng, steel = s.rng, s.material("paint", 1.0, 0.5)
    x, y, z = _anywhere(s, 6)
    for side in (-1.6, 1.6):
        for foot in (-0.9, 0.9):
            s.beam((x + side, y + foot, z), (x + side, y, z + 2.3), 0.07, steel)
    s.beam((x - 1.6, y, z + 2.3), (x + 1.6, y, z + 2.3), 0.07, steel)
    for seat in (-0.7, 0.7):
        swing = rng.normal() * 0.3
        for side in (-0.22, 0.22):
            s.beam((x + seat + side, y, z + 2.3), (x + seat + side, y + swing, z + 0.5), 0.008, s.dark())
        s.block((x + seat, y + swing, z + 0.48), (0.5, 0.2, 0.03), s.dark())
    gx, gy, gz = _anywhere(s, 10)
    thin.goal(s, (gx, gy, gz), s.yaw(), rng.uniform(2, 6), 2.1)
    nx, ny, nz = _anywhere(s, 7)
    top = np.array([nx, ny, nz + 3.5])
    feet = [np.array([nx + 2.4 * np.cos(a), ny + 2.4 * np.sin(a), nz]) for a in np.arange(6) * np.pi / 3]
    cord = s.material(s.pick("paint", "cloth"), 1.0)
    s.beam(top - up(3.5), top, 0.1, steel)
    for a, b in pairwise([*feet, feet[0]]):
        s.beam(a, top, 0.02, cord)
        for t in np.arange(0.1, 0.95, 0.12):
            s.beam(a + (top - a) * t, b + (top - b) * t, 0.016, cord)


def _pond(s: Scene, relief: float) -> None:
    """Still water with a foot-bridge: it mirrors the sky."""
    x, y = (s.rng.normal(size=2) * 12).tolist()
    z, d = s.ground(x, y) + 0.02 + 0.05 * relief, s.rng.uniform(6, 25)
    water = s.dark(0.98)._replace(tint=(0.04, 0.06, 0.06))
    s.add("cylinder", (x, y, z - 0.5), (d, d * 0.7, 0.5), water)
    for side in (-0.8, 0.8):
        thin.railing(s, (x - d / 2, y + side, z + 0.5), (x + d / 2, y + side, z + 0.5))
    s.block((x, y, z + 0.4), (d, 1.7, 0.1), s.material("wood", 0.8))


def _fence(s: Scene) -> None:
    """A fence of 14 m in any direction."""
    a, b = np.array(_anywhere(s, 12)), np.array(_anywhere(s, 12))
    b = a + (b - a) / max(1e-3, float(np.linalg.norm(b - a))) * 14
    b[2] = s.ground(float(b[0]), float(b[1]))
    thin.fence(s, a, b, s.rng.uniform(0.8, 1.4))


def _path(s: Scene) -> None:
    """A winding path of overlapping discs."""
    surface = s.material(s.pick("ground", "masonry", "noise"), 0.4, 0.05)
    wide, narrow = s.rng.normal(size=2) * 8
    for y in np.arange(-90, 90, 0.8):
        x = float(wide * np.sin(y / 25) + narrow * np.sin(y / 60))
        s.add("cylinder", (x, y, s.ground(x, y) - 0.06), (2.6, 2.6, 0.09), surface)


def _view(s: Scene) -> None:
    rng = s.rng
    x, y, z = _anywhere(s, 12)
    a = s.yaw()
    heights = [rng.uniform(1.2, 1.8), rng.uniform(0.25, 0.9), rng.uniform(2, 8)]
    eye_z = z + float(rng.choice(heights, p=[0.65, 0.2, 0.15]))
    s.aim((x, y, eye_z), (x + 12 * np.cos(a), y + 12 * np.sin(a), eye_z + rng.normal() * 1.5), 0.05)
