"""Walls, windows and lamps of indoor families: a hall around the rectangle |x| ≤ width/2, 0 ≤ y ≤ length."""

import numpy as np

from hyperfocal.synth import props
from hyperfocal.synth.scene import Material, Scene


def walls(s: Scene, width: float, length: float, height: float, windows: bool) -> None:
    """Add floor, ceiling and four walls; `windows` are in the wall on the right (+x)."""
    rng = s.rng
    kind = s.pick("wood", "checker", "masonry", "cloth", "noise")
    floor = s.material(kind, rng.uniform(0.3, 0.9))
    s.block((0, length / 2, -0.1), (width + 0.4, length + 0.4, 0.1), floor)
    ceiling = s.white() if rng.random() < 0.85 else s.material(s.pick("paint", "wood", "noise"), 0.5, 0.05)
    s.block((0, length / 2, height), (width + 0.4, length + 0.4, 0.1), ceiling, shell=True)
    kind = s.pick("paint", "noise", "masonry", "cloth", "wood")
    paint = s.material(kind, rng.uniform(0.4, 1), 0.1)
    other = s.material(s.pick("paint", "noise"), 0.5, 0.1) if rng.random() < 0.6 else paint
    s.block((0, length + 0.1, 0), (width + 0.4, 0.2, height), paint, shell=True)
    s.block((0, -0.1, 0), (width + 0.4, 0.2, height), other, shell=True)
    s.block((-width / 2 - 0.1, length / 2, 0), (0.2, length, height), other, shell=True)
    _trim(s, width, length, height)
    x = width / 2 + 0.1
    if not windows:
        s.block((x, length / 2, 0), (0.2, length, height), paint, shell=True)
        return
    _window_wall(s, x, length, height, paint)
    s.add("plane", (40, length / 2, -3), (75, 200, 1), s.material("ground", 0.3))
    if rng.random() < 0.5:
        at = (width / 2 + rng.uniform(18, 35), length / 2, -3)
        props.building(s, at, np.pi / 2, (30, 8, rng.uniform(5, 15)))
    for _ in range(6):
        props.tree(s, (width / 2 + rng.uniform(4, 25), rng.uniform(-15, 20), -3), rng.uniform(4, 9))


def _trim(s: Scene, width: float, length: float, height: float) -> None:
    """Skirting boards, a rail or beams, pipes, now and then a radiator."""
    rng, board = s.rng, s.material(s.pick("white", "wood", "paint"), 0.6)
    thick, high = rng.uniform(0.01, 0.025), rng.uniform(0.05, 0.15)
    for z in (0.0, height - 0.06, *([0.9] if rng.random() < 0.25 else [])):
        s.block((-width / 2, length / 2, z), (2 * thick, length, high), board, shell=True)
        s.block((0, length, z), (width, 2 * thick, high), board, shell=True)
        s.block((0, 0, z), (width, 2 * thick, high), board, shell=True)
    if rng.random() < 0.25:
        beam = s.material("wood", 0.6)
        for y in np.arange(0.8, length, 1.3):
            s.block((0, y, height - 0.18), (width, 0.12, 0.18), beam, shell=True)
    if rng.random() < 0.4:
        y, white = rng.uniform(0.3, 0.8) * length, s.white()
        for t in np.arange(-0.5, 0.5, 0.06):
            s.block((-width / 2 + 0.07, y + t, 0.12), (0.07, 0.045, 0.55), white)
    if rng.random() < 0.3:
        pipe = s.material("metal", 1.0)
        for k in range(rng.integers(1, 4)):
            x = -width / 2 + 0.05 + 0.07 * k
            s.beam((x, length - 0.05, 0), (x, length - 0.05, height), 0.03, pipe)


def _window_wall(s: Scene, x: float, length: float, height: float, paint: Material) -> None:
    """A wall in the plane `x` that is window and wall by turns."""
    frame = s.white() if s.rng.random() < 0.7 else s.material(s.pick("wood", "paint", "metal"), 1.0)
    sill, head, count = float(s.rng.choice([0.05, 0.9])), height - 0.4, int(s.rng.integers(1, 4))
    edges = np.linspace(0, length, 2 * count + 2)
    for i in range(2 * count + 1):
        y, w = (edges[i] + edges[i + 1]) / 2, edges[i + 1] - edges[i]
        if i % 2 == 0:
            s.block((x, y, 0), (0.2, w, height), paint, shell=True)
            continue
        s.block((x, y, 0), (0.2, w, sill), paint, shell=True)
        s.block((x, y, head), (0.2, w, height - head), paint, shell=True)
        _window(s, (x, y, sill), w, head, frame)


def _window(s: Scene, at: tuple[float, float, float], width: float, head: float, frame: Material) -> None:
    """A window's bars from the sill at `at` up to `head`, with blinds or curtains now and then."""
    x, y, sill = at
    for t in np.linspace(-0.5, 0.5, 3):
        s.block((x, y + t * width, sill), (0.06, 0.05, head - sill), frame)
    for z in (sill, (sill + head) / 2, head - 0.05):
        s.block((x, y, z), (0.06, width, 0.05), frame)
    if s.rng.random() < 0.4:
        for z in np.arange(sill + 0.1, head, 0.05):
            s.block((x - 0.12, y, z), (0.035, width, 0.004), frame)
    elif s.rng.random() < 0.5:
        cloth = s.material("cloth", 1.0, 0.05)
        for t in (*np.linspace(-0.5, -0.3, 6), *np.linspace(0.3, 0.5, 6)):
            s.add("cylinder", (x - 0.18, y + t * width, 0.05), (0.09, 0.12, head), cloth)


def light_room(s: Scene, width: float, length: float, height: float, dim: bool = False) -> None:
    """Set the light of a hall: the sun through the windows, no fog, up to four lamps under the ceiling.

    With `dim` there are no windows, so that there must be lamps.
    """
    rng, light = s.rng, s.light
    s.centre, s.radius = np.array([0, length / 2, height / 2]), float(np.hypot(width, length)) * 0.75
    s.box = np.array([[-width / 2, 0, 0], [width / 2, length, height]])
    elevation, turn = np.radians(rng.uniform(15, 50)), rng.uniform(-0.7, 0.7)
    c = np.cos(elevation)
    light.sun_direction = np.array([c * np.cos(turn), c * np.sin(turn), np.sin(elevation)])
    light.sun_colour = 0.4 * light.sun_colour  # else a patch of sun leaves nothing but itself to be seen
    light.fog, light.exposure = 0.0, 0.5 * (light.exposure + 0.2)
    count = 4 if dim else int(rng.integers(1 if s.look.lit else 0, 4))
    rows = (np.arange(count) + 0.5) / max(count, 1)
    light.lamps = [(rng.uniform(-0.3, 0.3) * width, length * t, height - 0.12) for t in rows]
    for x, y, z in light.lamps:
        s.add("cylinder", (x, y, z + 0.05), (0.3, 0.3, 0.07), s.white(glow=6.0), shell=True)
    power = rng.uniform(2, 9) * (1.0 if height < 4 else 1.5)
    light.lamp_colour = (power, power * rng.uniform(0.7, 1), power * rng.uniform(0.45, 1))
