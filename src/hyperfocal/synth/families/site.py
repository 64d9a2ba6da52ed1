"""The site: a building site or a yard."""

from itertools import pairwise

import numpy as np

from hyperfocal.synth import people, props, thin, vehicles
from hyperfocal.synth.families.ground import rolling_ground
from hyperfocal.synth.light import Vector
from hyperfocal.synth.scene import VIEWS, Material, Scene, up


def site(s: Scene) -> None:
    """Scaffolding, containers, stacked pipes, cranes, cars, heaps, people and fences."""
    rng = s.rng
    s.centre, s.radius = np.array([0, 18.0, 0]), 45.0
    relief = rng.uniform(0.02, 0.25)
    rolling_ground(s, 160.0, relief, s.pick("ground", "noise"))
    s.add("plane", (0, 0, -0.3), (1500, 1500, 1), s.material("ground", 0.1))
    steel = s.material("metal", 1.0)
    for _ in range(rng.integers(1, 4)):
        x, y, yaw = rng.uniform(-16, 16), rng.uniform(10, 45), float(rng.choice([0, np.pi / 2]))
        w, h = rng.uniform(8, 20), rng.uniform(5, 15)
        props.building(s, (x, y, 0), yaw, (w, 8, h))
        _scaffolding(s, (x, y), yaw, w, h, steel)
    for _ in range(rng.integers(5, 14)):
        _material(s, (rng.normal() * 10, rng.uniform(4, 30), 0))
    for _ in range(rng.integers(0, 3)):
        _crane(s, rng.normal() * 20, rng.uniform(20, 70), rng.uniform(15, 35))
    for _ in range(rng.integers(2, 10)):
        people.person(s, s.on_ground(rng.normal() * 8, rng.uniform(2, 25)), s.yaw())
    for _ in range(rng.integers(1, 6)):
        x, y, a = rng.normal() * 12, rng.uniform(2, 25), rng.uniform(0, 3.14)
        end = (x + 7 * np.cos(a), y + 7 * np.sin(a), 0)
        thin.fence(s, (x, y, 0), end, rng.uniform(1, 2.2))
    for _ in range(rng.integers(0, 10)):
        _cone(s, s.on_ground(rng.normal() * 5, rng.uniform(1, 18)))
    for _ in range(rng.integers(0, 3)):
        thin.ladder(s, s.on_ground(rng.normal() * 6, rng.uniform(3, 18)), s.yaw(), rng.uniform(2, 5))
    if rng.random() < 0.4:
        thin.stairs(s, s.on_ground(rng.normal() * 6, rng.uniform(6, 18)), s.yaw(), 9, 1.2)
    for _ in range(rng.integers(0, 6)):
        props.puddle(s, (rng.normal() * 6, rng.uniform(1, 15), relief * 0.3), rng.uniform(0.5, 3))
    for _ in range(6):
        at = (rng.normal() * 10, rng.uniform(2, 30), 0)
        props.pile(s, at, 1.5, int(rng.integers(2, 12)), 0.7)
    for _ in range(rng.integers(0, 8)):
        props.tree(s, (rng.normal() * 40, rng.uniform(30, 70), 0), rng.uniform(4, 12))
    for _ in range(VIEWS):
        x, y = rng.normal() * 6, rng.uniform(-8, 6)
        height = float(rng.choice([rng.uniform(1.2, 1.8), rng.uniform(2, 7)]))
        s.aim((x, y, height), (rng.normal() * 10, rng.uniform(12, 35), rng.uniform(0.5, 4)), 0.1)


def _scaffolding(
    s: Scene, foot: tuple[float, float], yaw: float, width: float, height: float, steel: Material
) -> None:
    """Poles, braces, rails and planks before the front of a building at `foot`, 8 m deep."""
    plank = s.material("wood", 0.6)
    x, y, c, n = *foot, np.cos(yaw), np.sin(yaw)

    def at(u: float, v: float, z: float) -> tuple[float, float, float]:
        return x + c * u - n * v, y + n * u + c * v, z

    inner, outer = -4.4, -5.4
    levels = np.arange(2.0, height + 1, 2.0)
    for u in np.arange(-width / 2 - 0.5, width / 2 + 1, 2.0):
        for v in (inner, outer):
            s.beam(at(u, v, 0), at(u, v, height + 1), 0.05, steel)
        for z in levels:
            s.beam(at(u, inner, z), at(u, outer, z), 0.05, steel)
            s.beam(at(u, outer, z - 2), at(u + 2, outer, z), 0.04, steel)
    for z in levels:
        for v in (inner, outer):
            s.beam(at(-width / 2 - 0.5, v, z + 1), at(width / 2 + 0.5, v, z + 1), 0.05, steel)
        s.block(at(0, -4.9, z), (width + 1, 0.9, 0.05), plank, yaw)


