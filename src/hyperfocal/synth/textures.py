"""Procedural, tileable textures. A palette (one per look of the world) is a stack of layers with names.

Textures carry patterns *without* depth edges (posters, floor patterns, stains) on purpose: a depth network
must learn not to follow them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float32]
Colours = NDArray[np.floating[Any]]  # (SIZE, SIZE, 3) linear light in [0, 1]
SIZE = 512


@cache
def _spread(g: int, n: int) -> Array:
    """Weights (n, g) that enlarge a periodic row of g values to n with smooth steps."""
    t = np.arange(n) * (g / n)
    i = t.astype(np.intp)
    f = t - i
    w = f * f * (3 - 2 * f)
    out = np.zeros((n, g), np.float32)
    np.add.at(out, (np.arange(n), i % g), 1 - w)
    np.add.at(out, (np.arange(n), (i + 1) % g), w)
    return out


def _smooth(a: Array, n: int) -> Array:
    """Enlarge a small periodic lattice to n × n with smooth weights, keeping it periodic."""
    rows, columns = (_spread(g, n) for g in a.shape)
    if max(a.shape) <= 64:  # a product of matrices is quicker than gathering while the lattice is small
        return np.asarray(rows @ a @ columns.T, np.float32)
    y, x = (np.arange(n) * g // n for g in a.shape)
    fy, fx = 1 - rows[np.arange(n), y], 1 - columns[np.arange(n), x]
    wide = a[:, x] * (1 - fx) + a[:, (x + 1) % a.shape[1]] * fx
    return np.asarray(wide[y] * (1 - fy)[:, None] + wide[(y + 1) % a.shape[0]] * fy[:, None], np.float32)


def fractal(
    rng: np.random.Generator, n: int = SIZE, base: int = 4, octaves: int = 7, gain: float = 0.55
) -> Array:
    """Return periodic fractal noise (n, n), mean about 0.5, in [0, 1]."""
    total, out = 0.0, np.zeros((n, n), np.float32)
    for octave in range(octaves):
        g = base * 2**octave
        if g > n:
            break
        out += gain**octave * _smooth(rng.random((g, g), dtype=np.float32), n)
        total += gain**octave
    return out / np.float32(total)


_SRGB = (np.linspace(0, 1, 65536) ** (1 / 2.2) * 255 + 0.5).astype(np.uint8)


def _encode(linear: Colours) -> NDArray[np.uint8]:
    """Linear light in [0, 1] as 8-bit sRGB (a plain gamma of 2.2, as in the shader)."""
    return _SRGB[(np.clip(linear, 0, 1) * 65535).astype(np.uint16)]


def _mix(a: ArrayLike, b: ArrayLike, t: NDArray[np.floating[Any]]) -> Array:
    low, high = np.asarray(a, np.float32), np.asarray(b, np.float32)
    return np.asarray(low + (high - low) * t[..., None], np.float32)


def _colour(
    rng: np.random.Generator, low: float = 0.05, high: float = 0.85, saturation: float = 0.35
) -> Array:
    """Draw a colour: mostly a warm grey or beige, as most surfaces are; now and then a vivid one."""
    vivid = rng.random() < 0.25 * saturation
    hue = rng.random() if vivid or rng.random() < 0.3 else rng.normal(0.08, 0.03)
    s = rng.uniform(0.25, 0.3 + 0.6 * saturation) if vivid else rng.uniform(0, saturation)
    ramp = np.clip(np.abs((hue * 6 + np.array([0, 4, 2])) % 6 - 3) - 1, 0, 1)
    return np.asarray(np.clip(rng.uniform(low, high) * (1 - s * (1 - ramp)), 0.015, 0.95), np.float32)


def _lattice() -> tuple[Array, Array]:
    y, x = np.mgrid[0:SIZE, 0:SIZE].astype(np.float32) / SIZE
    return x, y


def _cells(rng: np.random.Generator, k: int) -> tuple[Array, Array]:
    """Return Voronoi cells around k × k jittered points: distance to the border (0 on it) and a tone each."""
    x, y = _lattice()
    u, v = x * k, y * k
    column, row = np.floor(u).astype(np.int32), np.floor(v).astype(np.int32)
    jitter = rng.uniform(0.15, 0.85, (2, k, k)).astype(np.float32)
    tone = rng.random((k, k)).astype(np.float32)
    nearest = second = np.full((SIZE, SIZE), np.inf, np.float32)
    own = np.zeros((SIZE, SIZE), np.float32)
    for i in (-1, 0, 1):
        for j in (-1, 0, 1):
            at = (row + i) % k, (column + j) % k
            d = np.hypot(jitter[0][at] + j - (u - column), jitter[1][at] + i - (v - row)).astype(np.float32)
            own = np.where(d < nearest, tone[at], own)
            second = np.minimum(second, np.maximum(nearest, d))
            nearest = np.minimum(nearest, d)
    return second - nearest, own


def noise(rng: np.random.Generator) -> Colours:
    """Plaster, earth, asphalt: fractal noise between two tones of one colour."""
    c = _colour(rng, saturation=0.2)
    t = np.clip(
        (fractal(rng, base=int(rng.choice([4, 8, 16])), gain=rng.uniform(0.5, 0.85)) - 0.5)
        * rng.uniform(1, 3)
        + 0.5,
        0,
        1,
    )
    return _mix(c * rng.uniform(0.5, 0.95), c * 1.1, t)


def masonry(rng: np.random.Generator) -> Colours:
    """Bricks, blocks and tiles with joints and a tone of their own."""
    x, y = _lattice()
    rows, columns = int(rng.integers(4, 17)), int(rng.integers(2, 9))
    row = np.floor(y * rows).astype(int)
    shifted = x * columns + rng.choice([0.0, 0.5]) * (row % 2)
    column = np.floor(shifted).astype(int) % columns
    fy, fx = y * rows - row, shifted - np.floor(shifted)
    d = np.minimum(np.minimum(fy, 1 - fy), np.minimum(fx, 1 - fx) * rows / columns)
    ragged = d + (fractal(rng, base=32, octaves=3) - 0.5) * 0.08
    joint = np.clip((ragged - rng.uniform(0.02, 0.07)) / 0.05, 0, 1)
    c = _colour(rng)
    tone = rng.random((rows, columns)).astype(np.float32)[row, column]
    brick = _mix(c * 0.7, c * 1.15, tone) * (0.75 + 0.5 * fractal(rng, base=16))[..., None]
    return _mix(_colour(rng, 0.2, 0.6, 0.1) * np.ones_like(brick), brick, joint)


def wood(rng: np.random.Generator) -> Colours:
    """Planks with grain."""
    x, _ = _lattice()
    planks = int(rng.integers(1, 8))
    plank = np.floor(x * planks).astype(int)
    offset = rng.random(planks).astype(np.float32)[plank]
    rings = rng.integers(6, 20) * x + 1.5 * fractal(rng, base=2, octaves=4) * 2 + 7 * offset
    grain = 0.5 + 0.5 * np.sin(2 * np.pi * rings)
    streaks = _smooth(rng.random((4, 256), dtype=np.float32), SIZE)
    t = np.clip(0.5 * grain + 0.3 * offset + 0.3 * streaks, 0, 1)
    c = np.array([0.42, 0.26, 0.14], np.float32) * np.float32(rng.uniform(0.4, 1.7))
    c *= rng.uniform(0.85, 1.15, 3).astype(np.float32)
    gap = np.clip(np.minimum(x * planks - plank, 1 - (x * planks - plank)) / 0.02, 0.3, 1)
    return np.asarray(_mix(c * 0.5, c * 1.1, t) * gap[..., None])


def cloth(rng: np.random.Generator) -> Colours:
    """Stripes, checks and weave."""
    x, y = _lattice()
    k = int(rng.integers(2, 12))
    kind = rng.integers(3)
    stripes = np.floor(x * k * 2) % 2
    if kind == 0:
        pattern = stripes
    elif kind == 1:
        pattern = (stripes + np.floor(y * k * 2) % 2) / 2
    else:
        pattern = fractal(rng, base=8)
    weave = 0.9 + 0.1 * np.sin(2 * np.pi * 96 * x) * np.sin(2 * np.pi * 96 * y)
    return np.asarray(_mix(_colour(rng), _colour(rng), pattern.astype(np.float32)) * weave[..., None])


def checker(rng: np.random.Generator) -> Colours:
    """A floor of two colours in squares or diamonds."""
    x, y = _lattice()
    k = int(rng.integers(2, 7)) * 2
    u, v = (x, y) if rng.random() < 0.6 else (x + y, x - y)
    t = ((np.floor(u * k) + np.floor(v * k)) % 2).astype(np.float32)
    return _mix(_colour(rng), _colour(rng), t) * (0.85 + 0.3 * fractal(rng, base=8))[..., None]


def facade(rng: np.random.Generator) -> Colours:
    """One window bay of a wall, about three metres wide and high: repeated over a building."""
    out = (noise(rng) if rng.random() < 0.6 else masonry(rng)).copy()
    w, h = rng.uniform(0.35, 0.8), rng.uniform(0.4, 0.7)
    x0, x1 = int((1 - w) / 2 * SIZE), int((1 + w) / 2 * SIZE)
    y0, y1 = int((1 - h) / 2 * SIZE), int((1 + h) / 2 * SIZE)
    frame = int(rng.integers(6, 16))
    out[y0 - frame : y1 + frame, x0 - frame : x1 + frame] = rng.uniform(0.3, 0.85)
    glass = (
        rng.uniform(0.02, 0.3) * np.linspace(1.2, 0.4, y1 - y0)[:, None, None] * np.array([0.85, 0.95, 1.1])
    )
    out[y0:y1, x0:x1] = glass
    if rng.random() < 0.5:
        out[y0:y1, x0 : x0 + int((x1 - x0) * rng.uniform(0.2, 0.5))] = _colour(rng, 0.3, 0.8)
    for k in range(1, int(rng.integers(1, 4))):
        m = x0 + k * (x1 - x0) // 3
        out[y0:y1, m - frame // 3 : m + frame // 3 + 1] = 0.6
    return out


def poster(rng: np.random.Generator) -> Colours:
    """Flat shapes, bars and letters-like marks: edges in colour and none in depth."""
    x, y = _lattice()
    out = np.ones((SIZE, SIZE, 3), np.float32) * _colour(rng, 0.3, 0.95)
    for _ in range(int(rng.integers(6, 24))):
        cx, cy, r = rng.random(), rng.random(), rng.uniform(0.02, 0.25)
        kind = rng.integers(4)
        if kind == 0:
            inside = (x - cx) ** 2 + (y - cy) ** 2 < r * r
        elif kind == 1:
            inside = (np.abs(x - cx) < r) & (np.abs(y - cy) < r * rng.uniform(0.1, 1))
        elif kind == 2:
            a = rng.uniform(0, np.pi)
            inside = np.abs((x - cx) * np.cos(a) + (y - cy) * np.sin(a)) < r * 0.1
        else:
            inside = (np.abs(y - cy) < 0.012) & (np.abs(x - cx) < r * 2) & (np.sin(x * 400 * r) > -0.3)
        out[inside] = _colour(rng, 0.02, 0.95, 0.9)
    return out * (0.9 + 0.2 * fractal(rng, base=8))[..., None]


def paint(rng: np.random.Generator) -> Colours:
    """A nearly plain coat."""
    return _colour(rng, 0.03, 0.9, 0.8) * (0.93 + 0.14 * fractal(rng, octaves=4))[..., None]


def foliage(rng: np.random.Generator) -> Colours:
    """Green from nearly black to bright, sometimes autumnal."""
    green = rng.uniform(0.03, 0.4)
    base = np.array([green * rng.uniform(0.35, 1.0), green, green * rng.uniform(0.1, 0.45)], np.float32)
    return _mix(base * 0.5, base * 1.4, np.clip((fractal(rng, base=8) - 0.5) * 2.5 + 0.5, 0, 1))


GROUNDS = np.array(
    [
        [0.13, 0.2, 0.05],
        [0.06, 0.1, 0.03],
        [0.2, 0.14, 0.08],
        [0.3, 0.28, 0.26],
        [0.55, 0.46, 0.33],
        [0.86] * 3,
    ],
    np.float32,
)  # meadow, dark grass, soil, gravel, sand, snow


def ground(rng: np.random.Generator) -> Colours:
    """Grass, soil, gravel, sand, snow."""
    a = GROUNDS[rng.choice(6, p=[0.3, 0.15, 0.15, 0.15, 0.1, 0.15])]
    b = GROUNDS[rng.integers(4)]
    t = np.clip((fractal(rng, base=4, octaves=8, gain=0.8) - 0.5) * rng.uniform(2, 5) + 0.4, 0, 1)
    return _mix(a, 0.6 * a + 0.4 * b, t) * (0.65 + 0.7 * fractal(rng, base=64, gain=0.9))[..., None]


def road(rng: np.random.Generator) -> Colours:
    """Asphalt from nearly black to worn grey, with stains and cracks."""
    g = rng.uniform(0.03, 0.3)
    out = np.ones((SIZE, SIZE, 3), np.float32) * g * (0.7 + 0.6 * fractal(rng, base=32, gain=0.9))[..., None]
    stain = np.clip((fractal(rng, base=4) - 0.55) * 6, 0, 1)
    border, _ = _cells(rng, int(rng.integers(3, 6)))
    crack = (border < 0.015 * fractal(rng, base=8) * 2) & (fractal(rng, base=2, octaves=3) > 0.5)
    return _mix(out, out * 0.6, np.maximum(stain, crack))


def metal(rng: np.random.Generator) -> Colours:
    """Grey steel or rust."""
    t = np.clip((fractal(rng, base=8) - 0.5) * 2.5 + 0.5, 0, 1)
    if rng.random() < 0.3:
        return _mix(np.array([0.16, 0.08, 0.05], np.float32), np.array([0.5, 0.27, 0.12], np.float32), t)
    g = rng.uniform(0.1, 0.6)
    return _mix(np.full(3, g * 0.8, np.float32), np.full(3, g, np.float32), t)


def picture(rng: np.random.Generator) -> Colours:
    """A flat picture of thin or deep things: bars, nets, branches, wires, wheels, a corridor, stairs.

    It shows what has depth edges elsewhere in the world, and has none.
    """
    sky, earth = _colour(rng, 0.4, 0.95), _colour(rng, 0.05, 0.6)
    ramp = np.clip((_lattice()[1] - rng.uniform(0.3, 0.9)) * rng.choice([2.0, 40.0]) + 0.5, 0, 1)
    canvas = _encode(_mix(sky, earth, ramp))
    kind = rng.choice(["bars", "net", "branches", "wires", "wheel", "corridor", "stairs"])
    for _ in range(rng.integers(1, 3)):
        ink = [int(v) for v in _encode(_colour(rng, 0.02, 0.3 if kind != "stairs" else 0.9, 0.6))]
        _PICTURES[str(kind)](rng, _Pen(canvas, ink))
    return np.asarray((canvas / 255.0) ** 2.2, np.float32)


class _Pen(NamedTuple):
    canvas: NDArray[np.uint8]
    ink: list[int]

    def line(self, a: ArrayLike, b: ArrayLike, width: float) -> None:
        """Draw from `a` to `b`, (x, y) in pixels."""
        p, q = (tuple(int(v * 16) for v in np.asarray(end)) for end in (a, b))
        cv2.line(self.canvas, p, q, self.ink, max(1, round(width)), cv2.LINE_AA, 4)


def _bars(rng: np.random.Generator, pen: _Pen) -> None:
    step, width = rng.uniform(16, 64), rng.uniform(2, 9)
    top, bottom = rng.uniform(0, 200), rng.uniform(320, SIZE)
    for x in np.arange(0, SIZE, step):
        pen.line((x, top), (x, bottom), width)
    for y in (top + 10, bottom - 20):
        pen.line((0, y), (SIZE, y), width)


def _net(rng: np.random.Generator, pen: _Pen) -> None:
    step, width, slope = rng.uniform(16, 50), rng.uniform(1, 4), float(rng.choice([0, 1]))
    for x in np.arange(-SIZE, SIZE, step):
        pen.line((x, 0), (x + slope * SIZE, SIZE), width)
        pen.line((0, x + SIZE / 2), (SIZE, x + SIZE / 2 - slope * SIZE), width)


def _branches(rng: np.random.Generator, pen: _Pen) -> None:
    def grow(p: NDArray[np.float64], angle: float, length: float, width: float) -> None:
        q = p + length * np.array([np.cos(angle), np.sin(angle)])
        pen.line(p, q, width)
        if width < 1.2:
            for _ in range(3):
                at = tuple(int(v) for v in q + rng.normal(size=2) * 9)
                cv2.ellipse(pen.canvas, at, (8, 3), rng.uniform(0, 180), 0, 360, pen.ink, -1, cv2.LINE_AA)
            return
        for _ in range(rng.integers(2, 4)):
            grow(q, angle + rng.normal() * 0.5, length * rng.uniform(0.6, 0.85), width * 0.62)

    for _ in range(2):
        grow(np.array([rng.uniform(0, SIZE), SIZE]), -np.pi / 2 + rng.normal() * 0.2, 120, rng.uniform(8, 18))


def _wires(rng: np.random.Generator, pen: _Pen) -> None:
    x = np.linspace(0, SIZE, 24)
    for _ in range(rng.integers(2, 9)):
        y = rng.uniform(0, 400) + rng.uniform(-80, 80) * x / SIZE + 60 * (1 - (2 * x / SIZE - 1) ** 2)
        for i in range(23):
            pen.line((x[i], y[i]), (x[i + 1], y[i + 1]), rng.uniform(1, 3))


def _wheel(rng: np.random.Generator, pen: _Pen) -> None:
    for _ in range(2):
        centre, r = rng.uniform(100, 400, 2), rng.uniform(60, 160)
        angles = np.linspace(0, 2 * np.pi, 37)
        rim = centre + r * np.stack([np.cos(angles), np.sin(angles)], 1)
        for i in range(36):
            pen.line(rim[i], rim[i + 1], 5)
            if i % 2:
                pen.line(centre, rim[i], 1)


def _corridor(rng: np.random.Generator, pen: _Pen) -> None:
    corners, vanish = np.array([[0, 0], [1, 0], [1, 1], [0, 1]]) * float(SIZE), rng.uniform(180, 330, 2)
    for t in 1 - 0.72 ** np.arange(9):
        ring = corners + (vanish - corners) * t
        for i in range(4):
            pen.line(ring[i], ring[(i + 1) % 4], 6 * (1 - t) + 1)
    for corner in corners:
        pen.line(corner, vanish, 2)


def _stairs(rng: np.random.Generator, pen: _Pen) -> None:
    step = rng.uniform(20, 60)
    for y in np.arange(0, SIZE, step):
        pen.line((0, y), (SIZE, y), step * rng.uniform(0.2, 0.6))


_PICTURES: dict[str, Callable[[np.random.Generator, _Pen], None]] = {
    "bars": _bars,
    "net": _net,
    "branches": _branches,
    "wires": _wires,
    "wheel": _wheel,
    "corridor": _corridor,
    "stairs": _stairs,
}


def white(rng: np.random.Generator) -> Colours:
    """Ceilings, painted lines, lamps."""
    return np.repeat((rng.uniform(0.75, 0.92) * (0.95 + 0.1 * fractal(rng)))[..., None], 3, 2)


def grain(rng: np.random.Generator) -> Colours:
    """Fine mottle about 1/2 that the shader lays over every surface, so that it isn't smooth from near by."""
    t = np.clip((fractal(rng, base=16, octaves=6, gain=0.9) - 0.5) * 3 + 0.5, 0, 1)
    return np.repeat(t[..., None], 3, 2)


