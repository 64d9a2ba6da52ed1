"""The street: a road between houses."""

import numpy as np

from hyperfocal.synth import people, props, thin, vehicles
from hyperfocal.synth.scene import VIEWS, Scene


def street(s: Scene) -> None:
    """A road with cars, people, trees, lamps, fences, signs, bicycles and overhead wires between houses."""
    rng = s.rng
    half, walk = rng.uniform(3, 7), rng.uniform(1.5, 4)
    s.centre, s.radius = np.array([0, 35.0, 0]), 60.0
    s.add("plane", (0, 60, -0.02), (600, 600, 1), s.material("ground", 0.25, 0.05))
    s.add("plane", (0, 60, 0), (2 * half, 400, 1), s.material("road", 0.2, 0.1))
    _markings(s, half)
    for side in (-1, 1):
        _pavement(s, side, half, walk)
        _houses(s, side, half + walk)
        _furniture(s, side, half, walk)
    for y in np.arange(5, 110, rng.uniform(18, 35)):
        if rng.random() < 0.7:
            far = (half + 0.4, y + rng.uniform(-4, 12), 7.2)
            thin.wires(s, (-half - 0.4, y, 7), far, int(rng.integers(1, 4)), 0.5)
    for _ in range(rng.integers(0, 3)):
        at = (rng.uniform(-half / 2, half / 2), rng.uniform(12, 80), 0)
        vehicle = vehicles.truck if rng.random() < 0.35 else vehicles.car
        vehicle(s, at, float(rng.choice([0, np.pi])))
    for k in range(VIEWS):
        _view(s, half, walk, across=k % 4 == 3)


def _markings(s: Scene, half: float) -> None:
    """Lines, crossings, arrows and puddles: edges in colour and none in depth."""
    rng, line = s.rng, s.white() if s.rng.random() < 0.8 else s.material("paint", 0.5)
    for y in np.arange(-20, 150, 6.0):
        s.block((0, y, 0.0), (0.14, 2.5, 0.004), line)
    for y in rng.uniform(0, 60, rng.integers(0, 4)):
        for x in np.arange(-half + 0.4, half, 0.9):
            s.block((x, y, 0.0), (0.45, 3.0, 0.004), line)
    if rng.random() < 0.4:
        for side in (-1, 1):
            for y in np.arange(0, 100, 5.5):
                s.block((side * (half - 1.1), y, 0.0), (2.2, 0.1, 0.004), line)
            s.block((side * (half - 2.2), 50, 0.0), (0.1, 100, 0.004), line)
    for _ in range(rng.integers(0, 3)):
        size, art = rng.uniform(1, 3), s.material(s.pick("picture", "poster"), 0.4, 0.1)
        s.block((rng.uniform(-half, half), rng.uniform(3, 25), 0), (size, size, 0.003), art)
    for _ in range(rng.integers(3, 14) if s.look.wet else rng.integers(0, 3)):
        props.puddle(s, (rng.uniform(-half, half), rng.uniform(2, 40), 0.0), rng.uniform(0.5, 3))


def _pavement(s: Scene, side: int, half: float, walk: float) -> None:
    size = (walk, 400, s.rng.uniform(0.08, 0.2))
    s.block((side * (half + walk / 2), 60, 0), size, s.material(s.pick("masonry", "noise", "checker"), 0.7))


def _houses(s: Scene, side: int, edge: float) -> None:
    """Houses behind x = ± `edge`, some with a fence and a front garden."""
    rng = s.rng
    y, gap = rng.uniform(-15, 0), float(rng.choice([0.5, 4.0, 14.0]))
    while y < 160:
        w, d = rng.uniform(8, 20), rng.uniform(8, 14)
        h = float(rng.choice([rng.uniform(4, 9), rng.uniform(9, 30)]))
        back = rng.uniform(0, 6)
        if rng.random() < 0.85:
            at = (side * (edge + back + d / 2), y + w / 2, 0)
            props.building(s, at, side * np.pi / 2, (w, d, h))
        if back > 2 and rng.random() < 0.7:
            x = side * (edge + 0.3)
            thin.fence(s, (x, y, 0.1), (x, y + w, 0.1), rng.uniform(0.8, 1.8))
        y += w + rng.uniform(0, gap)