def _material(s: Scene, at: tuple[float, float, float]) -> None:
    """A container, a stack of pipes or planks, reinforcement, a heap, a car or a lorry."""
    rng = s.rng
    kind = ("container", "pipes", "heap", "car", "truck", "rebar", "planks")[rng.integers(7)]
    if kind == "container":
        s.block(at, (2.4, 6.0, 2.6), s.material(s.pick("paint", "metal"), 0.4), rng.uniform(0, 3.14))
    elif kind == "pipes":
        pipe, d = s.material(s.pick("metal", "noise"), 1.0), rng.uniform(0.1, 0.6)
        for level in range(4):
            for k in range(6 - level):
                x, z = at[0] + (k + level / 2) * d, d / 2 + level * d * 0.87
                s.beam((x, at[1] - 2.5, z), (x, at[1] + 2.5, z), d, pipe)
    elif kind == "rebar":
        _rebar(s, np.array(at))
    elif kind == "planks":
        plank = s.material("wood", 0.6)
        for k in range(int(rng.integers(3, 12))):
            s.block((at[0] + rng.normal() * 0.1, at[1], 0.08 * k), (4, 1.2, 0.06), plank, rng.normal() * 0.03)
    elif kind == "truck":
        vehicles.truck(s, at, s.yaw())
    elif kind == "heap":
        props.rock(s, at, rng.uniform(2, 6))
    else:
        vehicles.car(s, at, s.yaw())


def _rebar(s: Scene, at: Vector) -> None:
    """A reinforcing cage: bars up out of a slab, ties around them."""
    rng, rust = s.rng, s.material("metal", 1.0, 0.1)
    w, d, h = rng.uniform(1, 4), rng.uniform(0.3, 2), rng.uniform(0.8, 2.5)
    s.block(at, (w + 0.3, d + 0.3, 0.2), s.material("noise", 0.6))
    corner, along, across = at - [w / 2, d / 2, 0], np.array([w, 0, 0]), np.array([0, d, 0])
    for side in (corner, corner + across):
        thin.lattice(s, side, along, up(h), rng.uniform(0.12, 0.25), 0.012, rust)
    for side in (corner, corner + along):
        thin.lattice(s, side, across, up(h), rng.uniform(0.12, 0.25), 0.012, rust)


def _cone(s: Scene, at: tuple[float, float, float]) -> None:
    """A traffic cone with a white band."""
    orange = s.white()._replace(tint=(0.9, 0.2, 0.03))
    s.block(at, (0.38, 0.38, 0.03), s.dark())
    s.add("cone", at, (0.3, 0.3, 0.72), orange)
    s.add("cylinder", np.array(at) + up(0.33), (0.172, 0.172, 0.12), s.white())


def _crane(s: Scene, x: float, y: float, height: float) -> None:
    """A tower crane: a lattice mast, a jib along x and a hook."""
    coat = s.material("paint", 1.0)
    corners = [i * np.pi / 2 + np.pi / 4 for i in range(5)]
    for k, z in enumerate(np.arange(0, height, 1.5)):
        for a, b in pairwise(corners):
            p = np.array([x + np.cos(a), y + np.sin(a), z])
            q = np.array([x + np.cos(b), y + np.sin(b), z])
            s.beam(p, p + up(1.5), 0.12, coat)
            low, high = (p, q) if k % 2 else (q, p)
            s.beam(low, high + up(1.5), 0.06, coat)
    for v in (-0.6, 0.6):
        s.beam((x - 8, y + v, height), (x + 25, y + v, height), 0.15, coat)
    for u in np.arange(-8, 25, 1.5):
        s.beam((x + u, y - 0.6, height), (x + u + 1.5, y + 0.6, height), 0.06, coat)
    s.beam((x + 14, y, height), (x + 14, y, height * 0.4), 0.03, coat)