# Another look of the world: other materials for the same kinds of things


def shingles(rng: np.random.Generator) -> Colours:
    """Overlapping round scales or rough stones."""
    if rng.random() < 0.5:
        border, tone = _cells(rng, int(rng.integers(4, 10)))
        c = _colour(rng, 0.05, 0.4, 0.25)
        stone = _mix(c * 0.5, c * 1.2, tone) * (0.6 + 0.8 * fractal(rng, base=16))[..., None]
        return _mix(c * 0.2, stone, np.clip((border - 0.05) * 12, 0, 1))
    x, y = _lattice()
    k = int(rng.integers(4, 12))
    row = np.floor(y * k).astype(int)
    u = x * k + 0.5 * (row % 2)
    fx, fy = u % 1 - 0.5, y * k - row
    edge = np.clip((0.55 + np.sqrt(np.maximum(0.25 - fx**2, 0)) - fy) * 6, 0, 1)
    tone = rng.random((k, k)).astype(np.float32)[row, np.floor(u).astype(int) % k]
    c = _colour(rng, 0.08, 0.45, 0.5)
    rough = 0.7 + 0.5 * tone * (0.5 + fractal(rng, base=16))
    return np.asarray(_mix(c * 0.3, c, edge) * rough[..., None], np.float32)


def streaked(rng: np.random.Generator) -> Colours:
    """Concrete with casting joints and rain streaks, or rough render."""
    x, y = _lattice()
    c = _colour(rng, 0.08, 0.5, 0.15)
    streaks = _smooth(rng.random((4, 64), dtype=np.float32), SIZE) * fractal(rng, base=2)
    k = int(rng.integers(1, 4))
    joint = np.minimum(np.abs((x * k) % 1 - 0.5), np.abs((y * k) % 1 - 0.5)) < 0.006
    out = (
        _mix(c * 1.1, c * 0.45, np.clip(streaks * 2.2 - 0.2, 0, 1))
        * (0.8 + 0.4 * fractal(rng, base=32))[..., None]
    )
    return _mix(out, out * 0.4, joint.astype(np.float32))


