"""Meshes in unit size: positions and normals only; the shader projects textures, so no mesh needs a UV map.

A scene places these meshes many times by instancing. z is up.
"""

from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float32]
Point = NDArray[np.float64]


class Mesh(NamedTuple):
    """Triangles: `positions` and `normals` (n, 3), `faces` (m, 3) indices."""

    positions: Array
    normals: Array
    faces: NDArray[np.int32]


def _mesh(positions: ArrayLike, faces: ArrayLike, normals: ArrayLike | None = None) -> Mesh:
    """Return a mesh with unit normals; if none are given, the area-weighted mean of the faces' normals."""
    p = np.asarray(positions, np.float32).reshape(-1, 3)
    f = np.asarray(faces, np.int32).reshape(-1, 3)
    if normals is None:
        n = np.zeros_like(p)
        face = np.cross(p[f[:, 1]] - p[f[:, 0]], p[f[:, 2]] - p[f[:, 0]])
        for corner in range(3):
            np.add.at(n, f[:, corner], face)
    else:
        n = np.asarray(normals, np.float32).reshape(-1, 3)
    length = np.linalg.norm(n, axis=1, keepdims=True)
    return Mesh(p, (n / np.maximum(length, 1e-12)).astype(np.float32), f)


def merge(*meshes: Mesh) -> Mesh:
    """Return one mesh holding all of `meshes`."""
    offsets = np.cumsum([0] + [len(m.positions) for m in meshes[:-1]])
    return Mesh(
        np.concatenate([m.positions for m in meshes]),
        np.concatenate([m.normals for m in meshes]),
        np.concatenate([m.faces + o for m, o in zip(meshes, offsets, strict=True)]).astype(np.int32),
    )


def transformed(mesh: Mesh, scale: ArrayLike = 1.0, shift: ArrayLike = 0.0) -> Mesh:
    """Return `mesh` scaled per axis, then shifted."""
    s = np.broadcast_to(np.asarray(scale, np.float32), (3,))
    return _mesh(mesh.positions * s + np.asarray(shift, np.float32), mesh.faces, mesh.normals / s)


def grid_faces(rows: int, columns: int) -> NDArray[np.int32]:
    """Return the triangles of a (rows, columns) lattice of vertices stored row by row."""
    i = np.arange(rows - 1)[:, None] * columns + np.arange(columns - 1)[None]
    quads = np.stack([i, i + 1, i + columns + 1, i, i + columns + 1, i + columns], -1)
    return quads.reshape(-1, 3).astype(np.int32)


def box() -> Mesh:
    """Return a unit cube centred on the origin, flat shaded."""
    positions: list[NDArray[np.float64]] = []
    normals: list[NDArray[np.float64]] = []
    faces: list[list[int]] = []
    for axis in range(3):
        for sign in (-1.0, 1.0):
            n = np.zeros(3)
            n[axis] = sign
            u, v = np.roll(np.eye(3)[0], axis + 1), np.roll(np.eye(3)[0], axis + 2)
            base = len(positions)
            for a, b in ((-1, -1), (1, -1), (1, 1), (-1, 1)):
                positions.append((n + a * u + b * v) / 2)
                normals.append(n)
            faces += [[base, base + 1, base + 2], [base, base + 2, base + 3]]
    return _mesh(positions, faces, normals)


def plane() -> Mesh:
    """Return the unit square in z = 0, facing up."""
    return _mesh([[-0.5, -0.5, 0], [0.5, -0.5, 0], [0.5, 0.5, 0], [-0.5, 0.5, 0]], [[0, 1, 2], [0, 2, 3]])


def revolution(profile: ArrayLike, segments: int = 24) -> Mesh:
    """Return the surface swept by the polyline `profile` (n, 2) of (radius, z) about the z axis."""
    r, z = np.asarray(profile, np.float32).T
    angle = np.linspace(0, 2 * np.pi, segments + 1)
    p = np.stack(
        [
            r[:, None] * np.cos(angle),
            r[:, None] * np.sin(angle),
            np.broadcast_to(z[:, None], (len(r), segments + 1)),
        ],
        -1,
    )
    slope = np.stack([np.gradient(z), -np.gradient(r)], -1)
    slope /= np.maximum(np.linalg.norm(slope, axis=1, keepdims=True), 1e-9)
    n = np.stack(
        [
            slope[:, :1] * np.cos(angle),
            slope[:, :1] * np.sin(angle),
            np.broadcast_to(slope[:, 1:], (len(r), segments + 1)),
        ],
        -1,
    )
    return _mesh(p, grid_faces(len(r), segments + 1), n)


