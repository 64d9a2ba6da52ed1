"""Renders a sheet of pictures of every scene family and look: python benchmarks/synth_contact_sheet.py FOLDER."""

import sys
from pathlib import Path

import cv2
import numpy as np

from hyperfocal.synth import families
from hyperfocal.synth.looks import LOOKS
from hyperfocal.synth.renderer import Renderer
from hyperfocal.synth.writer import good_views

WIDTH, HEIGHT, VIEWS, SEEDS = 384, 216, 3, range(4)


def sheet(renderer: Renderer, family: str, look: str) -> np.ndarray:
    """One row of views for each seed, uint8 (rows, columns, 3)."""
    rows = []
    for seed in SEEDS:
        # seeds a palette apart, so that the sheet shows different materials
        scene = families.build(seed * (families.PALETTE_SHARED_BY + 1), family, look)
        renderer.load(scene)
        pictures = [renderer.colour(v, WIDTH, HEIGHT, 4) for v in good_views(renderer, scene, VIEWS)]
        blank = [np.zeros((HEIGHT, WIDTH, 3), np.uint8)] * (VIEWS - len(pictures))
        rows.append(np.concatenate(pictures + blank, 1))
    return np.concatenate(rows)


def main() -> None:
    """Write FOLDER/<family>_<look>.png for every family and look."""
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    renderer = Renderer()
    for look in LOOKS:
        for family in families.FAMILIES:
            cv2.imwrite(str(folder / f"{family}_{look}.png"), sheet(renderer, family, look)[..., ::-1])


if __name__ == "__main__":
    main()