def parquet(rng: np.random.Generator) -> Colours:
    """Dark blocks of wood that change direction."""
    x, y = _lattice()
    k, n = int(rng.integers(2, 6)) * 2, int(rng.integers(3, 6))
    turn = (np.floor(x * k) + np.floor(y * k)) % 2 > 0
    u, v = np.where(turn, y, x), np.where(turn, x, y)
    plank = np.floor(u * k * n).astype(int)
    tone = rng.random((n * k, k)).astype(np.float32)[plank % (n * k), np.floor(v * k).astype(int) % k]
    grain_lines = 0.5 + 0.5 * np.sin(2 * np.pi * (u * 60 + 2 * fractal(rng, base=2, octaves=4) + 5 * tone))
    c = np.array([0.24, 0.12, 0.06], np.float32) * np.float32(rng.uniform(0.4, 1.6))
    gap = np.clip(np.abs((u * k * n) % 1 - 0.5) * -40 + 20, 0.3, 1)
    return np.asarray(_mix(c * 0.6, c * 1.2, 0.5 * grain_lines + 0.5 * tone) * gap[..., None], np.float32)


def dotted(rng: np.random.Generator) -> Colours:
    """Cloth with dots, zigzags or flowers."""
    x, y = _lattice()
    k = int(rng.integers(3, 14))
    if rng.random() < 0.5:
        u, v = (x * k) % 1 - 0.5, (y * k) % 1 - 0.5
        a = np.arctan2(v, u)
        t = np.hypot(u, v) < rng.uniform(0.15, 0.35) * (1 + rng.choice([0, 0.35]) * np.cos(5 * a))
    else:
        t = (y * k + np.abs((x * k) % 1 - 0.5)) % 1 < 0.5
    knit = 0.85 + 0.15 * np.sin(2 * np.pi * 128 * y + 2 * np.cos(2 * np.pi * 64 * x))
    a, b = _colour(rng, 0.03, 0.4, 0.7), _colour(rng, 0.1, 0.7, 0.5)
    return np.asarray(_mix(a, b, t.astype(np.float32)) * knit[..., None], np.float32)


