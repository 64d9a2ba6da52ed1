"""The street: a road between houses."""

import numpy as np

from hyperfocal.synth import props
from hyperfocal.synth.scene import VIEWS, Scene


def street(s: Scene) -> None:
    """A road with cars, people, trees, lamps, fences, signs, bicycles and overhead wires between houses."""
    rng = s.rng
    half, walk = rng.uniform(3, 7), rng.uniform(1.5, 4)
    s.centre, s.radius = np.array([0, 35.0, 0]), 60.0
    s.add("plane", (0, 60, -0.02), (600, 600, 1), s.material("ground", 0.25, 0.05))
    s.add("plane", (0, 60, 0), (2 * half, 400, 1), s.material("road", 0.2, 0.1))
    line = s.material("paint", 1.0, 0.1)._replace(tint=(3, 3, 3))
    for y in np.arange(-20, 150, 6.0):
        s.block((0, y, 0.0), (0.14, 2.5, 0.006), line)
    for side in (-1, 1):
        _pavement(s, side, half, walk)
        _houses(s, side, half + walk)
        _furniture(s, side, half, walk)
    for y in np.arange(5, 110, rng.uniform(18, 35)):
        if rng.random() < 0.7:
            far = (half + 0.4, y + rng.uniform(-4, 12), 7.2)
            props.wires(s, (-half - 0.4, y, 7), far, int(rng.integers(1, 4)), 0.5)
    for _ in range(rng.integers(0, 3)):
        at = (rng.uniform(-half / 2, half / 2), rng.uniform(12, 80), 0)
        props.car(s, at, float(rng.choice([0, np.pi])))
    for k in range(VIEWS):
        _view(s, half, walk, across=k % 4 == 3)


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
            props.fence(s, (x, y, 0.1), (x, y + w, 0.1), rng.uniform(0.8, 1.8))
        y += w + rng.uniform(0, gap)


def _furniture(s: Scene, side: int, half: float, walk: float) -> None:
    """What stands along the kerb at x = ± `half` and on the pavement, `walk` wide."""
    rng, edge = s.rng, half + walk
    for y in np.arange(rng.uniform(2, 10), 120, rng.uniform(9, 22)):
        if rng.random() < 0.75:
            props.tree(s, (side * (half + 0.5), y, 0.1), rng.uniform(4, 12))
        lamp_yaw = 0 if side < 0 else np.pi
        props.lamp_post(s, (side * (half + 0.35), y + 4, 0.1), rng.uniform(4, 8), lamp_yaw)
    for _ in range(rng.integers(2, 14)):
        props.car(s, (side * (half - 1.2), rng.uniform(4, 110), 0), 0 if side > 0 else np.pi)
    for _ in range(rng.integers(2, 12)):
        props.person(s, (side * (half + rng.uniform(0.4, walk)), rng.uniform(2, 60), 0.12), s.yaw())
    for _ in range(rng.integers(0, 5)):
        props.bicycle(s, (side * (half + rng.uniform(0.4, 1.5)), rng.uniform(2, 30), 0.12), s.yaw())
    for _ in range(rng.integers(1, 6)):
        props.sign(s, (side * (half + 0.3), rng.uniform(4, 80), 0.1), rng.normal() * 0.3)
    for _ in range(rng.integers(0, 6)):
        props.bush(s, (side * (edge + 0.6), rng.uniform(2, 60), 0.1), rng.uniform(0.5, 2))
    heap = (side * (half + 0.8), rng.uniform(3, 20), 0.12)
    props.pile(s, heap, 1.0, int(rng.integers(0, 8)), 0.6)


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
    s.look((x, y, height), (target_x, target_y, rng.uniform(0.5, 4)), 0.1)
