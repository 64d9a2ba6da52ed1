"""Things that scenes are made of. Each function adds one object with its foot at `at`, facing `yaw`, in metres.

Meshes that take time to build (trees, rocks, turned vessels) come from a small stock that scenes share.
"""

from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike

from hyperfocal.synth import shapes
from hyperfocal.synth.scene import Matrix, Scene, tilt_matrix, yaw_matrix
from hyperfocal.synth.shapes import Mesh

VARIANTS = 6


@lru_cache(maxsize=2)
def stock(seed: int) -> dict[str, Mesh]:
    """Build the meshes that are too slow to make per scene; the same `seed` gives the same meshes."""
    rng = np.random.default_rng([seed, 77])
    out: dict[str, Mesh] = {}
    for i in range(VARIANTS):
        out[f"trunk{i}"], out[f"crown{i}"] = shapes.tree(rng, int(rng.integers(1200, 3500)), rng.uniform(0.014, 0.03))
        out[f"stem{i}"], out[f"needles{i}"] = shapes.conifer(rng, 3000)
        out[f"bush{i}"] = shapes.bush(rng, 700, rng.uniform(0.03, 0.08))
        out[f"tuft{i}"] = shapes.tuft(rng, int(rng.integers(8, 20)))
        out[f"rock{i}"] = shapes.rock(rng, rng.uniform(0.1, 0.4))
        out[f"car{i}"], out[f"glass{i}"] = _car_body(rng)
    for i in range(2 * VARIANTS):
        out[f"vessel{i}"] = shapes.revolution(_vessel_profile(rng), 28)
    return out


def _car_body(rng: np.random.Generator) -> tuple[Mesh, Mesh]:
    """Return (body, windows) in a box of unit width, length 1 along y, height 1."""
    nose, tail = rng.uniform(0.18, 0.3), rng.uniform(0.0, 0.2)
    belt = rng.uniform(0.48, 0.6)
    front, rear = 0.5 - nose, -0.5 + tail
    lower = [(-0.5, 0.12), (-0.49, belt), (rear, belt + 0.02), (front, belt), (0.47, belt - 0.12), (0.5, 0.3), (0.49, 0.12)]
    cabin = [(rear + 0.01, belt), (rear + rng.uniform(0.02, 0.12), 0.97), (front - rng.uniform(0.12, 0.2), 1.0), (front, belt)]
    pillars = [(y * 0.99, z) for y, z in cabin]
    roof = shapes.transformed(shapes.box(), (0.78, (front - rear) * 0.62, 0.03), (0, (front + rear) / 2, 0.985))
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


def _local(at: ArrayLike, yaw: float) -> tuple[Matrix, Matrix]:
    return np.asarray(at, float), yaw_matrix(yaw)


def tree(s: Scene, at: ArrayLike, height: float) -> None:
    """A leafy tree, a bare one now and then, or a conifer."""
    i, yaw = s.rng.integers(VARIANTS), float(s.rng.uniform(0, 6.28))
    bark, leaf = s.material("wood", 1.0, 0.05), s.material("foliage", 3.0, 0.15)
    size = np.array([1, 1, 1]) * height
    if s.rng.random() < 0.25:
        s.add(f"stem{i}", at, size, bark, yaw)
        s.add(f"needles{i}", at, size, leaf, yaw)
        return
    s.add(f"trunk{i}", at, size, bark, yaw)
    if s.rng.random() < 0.85:
        s.add(f"crown{i}", at, size, leaf, yaw)


def bush(s: Scene, at: ArrayLike, size: float) -> None:
    """A leafy shrub."""
    leaf = s.material("foliage", 3.0, 0.1)
    s.add(f"bush{s.rng.integers(VARIANTS)}", at, size * s.rng.uniform(0.7, 1.3, 3), leaf, float(s.rng.uniform(0, 6.28)))


def rock(s: Scene, at: ArrayLike, size: float) -> None:
    """A boulder half in the ground."""
    m = s.material(str(s.rng.choice(["noise", "ground"])), 0.6, 0.1)
    s.add(f"rock{s.rng.integers(VARIANTS)}", at, size * s.rng.uniform(0.6, 1.4, 3), m, float(s.rng.uniform(0, 6.28)))