def terrazzo(rng: np.random.Generator) -> Colours:
    """A floor of chips, or hexagon-like cells in two tones."""
    if rng.random() < 0.5:
        border, tone = _cells(rng, int(rng.integers(20, 40)))
        base = _colour(rng, 0.15, 0.7, 0.15) * np.ones((SIZE, SIZE, 1), np.float32)
        return _mix(base, tone[..., None] * _colour(rng, 0.2, 0.9, 0.4), (border > 0.35).astype(np.float32))
    x, y = _lattice()
    k = int(rng.integers(3, 7)) * 2
    third = (np.floor(x * k) + 2 * np.floor(y * k) + (x * k % 1 + y * k % 1 > 1)) % 3
    colours = np.stack([_colour(rng), _colour(rng), _colour(rng)])
    return np.asarray(colours[third.astype(int)] * (0.85 + 0.3 * fractal(rng, base=8))[..., None], np.float32)


def curtain_wall(rng: np.random.Generator) -> Colours:
    """Three by three bays of a dark wall or of glass; what is brighter than half is a lit window."""
    x, y = _lattice()
    wall = np.minimum(shingles(rng) if rng.random() < 0.5 else streaked(rng), 0.4)
    w, h = rng.uniform(0.3, 0.48, 2)
    u, v = (x * 3) % 1 - 0.5, (y * 3) % 1 - 0.5
    inside = (np.abs(u) < w) & (np.abs(v) < h)
    bar = (np.abs(u) < 0.015) | ((np.abs(v + 0.15) < 0.012) & (rng.random() < 0.6))
    lit = (rng.random((3, 3)) < rng.uniform(0.1, 0.6))[(y * 3).astype(int), (x * 3).astype(int)]
    warm = (
        np.array([1.0, rng.uniform(0.6, 0.85), rng.uniform(0.25, 0.6)])
        * (0.7 + 0.25 * fractal(rng, base=6))[..., None]
    )
    dark = np.array([0.02, 0.03, 0.045]) * (1 + 2 * fractal(rng, base=4))[..., None]
    glass = np.where(lit[..., None], warm, dark)
    return np.where((inside & ~bar)[..., None], glass, np.where(inside[..., None], 0.1, wall)).astype(
        np.float32
    )


