"""A scene: meshes, their instances with materials, the light, the sky and the cameras that look at it.

The world is in metres with z up.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hyperfocal.synth import shapes
from hyperfocal.synth.shapes import Mesh
from hyperfocal.synth.textures import Palette

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]
Rows = dict[str, list[NDArray[np.float32]]]

VIEWS = 12  # candidate cameras of every scene
GLOSSY = ("metal", "paint", "checker")  # kinds of surface that may shine
BUMPY = ("noise", "masonry", "ground", "road", "wood")


class Material(NamedTuple):
    """A texture layer, its tint, how many times it repeats per metre, and how it shines."""

    layer: int
    tint: tuple[float, float, float] = (1.0, 1.0, 1.0)
    repeats: float = 0.5
    roughness: float = 0.85
    metalness: float = 0.0
    bump: float = 0.0


class View(NamedTuple):
    """A pinhole camera: position in metres, angles in radians.

    Yaw 0 looks along +y, pitch is up, roll is clockwise tilt of the picture's horizon, `fov` is horizontal.
    """

    eye: tuple[float, float, float]
    yaw: float
    pitch: float
    roll: float
    fov: float


@dataclass
class Light:
    """Sun, sky and lamps; radiances are relative, the renderer exposes automatically.

    `sun_direction` is the unit vector towards the sun, `fog` the extinction per metre, `lamps` are positions.
    """

    sun_direction: Vector
    sun_colour: Vector
    zenith: Vector
    horizon: Vector
    clouds: float = 0.5
    fog: float = 0.0
    lamps: list[tuple[float, float, float]] = field(default_factory=list)
    lamp_colour: tuple[float, float, float] = (6.0, 5.0, 4.0)


def up(height: float) -> Vector:
    """Return the vector that points up by `height` metres."""
    return np.array([0.0, 0.0, height])


def yaw_matrix(angle: float) -> Matrix:
    """Return the rotation by `angle` radians about z."""
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, -s, 0], [s, c, 0], [0, 0, 1.0]])


def tilt_matrix(axis: ArrayLike, angle: float) -> Matrix:
    """Return the rotation by `angle` radians about `axis` (Rodrigues)."""
    x, y, z = np.asarray(axis, float) / np.linalg.norm(np.asarray(axis, float))
    k = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.asarray(np.eye(3) + np.sin(angle) * k + (1 - np.cos(angle)) * k @ k)


class Scene:
    """What a family fills: `material` draws a surface, `add`, `beam`, `block` and `scatter` place things.

    Attributes:
        rng: the scene's only source of chance.
        palette: the textures that materials are drawn from.
        indoor: skylight comes through the walls, so that rooms aren't black.
        meshes: what may be placed, by name.
        rows, shell: the instances of each mesh; the shell is what lets skylight in when `indoor`.
        views: candidate cameras.
        centre, radius: the sphere, in metres, that shadow maps cover.
        ground: height of the ground at (x, y).
    """

    def __init__(self, rng: np.random.Generator, palette: Palette, indoor: bool = False) -> None:
        self.rng, self.palette, self.indoor = rng, palette, indoor
        self.meshes: dict[str, Mesh] = dict(STATIC_MESHES)
        self.rows: Rows = {}
        self.shell: Rows = {}
        self.views: list[View] = []
        self.light = daylight(rng)
        self.centre = np.zeros(3)
        self.radius = 40.0
        self.ground: Callable[[float, float], float] = lambda x, y: 0.0

    def pick(self, *names: str) -> str:
        """Draw one of `names`."""
        return str(self.rng.choice(names))

    def yaw(self) -> float:
        """Draw a direction in radians."""
        return self.rng.uniform(0, 6.28)

    def on_ground(self, x: float, y: float) -> tuple[float, float, float]:
        """Return the point of the ground at (x, y)."""
        return x, y, self.ground(x, y)

    def material(
        self, kind: str, repeats: float | None = None, shine: float | None = None, tint: float = 0.3
    ) -> Material:
        """Draw a material.

        Args:
            kind: a key of `textures.MAKERS`.
            repeats: of the texture per metre; drawn if not given.
            shine: in [0, 1], overrides the drawn roughness.
            tint: how far, in [0, 1], the colour strays from the texture's.
        """
        rng = self.rng
        layer = int(rng.choice(self.palette.kinds[kind]))
        t = rng.uniform(1 - tint, 1 + tint) * rng.uniform(1 - tint / 2, 1 + tint / 2, 3)
        glossy = kind in GLOSSY and rng.random() < 0.6
        usual = (0.25, 0.5) if glossy else (0.7, 0.95)
        roughness = 1 - shine if shine is not None else rng.uniform(*usual)
        repeats = repeats if repeats is not None else rng.uniform(0.3, 1.2)
        metalness, bump = 0.6 if kind == "metal" else 0.0, 0.012 if kind in BUMPY else 0.0
        return Material(layer, (t[0], t[1], t[2]), repeats, roughness, metalness, bump)

    def add(
        self,
        mesh: str,
        at: ArrayLike,
        scale: ArrayLike,
        material: Material,
        yaw: float = 0.0,
        rotation: Matrix | None = None,
        shell: bool = False,
    ) -> None:
        """Place `mesh` at the point `at`, scaled per axis, turned by `yaw` radians or `rotation` (3, 3)."""
        turn = yaw_matrix(yaw) if rotation is None else rotation
        sides = turn * np.broadcast_to(np.asarray(scale, float), (3,))
        self.add_many(mesh, np.column_stack([sides, np.asarray(at, float)])[None], material, shell)

    def add_many(self, mesh: str, matrices: Matrix, material: Material, shell: bool = False) -> None:
        """Place `mesh` once for each of `matrices` (n, 3, 4)."""
        n, m = len(matrices), material
        look = np.array([*m.tint, m.layer, m.repeats, m.roughness, m.metalness, m.bump], np.float32)
        rows = np.concatenate([matrices.reshape(n, 12).astype(np.float32), np.broadcast_to(look, (n, 8))], 1)
        (self.shell if shell else self.rows).setdefault(mesh, []).append(rows)

    def beam(self, a: ArrayLike, b: ArrayLike, thickness: float, material: Material) -> None:
        """Place a round bar from `a` to `b`."""
        p, q = np.asarray(a, float), np.asarray(b, float)
        d = q - p
        length = float(np.linalg.norm(d))
        z = d / max(length, 1e-9)
        x = np.cross(z, [0, 0, 1.0] if abs(z[2]) < 0.95 else [1.0, 0, 0])
        x /= np.linalg.norm(x)
        turn = np.stack([x, np.cross(z, x), z], 1)
        self.add("cylinder", p, (thickness, thickness, length), material, rotation=turn)

    def block(
        self, at: ArrayLike, size: ArrayLike, material: Material, yaw: float = 0.0, shell: bool = False
    ) -> None:
        """Place a box of `size` whose bottom centre is `at`, turned by `yaw` radians."""
        middle = np.asarray(at, float) + up(float(np.asarray(size, float)[2]) / 2)
        self.add("box", middle, size, material, yaw, shell=shell)

    def scatter(self, mesh: str, xy: Matrix, scale: Vector, material: Material) -> None:
        """Place `mesh` on the ground at each of `xy` (n, 2) with a size (n,) and a random yaw."""
        a = self.rng.uniform(0, 2 * np.pi, len(xy))
        matrices = np.zeros((len(xy), 3, 4))
        matrices[:, 0, 0] = matrices[:, 1, 1] = np.cos(a) * scale
        matrices[:, 0, 1], matrices[:, 1, 0] = -np.sin(a) * scale, np.sin(a) * scale
        matrices[:, 2, 2] = scale * self.rng.uniform(0.8, 1.3, len(xy))
        matrices[:, :2, 3] = xy
        matrices[:, 2, 3] = [self.ground(float(x), float(y)) for x, y in xy]
        self.add_many(mesh, matrices, material)

    def look(self, eye: ArrayLike, target: ArrayLike, jitter: float = 0.05) -> None:
        """Add a view from `eye` towards `target`, off by about `jitter` radians; a phone's field of view."""
        rng = self.rng
        e, d = np.asarray(eye, float), np.asarray(target, float) - np.asarray(eye, float)
        yaw = float(np.arctan2(-d[0], d[1]) + rng.normal() * jitter)
        pitch = float(np.arctan2(d[2], np.hypot(d[0], d[1])) + rng.normal() * jitter)
        fov = float(np.radians(np.clip(rng.normal(68, 15), 35, 100)))
        self.views.append(View((e[0], e[1], e[2]), yaw, pitch, rng.normal() * 0.03, fov))