def car(s: Scene, at: ArrayLike, yaw: float) -> None:
    """A car or van, length along its local y."""
    rng, (p, turn) = s.rng, _local(at, yaw)
    w, length, h = rng.uniform(1.65, 2.0), rng.uniform(3.6, 5.2), rng.choice([rng.uniform(1.35, 1.65), rng.uniform(1.8, 2.4)])
    i = rng.integers(VARIANTS)
    s.add(f"car{i}", p, (w, length, h), s.material("paint", 0.3, 0.7), yaw)
    s.add(f"glass{i}", p, (w, length, h * 0.985), s.material("paint", 0.3, 0.85, 0.9)._replace(tint=(0.12, 0.13, 0.15)), yaw)
    dark = s.material("metal", 1.0, 0.2)._replace(tint=(0.15, 0.15, 0.15))
    hub = s.material("metal", 1.0, 0.6)
    for side in (-0.46, 0.46):
        for end in (-0.32, 0.31):
            q = p + turn @ [side * w, end * length, 0.33]
            s.add("tyre", q, (1.6, 0.66, 0.66), dark, yaw)
            s.add("sphere", q, (0.16, 0.42, 0.42), hub, yaw)
    for side in (-0.36, 0.36):
        lamp = s.material("paint", 1.0, 0.8)
        s.add("sphere", p + turn @ [side * w, 0.485 * length, 0.42 * h], (0.3, 0.16, 0.14), lamp._replace(tint=(3, 3, 3)), yaw)
        s.add("sphere", p + turn @ [side * w, -0.49 * length, 0.5 * h], (0.25, 0.1, 0.16), lamp._replace(tint=(2, 0.1, 0.1)), yaw)


def person(s: Scene, at: ArrayLike, yaw: float, height: float | None = None, seated: bool = False) -> None:
    """A figure: head, hair, trunk, arms and legs in a walking, standing or seated pose."""
    rng, (p, turn) = s.rng, _local(at, yaw)
    h = height if height is not None else float(np.clip(rng.normal(1.7, 0.12), 1.1, 1.95))
    skin = s.material("paint", 1.0, 0.3)._replace(tint=tuple(np.array([1.5, 1.1, 0.9]) * rng.uniform(0.4, 1.2)))  # type: ignore[arg-type]
    top, trousers, shoes = s.material("cloth", 2.0, 0.1), s.material(str(rng.choice(["cloth", "paint"])), 2.0, 0.1), s.material("paint", 1.0)
    hair = s.material("wood", 3.0, 0.2)
    hip = 0.27 * h if seated else 0.5 * h

    def limb(a: ArrayLike, b: ArrayLike, thick: float, m: object) -> None:
        pa, pb = p + turn @ np.asarray(a, float), p + turn @ np.asarray(b, float)
        s.beam(pa, pb, thick, m, "cylinder")  # type: ignore[arg-type]
        s.add("sphere", pb, thick, m)  # type: ignore[arg-type]

    stride = 0.0 if seated else float(rng.uniform(0, 0.16)) * h
    for side, sign in ((-1, 1), (1, -1)):
        foot_hip = [side * 0.06 * h, 0, hip]
        if seated:
            knee, foot = [side * 0.07 * h, 0.25 * h, hip], [side * 0.07 * h, 0.27 * h, 0.02 * h]
        else:
            foot = [side * 0.06 * h, sign * stride, 0.03 * h]
            knee = [side * 0.06 * h, sign * stride * 0.6 + 0.02 * h, 0.27 * h]
        limb(foot_hip, knee, 0.095 * h, trousers)
        limb(knee, foot, 0.07 * h, trousers)
        s.add("sphere", p + turn @ np.add(foot, [0, 0.04 * h, 0]), (0.06 * h, 0.15 * h, 0.06 * h), shoes, yaw)
        elbow = [side * 0.15 * h, -sign * stride * 0.4, hip + 0.13 * h]
        hand = [side * 0.14 * h, float(rng.uniform(0, 0.22)) * h - sign * stride * 0.5, hip + float(rng.uniform(-0.03, 0.2)) * h]
        limb([side * 0.125 * h, 0, hip + 0.31 * h], elbow, 0.06 * h, top)
        limb(elbow, hand, 0.05 * h, skin if rng.random() < 0.5 else top)
    s.add("sphere", p + turn @ [0, 0, hip + 0.17 * h], (0.24 * h, 0.15 * h, 0.42 * h), top, yaw)
    s.add("sphere", p + turn @ [0, 0, hip + 0.29 * h], (0.28 * h, 0.13 * h, 0.12 * h), top, yaw)
    limb([0, 0, hip + 0.34 * h], [0, 0.01 * h, hip + 0.38 * h], 0.06 * h, skin)
    s.add("sphere", p + turn @ [0, 0.01 * h, hip + 0.43 * h], (0.095 * h, 0.115 * h, 0.14 * h), skin, yaw)
    s.add("sphere", p + turn @ [0, -0.005 * h, hip + 0.45 * h], (0.105 * h, 0.115 * h, 0.12 * h), hair, yaw)