def print_page(rng: np.random.Generator) -> Colours:
    """Columns of print and tinted photographs on pale or dark paper."""
    x, y = _lattice()
    paper, ink = _colour(rng, 0.5, 0.95, 0.2), _colour(rng, 0.02, 0.15, 0.5)
    if rng.random() < 0.3:
        paper, ink = ink, paper
    columns, lines = int(rng.integers(1, 4)), int(rng.integers(10, 40))
    words = rng.random((lines, 96)) < 0.75
    text = words[(y * lines).astype(int), (x * 96).astype(int)] & ((y * lines) % 1 < 0.5)
    out = _mix(paper, ink, (text & (np.abs((x * columns) % 1 - 0.5) < 0.42)).astype(np.float32))
    for _ in range(rng.integers(1, 4)):
        x0, y0, w, h = (rng.uniform(0, 0.6, 2) * SIZE).astype(int).tolist() + rng.integers(
            80, 200, 2
        ).tolist()
        photo = _mix(
            _colour(rng), _colour(rng, 0.3, 0.9, 0.8), np.clip(fractal(rng, base=2, gain=0.4) * 3 - 1, 0, 1)
        )
        out[y0 : y0 + h, x0 : x0 + w] = photo[:h, :w][: SIZE - y0, : SIZE - x0]
    return out


