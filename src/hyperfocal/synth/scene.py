"""A scene: meshes, their instances with materials, the light, the sky and the cameras that look at it.

The world is in metres with z up.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hyperfocal.synth import shapes
from hyperfocal.synth.light import Vector
from hyperfocal.synth.looks import LOOKS, Look
from hyperfocal.synth.shapes import Mesh
from hyperfocal.synth.textures import Palette

Matrix = NDArray[np.float64]
Rows = dict[str, list[NDArray[np.float32]]]

VIEWS = 24  # candidate cameras of every scene
GLOSSY = ("metal", "paint", "checker", "wood")  # kinds of surface that may shine
BUMPY = ("noise", "masonry", "ground", "road", "wood")
RAINED_ON = ("ground", "road", "masonry")


class Material(NamedTuple):
    """A texture layer, its tint, how many times it repeats per metre, and how it shines.

    `glow` is the radiance that its brightest texels (red above 1/2) send out, times its colour.
    """

    layer: int
    tint: tuple[float, float, float] = (1.0, 1.0, 1.0)
    repeats: float = 0.5
    roughness: float = 0.85
    metalness: float = 0.0
    bump: float = 0.0
    glow: float = 0.0


class View(NamedTuple):
    """A pinhole camera: position in metres, angles in radians.

    Yaw 0 looks along +y, pitch is up, roll is clockwise tilt of the picture's horizon, `fov` is horizontal.
    """

    eye: tuple[float, float, float]
    yaw: float
    pitch: float
    roll: float
    fov: float


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


def frame(at: ArrayLike, yaw: float) -> Callable[[float, float, float], Vector]:
    """Return the map from an object's own coordinates to the world's."""
    foot, turn = np.asarray(at, float), yaw_matrix(yaw)
    return lambda x, y, z: np.asarray(foot + turn @ [x, y, z])


class Scene:
    """What a family fills: `material` draws a surface, `add`, `beam`, `block` and `scatter` place things.

    Attributes:
        rng: the scene's only source of chance.
        palette: the textures that materials are drawn from.
        look: the look that it belongs to.
        indoor: light comes through windows and from lamps, and back from the walls.
        meshes: what may be placed, by name.
        rows, shell: the instances of each mesh; the shell is what encloses an `indoor` scene.
        views: candidate cameras.
        centre, radius: the sphere, in metres, that shadow maps cover.
        box: opposite corners of an `indoor` scene's hall, in metres.
        ground: height of the ground at (x, y).
    """

    def __init__(
        self,
        rng: np.random.Generator,
        palette: Palette,
        indoor: bool = False,
        look: Look = LOOKS["day"],
    ) -> None:
        self.rng, self.palette, self.indoor, self.look = rng, palette, indoor, look
        self.meshes: dict[str, Mesh] = dict(STATIC_MESHES)
        self.rows: Rows = {}
        self.shell: Rows = {}
        self.views: list[View] = []
        self.light = look.light(rng)
        self.centre = np.zeros(3)
        self.radius = 40.0
        self.box = np.array([[-1.0, -1, -1], [1, 1, 1]])
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
        t = rng.uniform(1 - tint, 1 + tint) * rng.uniform(1 - tint / 4, 1 + tint / 4, 3)
        glossy = kind in GLOSSY and rng.random() < 0.6
        usual = (0.25, 0.5) if glossy else (0.7, 0.95)
        roughness = 1 - shine if shine is not None else rng.uniform(*usual)
        repeats = repeats if repeats is not None else rng.uniform(0.3, 1.2)
        if kind in RAINED_ON and not self.indoor:
            roughness *= 1 - self.look.wet * rng.random()
        metalness = 0.6 if kind == "metal" else 0.0
        bump = 0.012 * max(roughness - 0.4, 0.0) if kind in BUMPY else 0.0  # bumps that shine would sparkle
        return Material(layer, (t[0], t[1], t[2]), repeats, roughness, metalness, bump)

    def white(self, glow: float = 0.0) -> Material:
        """Return white paint, or a lamp that glows."""
        return self.material("white", 0.5, 0.3, 0.02)._replace(glow=glow)

    def dark(self, shine: float = 0.2) -> Material:
        """Return black rubber or plastic."""
        return self.material("white", 0.5, shine, 0.02)._replace(tint=(0.03, 0.03, 0.033))

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
        look = np.array([*m.tint, m.layer, m.repeats, m.roughness, m.metalness, m.bump, m.glow], np.float32)
        rows = np.concatenate([matrices.reshape(n, 12).astype(np.float32), np.broadcast_to(look, (n, 9))], 1)
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

    def aim(self, eye: ArrayLike, target: ArrayLike, jitter: float = 0.05) -> None:
        """Add a view from `eye` towards `target`, off by about `jitter` radians.

        Fields of view are those of phones and cameras; most pictures are held level, some are not.
        """
        rng = self.rng
        e, d = np.asarray(eye, float), np.asarray(target, float) - np.asarray(eye, float)
        yaw = float(np.arctan2(-d[0], d[1]) + rng.normal() * jitter)
        tilt = jitter if rng.random() < 0.85 else 0.3
        pitch = float(np.clip(np.arctan2(d[2], np.hypot(d[0], d[1])) + rng.normal() * tilt, -1.3, 1.1))
        roll = rng.normal() * (0.02 if rng.random() < 0.85 else 0.15)
        fov = rng.uniform(35, 100) if rng.random() < 0.6 else np.clip(rng.normal(66, 8), 35, 100)
        self.views.append(View((e[0], e[1], e[2]), yaw, pitch, roll, float(np.radians(fov))))


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
        (n, 21) per mesh: matrix 12, tint 3, layer, repeats, roughness, metalness, bump, glow.
    """
    return {name: np.concatenate(parts) for name, parts in rows.items()}
