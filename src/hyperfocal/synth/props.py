"""Things that scenes are made of.

Each function adds one object with its foot at `at` (metres), turned by `yaw` (radians); fronts face local +y.
Meshes that take time to build (trees, rocks, turned vessels) come from a small stock that scenes share.
"""

from collections.abc import Callable
from functools import lru_cache
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike

from hyperfocal.synth import shapes
from hyperfocal.synth.scene import Material, Scene, Vector, tilt_matrix, up, yaw_matrix
from hyperfocal.synth.shapes import Mesh

VARIANTS = 6
VESSELS = 2 * VARIANTS


@lru_cache(maxsize=2)
def stock(seed: int) -> dict[str, Mesh]:
    """Build the meshes that are too slow to make per scene; the same `seed` gives the same meshes."""
    rng = np.random.default_rng([seed, 77])
    out: dict[str, Mesh] = {}
    for i in range(VARIANTS):
        leaf_count, leaf_size = int(rng.integers(1200, 3500)), rng.uniform(0.014, 0.03)
        out[f"trunk{i}"], out[f"crown{i}"] = shapes.tree(rng, leaf_count, leaf_size)
        out[f"stem{i}"], out[f"needles{i}"] = shapes.conifer(rng, 3000)
        out[f"bush{i}"] = shapes.bush(rng, 700, rng.uniform(0.03, 0.08))
        out[f"tuft{i}"] = shapes.tuft(rng, int(rng.integers(8, 20)))
        out[f"rock{i}"] = shapes.rock(rng, rng.uniform(0.1, 0.4))
        out[f"car{i}"], out[f"glass{i}"] = _car_body(rng)
    for i in range(VESSELS):
        out[f"vessel{i}"] = shapes.revolution(_vessel_profile(rng), 28)
    return out


def _car_body(rng: np.random.Generator) -> tuple[Mesh, Mesh]:
    """Return (body, windows) in a box of unit width, length 1 along y, height 1."""
    nose, tail = rng.uniform(0.18, 0.3), rng.uniform(0.0, 0.2)
    belt = rng.uniform(0.48, 0.6)
    front, rear = 0.5 - nose, -0.5 + tail
    bonnet = [(front, belt), (0.47, belt - 0.12), (0.5, 0.3), (0.49, 0.12)]
    lower = [(-0.5, 0.12), (-0.49, belt), (rear, belt + 0.02), *bonnet]
    roof_rear, roof_front = rear + rng.uniform(0.02, 0.12), front - rng.uniform(0.12, 0.2)
    cabin = [(rear + 0.01, belt), (roof_rear, 0.97), (roof_front, 1.0), (front, belt)]
    pillars = [(y * 0.99, z) for y, z in cabin]
    roof = shapes.transformed(
        shapes.box(), (0.78, (front - rear) * 0.62, 0.03), (0, (front + rear) / 2, 0.985)
    )
    return (
        shapes.merge(shapes.extrusion(lower, 0.05), roof),
        shapes.transformed(shapes.extrusion(pillars, 0.08), (0.86, 1, 1)),
    )


def _vessel_profile(rng: np.random.Generator) -> list[tuple[float, float]]:
    """Return the outline of a bottle, vase, cup, bowl or lampshade of height 1."""
    n = int(rng.integers(3, 7))
    z = np.linspace(0, 1, 16)
    r = np.interp(z, np.linspace(0, 1, n), rng.uniform(0.12, 0.5, n))
    r = np.convolve(np.pad(r, 2, mode="edge"), np.ones(5) / 5, "valid")
    outside = [(0.0, 0.0), *zip(r.tolist(), z.tolist(), strict=True)]
    inside = [(float(r[-1]) * 0.92, 1.0), (float(r[-4]) * 0.9, 0.8), (0.0, 0.7)]
    return outside + inside


def _frame(at: ArrayLike, yaw: float) -> Callable[[float, float, float], Vector]:
    """Return the map from an object's own coordinates to the world's."""
    foot, turn = np.asarray(at, float), yaw_matrix(yaw)
    return lambda x, y, z: np.asarray(foot + turn @ [x, y, z])


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


