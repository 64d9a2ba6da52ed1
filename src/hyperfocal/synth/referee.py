"""Depth of a scene by another way: rays cast by Embree. For tests and checks; needs embreex."""

import numpy as np
from embreex.mesh_construction import TriangleMesh
from embreex.rtcore_scene import EmbreeScene
from numpy.typing import NDArray

from hyperfocal.synth.renderer import FAR, NEAR, camera_axes
from hyperfocal.synth.scene import Scene, View


def triangles(scene: Scene) -> NDArray[np.float64]:
    """All triangles of a scene in world coordinates, (n, 3, 3)."""
    out = []
    for rows in (scene.rows, scene.shell):
        for name, parts in rows.items():
            mesh, matrices = scene.meshes[name], np.concatenate(parts)[:, :12].reshape(-1, 3, 4)
            placed = np.einsum("nij,vj->nvi", matrices[..., :3], mesh.positions) + matrices[:, None, :, 3]
            out.append(placed[:, mesh.faces].reshape(-1, 3, 3))
    return np.concatenate(out)


def cast(
    scene: Scene, views: list[View], width: int, height: int, pixels: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Depth (views, n) of `pixels` (n, 2) of (row, column) by Embree; inf where a ray hits nothing in range."""
    world = EmbreeScene(robust=True)  # else rays slip through between neighbouring triangles
    TriangleMesh(world, triangles(scene).astype(np.float32))
    depths = []
    for view in views:
        axes, focal = camera_axes(view), width / 2 / np.tan(view.fov / 2)
        x, y = pixels[:, 1] - (width / 2 - 0.5), pixels[:, 0] - (height / 2 - 0.5)
        rays = axes.forward + (x[:, None] * axes.right - y[:, None] * axes.up) / focal
        start = (axes.eye + rays * NEAR).astype(np.float32)
        # for rays whose part along `forward` is 1, distance is depth
        depth = NEAR + world.run(start, rays.astype(np.float32), query="DISTANCE").astype(float)
        depths.append(np.where(depth > FAR, np.inf, depth))
    return np.array(depths)
