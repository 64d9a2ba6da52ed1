"""The scene families: each fills a `Scene` with ground, things, light and a row of views.

Adding one is a function and a line in `FAMILIES`.
"""

from collections.abc import Callable

import numpy as np

from hyperfocal.synth import props, shapes
from hyperfocal.synth.scene import Scene
from hyperfocal.synth.textures import fractal, palette

VIEWS = 12


def _rolling_ground(s: Scene, size: float, relief: float, kind: str = "ground") -> None:
    """Lay a height field under the scene and let `s.ground` answer its height."""
    n = 129
    heights = ((fractal(s.rng, 256, 2, 6, 0.5)[: 2 * n : 2, : 2 * n : 2][:n, :n] - 0.5) * 2 * relief).astype(np.float32)
    n = len(heights)
    s.meshes["terrain"] = shapes.terrain(heights, size)
    s.add("terrain", (0, 0, 0), 1, s.material(kind, 0.3, 0.05))

    def height(x: float, y: float) -> float:
        i = np.clip((np.array([y, x]) / size + 0.5) * (n - 1), 0, n - 1.001)
        r, c = i.astype(int)
        fy, fx = i - (r, c)
        cell = heights[r : r + 2, c : c + 2]
        return float((cell[0, 0] * (1 - fx) + cell[0, 1] * fx) * (1 - fy) + (cell[1, 0] * (1 - fx) + cell[1, 1] * fx) * fy)

    s.ground = height


def _on_ground(s: Scene, x: float, y: float) -> tuple[float, float, float]:
    return x, y, s.ground(x, y)


def street(s: Scene) -> None:
    """A road between houses, with cars, people, trees, lamps, fences, signs, bicycles and overhead wires."""
    rng = s.rng
    half = float(rng.uniform(3, 7))
    walk = float(rng.uniform(1.5, 4))
    s.centre, s.radius = np.array([0, 35.0, 0]), 60.0
    s.add("plane", (0, 60, -0.02), (600, 600, 1), s.material("ground", 0.25, 0.05))
    s.add("plane", (0, 60, 0), (2 * half, 400, 1), s.material("road", 0.2, 0.1))
    line = s.material("paint", 1.0, 0.1)._replace(tint=(3, 3, 3))
    for y in np.arange(-20, 150, 6.0):
        s.block((0, y, 0.0), (0.14, 2.5, 0.006), line)
    for side in (-1, 1):
        s.block((side * (half + walk / 2), 60, 0), (walk, 400, float(rng.uniform(0.08, 0.2))), s.material(str(rng.choice(["masonry", "noise", "checker"])), 0.7))
        edge = half + walk
        y = float(rng.uniform(-15, 0))
        gap = float(rng.choice([0.5, 4.0, 14.0]))
        while y < 160:
            w, d = float(rng.uniform(8, 20)), float(rng.uniform(8, 14))
            h = float(rng.choice([rng.uniform(4, 9), rng.uniform(9, 30)]))
            back = float(rng.uniform(0, 6))
            if rng.random() < 0.85:
                props.building(s, (side * (edge + back + d / 2), y + w / 2, 0), side * np.pi / 2, (w, d, h))
            if back > 2 and rng.random() < 0.7:
                props.fence(s, (side * (edge + 0.3), y, 0.1), (side * (edge + 0.3), y + w, 0.1), float(rng.uniform(0.8, 1.8)))
            y += w + float(rng.uniform(0, gap))
        for y in np.arange(float(rng.uniform(2, 10)), 120, float(rng.uniform(9, 22))):
            if rng.random() < 0.75:
                props.tree(s, (side * (half + 0.5), y, 0.1), float(rng.uniform(4, 12)))
            props.lamp_post(s, (side * (half + 0.35), y + 4, 0.1), float(rng.uniform(4, 8)), 0 if side < 0 else np.pi)
        for _ in range(int(rng.integers(2, 14))):
            props.car(s, (side * (half - 1.2), float(rng.uniform(4, 110)), 0), 0 if side > 0 else np.pi)
        for _ in range(int(rng.integers(2, 12))):
            props.person(s, (side * (half + rng.uniform(0.4, walk)), float(rng.uniform(2, 60)), 0.12), float(rng.uniform(0, 6.28)))
        for _ in range(int(rng.integers(0, 5))):
            props.bicycle(s, (side * (half + rng.uniform(0.4, 1.5)), float(rng.uniform(2, 30)), 0.12), float(rng.uniform(0, 6.28)))
        for _ in range(int(rng.integers(1, 6))):
            props.sign(s, (side * (half + 0.3), float(rng.uniform(4, 80)), 0.1), float(rng.normal() * 0.3))
        for _ in range(int(rng.integers(0, 6))):
            props.bush(s, (side * (edge + 0.6), float(rng.uniform(2, 60)), 0.1), float(rng.uniform(0.5, 2)))
        props.pile(s, (side * (half + 0.8), float(rng.uniform(3, 20)), 0.12), 1.0, int(rng.integers(0, 8)), 0.6)
    for y in np.arange(5, 110, float(rng.uniform(18, 35))):
        if rng.random() < 0.7:
            props.wires(s, (-half - 0.4, y, 7), (half + 0.4, y + float(rng.uniform(-4, 12)), 7.2), int(rng.integers(1, 4)), 0.5)
    for _ in range(int(rng.integers(0, 3))):
        props.car(s, (float(rng.uniform(-half / 2, half / 2)), float(rng.uniform(12, 80)), 0), float(rng.choice([0, np.pi])))
    for k in range(VIEWS):
        on_walk = rng.random() < 0.6
        x = float(rng.choice([-1, 1])) * (half + walk * 0.6) if on_walk else float(rng.uniform(-half, half))
        y = float(rng.uniform(-3, 30))
        height = float(rng.choice([rng.uniform(1.2, 1.8), rng.uniform(0.5, 1.2), rng.uniform(2.5, 6)], p=[0.7, 0.15, 0.15]))
        across = k % 4 == 3
        target = (float(rng.uniform(-half, half)) - (3 * x if across else 0), y + float(rng.uniform(2, 10) if across else rng.uniform(10, 30)), float(rng.uniform(0.5, 4)))
        s.look((x, y, height), target, 0.1)


