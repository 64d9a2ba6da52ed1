"""Uneven ground that outdoor families stand on."""

import numpy as np

from hyperfocal.synth import shapes
from hyperfocal.synth.scene import Scene
from hyperfocal.synth.textures import fractal

POINTS = 129  # of the height field along a side


def rolling_ground(s: Scene, size: float, relief: float, kind: str = "ground") -> None:
    """Lay a height field about the origin and let `s.ground` answer its height.

    Args:
        s: the scene.
        size: side of the square in metres.
        relief: the field stays within plus or minus so many metres.
        kind: of material.
    """
    noise = fractal(s.rng, 256, 2, 6, 0.5)[: 2 * POINTS : 2, : 2 * POINTS : 2]
    heights = ((noise - 0.5) * 2 * relief).astype(np.float32)
    last = len(heights) - 1
    s.meshes["terrain"] = shapes.terrain(heights, size)
    s.add("terrain", (0, 0, 0), 1, s.material(kind, 0.3, 0.05))

    def height(x: float, y: float) -> float:
        i = np.clip((np.array([y, x]) / size + 0.5) * last, 0, last - 0.001)
        row, column = i.astype(int)
        fy, fx = i - (row, column)
        (a, b), (c, d) = heights[row : row + 2, column : column + 2]
        return float((a * (1 - fx) + b * fx) * (1 - fy) + (c * (1 - fx) + d * fx) * fy)

    s.ground = height
