"""The close-up: from a hand's breadth to two metres away."""

import numpy as np

from hyperfocal.synth import people, props, stock, thin
from hyperfocal.synth.families.ground import rolling_ground
from hyperfocal.synth.scene import VIEWS, Scene


def closeup(s: Scene) -> None:
    """Things on a table, or flowers in a meadow."""
    rng = s.rng
    s.centre, s.radius = np.zeros(3), 12.0
    if rng.random() < 0.5:
        _table(s)
        low, high, spread = 0.1, 0.7, 0.35
    else:
        _meadow(s)
        low, high, spread = 0.12, 0.9, 0.8
    for _ in range(VIEWS):
        a, r = rng.uniform(-2.6, -0.5), rng.uniform(0.35, 1.8)
        x, y = r * np.cos(a), r * np.sin(a)
        eye = (x, y, s.ground(x, y) + rng.uniform(low, high))
        target = rng.normal(size=2) * spread * 0.4
        s.aim(eye, (*target.tolist(), rng.uniform(0, 0.25)), 0.08)


def _table(s: Scene) -> None:
    """A laid table whose top is at z = 0; chairs, people and houses around it."""
    rng = s.rng
    floor = s.material(s.pick("wood", "ground", "checker", "masonry"), 0.4)
    s.add("plane", (0, 0, -0.75), (80, 80, 1), floor)
    props.table(s, (0, 0, -0.75), 0, (rng.uniform(1.2, 3), rng.uniform(0.8, 2), 0.75), 4)
    for _ in range(rng.integers(6, 30)):
        x, y = rng.normal(size=2) * (0.35, 0.25)
        if abs(x) < 0.6 and abs(y) < 0.4:
            props.clutter(s, (x, y, 0), rng.uniform(0.03, 0.22))
    if rng.random() < 0.4:  # a cloth with a picture on it, sheets of print
        s.block(
            (0, 0, 0),
            (1.0, 0.7, 0.002),
            s.material(s.pick("cloth", "picture", "poster"), 1.2, 0.1),
            rng.normal(),
        )
    for _ in range(rng.integers(0, 6)):
        x, y = rng.normal(size=2) * (0.35, 0.25)
        s.block((x, y, 0), (0.21, 0.297, 0.001), s.material(s.pick("poster", "picture"), 4, 0.1), s.yaw())
    for _ in range(rng.integers(0, 9)):  # cables and pens
        x, y = rng.normal(size=2) * (0.4, 0.25)
        dx, dy = rng.normal(size=2) * 0.1
        s.beam((x, y, 0.006), (x + dx, y + dy, 0.006), rng.uniform(0.003, 0.01), s.material("paint", 3.0))
    if rng.random() < 0.4:
        _basket(s, (rng.uniform(-0.3, 0.3), rng.uniform(-0.2, 0.2), 0.0))
    props.plant(s, (rng.uniform(-0.4, 0.4), 0.2, 0), rng.uniform(0.2, 0.6))
    for _ in range(rng.integers(2, 10)):
        a, r = s.yaw(), rng.uniform(2, 9)
        neighbour = props.chair if rng.random() < 0.4 else people.person
        neighbour(s, (r * np.cos(a), r * np.sin(a), -0.75), s.yaw())
    if rng.random() < 0.7:
        for x in (-12, 0, 12):
            props.building(s, (rng.normal() * 4 + x, 14, -0.75), 0, (12, 6, 7))


def _basket(s: Scene, at: tuple[float, float, float]) -> None:
    """A wire basket with things in it."""
    w, h, wire = s.rng.uniform(0.2, 0.4), s.rng.uniform(0.08, 0.2), s.material("metal", 1.0, 0.7)
    c = np.array(at) - [w / 2, w / 2, 0]
    x, y = np.array([w, 0, 0]), np.array([0, w, 0])
    for corner, side in ((c, x), (c, y), (c + y, x), (c + x, y)):
        thin.lattice(s, corner, side, np.array([0, 0, h]), 0.03, 0.003, wire)
    for _ in range(6):
        spot = np.array(at) + np.append(s.rng.uniform(-0.3, 0.3, 2) * w, 0)
        props.clutter(s, spot, 0.35 * w)


def _meadow(s: Scene) -> None:
    """Grass and flowers; trees and stones around."""
    rng = s.rng
    rolling_ground(s, 60.0, rng.uniform(0.05, 0.6))
    for _ in range(8):
        n = int(rng.integers(500, 1500))
        xy = rng.normal(size=(n, 2)) * rng.uniform(0.6, 4)
        mesh, sizes = f"tuft{rng.integers(stock.VARIANTS)}", rng.uniform(0.08, 0.35, n)
        s.scatter(mesh, xy, sizes, s.material("foliage", 3.0, 0.1))
    for _ in range(rng.integers(0, 9)):
        props.fern(s, s.on_ground(*(rng.normal(size=2) * 1.2).tolist()), rng.uniform(0.2, 0.6))
    for _ in range(rng.integers(5, 50)):
        _flower(s, *(rng.normal(size=2) * 0.8).tolist())
    for _ in range(rng.integers(3, 16)):
        a, r = s.yaw(), rng.uniform(4, 25)
        props.tree(s, s.on_ground(r * np.cos(a), r * np.sin(a)), rng.uniform(2, 9))
    for _ in range(6):
        x, y = (rng.normal(size=2) * 1.5).tolist()
        props.rock(s, s.on_ground(x, y), rng.uniform(0.05, 0.5))


def _flower(s: Scene, x: float, y: float) -> None:
    foot = np.array(s.on_ground(x, y))
    top = foot + np.append(s.rng.normal(size=2) * 0.05, s.rng.uniform(0.1, 0.5))
    s.beam(foot, top, 0.005, s.material("foliage", 4.0))
    petal = s.material("paint", 3.0, 0.1)
    d = s.rng.uniform(0.02, 0.06)
    s.add("sphere", top, d, petal)
    for t in np.linspace(0, 2 * np.pi, 9)[:-1]:
        s.beam(top, top + d * 1.3 * np.array([np.cos(t), np.sin(t), 0.4]), 0.25 * d, petal)