def fence(s: Scene, a: ArrayLike, b: ArrayLike, height: float) -> None:
    """Bars, pickets, rails or a diagonal net between two points."""
    rng, p, q = s.rng, np.asarray(a, float), np.asarray(b, float)
    length = float(np.linalg.norm(q - p))
    m = s.material(str(rng.choice(["metal", "wood", "paint"])), 1.0)
    kind = rng.integers(4)
    posts = max(2, int(length / 2.2))
    up = np.array([0, 0, height])
    for t in np.linspace(0, 1, posts):
        s.block(p + (q - p) * t, (0.07, 0.07, height * 1.05), m)
    for z in (0.1, 0.95) if kind != 1 else (0.25, 0.5, 0.75, 1.0):
        s.beam(p + up * z, q + up * z, 0.035, m)
    if kind == 0 or kind == 3:
        step, width = (0.13, 0.018) if kind == 0 else (0.16, 0.09)
        yaw = float(np.arctan2(q[1] - p[1], q[0] - p[0]))
        for t in np.linspace(0, 1, max(2, int(length / step))):
            s.block(p + (q - p) * t, (width, 0.018, height), m, yaw)
    if kind == 2:
        n = min(160, int(length / 0.12))
        reach = height / max(length, 1e-6)
        for t in np.linspace(-reach, 1, n):
            for sign in (1, -1):
                t0, t1 = (t, t + reach) if sign > 0 else (t + reach, t)
                s.beam(p + (q - p) * t0, p + (q - p) * t1 + up, 0.006, m)


def lamp_post(s: Scene, at: ArrayLike, height: float, yaw: float) -> None:
    """A street lamp with an arm."""
    p, turn = _local(at, yaw)
    m = s.material("metal", 1.0)
    s.beam(p, p + [0, 0, height], 0.12, m)
    tip = p + turn @ [1.3, 0, height + 0.25]
    s.beam(p + [0, 0, height], tip, 0.06, m)
    s.block(tip - [0, 0, 0.1], (0.5, 0.2, 0.1), m, yaw)


def sign(s: Scene, at: ArrayLike, yaw: float) -> None:
    """A traffic sign or a placard on a pole."""
    p, turn = _local(at, yaw)
    h = float(s.rng.uniform(1.8, 2.8))
    s.beam(p, p + [0, 0, h], 0.06, s.material("metal", 1.0))
    face = s.material("poster", float(s.rng.uniform(0.5, 1.2)), 0.3)
    if s.rng.random() < 0.5:
        s.add("sphere", p + turn @ [0, -0.05, h - 0.3], (0.65, 0.03, 0.65), face, yaw)
    else:
        s.block(p + turn @ [0, -0.05, h - 0.7], (s.rng.uniform(0.4, 1.4), 0.03, 0.6), face, yaw)


def bicycle(s: Scene, at: ArrayLike, yaw: float) -> None:
    """Two wheels with spokes, frame, saddle and bars."""
    p, turn = _local(at, yaw)
    frame, dark = s.material("paint", 1.0, 0.6), s.material("metal", 1.0, 0.4)
    hubs = [np.array([0, y, 0.34]) for y in (-0.52, 0.52)]

    def bar(a: ArrayLike, b: ArrayLike, thick: float, dark_part: bool = False) -> None:
        s.beam(p + turn @ np.asarray(a, float), p + turn @ np.asarray(b, float), thick, dark if dark_part else frame)

    for hub in hubs:
        s.add("ring", p + turn @ hub, 0.68, dark, yaw)
        for t in np.linspace(0, 2 * np.pi, 19)[:-1]:
            bar(hub, hub + 0.33 * np.array([0, np.cos(t), np.sin(t)]), 0.004, True)
    crank, seat, head = [0, -0.08, 0.3], [0, -0.22, 0.85], [0, 0.38, 0.85]
    for a, b in ((hubs[0], crank), (hubs[0], seat), (crank, seat), (crank, head), (seat, head), (hubs[1], head), (head, [0, 0.36, 1.0])):
        bar(a, b, 0.035)
    bar([-0.27, 0.36, 1.02], [0.27, 0.36, 1.02], 0.025, True)
    s.add("sphere", p + turn @ [0, -0.24, 0.92], (0.16, 0.27, 0.06), dark, yaw)