def worn(rng: np.random.Generator) -> Colours:
    """A coat with chips and scratches."""
    c = _colour(rng, 0.02, 0.5, 0.5)
    chips = np.clip((fractal(rng, base=8, gain=0.75) - rng.uniform(0.56, 0.7)) * 30, 0, 1)
    return _mix(c, _colour(rng, 0.05, 0.4, 0.3), chips) * (0.85 + 0.3 * fractal(rng, octaves=4))[..., None]


def autumn(rng: np.random.Generator) -> Colours:
    """Leaves in red, ochre, nearly black, or under hoar frost."""
    tones = np.array(
        [[0.35, 0.06, 0.02], [0.4, 0.2, 0.03], [0.03, 0.05, 0.03], [0.5, 0.55, 0.58]], np.float32
    )
    base = tones[rng.integers(4)] * np.float32(rng.uniform(0.6, 1.3))
    return _mix(base * 0.5, base * 1.3, np.clip((fractal(rng, base=8) - 0.5) * 2.5 + 0.5, 0, 1))


def litter(rng: np.random.Generator) -> Colours:
    """Dark soil, wet clay, fallen leaves, dirty or fresh snow."""
    tones = np.array(
        [[0.05, 0.035, 0.02], [0.16, 0.09, 0.05], [0.12, 0.12, 0.13], [0.75, 0.8, 0.88]], np.float32
    )
    a = tones[rng.choice(4, p=[0.3, 0.2, 0.2, 0.3])]
    out = a * (0.5 + fractal(rng, base=8, octaves=8, gain=0.85))[..., None]
    border, tone = _cells(rng, 36)
    leaf = (border > 0.25) & (tone < rng.choice([0.0, 0.1, 0.5]))
    return _mix(out, _mix([0.3, 0.1, 0.03], [0.4, 0.28, 0.06], tone), leaf.astype(np.float32))


