"""The workshop: a garage, a joinery, a laboratory."""

import numpy as np

from hyperfocal.synth import people, props, stock, thin, vehicles
from hyperfocal.synth.families.interior import light_room, walls
from hyperfocal.synth.scene import VIEWS, Scene, frame, up


def workshop(s: Scene) -> None:
    """Benches, tools on the walls, machines, pipes and cables, cages of wire, ladders, bicycles or a car."""
    rng = s.rng
    width, length, height = rng.uniform(5, 11), rng.uniform(6, 14), rng.uniform(2.8, 5)
    windows = rng.random() < 0.6
    walls(s, width, length, height, windows)
    light_room(s, width, length, height, dim=not windows)

    def somewhere() -> tuple[float, float, float]:
        return rng.uniform(-0.4, 0.4) * width, rng.uniform(0.25, 0.9) * length, 0.0

    for y in np.arange(1.2, length - 0.8, 2.4):
        if rng.random() < 0.8:
            _bench(s, (-width / 2 + 0.45, y, 0), -np.pi / 2)
            _tool_wall(s, (-width / 2 + 0.03, y, 0), -np.pi / 2)
    for x in np.arange(-width / 2 + 1.2, width / 2 - 1, 2.4):
        kind = rng.random()
        if kind < 0.4:
            _bench(s, (x, length - 0.45, 0), np.pi)
            _tool_wall(s, (x, length - 0.03, 0), np.pi)
        elif kind < 0.7:
            props.shelf(s, (x, length - 0.3, 0), np.pi, (2.0, 0.5, 2.0), 4, 1.5)
    for _ in range(rng.integers(1, 5)):
        _machine(s, somewhere(), s.yaw())
    for _ in range(rng.integers(0, 3)):
        props.table(s, somewhere(), s.yaw(), (1.6, 0.8, 0.9), int(rng.integers(2, 12)))
    for _ in range(rng.integers(0, 4)):
        vehicles.bicycle(s, somewhere(), s.yaw())
    if rng.random() < 0.3:
        vehicles.car(s, somewhere(), s.yaw())
    for _ in range(rng.integers(0, 3)):
        thin.ladder(s, somewhere(), s.yaw(), rng.uniform(1.5, 3))
    for _ in range(rng.integers(0, 4)):
        people.person(s, somewhere(), s.yaw())
    if rng.random() < 0.5:
        _cage(s, width, length)
    _overhead(s, width, length, height)
    _floor(s, width, length)
    props.pile(s, somewhere(), 1.5, int(rng.integers(2, 14)), 0.4)
    for _ in range(VIEWS):
        eye = (rng.uniform(-0.4, 0.4) * width, rng.uniform(0.03, 0.5) * length, rng.uniform(0.7, 1.9))
        s.aim(
            eye, (rng.uniform(-0.5, 0.5) * width, rng.uniform(0.6, 1) * length, rng.uniform(0.3, 1.8)), 0.12
        )


def _bench(s: Scene, at: tuple[float, float, float], yaw: float) -> None:
    """A heavy bench with drawers, a vice and things on it."""
    here, rng = frame(at, yaw), s.rng
    props.table(s, at, yaw, (2.2, 0.75, 0.88), int(rng.integers(2, 10)))
    chest, steel = s.material(s.pick("paint", "metal", "wood"), 0.8), s.material("metal", 1.0, 0.5)
    if rng.random() < 0.6:
        s.block(here(-0.6, 0, 0.1), (0.7, 0.6, 0.7), chest, yaw)
        for z in (0.2, 0.4, 0.6):
            s.block(here(-0.6, 0.305, z), (0.66, 0.02, 0.17), chest, yaw)
            s.beam(here(-0.75, 0.34, z + 0.1), here(-0.45, 0.34, z + 0.1), 0.015, steel)
    s.block(here(0.8, 0.3, 0.88), (0.12, 0.3, 0.16), steel, yaw)
    s.beam(here(0.65, 0.5, 0.96), here(0.95, 0.5, 0.96), 0.015, steel)


def _tool_wall(s: Scene, at: tuple[float, float, float], yaw: float) -> None:
    """Tools on a perforated board: some of them real, some only painted there as outlines."""
    here, rng = frame(at, yaw), s.rng
    board = s.material(s.pick("checker", "noise", "wood", "picture"), rng.uniform(1, 4), 0.1, 0.2)
    s.block(here(0, 0, 1.2), (2.1, 0.02, 1.0), board, yaw)
    for x in np.arange(-0.95, 1.0, 0.13):
        z, length = rng.uniform(1.5, 2.0), rng.uniform(0.15, 0.4)
        steel, grip = s.material("metal", 1.0, 0.6), s.material("paint", 1.0)
        if rng.random() < 0.3:
            outline = here(x, 0.011, z - length)
            s.block(outline, (rng.uniform(0.02, 0.08), 0.002, length), s.dark(), yaw)
            continue
        s.beam(here(x, 0.03, z), here(x, 0.03, z - length), rng.uniform(0.006, 0.02), steel)
        s.beam(here(x, 0.03, z), here(x, 0.03, z + 0.11), 0.03, grip)
        head = rng.integers(4)
        if head == 0:
            s.block(here(x, 0.03, z - length), (0.11, 0.03, 0.035), steel, yaw)
        elif head == 1:
            s.add("ring", here(x, 0.03, z - length), 0.07, steel, yaw + np.pi / 2)
        elif head == 2:
            s.block(here(x, 0.03, z - length), (0.06, 0.004, length * 0.8), steel, yaw)


