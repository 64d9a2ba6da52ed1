"""The aisle: a shop or a warehouse."""

import numpy as np

from hyperfocal.synth import props
from hyperfocal.synth.families.interior import light_room, walls
from hyperfocal.synth.scene import VIEWS, Scene


def aisle(s: Scene) -> None:
    """Long rows of shelves, people and goods in the lanes between them, strip lights."""
    rng = s.rng
    pitch, rows, length = rng.uniform(2.2, 4), int(rng.integers(2, 5)), rng.uniform(10, 28)
    width, height = pitch * (rows + 1), rng.uniform(3, 7)
    walls(s, width, length, height, windows=False)
    light_room(s, width, length, height)
    s.light.lamps = [(0.0, length * t, height - 0.1) for t in (0.15, 0.4, 0.65, 0.9)]
    tall, goods = rng.uniform(1.6, height - 0.6), float(rng.choice([1.0, 2.0, 3.5]))
    depth = rng.uniform(0.4, 1)
    for row in range(rows + 1):
        for y in np.arange(3, length - 1, 2.05):
            at = ((row - rows / 2) * pitch, y, 0)
            props.shelf(s, at, np.pi / 2, (2.0, depth, tall), int(rng.integers(3, 6)), goods)
    for y in np.arange(1.5, length, 3.0):
        for x in np.arange(-width / 2 + 1, width / 2, 3.0):
            tube = s.material("paint", 1.0)._replace(tint=(4, 4, 4))
            s.block((x, y, height - 0.25), (0.15, 1.4, 0.06), tube)

    def lane() -> float:
        return (int(rng.integers(0, rows)) - rows / 2 + 0.5) * pitch

    for _ in range(rng.integers(1, 8)):
        at = (lane() + rng.normal() * 0.3, rng.uniform(2.5, length), 0)
        if rng.random() < 0.5:
            props.person(s, at, s.yaw())
        else:
            props.pile(s, at, 0.4, int(rng.integers(1, 5)), 0.5)
    for _ in range(VIEWS):
        x = lane()
        eye = (x + rng.normal() * 0.3, rng.uniform(0.6, length * 0.6), rng.uniform(0.8, 2))
        s.look(eye, (x + rng.normal() * 1.5, eye[1] + 5, rng.uniform(0.3, 1.8)), 0.15)
