"""The meshes that take time to build: a small stock for each seed, which scenes share."""

from functools import lru_cache

import numpy as np

from hyperfocal.synth import shapes
from hyperfocal.synth.scene import Scene
from hyperfocal.synth.shapes import Mesh

VARIANTS = 6
VESSELS = 2 * VARIANTS


@lru_cache(maxsize=2)
def stock(seed: int) -> dict[str, Mesh]:
    """Build the meshes that are too slow to make per scene; the same `seed` gives the same meshes."""
    rng = np.random.default_rng([seed, 77])
    out: dict[str, Mesh] = {}
    for i in range(VARIANTS):
        leaf_count, leaf_size = int(rng.integers(1500, 5000)), rng.uniform(0.012, 0.026)
        out[f"trunk{i}"], out[f"crown{i}"] = shapes.tree(rng, leaf_count, leaf_size)
        out[f"stem{i}"], out[f"needles{i}"] = shapes.conifer(rng, 3000)
        out[f"bush{i}"] = shapes.bush(rng, 700, rng.uniform(0.03, 0.08))
        out[f"tuft{i}"] = shapes.tuft(rng, int(rng.integers(8, 20)))
        out[f"rock{i}"] = shapes.rock(rng, rng.uniform(0.1, 0.4))
        out[f"car{i}"], out[f"glass{i}"] = _car_body(rng)
        out[f"fern{i}"] = shapes.fern(rng, int(rng.integers(5, 12)))
        out[f"range{i}"] = shapes.ridge(rng)
    for i in range(VESSELS):
        out[f"vessel{i}"] = shapes.revolution(_vessel_profile(rng), 28)
    return out


def vessel(s: Scene) -> str:
    """Draw the name of a bottle, vase, cup, bowl or lampshade of unit height."""
    return f"vessel{s.rng.integers(VESSELS)}"


def _car_body(rng: np.random.Generator) -> tuple[Mesh, Mesh]:
    """Return (body, windows) in a box of unit width, length 1 along y, height 1."""
    nose, tail = rng.uniform(0.18, 0.3), rng.uniform(0.0, 0.2)
    belt = rng.uniform(0.48, 0.6)
    front, rear = 0.5 - nose, -0.5 + tail
    bonnet = [(front, belt), (0.47, belt - 0.12), (0.5, 0.3), (0.49, 0.12)]
    lower = [(-0.5, 0.12), (-0.49, belt), (rear, belt + 0.02), *bonnet]
    roof_rear, roof_front = rear + rng.uniform(0.02, 0.12), front - rng.uniform(0.12, 0.2)
    cabin = [(rear + 0.01, belt), (roof_rear, 0.97), (roof_front, 1.0), (front, belt)]
    pillars = [(y * 0.99, z) for y, z in cabin]
    roof = shapes.transformed(
        shapes.box(), (0.78, (front - rear) * 0.62, 0.03), (0, (front + rear) / 2, 0.985)
    )
    return (
        shapes.merge(shapes.extrusion(lower, 0.05), roof),
        shapes.transformed(shapes.extrusion(pillars, 0.08), (0.86, 1, 1)),
    )


def _vessel_profile(rng: np.random.Generator) -> list[tuple[float, float]]:
    """Return the outline of a bottle, vase, cup, bowl or lampshade of height 1."""
    n = int(rng.integers(3, 7))
    z = np.linspace(0, 1, 16)
    r = np.interp(z, np.linspace(0, 1, n), rng.uniform(0.12, 0.5, n))
    r = np.convolve(np.pad(r, 2, mode="edge"), np.ones(5) / 5, "valid")
    outside = [(0.0, 0.0), *zip(r.tolist(), z.tolist(), strict=True)]
    inside = [(float(r[-1]) * 0.92, 1.0), (float(r[-4]) * 0.9, 0.8), (0.0, 0.7)]
    return outside + inside