def park(s: Scene) -> None:
    """Meadows, woods, rocks, a path, benches, people; hills or mountains behind."""
    rng = s.rng
    relief = float(rng.choice([0.3, 1.5, 5.0]))
    _rolling_ground(s, 220.0, relief)
    s.centre, s.radius = np.zeros(3), 55.0
    s.add("plane", (0, 0, -relief - 0.5), (3000, 3000, 1), s.material("ground", 0.05, 0.05))
    for _ in range(int(rng.choice([0, 6, 14]))):
        a, r = rng.uniform(0, 6.28), rng.uniform(150, 900)
        h = r * rng.uniform(0.1, 0.4)
        s.add(f"rock{rng.integers(props.VARIANTS)}", (r * np.cos(a), r * np.sin(a), -h * 0.1), (r * 0.8, r * 0.8, h * 2), s.material(str(rng.choice(["ground", "noise", "foliage"])), 0.02, 0.05))

    def anywhere(spread: float) -> tuple[float, float, float]:
        x, y = rng.normal(size=2) * spread
        return _on_ground(s, float(np.clip(x, -105, 105)), float(np.clip(y, -105, 105)))

    dense = float(rng.choice([0.3, 1.0, 2.0]))
    for _ in range(int(35 * dense)):
        props.tree(s, anywhere(45), float(rng.uniform(3, 16)))
    for _ in range(int(25 * dense)):
        props.bush(s, anywhere(25), float(rng.uniform(0.4, 2.5)))
    for _ in range(int(rng.integers(5, 40))):
        props.rock(s, anywhere(20), float(rng.uniform(0.2, 2.5)))
    for _ in range(6):
        xy = rng.normal(size=(int(rng.integers(300, 1500)), 2)) * rng.uniform(3, 16) + rng.normal(size=2) * 8
        s.scatter(f"tuft{rng.integers(props.VARIANTS)}", np.clip(xy, -100, 100), rng.uniform(0.1, 0.6, len(xy)), s.material("foliage", 3.0, 0.1))
    for _ in range(int(rng.integers(0, 8))):
        props.person(s, anywhere(10), float(rng.uniform(0, 6.28)))
    for _ in range(int(rng.integers(0, 5))):
        props.bench(s, anywhere(10), float(rng.uniform(0, 6.28)))
    for _ in range(int(rng.integers(0, 4))):
        a, b = np.array(anywhere(12)), np.array(anywhere(12))
        b = a + (b - a) / max(1e-3, float(np.linalg.norm(b - a))) * 14
        b[2] = s.ground(float(b[0]), float(b[1]))
        props.fence(s, a, b, float(rng.uniform(0.8, 1.4)))
    path = s.material(str(rng.choice(["ground", "masonry", "noise"])), 0.4, 0.05)
    swing = rng.normal(size=2) * 8
    for y in np.arange(-90, 90, 0.8):
        x = float(swing[0] * np.sin(y / 25) + swing[1] * np.sin(y / 60))
        s.add("cylinder", (x, y, s.ground(x, y) - 0.06), (2.6, 2.6, 0.09), path)
    if rng.random() < 0.35:
        props.building(s, _on_ground(s, *(rng.normal(size=2) * 25).tolist()), float(rng.uniform(0, 6.28)), (8, 7, 5))
    for _ in range(VIEWS):
        x, y, z = anywhere(12)
        a = float(rng.uniform(0, 6.28))
        eye = (x, y, z + float(rng.choice([rng.uniform(1.2, 1.8), rng.uniform(0.25, 0.9), rng.uniform(2, 8)], p=[0.65, 0.2, 0.15])))
        s.look(eye, (x + 12 * np.cos(a), y + 12 * np.sin(a), eye[2] + float(rng.normal() * 1.5)), 0.05)


