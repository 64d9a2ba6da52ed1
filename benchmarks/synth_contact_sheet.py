"""Renders a sheet of pictures of every scene family, to look at: python benchmarks/synth_contact_sheet.py FOLDER."""

import sys
from pathlib import Path

import cv2
import numpy as np

from hyperfocal.synth import families
from hyperfocal.synth.renderer import Renderer
from hyperfocal.synth.writer import good_views

WIDTH, HEIGHT, VIEWS, SEEDS = 320, 180, 3, range(4)


def sheet(renderer: Renderer, family: str) -> np.ndarray:
    """One row of views for each seed, uint8 (rows, columns, 3)."""
    rows = []
    for seed in SEEDS:
        scene = families.build(seed, family)
        renderer.load(scene)
        pictures = [renderer.colour(v, WIDTH, HEIGHT, 4) for v in good_views(renderer, scene, VIEWS)]
        blank = [np.zeros((HEIGHT, WIDTH, 3), np.uint8)] * (VIEWS - len(pictures))
        rows.append(np.concatenate(pictures + blank, 1))
    return np.concatenate(rows)


def main() -> None:
    """Write FOLDER/<family>.png for every family."""
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    renderer = Renderer()
    for family in families.FAMILIES:
        cv2.imwrite(str(folder / f"{family}.png"), sheet(renderer, family)[..., ::-1])


if __name__ == "__main__":
    main()