def _machine(s: Scene, at: tuple[float, float, float], yaw: float) -> None:
    """A pillar drill, a lathe or a boiler, with levers, guards and cables."""
    here, rng = frame(at, yaw), s.rng
    coat, steel = s.material("paint", 0.6, 0.5), s.material("metal", 1.0, 0.6)
    kind = rng.integers(3)
    if kind == 0:
        s.block(at, (0.5, 0.6, 0.1), coat, yaw)
        s.beam(here(0, -0.15, 0.1), here(0, -0.15, 1.8), 0.1, steel)
        s.block(here(0, 0, 0.85), (0.4, 0.4, 0.05), steel, yaw)
        s.block(here(0, 0.05, 1.45), (0.28, 0.6, 0.35), coat, yaw)
        s.beam(here(0, 0.2, 1.45), here(0, 0.2, 1.1), 0.04, steel)
        for a in (0.3, 2.4, 4.5):
            s.beam(
                here(0.15, 0.1, 1.5), here(0.2, 0.1 + 0.2 * np.cos(a), 1.5 + 0.2 * np.sin(a)), 0.014, steel
            )
    elif kind == 1:
        s.block(at, (1.7, 0.5, 0.75), coat, yaw)
        s.block(here(-0.6, 0, 0.75), (0.4, 0.45, 0.4), coat, yaw)
        s.beam(here(-0.4, 0, 0.98), here(0.7, 0, 0.98), rng.uniform(0.03, 0.1), steel)
        s.block(here(0.7, 0, 0.75), (0.2, 0.3, 0.32), steel, yaw)
        for y in (-0.12, 0.12):
            s.beam(here(-0.4, y, 0.78), here(0.8, y, 0.78), 0.05, steel)
        thin.lattice(
            s,
            here(-0.4, -0.28, 0.8),
            here(0.6, -0.28, 0.8) - here(-0.4, -0.28, 0.8),
            up(0.5),
            0.04,
            0.004,
            steel,
        )
    else:
        s.add("cylinder", at, (0.6, 0.6, 1.5), coat)
        s.add(stock.vessel(s), here(0, 0, 1.5), (0.4, 0.4, 0.3), steel)
        for x in (-0.35, 0.35):
            s.beam(here(x, 0, 0), here(x, 0, 2.2), 0.03, steel)
            s.add("ring", here(x, 0.06, 1.2), 0.18, steel, yaw + np.pi / 2)
            s.beam(here(x, 0.06, 1.11), here(x, 0.06, 1.29), 0.01, steel)
    end = here(rng.normal(), rng.normal(), 0.01)
    s.beam(here(0, 0, 0.01), end, 0.012, s.dark())


def _cage(s: Scene, width: float, length: float) -> None:
    """A partition of wire mesh across part of the room."""
    rng, steel = s.rng, s.material(s.pick("metal", "paint"), 1.0)
    y, h, w = rng.uniform(0.5, 0.8) * length, rng.uniform(1.2, 2.4), rng.uniform(0.25, 0.6) * width
    x = rng.uniform(-0.5 * width, 0.5 * width - w)
    step, diagonal = rng.uniform(0.05, 0.12), bool(rng.random() < 0.5)
    thin.lattice(s, (x, y, 0.05), (w, 0, 0), up(h), step, 0.004, steel, diagonal)
    for t in np.linspace(0, 1, 4):
        s.beam((x + t * w, y, 0), (x + t * w, y, h + 0.05), 0.04, steel)
    s.beam((x, y, h + 0.05), (x + w, y, h + 0.05), 0.04, steel)


def _overhead(s: Scene, width: float, length: float, height: float) -> None:
    """Pipes, a duct, hanging cables, a hook on a chain and strip lights under the ceiling."""
    rng, steel = s.rng, s.material("metal", 1.0)
    for _ in range(rng.integers(1, 6)):
        x, z = rng.uniform(-0.45, 0.45) * width, height - rng.uniform(0.1, 0.5)
        s.beam((x, 0.05, z), (x, length - 0.05, z), rng.uniform(0.03, 0.3), steel)
    for x in np.arange(-width / 2 + 1.5, width / 2, 3):
        for y in np.arange(1.5, length, 3):
            s.block((x, y, height - 0.5), (0.12, 1.3, 0.05), s.white(glow=5.0))
            for end in (-0.5, 0.5):
                s.beam((x, y + end, height - 0.45), (x, y + end, height), 0.006, s.dark())
    for _ in range(rng.integers(0, 3)):
        a = (rng.uniform(-0.4, 0.4) * width, 0.3 * length, height - 0.1)
        thin.wires(
            s, a, (rng.uniform(-0.4, 0.4) * width, length - 0.1, height - 0.2), 2, rng.uniform(0.1, 0.6)
        )
    if rng.random() < 0.5:
        at = np.array([rng.uniform(-0.3, 0.3) * width, rng.uniform(0.5, 0.8) * length, height])
        s.beam(at, at - up(0.5 * height), 0.01, s.dark())
        s.add("ring", at - up(0.5 * height + 0.08), 0.16, steel, s.yaw())


def _floor(s: Scene, width: float, length: float) -> None:
    """Lines, hatching and oil stains: edges in colour and none in depth."""
    rng, line = s.rng, s.material(s.pick("white", "paint"), 0.6)
    if rng.random() < 0.7:
        x = rng.uniform(-0.3, 0.1) * width
        for side in (x, x + rng.uniform(1, 2)):
            s.block((side, length / 2, 0), (0.08, length - 0.5, 0.002), line)
        for y in np.arange(0.5, length - 1, 0.5) if rng.random() < 0.4 else ():
            s.block((x - 0.5, y, 0), (0.9, 0.1, 0.002), line, 0.7)
    for _ in range(rng.integers(0, 5)):
        props.puddle(
            s, (rng.uniform(-0.4, 0.4) * width, rng.uniform(0.2, 0.9) * length, 0.0), rng.uniform(0.1, 0.8)
        )