def rock(s: Scene, at: ArrayLike, size: float) -> None:
    """A boulder half in the ground."""
    stone = s.material(s.pick("noise", "ground"), 0.6, 0.1)
    i = s.rng.integers(VARIANTS)
    s.add(f"rock{i}", at, size * s.rng.uniform(0.6, 1.4, 3), stone, s.yaw())


def car(s: Scene, at: ArrayLike, yaw: float) -> None:
    """A car or van, length along its local y."""
    rng, here = s.rng, _frame(at, yaw)
    w, length = rng.uniform(1.65, 2.0), rng.uniform(3.6, 5.2)
    h = rng.choice([rng.uniform(1.35, 1.65), rng.uniform(1.8, 2.4)])
    i = rng.integers(VARIANTS)
    s.add(f"car{i}", at, (w, length, h), s.material("paint", 0.3, 0.7), yaw)
    glass = s.material("paint", 0.3, 0.85, 0.9)._replace(tint=(0.12, 0.13, 0.15))
    s.add(f"glass{i}", at, (w, length, h * 0.985), glass, yaw)
    dark = s.material("metal", 1.0, 0.2)._replace(tint=(0.15, 0.15, 0.15))
    hub = s.material("metal", 1.0, 0.6)
    for side in (-0.46, 0.46):
        for end in (-0.32, 0.31):
            wheel = here(side * w, end * length, 0.33)
            s.add("tyre", wheel, (1.6, 0.66, 0.66), dark, yaw)
            s.add("sphere", wheel, (0.16, 0.42, 0.42), hub, yaw)
    for side in (-0.36, 0.36):
        lamp = s.material("paint", 1.0, 0.8)
        white, red = lamp._replace(tint=(3, 3, 3)), lamp._replace(tint=(2, 0.1, 0.1))
        s.add("sphere", here(side * w, 0.485 * length, 0.42 * h), (0.3, 0.16, 0.14), white, yaw)
        s.add("sphere", here(side * w, -0.49 * length, 0.5 * h), (0.25, 0.1, 0.16), red, yaw)


def _skin(s: Scene) -> Material:
    paint = s.material("paint", 1.0, 0.3)
    tone = s.rng.uniform(0.4, 1.2)
    return paint._replace(tint=(1.5 * tone, 1.1 * tone, 0.9 * tone))


def person(s: Scene, at: ArrayLike, yaw: float) -> None:
    """A figure, standing or walking: head, hair, trunk, arms and legs."""
    rng, here = s.rng, _frame(at, yaw)
    h = float(np.clip(rng.normal(1.7, 0.12), 1.1, 1.95))
    hip = 0.5 * h
    skin, top = _skin(s), s.material("cloth", 2.0, 0.1)
    trousers, shoes = s.material(s.pick("cloth", "paint"), 2.0, 0.1), s.material("paint", 1.0)
    hair = s.material("wood", 3.0, 0.2)

    def limb(a: Vector, b: Vector, thickness: float, material: Material) -> None:
        s.beam(a, b, thickness * h, material)
        s.add("sphere", b, thickness * h, material)

    def ball(y: float, z: float, size: ArrayLike, material: Material) -> None:
        s.add("sphere", here(0, y * h, hip + z * h), np.multiply(size, h), material, yaw)

    stride = rng.uniform(0, 0.16) * h
    for side, sign in ((-1, 1), (1, -1)):
        x, swing = side * 0.06 * h, sign * stride
        knee = here(x, swing * 0.6 + 0.02 * h, 0.27 * h)
        limb(here(x, 0, hip), knee, 0.095, trousers)
        limb(knee, here(x, swing, 0.03 * h), 0.07, trousers)
        s.add("sphere", here(x, swing + 0.04 * h, 0.03 * h), (0.06 * h, 0.15 * h, 0.06 * h), shoes, yaw)
        elbow = here(side * 0.15 * h, -swing * 0.4, hip + 0.13 * h)
        reach, lift = rng.uniform(0, 0.22) * h, rng.uniform(-0.03, 0.2) * h
        hand = here(side * 0.14 * h, reach - swing * 0.5, hip + lift)
        limb(here(side * 0.125 * h, 0, hip + 0.31 * h), elbow, 0.06, top)
        limb(elbow, hand, 0.05, skin if rng.random() < 0.5 else top)
    ball(0, 0.17, (0.24, 0.15, 0.42), top)
    ball(0, 0.29, (0.28, 0.13, 0.12), top)
    limb(here(0, 0, hip + 0.34 * h), here(0, 0.01 * h, hip + 0.38 * h), 0.06, skin)
    ball(0.01, 0.43, (0.095, 0.115, 0.14), skin)
    ball(-0.005, 0.45, (0.105, 0.115, 0.12), hair)