def _walls(s: Scene, width: float, length: float, height: float, openings: bool) -> None:
    """Floor, ceiling and four walls around the origin's rectangle; windows with frames and blinds on the right wall."""
    rng = s.rng
    floor = s.material(str(rng.choice(["wood", "checker", "masonry", "cloth", "noise"])), float(rng.uniform(0.3, 0.9)))
    s.block((0, length / 2, -0.1), (width + 0.4, length + 0.4, 0.1), floor)
    ceiling = s.material("paint", 0.5, 0.05)
    if rng.random() < 0.85:  # a layer of the palette may be any colour; most ceilings are white
        ceiling = ceiling._replace(layer=s.palette.white, tint=(1, 1, 1))
    s.block((0, length / 2, height), (width + 0.4, length + 0.4, 0.1), ceiling, shell=True)
    paint = s.material(str(rng.choice(["paint", "noise", "masonry", "cloth", "wood"])), float(rng.uniform(0.4, 1)), 0.1)
    other = s.material(str(rng.choice(["paint", "noise"])), 0.5, 0.1) if rng.random() < 0.6 else paint
    s.block((0, length + 0.1, 0), (width + 0.4, 0.2, height), paint, shell=True)
    s.block((0, -0.1, 0), (width + 0.4, 0.2, height), other, shell=True)
    s.block((-width / 2 - 0.1, length / 2, 0), (0.2, length, height), other, shell=True)
    x = width / 2 + 0.1
    if not openings:
        s.block((x, length / 2, 0), (0.2, length, height), paint, shell=True)
        return
    frame = s.material("paint", 1.0)._replace(tint=(3, 3, 3))
    sill, head, count = float(rng.choice([0.05, 0.9])), height - 0.4, int(rng.integers(1, 4))
    edges = np.linspace(0, length, 2 * count + 2)
    for i in range(2 * count + 1):
        y, w = (edges[i] + edges[i + 1]) / 2, edges[i + 1] - edges[i]
        if i % 2 == 0:
            s.block((x, y, 0), (0.2, w, height), paint, shell=True)
            continue
        s.block((x, y, 0), (0.2, w, sill), paint, shell=True)
        s.block((x, y, head), (0.2, w, height - head), paint, shell=True)
        for t in np.linspace(-0.5, 0.5, 3):
            s.block((x, y + t * w, sill), (0.06, 0.05, head - sill), frame)
        for z in (sill, (sill + head) / 2, head - 0.05):
            s.block((x, y, z), (0.06, w, 0.05), frame)
        if rng.random() < 0.4:
            for z in np.arange(sill + 0.1, head, 0.05):
                s.block((x - 0.12, y, z), (0.035, w, 0.004), frame)
        elif rng.random() < 0.5:
            cloth = s.material("cloth", 1.0, 0.05)
            for e in np.concatenate([np.linspace(-0.5, -0.3, 6), np.linspace(0.3, 0.5, 6)]):
                s.add("cylinder", (x - 0.18, y + e * w, 0.05), (0.09, 0.12, head), cloth)
    s.add("plane", (40, length / 2, -3), (75, 200, 1), s.material("ground", 0.3))
    for _ in range(6):
        props.tree(s, (width / 2 + float(rng.uniform(4, 25)), float(rng.uniform(-15, 20)), -3), float(rng.uniform(4, 9)))


