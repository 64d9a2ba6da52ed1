"""Renders a sheet of every scene family and look: python benchmarks/synth_contact_sheet.py FOLDER [LOOK]."""

import sys
from pathlib import Path

import cv2
import numpy as np

from hyperfocal.synth import families
from hyperfocal.synth.families import PALETTE_SHARED_BY
from hyperfocal.synth.looks import LOOKS
from hyperfocal.synth.renderer import Renderer
from hyperfocal.synth.scene import Scene
from hyperfocal.synth.writer import good_views

WIDTH, HEIGHT, VIEWS, SCENES = 320, 180, 3, 2


def row(renderer: Renderer, scene: Scene) -> np.ndarray:
    """Pictures of a scene side by side, uint8 (HEIGHT, VIEWS · WIDTH, 3); black where it has no more views."""
    renderer.load(scene)
    pictures = [renderer.colour(view, WIDTH, HEIGHT) for view in good_views(renderer, scene, VIEWS)]
    blank = [np.zeros((HEIGHT, WIDTH, 3), np.uint8)] * (VIEWS - len(pictures))
    return np.concatenate(pictures + blank, 1)


def main() -> None:
    """Write FOLDER/<family>_<look>.png for every family and look, a row for each scene."""
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    renderer = Renderer()
    for look in sys.argv[2:] or LOOKS:
        rows: dict[str, list[np.ndarray]] = {family: [] for family in families.FAMILIES}
        for block in range(SCENES):  # each with a palette of its own
            for family, done in rows.items():
                done.append(row(renderer, families.build(block * PALETTE_SHARED_BY + block, family, look)))
                sheet = np.concatenate(done)[..., ::-1]
                cv2.imwrite(str(folder / f"{family}_{look}.png"), sheet)


if __name__ == "__main__":
    main()
