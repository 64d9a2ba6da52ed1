"""Procedural, tileable textures. A palette (one per look of the world) is a stack of layers with names.

Textures carry patterns *without* depth edges (posters, floor patterns, stains) on purpose: a depth network
must learn not to follow them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
Colours = NDArray[np.floating[Any]]  # (SIZE, SIZE, 3) linear light in [0, 1]
SIZE = 512


def _smooth(a: Array, n: int) -> Array:
    """Enlarge a small periodic lattice to n × n with smooth weights, keeping it periodic."""

    def axis(g: int) -> tuple[NDArray[np.intp], NDArray[np.intp], Array]:
        t = np.arange(n) * (g / n)
        i = t.astype(np.intp)
        f = (t - i).astype(np.float32)
        return i % g, (i + 1) % g, f * f * (3 - 2 * f)

    y0, y1, fy = axis(a.shape[0])
    x0, x1, fx = axis(a.shape[1])
    rows = a[:, x0] * (1 - fx) + a[:, x1] * fx
    return (rows[y0] * (1 - fy)[:, None] + rows[y1] * fy[:, None]).astype(np.float32)


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


def _mix(a: Colours, b: Colours, t: NDArray[np.floating[Any]]) -> Array:
    return (a + (b - a) * t[..., None]).astype(np.float32)


def _colour(
    rng: np.random.Generator, low: float = 0.05, high: float = 0.85, saturation: float = 0.35
) -> Array:
    """Draw a colour: mostly a slightly warm grey, as most surfaces are; now and then a vivid one."""
    vivid = saturation if rng.random() < 0.7 else 1.2
    warm = np.array([1.06, 1.0, 0.9]) ** rng.uniform(-0.5, 2)
    return np.clip(
        rng.uniform(low, high) * warm * (1 + vivid * rng.uniform(-0.7, 0.7, 3)), 0.02, 0.95
    ).astype(np.float32)


def _lattice() -> tuple[Array, Array]:
    y, x = np.mgrid[0:SIZE, 0:SIZE].astype(np.float32) / SIZE
    return x, y


def noise(rng: np.random.Generator) -> Colours:
    """Plaster, earth, asphalt: fractal noise between two tones of one colour."""
    c = _colour(rng)
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
    """Green, sometimes autumnal."""
    base = np.array([rng.uniform(0.05, 0.35), rng.uniform(0.16, 0.4), rng.uniform(0.02, 0.12)], np.float32)
    return _mix(base * 0.5, base * 1.4, np.clip((fractal(rng, base=8) - 0.5) * 2.5 + 0.5, 0, 1))


def ground(rng: np.random.Generator) -> Colours:
    """Grass, soil, gravel, sand, snow."""
    c = np.array(
        [[0.14, 0.2, 0.05], [0.25, 0.18, 0.11], [0.35, 0.34, 0.32], [0.6, 0.5, 0.36], [0.8, 0.82, 0.85]],
        np.float32,
    )
    a, b = c[rng.integers(len(c))], c[rng.integers(3)]
    t = np.clip((fractal(rng, base=4, octaves=8, gain=0.8) - 0.5) * rng.uniform(2, 5) + 0.5, 0, 1)
    return _mix(a, 0.6 * a + 0.4 * b, t) * (0.6 + 0.8 * fractal(rng, base=64, gain=0.9))[..., None]


def road(rng: np.random.Generator) -> Colours:
    """Asphalt with stains, cracks and now and then a painted line."""
    g = rng.uniform(0.1, 0.32)
    out = np.ones((SIZE, SIZE, 3), np.float32) * g * (0.7 + 0.6 * fractal(rng, base=32, gain=0.9))[..., None]
    stain = np.clip((fractal(rng, base=4) - 0.55) * 6, 0, 1)
    return _mix(out, out * 0.6, stain)


def metal(rng: np.random.Generator) -> Colours:
    """Grey steel or rust."""
    t = np.clip((fractal(rng, base=8) - 0.5) * 2.5 + 0.5, 0, 1)
    if rng.random() < 0.3:
        return _mix(np.array([0.16, 0.08, 0.05], np.float32), np.array([0.5, 0.27, 0.12], np.float32), t)
    g = rng.uniform(0.1, 0.6)
    return _mix(np.full(3, g * 0.8, np.float32), np.full(3, g, np.float32), t)


MAKERS: dict[str, tuple[Callable[[np.random.Generator], Colours], int]] = {
    "noise": (noise, 8),
    "masonry": (masonry, 6),
    "wood": (wood, 6),
    "cloth": (cloth, 8),
    "checker": (checker, 4),
    "facade": (facade, 8),
    "poster": (poster, 8),
    "paint": (paint, 10),
    "foliage": (foliage, 6),
    "ground": (ground, 6),
    "road": (road, 3),
    "metal": (metal, 4),
}


@dataclass(frozen=True)
class Palette:
    """Texture layers (n, SIZE, SIZE, 3) uint8 sRGB, and which layers each kind of surface may take."""

    layers: NDArray[np.uint8]
    kinds: dict[str, list[int]]
    white: int


@lru_cache(maxsize=2)
def palette(seed: int) -> Palette:
    """Build the palette of one look; the same `seed` gives the same bytes."""
    layers: list[NDArray[np.uint8]] = []
    kinds: dict[str, list[int]] = {}
    for kind, (maker, count) in MAKERS.items():
        rng = np.random.default_rng([seed, len(layers)])
        kinds[kind] = list(range(len(layers), len(layers) + count))
        layers += [
            (np.clip(maker(rng), 0, 1) ** (1 / 2.2) * 255 + 0.5).astype(np.uint8) for _ in range(count)
        ]
    white = np.random.default_rng([seed, len(layers)]).uniform(0.75, 0.95) * (
        0.95 + 0.1 * fractal(np.random.default_rng(seed))
    )
    layers.append(np.repeat((np.clip(white, 0, 1) ** (1 / 2.2) * 255).astype(np.uint8)[..., None], 3, 2))
    return Palette(np.stack(layers), kinds, len(layers) - 1)