def _lit_room(s: Scene, width: float, length: float, height: float) -> None:
    s.centre, s.radius = np.array([0, length / 2, height / 2]), float(np.hypot(width, length)) * 0.75
    elevation, turn = np.radians(s.rng.uniform(15, 50)), s.rng.uniform(-0.7, 0.7)
    s.light.sun_direction = np.array([np.cos(elevation) * np.cos(turn), np.cos(elevation) * np.sin(turn), np.sin(elevation)])
    s.light.fog = 0.0
    s.light.lamps = [(float(s.rng.uniform(-0.3, 0.3)) * width, length * t, height - 0.05) for t in (0.25, 0.5, 0.75)[: int(s.rng.integers(0, 4))]]
    power = float(s.rng.uniform(2, 9))
    s.light.lamp_colour = (power, power * float(s.rng.uniform(0.7, 1)), power * float(s.rng.uniform(0.45, 1)))


def room(s: Scene) -> None:
    """A living room, kitchen or office: tables, chairs, shelves, sofas, plants, pictures, lamps, people."""
    rng = s.rng
    width, length, height = float(rng.uniform(3, 7)), float(rng.uniform(3.5, 9)), float(rng.uniform(2.4, 3.4))
    _walls(s, width, length, height, rng.random() < 0.85)
    _lit_room(s, width, length, height)
    for x in np.arange(-width / 2 + 0.7, width / 2 - 0.5, 1.15):
        if rng.random() < 0.6:
            props.shelf(s, (x, length - 0.22, 0), np.pi, (1.0, 0.32, float(rng.choice([0.9, 1.6, 2.1]))), int(rng.integers(2, 7)))
    for _ in range(int(rng.integers(1, 4))):
        at = (float(rng.uniform(-0.3, 0.3)) * width, float(rng.uniform(0.3, 0.8)) * length, 0)
        size = (float(rng.uniform(0.7, 2)), float(rng.uniform(0.5, 1)), float(rng.choice([0.45, 0.74, 0.9])))
        yaw = float(rng.uniform(-0.5, 0.5))
        props.table(s, at, yaw, size, int(rng.integers(3, 14)))
        for _ in range(int(rng.integers(0, 5))):
            a = float(rng.uniform(0, 6.28))
            props.chair(s, (at[0] + np.cos(a) * (size[0] / 2 + 0.3), at[1] + np.sin(a) * (size[1] / 2 + 0.3), 0), a + np.pi / 2 + float(rng.normal() * 0.3))
    if rng.random() < 0.7:
        props.sofa(s, (-width / 2 + 0.55, float(rng.uniform(0.3, 0.7)) * length, 0), -np.pi / 2, float(rng.uniform(0.9, 2.4)))
    for _ in range(int(rng.integers(0, 3))):
        props.person(s, (float(rng.uniform(-0.35, 0.35)) * width, float(rng.uniform(0.35, 0.85)) * length, 0), float(rng.uniform(0, 6.28)), seated=False)
    for _ in range(int(rng.integers(1, 5))):
        props.plant(s, (float(rng.uniform(-0.42, 0.42)) * width, float(rng.uniform(0.2, 0.95)) * length, 0), float(rng.uniform(0.4, 1.7)))
    for _ in range(int(rng.integers(2, 9))):
        y, z, w, h = float(rng.uniform(0.1, 0.95)) * length, float(rng.uniform(1.0, 1.8)), float(rng.uniform(0.2, 1)), float(rng.uniform(0.2, 0.9))
        s.block((-width / 2 + 0.015, y, z), (0.03, w, h), s.material("poster", float(rng.uniform(0.6, 2)), 0.2), shell=True)
        if rng.random() < 0.5:
            s.block((float(rng.uniform(-0.45, 0.45)) * width, length - 0.012, z), (w, 0.024, h), s.material("poster", float(rng.uniform(0.6, 2)), 0.2), shell=True)
    if rng.random() < 0.6:
        s.block((0, length / 2, 0.0), (float(rng.uniform(1, 3)), float(rng.uniform(1, 3)), 0.012), s.material("cloth", 0.6, 0.02), float(rng.normal() * 0.3))
    for _ in range(int(rng.integers(0, 4))):
        at = np.array([float(rng.uniform(-0.3, 0.3)) * width, float(rng.uniform(0.2, 0.9)) * length, height])
        drop = float(rng.uniform(0.4, 1.1))
        s.beam(at, at - [0, 0, drop], 0.008, s.material("metal", 1.0))
        d = float(rng.uniform(0.15, 0.5))
        s.add(f"vessel{rng.integers(2 * props.VARIANTS)}", at - [0, 0, drop + d], (d, d, d), s.material("paint", 1.0))
    props.pile(s, (0, length / 2, 0), 1.5, int(rng.integers(0, 14)), 0.35)
    if rng.random() < 0.4:
        door = s.material("wood", 0.7)
        s.block((-width / 2 + 0.02, length * 0.15, 0), (0.05, 0.85, 2.0), door, shell=True)
        s.add("sphere", (-width / 2 + 0.07, length * 0.15 + 0.35, 1.0), 0.06, s.material("metal", 1.0))
    for _ in range(VIEWS):
        eye = (float(rng.uniform(-0.4, 0.4)) * width, float(rng.uniform(0.05, 0.35)) * length, float(rng.uniform(0.7, 1.75)))
        target = (float(rng.uniform(-0.45, 0.45)) * width, float(rng.uniform(0.55, 1.0)) * length, float(rng.uniform(0.2, 1.6)))
        s.look(eye, target, 0.08)


