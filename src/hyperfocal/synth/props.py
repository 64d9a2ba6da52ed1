"""Plants, stones, furniture, goods and buildings.

Each function adds one object with its foot at `at` (metres), turned by `yaw` (radians); fronts face local +y.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from hyperfocal.synth.light import Vector
from hyperfocal.synth.scene import Material, Scene, frame, tilt_matrix, up, yaw_matrix
from hyperfocal.synth.stock import VARIANTS, vessel


def tree(s: Scene, at: ArrayLike, height: float) -> None:
    """A leafy tree, a bare one now and then, or a conifer."""
    i, yaw = s.rng.integers(VARIANTS), s.yaw()
    bark, leaf = s.material("wood", 1.0, 0.05), s.material("foliage", 3.0, 0.15)
    if s.rng.random() < 0.25:
        s.add(f"stem{i}", at, height, bark, yaw)
        s.add(f"needles{i}", at, height, leaf, yaw)
        return
    s.add(f"trunk{i}", at, height, bark, yaw)
    if s.rng.random() < 0.85:
        s.add(f"crown{i}", at, height, leaf, yaw)


def bush(s: Scene, at: ArrayLike, size: float) -> None:
    """A leafy shrub."""
    leaf = s.material("foliage", 3.0, 0.1)
    i = s.rng.integers(VARIANTS)
    s.add(f"bush{i}", at, size * s.rng.uniform(0.7, 1.3, 3), leaf, s.yaw())


def fern(s: Scene, at: ArrayLike, size: float) -> None:
    """A fern: thin arching fronds."""
    s.add(f"fern{s.rng.integers(VARIANTS)}", at, size, s.material("foliage", 3.0, 0.2), s.yaw())


def hedge(s: Scene, a: ArrayLike, b: ArrayLike, height: float) -> None:
    """A hedge between two points."""
    p, q = np.asarray(a, float), np.asarray(b, float)
    leaf = s.material("foliage", 3.0, 0.1)
    for t in np.linspace(0, 1, max(2, int(np.linalg.norm(q - p) / (0.45 * height)))):
        i = s.rng.integers(VARIANTS)
        s.add(f"bush{i}", p + (q - p) * t, height * s.rng.uniform(0.9, 1.2, 3), leaf, s.yaw())


def puddle(s: Scene, at: ArrayLike, size: float) -> None:
    """A flat sheet of water or a wet patch: it mirrors and has no depth edge."""
    wet = s.dark(0.97)._replace(tint=(0.15, 0.15, 0.15))
    x, y, z = (float(v) for v in np.asarray(at, float))
    for _ in range(4):
        d = size * s.rng.uniform(0.4, 1.0, 2)
        dx, dy = s.rng.normal(size=2) * size * 0.3
        s.add("cylinder", (x + dx, y + dy, z), (d[0], d[1], 0.004), wet)


def rock(s: Scene, at: ArrayLike, size: float) -> None:
    """A boulder half in the ground."""
    stone = s.material(s.pick("noise", "ground"), 0.6, 0.1)
    i = s.rng.integers(VARIANTS)
    s.add(f"rock{i}", at, size * s.rng.uniform(0.6, 1.4, 3), stone, s.yaw())


def chair(s: Scene, at: ArrayLike, yaw: float) -> None:
    """A chair with four legs and a back of one board, slats or bars."""
    rng, here = s.rng, frame(at, yaw)
    wood = s.material(s.pick("wood", "paint", "metal"), 1.0)
    w, d = rng.uniform(0.38, 0.5), rng.uniform(0.38, 0.48)
    seat, back = rng.uniform(0.42, 0.48), rng.uniform(0.8, 1.1)
    s.block(here(0, 0, seat - 0.04), (w, d, 0.04), s.material(s.pick("cloth", "wood"), 1.5), yaw)
    thick = rng.uniform(0.02, 0.045)
    for x in (-w / 2 + 0.03, w / 2 - 0.03):
        s.beam(here(x, d / 2 - 0.03, 0), here(x, d / 2 - 0.03, seat), thick, wood)
        s.beam(here(x, -d / 2 + 0.03, 0), here(x, -d / 2 - 0.03, back), thick, wood)
    kind = ("board", "slats", "bars")[rng.integers(3)]
    if kind == "board":
        s.block(here(0, -d / 2, seat + 0.12), (w, 0.025, back - seat - 0.12), wood, yaw)
    elif kind == "slats":
        for z in np.linspace(seat + 0.12, back - 0.05, 4):
            s.block(here(0, -d / 2 - 0.01, z), (w, 0.02, 0.05), wood, yaw)
    else:
        for x in np.linspace(-w / 2, w / 2, 6)[1:-1]:
            s.beam(here(x, -d / 2, seat), here(x, -d / 2 - 0.02, back), 0.016, wood)
        s.block(here(0, -d / 2 - 0.02, back - 0.06), (w, 0.025, 0.07), wood, yaw)


def clutter(s: Scene, at: ArrayLike, size: float) -> None:
    """A small thing to stand on a table, a shelf or the floor: box, ball, stone, can or vessel."""
    rng, p = s.rng, np.asarray(at, float)
    kind = s.pick("paint", "wood", "cloth", "poster", "metal", "noise", "checker")
    m, yaw = s.material(kind, rng.uniform(1, 5)), s.yaw()
    thing = ("box", "ball", "stone", "can", "vessel", "vessel")[rng.integers(6)]
    if thing == "box":
        s.block(p, size * rng.uniform(0.3, 1.1, 3), m, yaw)
    elif thing == "ball":
        s.add("sphere", p + up(size * 0.35), size * 0.7, m, yaw)
    elif thing == "stone":
        i = rng.integers(VARIANTS)
        s.add(f"rock{i}", p + up(size * 0.3), size * rng.uniform(0.5, 0.8, 3), m, yaw)
    elif thing == "can":
        d = rng.uniform(0.4, 0.8) * size
        s.add("cylinder", p, (d, d, size * rng.uniform(0.3, 1.4)), m, yaw)
    else:
        w = size * rng.uniform(0.6, 1.2)
        s.add(vessel(s), p, (w, w, size * rng.uniform(0.8, 2)), m, yaw)


def plant(s: Scene, at: ArrayLike, height: float) -> None:
    """A potted plant: a bush, or bent stems and leaves."""
    rng, p = s.rng, np.asarray(at, float)
    pot = 0.35 * height
    s.add(vessel(s), p, pot, s.material("noise", 2.0))
    top = p + up(0.75 * pot)
    kind = rng.integers(3)
    if kind < 2:
        i, mesh = rng.integers(VARIANTS), ("bush", "fern")[kind]
        s.add(f"{mesh}{i}", top, height * rng.uniform(0.5, 0.8), s.material("foliage", 4.0, 0.2))
        return
    stem, leaf = s.material("foliage", 4.0), s.material("foliage", 4.0, 0.25)
    for _ in range(rng.integers(5, 12)):
        tip = top + np.append(rng.normal(size=2) * 0.28, rng.uniform(0.3, 0.75)) * height
        s.beam(top, tip, 0.008, stem)
        turn = yaw_matrix(s.yaw()) @ tilt_matrix([1, 0, 0], rng.uniform(-0.9, 0.9))
        s.add("sphere", tip, height * np.array([0.1, 0.3, 0.008]), leaf, rotation=turn)


def table(s: Scene, at: ArrayLike, yaw: float, size: ArrayLike, things: int) -> None:
    """A table of `size` (width, depth, height) with `things` on it."""
    rng, here = s.rng, frame(at, yaw)
    w, d, h = (float(v) for v in np.asarray(size, float))
    m = s.material(s.pick("wood", "paint", "noise"), 1.0)
    if rng.random() < 0.25:
        w = d = (w + d) / 2
        s.add("cylinder", here(0, 0, h - 0.03), (w, d, 0.03), m, yaw)
        s.beam(at, here(0, 0, h), 0.07, m)
        s.add("cylinder", at, (w * 0.5, w * 0.5, 0.02), m)
    else:
        s.block(here(0, 0, h - 0.04), (w, d, 0.04), m, yaw)
        thick = rng.uniform(0.03, 0.08)
        for x in (-w / 2 + 0.06, w / 2 - 0.06):
            for y in (-d / 2 + 0.06, d / 2 - 0.06):
                s.beam(here(x, y, 0), here(x, y, h - 0.02), thick, m)
    for _ in range(things):
        spot = here(rng.uniform(-0.42, 0.42) * w, rng.uniform(-0.42, 0.42) * d, h)
        clutter(s, spot, rng.uniform(0.05, 0.22))
    if h > 0.65 and rng.random() < 0.2:
        _desk_lamp(s, here(rng.uniform(-0.4, 0.4) * w, 0.3 * d, h))


def _desk_lamp(s: Scene, at: ArrayLike) -> None:
    """A lamp on two thin arms."""
    here, steel = frame(at, s.yaw()), s.material("metal", 1.0)
    elbow, head = here(0, -0.12, 0.25), here(0, 0.12, 0.42)
    s.add("cylinder", at, (0.16, 0.16, 0.02), steel)
    s.beam(at, elbow, 0.012, steel)
    s.beam(elbow, head, 0.012, steel)
    s.add("cone", head - up(0.1), (0.15, 0.15, 0.13), s.material("paint", 1.0, 0.5))
    s.add("sphere", head - up(0.09), 0.07, s.white(glow=15.0 * (s.look.lit or s.rng.random() < 0.3)))


def shelf(s: Scene, at: ArrayLike, yaw: float, size: ArrayLike, levels: int, goods: float = 1.0) -> None:
    """An open shelf of `size` (width, depth, height), filled with books, boxes and vessels.

    `goods` scales what stands on it: 1 is a bookcase, 2 and more a store.
    """
    rng, here = s.rng, frame(at, yaw)
    w, d, h = (float(v) for v in np.asarray(size, float))
    board = s.material(s.pick("wood", "metal", "paint"), 1.0)
    for x in (-w / 2, w / 2):
        s.block(here(x, 0, 0), (0.03, d, h), board, yaw)
    if rng.random() < 0.5:
        s.block(here(0, -d / 2, 0), (w, 0.01, h), board, yaw)
    gap = h / levels
    kinds = rng.choice(["poster", "paint", "cloth", "noise", "wood"], 10)
    coats = [s.material(str(kind), rng.uniform(1, 5)) for kind in kinds]
    for level in range(levels):
        z = level * gap
        s.block(here(0, 0, z), (w, d, 0.025), board, yaw)
        x = -w / 2 + 0.03
        while x < w / 2 - 0.1:
            book = goods < 1.5 and rng.random() < 0.6
            width = rng.uniform(0.02, 0.06) if book else rng.uniform(0.08, 0.3) * goods
            if x + width > w / 2 - 0.02:
                break
            high = rng.uniform(0.45, 0.9) * (gap - 0.03)
            foot = here(x + width / 2, rng.uniform(-0.1, 0.1) * d, z + 0.025)
            coat = coats[rng.integers(len(coats))]
            if rng.random() < 0.75:
                s.block(foot, (width * 0.96, d * rng.uniform(0.5, 0.85), high), coat, yaw)
            elif rng.random() < 0.8:
                s.add(vessel(s), foot, (width, width, high), coat, yaw)
            x += width * (1.0 if rng.random() < 0.85 else rng.uniform(1.5, 3))


def sofa(s: Scene, at: ArrayLike, yaw: float, width: float) -> None:
    """A sofa or an armchair with cushions."""
    here = frame(at, yaw)
    cover = s.material("cloth", 1.5, 0.05)
    s.block(at, (width, 0.9, 0.42), cover, yaw)
    s.block(here(0, -0.35, 0.3), (width, 0.22, 0.55), cover, yaw)
    for x in (-width / 2, width / 2):
        s.block(here(x, 0, 0), (0.2, 0.9, 0.6), cover, yaw)
    for x in np.arange(-width / 2 + 0.35, width / 2 - 0.2, 0.6):
        cushion = s.material("cloth", 2.0, 0.05)
        s.add("sphere", here(x, -0.15, 0.6), (0.5, 0.22, 0.45), cushion, yaw + s.rng.normal() * 0.2)


def bench(s: Scene, at: ArrayLike, yaw: float) -> None:
    """A park bench of slats."""
    here = frame(at, yaw)
    wood, iron = s.material("wood", 1.0), s.material("metal", 1.0)
    for y in (-0.15, 0.0, 0.15):
        s.block(here(0, y, 0.45), (1.6, 0.12, 0.035), wood, yaw)
    for z in (0.62, 0.8):
        s.block(here(0, -0.25, z), (1.6, 0.03, 0.12), wood, yaw)
    for x in (-0.7, 0.7):
        s.beam(here(x, 0.18, 0), here(x, 0.18, 0.46), 0.05, iron)
        s.beam(here(x, -0.15, 0), here(x, -0.27, 0.92), 0.05, iron)


def building(s: Scene, at: ArrayLike, yaw: float, size: ArrayLike) -> None:
    """A house or a block of `size` (width, depth, height) with storeys, a roof, ledges and balconies."""
    rng, here = s.rng, frame(at, yaw)
    w, d, h = (float(v) for v in np.asarray(size, float))
    bays = 3 if s.look.lit else 1  # of the texture
    wall = s.material("facade", 1 / rng.uniform(2.4, 3.6) / bays, 0.15, 0.3)._replace(glow=2.0 * s.look.lit)
    trim = s.material(s.pick("paint", "noise", "wood"), 0.5)
    s.block(at, (w, d, h), wall, yaw)
    if rng.random() < 0.5 and h < 12:
        _gable(s, at, yaw, (w, d, h), trim)
    else:
        s.block(here(0, 0, h), (w + 0.5, d + 0.5, 0.4), trim, yaw)
        for _ in range(rng.integers(0, 4)):
            spot = here(rng.uniform(-0.4, 0.4) * w, rng.uniform(-0.4, 0.4) * d, h + 0.4)
            s.block(spot, rng.uniform(0.5, 2.5, 3), trim, yaw)
    rail = s.material("metal", 1.0)
    for storey in range(1, int(h / 3)):
        z = 3.0 * storey
        s.block(here(0, 0, z), (w + 0.12, d + 0.12, 0.1), trim, yaw)
        for x in np.arange(-w / 2 + 2, w / 2 - 1.5, 3.5):
            if rng.random() < 0.3:
                for side in (-1, 1):
                    _balcony(s, here, yaw, (x, side * (d / 2 + 0.55), z), side * 0.5, trim, rail)


def _gable(s: Scene, at: ArrayLike, yaw: float, size: tuple[float, float, float], trim: Material) -> None:
    """A pitched roof and two chimneys on a house of `size`."""
    here, (w, d, h) = frame(at, yaw), size
    roof = s.material("masonry", 0.8)
    pitch = s.rng.uniform(0.35, 0.8)
    half = d / 2 + 0.4
    rise = half * np.tan(pitch)
    for side in (-1, 1):
        tilt = yaw_matrix(yaw) @ tilt_matrix([1, 0, 0], -side * pitch)
        middle = here(0, side * half / 2, h + rise / 2)
        s.add("box", middle, (w + 0.8, half / np.cos(pitch), 0.15), roof, rotation=tilt)
    for x in (-0.3, 0.35):
        s.block(here(x * w, 0, h), (0.6, 0.6, rise + 0.8), trim, yaw)


def _balcony(
    s: Scene,
    here: Callable[[float, float, float], Vector],
    yaw: float,
    middle: tuple[float, float, float],
    outward: float,
    trim: Material,
    rail: Material,
) -> None:
    """A slab around `middle` (the building's own coordinates) with bars and a rail `outward` of it."""
    x, y, z = middle
    s.block(here(x, y, z), (2.4, 1.1, 0.12), trim, yaw)
    for bar in np.linspace(-1.15, 1.15, 13):
        foot = here(x + bar, y + outward, z + 0.1)
        s.beam(foot, foot + up(1), 0.02, rail)
    s.beam(here(x - 1.15, y + outward, z + 1.1), here(x + 1.15, y + outward, z + 1.1), 0.04, rail)


def pile(s: Scene, at: ArrayLike, radius: float, count: int, size: float) -> None:
    """`count` boxes, barrels and pipes of about `size` standing and lying about within `radius`."""
    rng, p = s.rng, np.asarray(at, float)
    for _ in range(count):
        spot = p + np.append(rng.normal(size=2) * radius / 2, 0)
        if rng.random() < 0.25:
            end = np.append(rng.normal(size=2) * size, 0.1)
            thickness = rng.uniform(0.05, 0.3) * size
            s.beam(spot + up(0.1), spot + end * 1.5, thickness, s.material("metal", 1.0))
        else:
            clutter(s, spot, size * rng.uniform(0.5, 1.4))