def chair(s: Scene, at: ArrayLike, yaw: float) -> None:
    """A chair with four legs and a back of slats, bars or one board."""
    rng, (p, turn) = s.rng, _local(at, yaw)
    wood = s.material(str(rng.choice(["wood", "paint", "metal"])), 1.0)
    w, d, seat, back = rng.uniform(0.38, 0.5), rng.uniform(0.38, 0.48), rng.uniform(0.42, 0.48), rng.uniform(0.8, 1.1)
    s.block(p + [0, 0, seat - 0.04], (w, d, 0.04), s.material(str(rng.choice(["cloth", "wood"])), 1.5), yaw)
    thick = rng.uniform(0.02, 0.045)
    for x in (-w / 2 + 0.03, w / 2 - 0.03):
        s.beam(p + turn @ [x, d / 2 - 0.03, 0], p + turn @ [x, d / 2 - 0.03, seat], thick, wood)
        s.beam(p + turn @ [x, -d / 2 + 0.03, 0], p + turn @ [x, -d / 2 - 0.03, back], thick, wood)
    kind = rng.integers(3)
    if kind == 0:
        s.block(p + turn @ [0, -d / 2, seat + 0.12], (w, 0.025, back - seat - 0.12), wood, yaw)
    elif kind == 1:
        for z in np.linspace(seat + 0.12, back - 0.05, 4):
            s.block(p + turn @ [0, -d / 2 - 0.01, z], (w, 0.02, 0.05), wood, yaw)
    else:
        for x in np.linspace(-w / 2, w / 2, 6)[1:-1]:
            s.beam(p + turn @ [x, -d / 2, seat], p + turn @ [x, -d / 2 - 0.02, back], 0.016, wood)
        s.block(p + turn @ [0, -d / 2 - 0.02, back - 0.06], (w, 0.025, 0.07), wood, yaw)


def clutter(s: Scene, at: ArrayLike, size: float) -> None:
    """A small thing to stand on a table, a shelf or the floor."""
    rng, p = s.rng, np.asarray(at, float)
    m = s.material(str(rng.choice(["paint", "wood", "cloth", "poster", "metal", "noise", "checker"])), float(rng.uniform(1, 5)))
    yaw = float(rng.uniform(0, 6.28))
    kind = rng.integers(6)
    if kind == 0:
        s.block(p, size * rng.uniform(0.3, 1.1, 3), m, yaw)
    elif kind == 1:
        s.add("sphere", p + [0, 0, size * 0.35], size * 0.7, m, yaw)
    elif kind == 2:
        s.add(f"rock{rng.integers(VARIANTS)}", p + [0, 0, size * 0.3], size * rng.uniform(0.5, 0.8, 3), m, yaw)
    elif kind == 3:
        d = rng.uniform(0.4, 0.8) * size
        s.add("cylinder", p, (d, d, size * rng.uniform(0.3, 1.4)), m, yaw)
    else:
        w = size * rng.uniform(0.6, 1.2)
        s.add(f"vessel{rng.integers(2 * VARIANTS)}", p, (w, w, size * rng.uniform(0.8, 2)), m, yaw)


def plant(s: Scene, at: ArrayLike, height: float) -> None:
    """A potted plant: bent stems and leaves."""
    rng, p = s.rng, np.asarray(at, float)
    pot = 0.35 * height
    s.add(f"vessel{rng.integers(2 * VARIANTS)}", p, (pot, pot, pot), s.material("noise", 2.0))
    top = p + [0, 0, 0.75 * pot]
    if rng.random() < 0.5:
        s.add(f"bush{rng.integers(VARIANTS)}", top, height * rng.uniform(0.5, 0.8), s.material("foliage", 4.0, 0.2))
        return
    stem, leaf = s.material("foliage", 4.0), s.material("foliage", 4.0, 0.25)
    for _ in range(int(rng.integers(5, 12))):
        tip = top + np.append(rng.normal(size=2) * 0.28, rng.uniform(0.3, 0.75)) * height
        s.beam(top, tip, 0.008, stem)
        turn = yaw_matrix(float(rng.uniform(0, 6.28))) @ tilt_matrix([1, 0, 0], float(rng.uniform(-0.9, 0.9)))
        s.add("sphere", tip, height * np.array([0.1, 0.3, 0.008]), leaf, rotation=turn)


