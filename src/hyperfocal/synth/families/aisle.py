"""The aisle: a shop or a warehouse."""

import numpy as np

from hyperfocal.synth import people, props, thin
from hyperfocal.synth.families.interior import light_room, walls
from hyperfocal.synth.scene import VIEWS, Scene


def aisle(s: Scene) -> None:
    """Long rows of shelves, people and goods in the lanes between them, strip lights."""
    rng = s.rng
    pitch, rows, length = rng.uniform(2.2, 4), int(rng.integers(2, 5)), rng.uniform(10, 28)
    width, height = pitch * (rows + 1), rng.uniform(3, 7)
    walls(s, width, length, height, windows=False)
    light_room(s, width, length, height, dim=True)
    tall, goods = rng.uniform(1.6, height - 0.6), float(rng.choice([1.0, 2.0, 3.5]))
    depth = rng.uniform(0.4, 1)
    for row in range(rows + 1):
        for y in np.arange(3, length - 1, 2.05):
            at = ((row - rows / 2) * pitch, y, 0)
            props.shelf(s, at, np.pi / 2, (2.0, depth, tall), int(rng.integers(3, 6)), goods)
    for x in (np.arange(rows) - rows / 2 + 0.5) * pitch:
        _lane(s, float(x), pitch - depth, length, height)
    for y in np.arange(1.5, length, 3.0):
        for x in np.arange(-width / 2 + 1, width / 2, 3.0):
            tube = s.white(glow=6.0)
            s.block((x, y, height - 0.25), (0.15, 1.4, 0.06), tube)

    def lane() -> float:
        return (int(rng.integers(0, rows)) - rows / 2 + 0.5) * pitch

    for _ in range(rng.integers(1, 8)):
        at = (lane() + rng.normal() * 0.3, rng.uniform(2.5, length), 0)
        kind = rng.random()
        if kind < 0.4:
            people.person(s, at, s.yaw())
        elif kind < 0.7:
            thin.trolley(s, at, s.yaw())
        else:
            props.pile(s, at, 0.4, int(rng.integers(1, 5)), 0.5)
    for _ in range(VIEWS):
        x = lane()
        eye = (x + rng.normal() * 0.3, rng.uniform(0.6, length * 0.6), rng.uniform(0.8, 2))
        s.aim(eye, (x + rng.normal() * 1.5, eye[1] + 5, rng.uniform(0.3, 1.8)), 0.15)


def _lane(s: Scene, x: float, width: float, length: float, height: float) -> None:
    """What marks a lane: lines or pictures painted on the floor, signs on wires above it, a ladder."""
    rng = s.rng
    if rng.random() < 0.5:
        line = s.material(s.pick("white", "paint"), 0.5)
        for side in (-0.42, 0.42):
            s.block((x + side * width, length / 2, 0), (0.08, length - 1, 0.002), line)
    for y in np.arange(rng.uniform(2, 5), length, rng.uniform(3, 7)):
        if rng.random() < 0.5:
            floor = s.material(s.pick("picture", "poster"), rng.uniform(0.6, 1.2), 0.1)
            s.block((x, y, 0), (rng.uniform(0.5, 1) * width, rng.uniform(0.6, 1.5), 0.003), floor)
        if rng.random() < 0.5:
            z = min(height - 0.6, 2.6)
            s.block((x, y, z), (0.9, 0.02, 0.35), s.material(s.pick("poster", "picture"), 1.0, 0.2))
            for side in (-0.4, 0.4):
                s.beam((x + side, y, z + 0.35), (x + side, y, height), 0.004, s.dark())
    if rng.random() < 0.4:
        thin.ladder(s, (x + 0.3 * width, rng.uniform(2, length - 1), 0), s.yaw(), rng.uniform(1.5, 2.5))