def cobbles(rng: np.random.Generator) -> Colours:
    """Cobblestones or patched asphalt."""
    if rng.random() < 0.3:
        return road(rng)
    border, tone = _cells(rng, int(rng.integers(10, 22)))
    c = _colour(rng, 0.05, 0.25, 0.15)
    return (
        _mix(c * 0.3, _mix(c * 0.7, c * 1.3, tone), np.clip((border - 0.08) * 8, 0, 1))
        * (0.7 + 0.6 * fractal(rng, base=32, gain=0.9))[..., None]
    )


def corrugated(rng: np.random.Generator) -> Colours:
    """Ribbed sheet or brass."""
    x, _ = _lattice()
    ribs = 0.65 + 0.35 * np.sin(2 * np.pi * int(rng.integers(6, 24)) * x)
    c = np.array([0.4, 0.28, 0.12], np.float32) if rng.random() < 0.3 else _colour(rng, 0.1, 0.5, 0.2)
    rust = np.clip((fractal(rng, base=4, gain=0.7) - 0.55) * 6, 0, 1)
    return np.asarray(_mix(c, np.array([0.2, 0.09, 0.04]), rust) * ribs[..., None], np.float32)


Makers = dict[str, tuple[Callable[[np.random.Generator], Colours], int]]  # and how many layers of each