def aisle(s: Scene) -> None:
    """A shop or a warehouse: long rows of shelves, pallets, trolleys, strip lights."""
    rng = s.rng
    pitch, rows, length = float(rng.uniform(2.2, 4)), int(rng.integers(2, 5)), float(rng.uniform(10, 28))
    width, height = pitch * (rows + 1), float(rng.uniform(3, 7))
    _walls(s, width, length, height, False)
    _lit_room(s, width, length, height)
    s.light.lamps = [(0.0, length * t, height - 0.1) for t in (0.15, 0.4, 0.65, 0.9)]
    tall, goods, depth = float(rng.uniform(1.6, height - 0.6)), float(rng.choice([1.0, 2.0, 3.5])), float(rng.uniform(0.4, 1))
    for r in range(rows + 1):
        x = (r - rows / 2) * pitch
        for y in np.arange(3, length - 1, 2.05):
            props.shelf(s, (x, y, 0), np.pi / 2, (2.0, depth, tall), int(rng.integers(3, 6)), goods)
    for y in np.arange(1.5, length, 3.0):
        for x in np.arange(-width / 2 + 1, width / 2, 3.0):
            s.block((x, y, height - 0.25), (0.15, 1.4, 0.06), s.material("paint", 1.0)._replace(tint=(4, 4, 4)))
    for _ in range(int(rng.integers(1, 8))):
        lane = (int(rng.integers(0, rows)) - rows / 2 + 0.5) * pitch
        at = (lane + float(rng.normal() * 0.3), float(rng.uniform(2.5, length)), 0)
        if rng.random() < 0.5:
            props.person(s, at, float(rng.uniform(0, 6.28)))
        else:
            props.pile(s, at, 0.4, int(rng.integers(1, 5)), 0.5)
    for _ in range(VIEWS):
        lane = (int(rng.integers(0, rows)) - rows / 2 + 0.5) * pitch
        eye = (lane + float(rng.normal() * 0.3), float(rng.uniform(0.6, length * 0.6)), float(rng.uniform(0.8, 2)))
        s.look(eye, (lane + float(rng.normal() * 1.5), eye[1] + 5, float(rng.uniform(0.3, 1.8))), 0.15)