def _furniture(s: Scene, side: int, half: float, walk: float) -> None:
    """What stands along the kerb at x = ± `half` and on the pavement, `walk` wide."""
    rng, edge = s.rng, half + walk
    for y in np.arange(rng.uniform(2, 10), 120, rng.uniform(9, 22)):
        if rng.random() < 0.75:
            props.tree(s, (side * (half + 0.5), y, 0.1), rng.uniform(4, 12))
        lamp_yaw = 0 if side < 0 else np.pi
        thin.lamp_post(s, (side * (half + 0.35), y + 4, 0.1), rng.uniform(4, 8), lamp_yaw)
    for _ in range(rng.integers(2, 14)):
        vehicles.car(s, (side * (half - 1.2), rng.uniform(4, 110), 0), 0 if side > 0 else np.pi)
    for _ in range(rng.integers(2, 12)):
        people.person(s, (side * (half + rng.uniform(0.4, walk)), rng.uniform(2, 60), 0.12), s.yaw())
    for _ in range(rng.integers(0, 5)):
        vehicles.bicycle(s, (side * (half + rng.uniform(0.4, 1.5)), rng.uniform(2, 30), 0.12), s.yaw())
    for _ in range(rng.integers(1, 6)):
        thin.sign(s, (side * (half + 0.3), rng.uniform(4, 80), 0.1), rng.normal() * 0.3)
    if rng.random() < 0.4:
        x, y = side * (half + 0.15), rng.uniform(0, 20)
        thin.railing(s, (x, y, 0.1), (x, y + rng.uniform(6, 25), 0.1), rng.uniform(0.7, 1.1))
    for _ in range(rng.integers(0, 4)):
        _billboard(s, (side * (edge - 0.1), rng.uniform(3, 50), 0.1), side * np.pi / 2)
    if rng.random() < 0.35:
        for _ in range(rng.integers(1, 5)):
            _cafe(s, (side * (half + 0.75 * walk), rng.uniform(2, 25), 0.12))
    if rng.random() < 0.35:
        y, x = rng.uniform(2, 30), side * (edge + 0.6)
        props.hedge(s, (x, y, 0.1), (x, y + rng.uniform(4, 15), 0.1), rng.uniform(0.8, 2))
    for _ in range(rng.integers(0, 6)):
        props.bush(s, (side * (edge + 0.6), rng.uniform(2, 60), 0.1), rng.uniform(0.5, 2))
    heap = (side * (half + 0.8), rng.uniform(3, 20), 0.12)
    props.pile(s, heap, 1.0, int(rng.integers(0, 8)), 0.6)


def _billboard(s: Scene, at: tuple[float, float, float], yaw: float) -> None:
    """A large picture on a wall or on two posts."""
    w, h = s.rng.uniform(1.2, 4), s.rng.uniform(1, 2.5)
    x, y, z = at
    face = s.material(s.pick("picture", "poster"), 1 / max(w, h), 0.3, 0.1)._replace(glow=0.6 * s.look.lit)
    s.block((x, y, z + 0.8), (w, 0.05, h), face, yaw)
    for t in (-0.4, 0.4):
        s.beam((x, y + t * w, z), (x, y + t * w, z + 0.8), 0.06, s.dark())


def _cafe(s: Scene, at: tuple[float, float, float]) -> None:
    """A small table with chairs, someone at it, a parasol."""
    props.table(s, at, s.yaw(), (0.7, 0.7, 0.74), int(s.rng.integers(0, 4)))
    for _ in range(s.rng.integers(1, 4)):
        a = s.yaw()
        spot = (at[0] + 0.7 * np.cos(a), at[1] + 0.7 * np.sin(a), at[2])
        props.chair(s, spot, a + np.pi / 2)
        if s.rng.random() < 0.5:
            people.person(s, spot, a + np.pi / 2, seat=0.45)
    if s.rng.random() < 0.5:
        thin.parasol(s, at, 2.4, 2.2)


def _view(s: Scene, half: float, walk: float, across: bool) -> None:
    """A view from the pavement or the road, along the road or `across` it."""
    rng = s.rng
    on_walk = rng.random() < 0.6
    x = float(rng.choice([-1, 1])) * (half + walk * 0.6) if on_walk else rng.uniform(-half, half)
    y = rng.uniform(-3, 30)
    heights = [rng.uniform(1.2, 1.8), rng.uniform(0.5, 1.2), rng.uniform(2.5, 6)]
    height = float(rng.choice(heights, p=[0.7, 0.15, 0.15]))
    target_x = rng.uniform(-half, half) - (3 * x if across else 0)
    target_y = y + (rng.uniform(2, 10) if across else rng.uniform(10, 30))
    s.aim((x, y, height), (target_x, target_y, rng.uniform(0.5, 4)), 0.1)