def table(s: Scene, at: ArrayLike, yaw: float, size: ArrayLike, things: int) -> None:
    """A table of (width, depth, height) with `things` on it."""
    rng, (p, turn) = s.rng, _local(at, yaw)
    w, d, h = (float(v) for v in np.asarray(size, float))
    m = s.material(str(rng.choice(["wood", "paint", "noise"])), 1.0)
    if rng.random() < 0.25:
        w = d = (w + d) / 2
        s.add("cylinder", p + [0, 0, h - 0.03], (w, d, 0.03), m, yaw)
        s.beam(p, p + [0, 0, h], 0.07, m)
        s.add("cylinder", p, (w * 0.5, w * 0.5, 0.02), m)
    else:
        s.block(p + [0, 0, h - 0.04], (w, d, 0.04), m, yaw)
        thick = rng.uniform(0.03, 0.08)
        for x in (-w / 2 + 0.06, w / 2 - 0.06):
            for y in (-d / 2 + 0.06, d / 2 - 0.06):
                s.beam(p + turn @ [x, y, 0], p + turn @ [x, y, h - 0.02], thick, m)
    for _ in range(things):
        q = p + turn @ [rng.uniform(-0.42, 0.42) * w, rng.uniform(-0.42, 0.42) * d, h]
        clutter(s, q, rng.uniform(0.05, 0.22))


def shelf(s: Scene, at: ArrayLike, yaw: float, size: ArrayLike, levels: int, goods: float = 1.0) -> None:
    """An open shelf of (width, depth, height), filled with books, boxes and vessels."""
    rng, (p, turn) = s.rng, _local(at, yaw)
    w, d, h = (float(v) for v in np.asarray(size, float))
    board = s.material(str(rng.choice(["wood", "metal", "paint"])), 1.0)
    for x in (-w / 2, w / 2):
        s.block(p + turn @ [x, 0, 0], (0.03, d, h), board, yaw)
    if rng.random() < 0.5:
        s.block(p + turn @ [0, -d / 2, 0], (w, 0.01, h), board, yaw)
    gap = h / levels
    kinds = [s.material(str(k), float(rng.uniform(1, 5))) for k in rng.choice(["poster", "paint", "cloth", "noise", "wood"], 10)]
    for level in range(levels):
        z = level * gap
        s.block(p + turn @ [0, 0, z], (w, d, 0.025), board, yaw)
        x = -w / 2 + 0.03
        while x < w / 2 - 0.1:
            width = float(rng.uniform(0.02, 0.06) if goods < 1.5 and rng.random() < 0.6 else rng.uniform(0.08, 0.3) * goods)
            if x + width > w / 2 - 0.02:
                break
            high = float(rng.uniform(0.45, 0.9)) * (gap - 0.03)
            q = p + turn @ [x + width / 2, float(rng.uniform(-0.1, 0.1)) * d, z + 0.025]
            m = kinds[int(rng.integers(len(kinds)))]
            if rng.random() < 0.75:
                s.block(q, (width * 0.96, d * rng.uniform(0.5, 0.85), high), m, yaw)
            elif rng.random() < 0.8:
                s.add(f"vessel{rng.integers(2 * VARIANTS)}", q, (width, width, high), m, yaw)
            x += width * (1.0 if rng.random() < 0.85 else rng.uniform(1.5, 3))


def sofa(s: Scene, at: ArrayLike, yaw: float, width: float) -> None:
    """A sofa or an armchair with cushions."""
    rng, (p, turn) = s.rng, _local(at, yaw)
    m = s.material("cloth", 1.5, 0.05)
    s.block(p, (width, 0.9, 0.42), m, yaw)
    s.block(p + turn @ [0, -0.35, 0.3], (width, 0.22, 0.55), m, yaw)
    for x in (-width / 2, width / 2):
        s.block(p + turn @ [x, 0, 0], (0.2, 0.9, 0.6), m, yaw)
    for x in np.arange(-width / 2 + 0.35, width / 2 - 0.2, 0.6):
        s.add("sphere", p + turn @ [x, -0.15, 0.6], (0.5, 0.22, 0.45), s.material("cloth", 2.0, 0.05), yaw + float(rng.normal() * 0.2))


def bench(s: Scene, at: ArrayLike, yaw: float) -> None:
    """A park bench of slats."""
    p, turn = _local(at, yaw)
    wood, iron = s.material("wood", 1.0), s.material("metal", 1.0)
    for y in (-0.15, 0.0, 0.15):
        s.block(p + turn @ [0, y, 0.45], (1.6, 0.12, 0.035), wood, yaw)
    for z in (0.62, 0.8):
        s.block(p + turn @ [0, -0.25, z], (1.6, 0.03, 0.12), wood, yaw)
    for x in (-0.7, 0.7):
        s.beam(p + turn @ [x, 0.18, 0], p + turn @ [x, 0.18, 0.46], 0.05, iron)
        s.beam(p + turn @ [x, -0.15, 0], p + turn @ [x, -0.27, 0.92], 0.05, iron)