def fence(s: Scene, a: ArrayLike, b: ArrayLike, height: float) -> None:
    """Bars, rails, a diagonal net or pickets between two points."""
    rng, p, q = s.rng, np.asarray(a, float), np.asarray(b, float)
    along = q - p
    length = float(np.linalg.norm(along))
    m = s.material(s.pick("metal", "wood", "paint"), 1.0)
    kind = ("bars", "rails", "net", "pickets")[rng.integers(4)]
    for t in np.linspace(0, 1, max(2, int(length / 2.2))):
        s.block(p + along * t, (0.07, 0.07, height * 1.05), m)
    for z in (0.25, 0.5, 0.75, 1.0) if kind == "rails" else (0.1, 0.95):
        s.beam(p + up(height) * z, q + up(height) * z, 0.035, m)
    if kind in ("bars", "pickets"):
        step, width = (0.13, 0.018) if kind == "bars" else (0.16, 0.09)
        yaw = float(np.arctan2(along[1], along[0]))
        for t in np.linspace(0, 1, max(2, int(length / step))):
            s.block(p + along * t, (width, 0.018, height), m, yaw)
    if kind == "net":
        reach = height / max(length, 1e-6)
        for t in np.linspace(-reach, 1, min(160, int(length / 0.12))):
            for low, high in ((t, t + reach), (t + reach, t)):
                s.beam(p + along * low, p + along * high + up(height), 0.006, m)


def lamp_post(s: Scene, at: ArrayLike, height: float, yaw: float) -> None:
    """A street lamp with an arm."""
    here = _frame(at, yaw)
    steel = s.material("metal", 1.0)
    head, tip = here(0, 0, height), here(1.3, 0, height + 0.25)
    s.beam(at, head, 0.12, steel)
    s.beam(head, tip, 0.06, steel)
    s.block(tip - up(0.1), (0.5, 0.2, 0.1), steel, yaw)


def sign(s: Scene, at: ArrayLike, yaw: float) -> None:
    """A traffic sign or a placard on a pole."""
    here = _frame(at, yaw)
    h = s.rng.uniform(1.8, 2.8)
    s.beam(at, here(0, 0, h), 0.06, s.material("metal", 1.0))
    face = s.material("poster", s.rng.uniform(0.5, 1.2), 0.3)
    if s.rng.random() < 0.5:
        s.add("sphere", here(0, -0.05, h - 0.3), (0.65, 0.03, 0.65), face, yaw)
    else:
        s.block(here(0, -0.05, h - 0.7), (s.rng.uniform(0.4, 1.4), 0.03, 0.6), face, yaw)


def bicycle(s: Scene, at: ArrayLike, yaw: float) -> None:
    """Two wheels with spokes, frame, saddle and bars."""
    here = _frame(at, yaw)
    frame, dark = s.material("paint", 1.0, 0.6), s.material("metal", 1.0, 0.4)
    back, front = (0.0, -0.52, 0.34), (0.0, 0.52, 0.34)
    for hub in (back, front):
        s.add("ring", here(*hub), 0.68, dark, yaw)
        for t in np.linspace(0, 2 * np.pi, 19)[:-1]:
            rim = here(0, hub[1] + 0.33 * np.cos(t), hub[2] + 0.33 * np.sin(t))
            s.beam(here(*hub), rim, 0.004, dark)
    crank, seat, head, stem = (0, -0.08, 0.3), (0, -0.22, 0.85), (0, 0.38, 0.85), (0, 0.36, 1.0)
    tubes = [(back, crank), (back, seat), (crank, seat), (crank, head), (seat, head), (front, head)]
    for a, b in (*tubes, (head, stem)):
        s.beam(here(*a), here(*b), 0.035, frame)
    s.beam(here(-0.27, 0.36, 1.02), here(0.27, 0.36, 1.02), 0.025, dark)
    s.add("sphere", here(0, -0.24, 0.92), (0.16, 0.27, 0.06), dark, yaw)


