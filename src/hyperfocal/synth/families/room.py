"""The room: a living room, a kitchen or an office."""

import numpy as np

from hyperfocal.synth import people, props, stock, thin
from hyperfocal.synth.families.interior import light_room, walls
from hyperfocal.synth.scene import VIEWS, Scene, up


def room(s: Scene) -> None:
    """Tables, chairs, shelves, sofas, plants, pictures, lamps and people between four walls."""
    rng = s.rng
    width, length, height = rng.uniform(3, 7), rng.uniform(3.5, 9), rng.uniform(2.4, 3.4)
    windows = rng.random() < 0.85
    walls(s, width, length, height, windows)
    light_room(s, width, length, height, dim=not windows)
    for x in np.arange(-width / 2 + 0.7, width / 2 - 0.5, 1.15):
        if rng.random() < 0.6:
            size = (1.0, 0.32, float(rng.choice([0.9, 1.6, 2.1])))
            props.shelf(s, (x, length - 0.22, 0), np.pi, size, int(rng.integers(2, 7)))
    for _ in range(rng.integers(1, 4)):
        _table_with_chairs(s, (rng.uniform(-0.3, 0.3) * width, rng.uniform(0.3, 0.8) * length, 0))
    if rng.random() < 0.7:
        at = (-width / 2 + 0.55, rng.uniform(0.3, 0.7) * length, 0)
        props.sofa(s, at, -np.pi / 2, rng.uniform(0.9, 2.4))
        if rng.random() < 0.4:
            people.person(s, (at[0] + 0.05, at[1], 0), -np.pi / 2, seat=0.42)
    for _ in range(rng.integers(0, 3)):
        at = (rng.uniform(-0.35, 0.35) * width, rng.uniform(0.35, 0.85) * length, 0)
        people.person(s, at, s.yaw())
    for _ in range(rng.integers(1, 5)):
        at = (rng.uniform(-0.42, 0.42) * width, rng.uniform(0.2, 0.95) * length, 0)
        props.plant(s, at, rng.uniform(0.4, 1.7))
    for _ in range(rng.integers(2, 9)):
        _pictures(s, width, length)
    if rng.random() < 0.6:
        rug = (rng.uniform(1, 3), rng.uniform(1, 3), 0.012)
        pattern = s.material(s.pick("cloth", "picture", "poster"), 0.6, 0.02)
        s.block((0, length / 2, 0.0), rug, pattern, rng.normal() * 0.3)
    if rng.random() < 0.5:
        _mirror_or_screen(s, width, length)
    if rng.random() < 0.2:
        steps = int(rng.integers(4, int(height / 0.17)))
        thin.stairs(s, (rng.uniform(-0.3, 0.3) * width, 0.55 * length, 0), s.yaw(), steps, 0.9)
    for _ in range(rng.integers(0, 3)):
        _floor_lamp(s, (rng.uniform(-0.4, 0.4) * width, rng.uniform(0.4, 0.95) * length, 0))
    for _ in range(rng.integers(0, 4)):
        _pendant(s, (rng.uniform(-0.3, 0.3) * width, rng.uniform(0.2, 0.9) * length, height))
    props.pile(s, (0, length / 2, 0), 1.5, int(rng.integers(0, 14)), 0.35)
    if rng.random() < 0.4:
        door = s.material("wood", 0.7)
        s.block((-width / 2 + 0.02, length * 0.15, 0), (0.05, 0.85, 2.0), door, shell=True)
        knob = (-width / 2 + 0.07, length * 0.15 + 0.35, 1.0)
        s.add("sphere", knob, 0.06, s.material("metal", 1.0))
    for _ in range(VIEWS):
        eye = (rng.uniform(-0.4, 0.4) * width, rng.uniform(0.05, 0.35) * length, rng.uniform(0.7, 1.75))
        target = (rng.uniform(-0.45, 0.45) * width, rng.uniform(0.55, 1.0) * length, rng.uniform(0.2, 1.6))
        s.aim(eye, target, 0.08)


def _table_with_chairs(s: Scene, at: tuple[float, float, float]) -> None:
    rng = s.rng
    size = (rng.uniform(0.7, 2), rng.uniform(0.5, 1), float(rng.choice([0.45, 0.74, 0.9])))
    props.table(s, at, rng.uniform(-0.5, 0.5), size, int(rng.integers(3, 14)))
    for _ in range(rng.integers(0, 5)):
        a = s.yaw()
        x, y = at[0] + np.cos(a) * (size[0] / 2 + 0.3), at[1] + np.sin(a) * (size[1] / 2 + 0.3)
        props.chair(s, (x, y, 0), a + np.pi / 2 + rng.normal() * 0.3)


def _pictures(s: Scene, width: float, length: float) -> None:
    """A picture on the left wall and, now and then, one on the wall ahead."""
    rng = s.rng
    y, z = rng.uniform(0.1, 0.95) * length, rng.uniform(1.0, 1.8)
    w, h = rng.uniform(0.2, 1), rng.uniform(0.2, 0.9)
    kinds = ("poster", "picture")
    picture = s.material(s.pick(*kinds), rng.uniform(0.6, 2), 0.2)
    s.block((-width / 2 + 0.015, y, z), (0.03, w, h), picture, shell=True)
    if rng.random() < 0.5:
        x = rng.uniform(-0.45, 0.45) * width
        picture = s.material(s.pick(*kinds), rng.uniform(0.6, 2), 0.2)
        s.block((x, length - 0.012, z), (w, 0.024, h), picture, shell=True)


def _mirror_or_screen(s: Scene, width: float, length: float) -> None:
    """A mirror, which shows depth it doesn't have, or a shining screen, in a frame on the wall ahead."""
    rng = s.rng
    x, z = rng.uniform(-0.3, 0.3) * width, rng.uniform(0.7, 1.2)
    w, h = rng.uniform(0.5, 1.3), rng.uniform(0.5, 0.9)
    s.block((x, length - 0.02, z - 0.03), (w + 0.06, 0.04, h + 0.06), s.material("wood", 1.0), shell=True)
    if rng.random() < 0.6:
        face = s.white()._replace(roughness=0.02, metalness=1.0)
    else:
        face = s.material(s.pick("poster", "picture"), 1 / w, 0.9, 0.0)._replace(glow=0.8)
    s.block((x, length - 0.025, z), (w, 0.04, h), face, shell=True)


def _floor_lamp(s: Scene, at: tuple[float, float, float]) -> None:
    p, steel = np.array(at), s.material("metal", 1.0)
    s.add("cylinder", at, (0.28, 0.28, 0.03), steel)
    s.beam(p, p + up(1.55), 0.02, steel)
    glow = 2.0 if s.look.lit or s.rng.random() < 0.3 else 0.0
    s.add("cylinder", p + up(1.45), (0.35, 0.35, 0.28), s.white(glow)._replace(tint=(1, 0.85, 0.6)))


def _pendant(s: Scene, hook: tuple[float, float, float]) -> None:
    """A lampshade on a cable."""
    rng, at = s.rng, np.array(hook)
    drop = rng.uniform(0.4, 1.1)
    s.beam(at, at - up(drop), 0.008, s.material("metal", 1.0))
    d = rng.uniform(0.15, 0.5)
    s.add(stock.vessel(s), at - up(drop + d), d, s.material("paint", 1.0))
