"""The park: meadows, woods and hills."""

import numpy as np

from hyperfocal.synth import props
from hyperfocal.synth.families.ground import rolling_ground
from hyperfocal.synth.scene import VIEWS, Scene


def park(s: Scene) -> None:
    """Meadows, woods, rocks, a path, benches, people; hills or mountains behind."""
    rng = s.rng
    relief = float(rng.choice([0.3, 1.5, 5.0]))
    rolling_ground(s, 220.0, relief)
    s.centre, s.radius = np.zeros(3), 55.0
    s.add("plane", (0, 0, -relief - 0.5), (3000, 3000, 1), s.material("ground", 0.05, 0.05))
    _mountains(s)
    _plants(s)
    for _ in range(rng.integers(0, 8)):
        props.person(s, _anywhere(s, 10), s.yaw())
    for _ in range(rng.integers(0, 5)):
        props.bench(s, _anywhere(s, 10), s.yaw())
    for _ in range(rng.integers(0, 4)):
        _fence(s)
    _path(s)
    if rng.random() < 0.35:
        x, y = (rng.normal(size=2) * 25).tolist()
        props.building(s, s.on_ground(x, y), s.yaw(), (8, 7, 5))
    for _ in range(VIEWS):
        _view(s)


def _anywhere(s: Scene, spread: float) -> tuple[float, float, float]:
    """Draw a point of the ground, normally distributed about the origin."""
    x, y = np.clip(s.rng.normal(size=2) * spread, -105, 105).tolist()
    return s.on_ground(x, y)


def _mountains(s: Scene) -> None:
    rng = s.rng
    for _ in range(rng.choice([0, 6, 14])):
        a, r = s.yaw(), rng.uniform(150, 900)
        h = r * rng.uniform(0.1, 0.4)
        mesh, at = f"rock{rng.integers(props.VARIANTS)}", (r * np.cos(a), r * np.sin(a), -h * 0.1)
        surface = s.material(s.pick("ground", "noise", "foliage"), 0.02, 0.05)
        s.add(mesh, at, (r * 0.8, r * 0.8, h * 2), surface)


def _plants(s: Scene) -> None:
    rng = s.rng
    dense = float(rng.choice([0.3, 1.0, 2.0]))
    for _ in range(int(35 * dense)):
        props.tree(s, _anywhere(s, 45), rng.uniform(3, 16))
    for _ in range(int(25 * dense)):
        props.bush(s, _anywhere(s, 25), rng.uniform(0.4, 2.5))
    for _ in range(rng.integers(5, 40)):
        props.rock(s, _anywhere(s, 20), rng.uniform(0.2, 2.5))
    for _ in range(6):
        n = int(rng.integers(300, 1500))
        xy = rng.normal(size=(n, 2)) * rng.uniform(3, 16) + rng.normal(size=2) * 8
        mesh, sizes = f"tuft{rng.integers(props.VARIANTS)}", rng.uniform(0.1, 0.6, n)
        s.scatter(mesh, np.clip(xy, -100, 100), sizes, s.material("foliage", 3.0, 0.1))


def _fence(s: Scene) -> None:
    """A fence of 14 m in any direction."""
    a, b = np.array(_anywhere(s, 12)), np.array(_anywhere(s, 12))
    b = a + (b - a) / max(1e-3, float(np.linalg.norm(b - a))) * 14
    b[2] = s.ground(float(b[0]), float(b[1]))
    props.fence(s, a, b, s.rng.uniform(0.8, 1.4))


def _path(s: Scene) -> None:
    """A winding path of overlapping discs."""
    surface = s.material(s.pick("ground", "masonry", "noise"), 0.4, 0.05)
    wide, narrow = s.rng.normal(size=2) * 8
    for y in np.arange(-90, 90, 0.8):
        x = float(wide * np.sin(y / 25) + narrow * np.sin(y / 60))
        s.add("cylinder", (x, y, s.ground(x, y) - 0.06), (2.6, 2.6, 0.09), surface)


def _view(s: Scene) -> None:
    rng = s.rng
    x, y, z = _anywhere(s, 12)
    a = s.yaw()
    heights = [rng.uniform(1.2, 1.8), rng.uniform(0.25, 0.9), rng.uniform(2, 8)]
    eye_z = z + float(rng.choice(heights, p=[0.65, 0.2, 0.15]))
    s.look((x, y, eye_z), (x + 12 * np.cos(a), y + 12 * np.sin(a), eye_z + rng.normal() * 1.5), 0.05)