def closeup(s: Scene) -> None:
    """Things on a table or flowers in a meadow, from a hand's breadth to two metres away."""
    rng = s.rng
    s.centre, s.radius = np.zeros(3), 12.0
    if rng.random() < 0.5:
        s.add("plane", (0, 0, -0.75), (80, 80, 1), s.material(str(rng.choice(["wood", "ground", "checker", "masonry"])), 0.4))
        props.table(s, (0, 0, -0.75), 0, (float(rng.uniform(1.2, 3)), float(rng.uniform(0.8, 2)), 0.75), 4)
        for _ in range(int(rng.integers(6, 30))):
            x, y = rng.normal(size=2) * (0.35, 0.25)
            if abs(x) < 0.6 and abs(y) < 0.4:
                props.clutter(s, (x, y, 0), float(rng.uniform(0.03, 0.22)))
        props.plant(s, (float(rng.uniform(-0.4, 0.4)), 0.2, 0), float(rng.uniform(0.2, 0.6)))
        for _ in range(int(rng.integers(2, 10))):
            a, r = rng.uniform(0, 6.28), rng.uniform(2, 9)
            at = (r * np.cos(a), r * np.sin(a), -0.75)
            (props.chair if rng.random() < 0.4 else props.person)(s, at, float(rng.uniform(0, 6.28)))
        if rng.random() < 0.7:
            for k in range(3):
                props.building(s, (float(rng.normal() * 4) + 12 * (k - 1), 14, -0.75), 0, (12, 6, 7))
        low, high, spread = 0.1, 0.7, 0.35
    else:
        _rolling_ground(s, 60.0, float(rng.uniform(0.05, 0.6)))
        for _ in range(8):
            xy = rng.normal(size=(int(rng.integers(500, 1500)), 2)) * rng.uniform(0.6, 4)
            s.scatter(f"tuft{rng.integers(props.VARIANTS)}", xy, rng.uniform(0.08, 0.35, len(xy)), s.material("foliage", 3.0, 0.1))
        for _ in range(int(rng.integers(5, 50))):
            x, y = (rng.normal(size=2) * 0.8).tolist()
            foot = np.array(_on_ground(s, x, y))
            top = foot + np.append(rng.normal(size=2) * 0.05, rng.uniform(0.1, 0.5))
            s.beam(foot, top, 0.005, s.material("foliage", 4.0))
            petal = s.material("paint", 3.0, 0.1)
            d = float(rng.uniform(0.02, 0.06))
            s.add("sphere", top, d, petal)
            for t in np.linspace(0, 2 * np.pi, 9)[:-1]:
                s.beam(top, top + d * 1.3 * np.array([np.cos(t), np.sin(t), 0.4]), 0.25 * d, petal)
        for _ in range(int(rng.integers(3, 16))):
            a, r = rng.uniform(0, 6.28), rng.uniform(4, 25)
            props.tree(s, _on_ground(s, r * np.cos(a), r * np.sin(a)), float(rng.uniform(2, 9)))
        for _ in range(6):
            props.rock(s, _on_ground(s, *(rng.normal(size=2) * 1.5).tolist()), float(rng.uniform(0.05, 0.5)))
        low, high, spread = 0.12, 0.9, 0.8
    for _ in range(VIEWS):
        a, r = float(rng.uniform(-2.6, -0.5)), float(rng.uniform(0.35, 1.8))
        z = s.ground(r * np.cos(a), r * np.sin(a)) + float(rng.uniform(low, high))
        target = rng.normal(size=2) * spread * 0.4
        s.look((r * np.cos(a), r * np.sin(a), z), (*target.tolist(), float(rng.uniform(0, 0.25))), 0.08)