def daylight(rng: np.random.Generator) -> Light:
    """Draw a time of day: clear, hazy, overcast, golden, dusk."""
    azimuth, cover = rng.uniform(0, 2 * np.pi), rng.random()
    elevation = np.radians(rng.uniform(8, 70))
    c = np.cos(elevation)
    direction = np.array([c * np.sin(azimuth), c * np.cos(azimuth), np.sin(elevation)])
    warm = np.clip(1.4 - np.degrees(elevation) / 30, 0, 1)
    strength = 0.15 if cover > 0.75 else rng.uniform(0.7, 1.2)
    sun = np.array([5.2, 4.8 - 1.2 * warm, 4.2 - 2.4 * warm]) * strength
    grey = np.clip((cover - 0.5) * 2.5, 0, 1)
    zenith = (1 - grey) * np.array([0.14, 0.30, 0.66]) * rng.uniform(0.7, 1.3) + grey * rng.uniform(0.5, 0.9)
    blue = np.array([0.62 + 0.3 * warm, 0.74, 0.9 - 0.3 * warm])
    horizon = (1 - grey) * blue + grey * rng.uniform(0.6, 1.0)
    fog = float(rng.choice([0.0, 0.001, 0.003, 0.008], p=[0.45, 0.35, 0.15, 0.05]))
    return Light(direction, sun, zenith, horizon, clouds=rng.uniform(0.1, 1.0), fog=fog)


STATIC_MESHES: dict[str, Mesh] = {
    "box": shapes.box(),
    "plane": shapes.plane(),
    "cylinder": shapes.cylinder(),
    "cone": shapes.cone(),
    "sphere": shapes.sphere(),
    "ring": shapes.torus(0.015),
    "tyre": shapes.torus(0.09),
}


def instances(rows: Rows) -> dict[str, NDArray[np.float32]]:
    """Stack each mesh's instance rows.

    Returns:
        (n, 20) per mesh: matrix 12, tint 3, layer, repeats, roughness, metalness, bump.
    """
    return {name: np.concatenate(parts) for name, parts in rows.items()}