def wires(s: Scene, a: ArrayLike, b: ArrayLike, count: int, sag: float) -> None:
    """Overhead cables between two poles' tops."""
    p, q = np.asarray(a, float), np.asarray(b, float)
    m = s.material("metal", 1.0)._replace(tint=(0.2, 0.2, 0.2))
    across = np.cross(q - p, [0, 0, 1.0])
    across /= max(float(np.linalg.norm(across)), 1e-9)
    steps = np.linspace(0, 1, 17)[:, None]
    for k in range(count):
        path = p + (q - p) * steps + across * 0.35 * (k - (count - 1) / 2)
        path[:, 2] -= 4 * sag * (steps * (1 - steps))[:, 0]
        for start, end in zip(path[:-1], path[1:], strict=True):
            s.beam(start, end, 0.025, m)


def building(s: Scene, at: ArrayLike, yaw: float, size: ArrayLike) -> None:
    """A house or a block with storeys, a roof, ledges and balconies; (width, depth, height)."""
    rng, (p, turn) = s.rng, _local(at, yaw)
    w, d, h = (float(v) for v in np.asarray(size, float))
    wall = s.material("facade", 1 / rng.uniform(2.4, 3.6), 0.1, 0.5)
    trim = s.material(str(rng.choice(["paint", "noise", "wood"])), 0.5)
    s.block(p, (w, d, h), wall, yaw)
    if rng.random() < 0.5 and h < 12:
        roof = s.material("masonry", 0.8)
        pitch = float(rng.uniform(0.35, 0.8))
        half = d / 2 + 0.4
        for sgn in (-1, 1):
            tilt = turn @ tilt_matrix([1, 0, 0], -sgn * pitch)
            middle = p + turn @ [0, sgn * half / 2, h + half * np.tan(pitch) / 2]
            s.add("box", middle, (w + 0.8, half / np.cos(pitch), 0.15), roof, rotation=tilt)
        for x in (-0.3, 0.35):
            s.block(p + turn @ [x * w, 0, h], (0.6, 0.6, half * np.tan(pitch) + 0.8), trim, yaw)
    else:
        s.block(p + [0, 0, h], (w + 0.5, d + 0.5, 0.4), trim, yaw)
        for _ in range(int(rng.integers(0, 4))):
            s.block(p + turn @ [rng.uniform(-0.4, 0.4) * w, rng.uniform(-0.4, 0.4) * d, h + 0.4], rng.uniform(0.5, 2.5, 3), trim, yaw)
    rail = s.material("metal", 1.0)
    storeys = int(h / 3)
    for k in range(1, storeys):
        s.block(p + [0, 0, 3.0 * k], (w + 0.12, d + 0.12, 0.1), trim, yaw)
        for x in np.arange(-w / 2 + 2, w / 2 - 1.5, 3.5):
            if rng.random() < 0.3:
                for side in (-1, 1):
                    q = [x, side * (d / 2 + 0.55), 3.0 * k]
                    s.block(p + turn @ q, (2.4, 1.1, 0.12), trim, yaw)
                    for bx in np.linspace(-1.15, 1.15, 13):
                        foot = p + turn @ np.add(q, [bx, side * 0.5, 0.1])
                        s.beam(foot, foot + [0, 0, 1], 0.02, rail)
                    ends = [p + turn @ np.add(q, [e, side * 0.5, 1.1]) for e in (-1.15, 1.15)]
                    s.beam(ends[0], ends[1], 0.04, rail)


def pile(s: Scene, at: ArrayLike, radius: float, count: int, size: float) -> None:
    """Boxes, barrels and pipes standing and lying about."""
    rng, p = s.rng, np.asarray(at, float)
    for _ in range(count):
        q = p + np.append(rng.normal(size=2) * radius / 2, 0)
        if rng.random() < 0.25:
            e = np.append(rng.normal(size=2) * size, 0.1)
            s.beam(q + [0, 0, 0.1], q + e * 1.5, rng.uniform(0.05, 0.3) * size, s.material("metal", 1.0))
        else:
            clutter(s, q, size * rng.uniform(0.5, 1.4))