def cylinder(segments: int = 16) -> Mesh:
    """Return a capped cylinder of diameter 1 and height 1 standing on z = 0."""
    side = revolution([(0.5, 0), (0.5, 1)], segments)
    top = revolution([(0.5, 1), (0.0, 1)], segments)
    bottom = revolution([(0.0, 0), (0.5, 0)], segments)
    return merge(side, top, bottom)


def cone(segments: int = 16) -> Mesh:
    """Return a cone of base diameter 1 and height 1 standing on z = 0."""
    return revolution([(0.5, 0), (0.0, 1)], segments)


def sphere(segments: int = 24) -> Mesh:
    """Return a sphere of diameter 1 centred on the origin."""
    t = np.linspace(-np.pi / 2, np.pi / 2, segments // 2 + 1)
    mesh = revolution(np.stack([np.cos(t), np.sin(t)], 1) / 2, segments)
    return Mesh(mesh.positions, _mesh(mesh.positions, mesh.faces, mesh.positions).normals, mesh.faces)


def torus(thickness: float, segments: int = 32) -> Mesh:
    """Return a ring of outer diameter about 1 in the plane x = 0 (a wheel that rolls along y)."""
    a = np.linspace(0, 2 * np.pi, segments + 1)[:, None]
    b = np.linspace(0, 2 * np.pi, 9)[None]
    radius = 0.5 - thickness
    ring = radius + thickness * np.cos(b)
    p = np.stack(
        [np.broadcast_to(thickness * np.sin(b), (segments + 1, 9)), ring * np.cos(a), ring * np.sin(a)], -1
    )
    n = np.stack(
        [np.broadcast_to(np.sin(b), (segments + 1, 9)), np.cos(b) * np.cos(a), np.cos(b) * np.sin(a)], -1
    )
    return _mesh(p, grid_faces(segments + 1, 9), n)


def tube(path: ArrayLike, radius: ArrayLike, segments: int = 6) -> Mesh:
    """Return a tube along the polyline `path` (n, 3) with a radius at every point."""
    p = np.asarray(path, np.float32)
    r = np.broadcast_to(np.asarray(radius, np.float32), (len(p),))
    tangent = np.gradient(p, axis=0)
    tangent /= np.linalg.norm(tangent, axis=1, keepdims=True) + 1e-9
    up = np.where(np.abs(tangent[:, 2:]) > 0.9, [[1.0, 0, 0]], [[0, 0, 1.0]])
    a = np.cross(tangent, up)
    a /= np.linalg.norm(a, axis=1, keepdims=True) + 1e-9
    b = np.cross(tangent, a)
    t = np.linspace(0, 2 * np.pi, segments + 1)[None, :, None]
    out = np.cos(t) * a[:, None] + np.sin(t) * b[:, None]
    return _mesh(p[:, None] + out * r[:, None, None], grid_faces(len(p), segments + 1), out)


def extrusion(outline: ArrayLike, bevel: float = 0.06) -> Mesh:
    """Return the polygon `outline` (n, 2) of (y, z) swept along x from -0.5 to 0.5, flat shaded.

    The polygon must be star-shaped about its mean; `bevel` narrows the two ends.
    """
    o = np.asarray(outline, np.float32)
    centre = o.mean(0)
    sections = [(-0.5, 1 - bevel), (-0.5 + bevel, 1.0), (0.5 - bevel, 1.0), (0.5, 1 - bevel)]
    rings = [np.column_stack([np.full(len(o), x), centre + (o - centre) * s]) for x, s in sections]
    positions: list[Array] = []
    for a, b in pairwise(rings):
        for i in range(len(o)):
            j = (i + 1) % len(o)
            positions += [a[i], a[j], b[j], a[i], b[j], b[i]]
    for ring in (rings[0], rings[-1]):
        hub = np.array([ring[0, 0], *centre], np.float32)
        for i in range(len(o)):
            positions += [hub, ring[i], ring[(i + 1) % len(o)]]
    p = np.asarray(positions, np.float32)
    return _mesh(p, np.arange(len(p)))


def leaves(rng: np.random.Generator, centres: Array, size: float) -> Mesh:
    """Return one small diamond (two triangles) in a random direction at each of `centres` (n, 3)."""
    n = len(centres)
    d = rng.normal(size=(n, 3))
    d /= np.linalg.norm(d, axis=1, keepdims=True)
    e = np.cross(d, rng.normal(size=(n, 3)))
    e /= np.linalg.norm(e, axis=1, keepdims=True)
    s = size * rng.uniform(0.6, 1.3, (n, 1))
    corners = np.stack([centres - d * s, centres + e * s * 0.45, centres + d * s, centres - e * s * 0.45], 1)
    faces = np.arange(n)[:, None, None] * 4 + np.array([[0, 1, 2], [0, 2, 3]])[None]
    return _mesh(corners, faces)


def tree(rng: np.random.Generator, leaf_count: int, leaf_size: float = 0.02) -> tuple[Mesh, Mesh]:
    """Return (wood, foliage) of a tree of about unit height with its foot at the origin."""
    parts: list[Mesh] = []
    tips: list[ArrayLike] = []
    droop = rng.uniform(-0.15, 0.2)
    spread = rng.uniform(0.45, 0.75)

    def grow(foot: Point, direction: Point, length: float, radius: float, depth: int) -> None:
        points: list[Point] = [foot]
        for _ in range(4):
            direction = direction + rng.normal(size=3) * 0.12
            direction /= np.linalg.norm(direction)
            points.append(points[-1] + direction * length / 4)
        parts.append(tube(points, np.linspace(radius, radius * 0.6, 5), 7 if depth < 2 else 4))
        if depth >= 2:
            tips.extend(points[2:])
        if depth >= 4:
            return
        for _ in range(rng.integers(2, 5) if depth else rng.integers(3, 6)):
            e = direction + rng.normal(size=3) * spread
            e[2] += droop
            fork = points[-1 - int(rng.integers(0, 2))]
            grow(fork, e / np.linalg.norm(e), length * rng.uniform(0.6, 0.8), radius * 0.55, depth + 1)

    grow(np.zeros(3), np.array([0, 0, 1.0]), 0.32, 0.025, 0)
    t = np.asarray(tips)
    centres = t[rng.integers(0, len(t), leaf_count)] + rng.normal(size=(leaf_count, 3)) * 0.035
    return merge(*parts), leaves(rng, centres.astype(np.float32), leaf_size)


def conifer(rng: np.random.Generator, leaf_count: int) -> tuple[Mesh, Mesh]:
    """Return (wood, needles) of a conifer of unit height."""
    h = rng.uniform(0.12, 1, leaf_count) ** 0.8
    a = rng.uniform(0, 2 * np.pi, leaf_count)
    r = (1.02 - h) * rng.uniform(0.2, 0.3) * rng.uniform(0.3, 1, leaf_count) * (0.75 + 0.25 * np.sin(h * 60))
    centres = np.stack([r * np.cos(a), r * np.sin(a), h - 0.15 * r], 1)
    trunk = tube([[0.0, 0, 0], [0.0, 0, 0.5], [0.0, 0, 1]], [0.018, 0.012, 0.001], 6)
    return trunk, leaves(rng, centres.astype(np.float32), 0.022)


def bush(rng: np.random.Generator, leaf_count: int, leaf_size: float = 0.05) -> Mesh:
    """Return a leafy blob of unit size standing on z = 0."""
    lobes = rng.uniform(-0.3, 0.3, (6, 3)) + np.array([0, 0, 0.45])
    c = lobes[rng.integers(0, 6, leaf_count)] + rng.normal(size=(leaf_count, 3)) * 0.12
    c[:, 2] = np.abs(c[:, 2])
    return leaves(rng, c.astype(np.float32), leaf_size)


def tuft(rng: np.random.Generator, blades: int = 24) -> Mesh:
    """Return a tuft of bent grass blades, unit height, foot at the origin."""
    parts = []
    faces = [[0, 1, 2], [0, 2, 3], [3, 2, 4]]
    for _ in range(blades):
        foot = np.append(rng.normal(size=2) * 0.12, 0.0)
        lean = np.append(rng.normal(size=2) * 0.3, 0.0)
        h = rng.uniform(0.5, 1)
        side = np.append(rng.normal(size=2), 0.0)
        side *= 0.02 / np.linalg.norm(side)
        middle, tip = foot + lean * 0.3, foot + lean
        middle[2] += 0.55 * h
        tip[2] += h
        parts.append(_mesh([foot - side, foot + side, middle + side * 0.7, middle - side * 0.7, tip], faces))
    return merge(*parts)


def fern(rng: np.random.Generator, fronds: int) -> Mesh:
    """Return arching fronds with leaflets on both sides, about unit height, foot at the origin."""
    parts: list[Mesh] = []
    t = np.linspace(0.15, 1, 15)[:, None]
    for angle in np.arange(fronds) * 2.4 + rng.normal(size=fronds) * 0.3:
        out = np.array([np.cos(angle), np.sin(angle), 0.0])
        across = np.array([-np.sin(angle), np.cos(angle), 0.0])
        reach, height = rng.uniform(0.3, 0.7), rng.uniform(0.6, 1.2)
        spine = out * reach * t + np.array([0, 0, 1.0]) * height * (t - 0.55 * t**2.5)
        parts.append(tube(spine, np.linspace(0.008, 0.002, 15), 4))
        for side in (-1, 1):
            tip = spine + (across * side + out * 0.5) * 0.24 * np.sin(np.pi * t**0.7) + [0, 0, -0.02]
            corners = np.stack([spine, spine + out * 0.03 + (tip - spine) * 0.4, tip, (spine + tip) / 2], 1)
            faces = np.arange(15)[:, None, None] * 4 + np.array([[0, 1, 2], [0, 2, 3]])[None]
            parts.append(_mesh(corners, faces))
    return merge(*parts)


def ridge(rng: np.random.Generator, n: int = 97) -> Mesh:
    """Return a mountain range on the unit square about the origin, at most of unit height, 0 at its border."""
    x, y = np.meshgrid(np.linspace(-0.5, 0.5, n), np.linspace(-0.5, 0.5, n))
    heights = np.zeros((n, n))
    for octave in range(7):
        k = 2.5 * 2**octave * rng.normal(size=2)
        bend = 0.12 * np.sin(6 * (x * k[1] - y * k[0]) / np.hypot(*k) + rng.uniform(0, 6))
        wave = np.sin(2 * np.pi * (x * k[0] + y * k[1]) + 6 * bend + rng.uniform(0, 6))
        heights += 0.45**octave * (1 - np.abs(wave)) ** 0.7
    heights *= np.clip(1 - (4 * (x * x + y * y)), 0, 1) ** 1.3
    return terrain((heights / heights.max()).astype(np.float32), 1.0)


def rock(rng: np.random.Generator, roughness: float = 0.25) -> Mesh:
    """Return a lumpy stone of about unit size centred on the origin."""
    ball = sphere(28)
    p = ball.positions.astype(np.float64)
    push = np.ones(len(p))
    for _ in range(14):
        d = rng.normal(size=3)
        d /= np.linalg.norm(d)
        strength, steepness, distance = rng.uniform(0.2, 1), rng.uniform(2, 6), rng.uniform(0, 0.8)
        dent = np.tanh(steepness * (p * 2 @ d - distance))
        push += roughness * strength * dent * rng.choice([-0.5, 0.3])
    return _mesh(p * push[:, None], ball.faces)


def terrain(heights: Array, size: float) -> Mesh:
    """Return a square height field of side `size` metres about the origin; `heights` (n, n) in metres."""
    n = len(heights)
    x = np.linspace(-size / 2, size / 2, n)
    gx, gy = np.meshgrid(x, x)
    return _mesh(np.stack([gx, gy, heights], -1), grid_faces(n, n))