PLAIN: Makers = {
    "noise": (noise, 8),
    "masonry": (masonry, 6),
    "wood": (wood, 6),
    "cloth": (cloth, 8),
    "checker": (checker, 4),
    "facade": (facade, 8),
    "poster": (poster, 6),
    "picture": (picture, 8),
    "paint": (paint, 12),
    "foliage": (foliage, 8),
    "ground": (ground, 6),
    "road": (road, 3),
    "metal": (metal, 4),
    "white": (white, 1),
    "grain": (grain, 1),
}
WEATHERED: Makers = PLAIN | {
    "noise": (streaked, 8),
    "masonry": (shingles, 6),
    "wood": (parquet, 6),
    "cloth": (dotted, 8),
    "checker": (terrazzo, 4),
    "facade": (curtain_wall, 8),
    "poster": (print_page, 6),
    "paint": (worn, 12),
    "foliage": (autumn, 8),
    "ground": (litter, 6),
    "road": (cobbles, 3),
    "metal": (corrugated, 4),
}


@dataclass(frozen=True)
class Palette:
    """Texture layers (n, SIZE, SIZE, 3) uint8 sRGB, and which layers each kind of surface may take."""

    layers: NDArray[np.uint8]
    kinds: dict[str, list[int]]


def palette(makers: Makers, seed: int) -> Palette:
    """Draw a palette; the same `makers` and `seed` give the same bytes."""
    layers: list[NDArray[np.uint8]] = []
    kinds: dict[str, list[int]] = {}
    for kind, (maker, count) in makers.items():
        rng = np.random.default_rng([seed, len(layers)])
        kinds[kind] = list(range(len(layers), len(layers) + count))
        layers += [_encode(maker(rng)) for _ in range(count)]
    return Palette(np.stack(layers), kinds)