def chair(s: Scene, at: ArrayLike, yaw: float) -> None:
    """A chair with four legs and a back of one board, slats or bars."""
    rng, here = s.rng, _frame(at, yaw)
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


def vessel(s: Scene) -> str:
    """Draw the name of a bottle, vase, cup, bowl or lampshade of unit height."""
    return f"vessel{s.rng.integers(VESSELS)}"


def plant(s: Scene, at: ArrayLike, height: float) -> None:
    """A potted plant: a bush, or bent stems and leaves."""
    rng, p = s.rng, np.asarray(at, float)
    pot = 0.35 * height
    s.add(vessel(s), p, pot, s.material("noise", 2.0))
    top = p + up(0.75 * pot)
    if rng.random() < 0.5:
        i = rng.integers(VARIANTS)
        s.add(f"bush{i}", top, height * rng.uniform(0.5, 0.8), s.material("foliage", 4.0, 0.2))
        return
    stem, leaf = s.material("foliage", 4.0), s.material("foliage", 4.0, 0.25)
    for _ in range(rng.integers(5, 12)):
        tip = top + np.append(rng.normal(size=2) * 0.28, rng.uniform(0.3, 0.75)) * height
        s.beam(top, tip, 0.008, stem)
        turn = yaw_matrix(s.yaw()) @ tilt_matrix([1, 0, 0], rng.uniform(-0.9, 0.9))
        s.add("sphere", tip, height * np.array([0.1, 0.3, 0.008]), leaf, rotation=turn)


def table(s: Scene, at: ArrayLike, yaw: float, size: ArrayLike, things: int) -> None:
    """A table of `size` (width, depth, height) with `things` on it."""
    rng, here = s.rng, _frame(at, yaw)
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


def shelf(s: Scene, at: ArrayLike, yaw: float, size: ArrayLike, levels: int, goods: float = 1.0) -> None:
    """An open shelf of `size` (width, depth, height), filled with books, boxes and vessels.

    `goods` scales what stands on it: 1 is a bookcase, 2 and more a store.
    """
    rng, here = s.rng, _frame(at, yaw)
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
    here = _frame(at, yaw)
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
    here = _frame(at, yaw)
    wood, iron = s.material("wood", 1.0), s.material("metal", 1.0)
    for y in (-0.15, 0.0, 0.15):
        s.block(here(0, y, 0.45), (1.6, 0.12, 0.035), wood, yaw)
    for z in (0.62, 0.8):
        s.block(here(0, -0.25, z), (1.6, 0.03, 0.12), wood, yaw)
    for x in (-0.7, 0.7):
        s.beam(here(x, 0.18, 0), here(x, 0.18, 0.46), 0.05, iron)
        s.beam(here(x, -0.15, 0), here(x, -0.27, 0.92), 0.05, iron)


def wires(s: Scene, a: ArrayLike, b: ArrayLike, count: int, sag: float) -> None:
    """`count` overhead cables between the tops of two poles, hanging down by `sag` metres."""
    p, q = np.asarray(a, float), np.asarray(b, float)
    m = s.material("metal", 1.0)._replace(tint=(0.2, 0.2, 0.2))
    across = np.cross(q - p, [0, 0, 1.0])
    across /= max(float(np.linalg.norm(across)), 1e-9)
    steps = np.linspace(0, 1, 17)[:, None]
    for k in range(count):
        path = p + (q - p) * steps + across * 0.35 * (k - (count - 1) / 2)
        path[:, 2] -= 4 * sag * (steps * (1 - steps))[:, 0]
        for start, end in pairwise(path):
            s.beam(start, end, 0.025, m)


def building(s: Scene, at: ArrayLike, yaw: float, size: ArrayLike) -> None:
    """A house or a block of `size` (width, depth, height) with storeys, a roof, ledges and balconies."""
    rng, here = s.rng, _frame(at, yaw)
    w, d, h = (float(v) for v in np.asarray(size, float))
    wall = s.material("facade", 1 / rng.uniform(2.4, 3.6), 0.1, 0.5)
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
    here, (w, d, h) = _frame(at, yaw), size
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