def site(s: Scene) -> None:
    """A building site or a yard: scaffolding, containers, stacked pipes, cranes, machines, heaps and nets."""
    rng = s.rng
    s.centre, s.radius = np.array([0, 18.0, 0]), 45.0
    _rolling_ground(s, 160.0, float(rng.uniform(0.02, 0.25)), str(rng.choice(["ground", "noise"])))
    s.add("plane", (0, 0, -0.3), (1500, 1500, 1), s.material("ground", 0.1))
    steel = s.material("metal", 1.0)
    for _ in range(int(rng.integers(1, 4))):
        x, y, yaw = float(rng.uniform(-16, 16)), float(rng.uniform(10, 45)), float(rng.choice([0, np.pi / 2]))
        w, h = float(rng.uniform(8, 20)), float(rng.uniform(5, 15))
        props.building(s, (x, y, 0), yaw, (w, 8, h))
        plank = s.material("wood", 0.6)
        c, n = np.cos(yaw), np.sin(yaw)

        def at(u: float, v: float, z: float, x: float = x, y: float = y, c: float = c, n: float = n) -> tuple[float, float, float]:
            return x + c * u - n * v, y + n * u + c * v, z

        for u in np.arange(-w / 2 - 0.5, w / 2 + 1, 2.0):
            for v in (-4.4, -5.4):
                s.beam(at(u, v, 0), at(u, v, h + 1), 0.05, steel)
            for z in np.arange(2.0, h + 1, 2.0):
                s.beam(at(u, -4.4, z), at(u, -5.4, z), 0.05, steel)
                s.beam(at(u, -5.4, z - 2), at(u + 2, -5.4, z), 0.04, steel)
        for z in np.arange(2.0, h + 1, 2.0):
            for v in (-4.4, -5.4):
                s.beam(at(-w / 2 - 0.5, v, z + 1), at(w / 2 + 0.5, v, z + 1), 0.05, steel)
            s.block(at(0, -4.9, z), (w + 1, 0.9, 0.05), plank, yaw)
    for _ in range(int(rng.integers(2, 8))):
        p = (float(rng.normal() * 14), float(rng.uniform(4, 40)), 0)
        kind = rng.integers(4)
        if kind == 0:
            s.block(p, (2.4, 6.0, 2.6), s.material("paint", 0.4), float(rng.uniform(0, 3.14)))
        elif kind == 1:
            m, d = s.material(str(rng.choice(["metal", "noise"])), 1.0), float(rng.uniform(0.1, 0.6))
            for level in range(4):
                for k in range(6 - level):
                    q = np.array([p[0] + (k + level / 2) * d, p[1], d / 2 + level * d * 0.87])
                    s.beam(q - [0, 2.5, 0], q + [0, 2.5, 0], d, m)
        elif kind == 2:
            props.rock(s, p, float(rng.uniform(2, 6)))
        else:
            props.car(s, p, float(rng.uniform(0, 6.28)))
    for _ in range(int(rng.integers(0, 3))):
        x, y, h = float(rng.normal() * 20), float(rng.uniform(20, 70)), float(rng.uniform(15, 35))
        m = s.material("paint", 1.0)
        for k, z in enumerate(np.arange(0, h, 1.5)):
            for i in range(4):
                a, b = i * np.pi / 2 + np.pi / 4, (i + 1) * np.pi / 2 + np.pi / 4
                p, q = np.array([x + np.cos(a), y + np.sin(a), z]), np.array([x + np.cos(b), y + np.sin(b), z + 1.5])
                s.beam(p, p + [0, 0, 1.5], 0.12, m)
                s.beam(p if k % 2 else q - [0, 0, 1.5], q if k % 2 else p + [0, 0, 1.5], 0.06, m)
        for e in (-0.6, 0.6):
            s.beam((x - 8, y + e, h), (x + 25, y + e, h), 0.15, m)
        for t in np.arange(-8, 25, 1.5):
            s.beam((x + t, y - 0.6, h), (x + t + 1.5, y + 0.6, h), 0.06, m)
        s.beam((x + 14, y, h), (x + 14, y, h * 0.4), 0.03, m)
    for _ in range(int(rng.integers(2, 10))):
        props.person(s, _on_ground(s, float(rng.normal() * 8), float(rng.uniform(2, 25))), float(rng.uniform(0, 6.28)))
    for _ in range(int(rng.integers(1, 6))):
        x, y = float(rng.normal() * 12), float(rng.uniform(2, 25))
        a = float(rng.uniform(0, 3.14))
        props.fence(s, (x, y, 0), (x + 7 * np.cos(a), y + 7 * np.sin(a), 0), float(rng.uniform(1, 2.2)))
    for _ in range(6):
        props.pile(s, (float(rng.normal() * 10), float(rng.uniform(2, 30)), 0), 1.5, int(rng.integers(2, 12)), 0.7)
    for _ in range(int(rng.integers(0, 8))):
        props.tree(s, (float(rng.normal() * 40), float(rng.uniform(30, 70)), 0), float(rng.uniform(4, 12)))
    for _ in range(VIEWS):
        eye = (float(rng.normal() * 6), float(rng.uniform(-8, 6)), float(rng.choice([rng.uniform(1.2, 1.8), rng.uniform(2, 7)])))
        s.look(eye, (float(rng.normal() * 10), float(rng.uniform(12, 35)), float(rng.uniform(0.5, 4))), 0.1)


FAMILIES: dict[str, Callable[[Scene], None]] = {
    "street": street,
    "room": room,
    "park": park,
    "closeup": closeup,
    "aisle": aisle,
    "site": site,
}
INDOOR = {"room", "aisle"}
WEIGHTS = {"street": 0.24, "room": 0.26, "park": 0.2, "closeup": 0.12, "aisle": 0.08, "site": 0.1}
PALETTE_SHARED_BY = 12  # scenes in a row that share a palette and a stock of meshes


def name_of(seed: int, family: str | None = None) -> str:
    """Return the family that `seed` draws, or `family` where one is asked for."""
    return family or str(np.random.default_rng([seed, 3]).choice(list(WEIGHTS), p=list(WEIGHTS.values())))


def number(seed: int, family: str | None = None) -> int:
    """Return the family's number, which names its folder."""
    return list(FAMILIES).index(name_of(seed, family))


def build(seed: int, family: str | None = None) -> Scene:
    """Build the scene of `seed`; `family` overrides the family that the seed would draw."""
    name, block = name_of(seed, family), seed // PALETTE_SHARED_BY
    scene = Scene(np.random.default_rng([seed, 1]), palette(block), indoor=name in INDOOR)
    scene.meshes.update(props.stock(block))
    FAMILIES[name](scene)
    return scene
