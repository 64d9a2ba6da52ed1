"""Checks the procedural world: python benchmarks/synth_check.py FOLDER [--scenes N] [--size WxH].

For every scene family and look it compares depth with Embree at random pixels, the left with the right view of a
stereo pair, and writes FOLDER/histograms.png (depth, density of depth edges, share of thin structure) and
FOLDER/check.json. Needs embreex and matplotlib.
"""

import argparse
import json
from pathlib import Path

import cv2
import numpy as np

from hyperfocal.synth import families
from hyperfocal.synth.looks import LOOKS
from hyperfocal.synth.referee import cast
from hyperfocal.synth.renderer import Renderer
from hyperfocal.synth.writer import BASELINE, good_views

DEPTH_BINS = np.array([*np.geomspace(0.1, 80, 41), *np.geomspace(100, 4000, 17)])
SHARE_BINS = np.linspace(0, 0.8, 41)


def relative_difference(ours: np.ndarray, theirs: np.ndarray) -> np.ndarray:
    """|ours − theirs| / theirs; 0 where both are inf, 1 where one is."""
    with np.errstate(invalid="ignore"):
        off = np.abs(ours - theirs) / theirs
    return np.where(ours == theirs, 0, np.nan_to_num(off, nan=1.0, posinf=1.0))


def beside_an_edge(depth: np.ndarray, pixels: np.ndarray) -> np.ndarray:
    """Which of `pixels` (n, 2) have a neighbour, of eight, whose depth differs by more than 1 %."""
    inverse = np.pad(1 / depth, 1, mode="edge")
    low, high = cv2.erode(inverse, np.ones((3, 3))), cv2.dilate(inverse, np.ones((3, 3)))
    return (high > low * 1.01)[1:-1, 1:-1][tuple(pixels.T)]


def left_right(left: np.ndarray, right: np.ndarray, focal: float) -> tuple[float, float]:
    """Share of left pixels that the right picture shows, and of these the share that agrees.

    A pixel falls between two pixels of the right picture. It is hidden there if one of them is nearer by more than
    1 %, and agrees if its disparity lies between theirs, give or take 1 %.
    """
    rows, columns = np.nonzero(np.isfinite(left))
    d = focal * BASELINE / left[rows, columns]
    x = columns - d
    inside = (x >= 0) & (x <= left.shape[1] - 1.001)
    rows, d, i = rows[inside], d[inside], x[inside].astype(int)
    with np.errstate(divide="ignore"):
        disparity = focal * BASELINE / right
    near = np.maximum(disparity[rows, i], disparity[rows, i + 1])
    far = np.minimum(disparity[rows, i], disparity[rows, i + 1])
    shown, slack = near < 1.01 * d + 0.01, 0.01 * d + 0.01
    agree = (near > d - slack) & (far < d + slack)
    return float(shown.sum() / len(columns)), float(agree[shown].mean())


def edges_and_thin(depth: np.ndarray) -> tuple[float, float]:
    """Shares of pixels on a depth edge and on thin structure.

    An edge pixel's inverse depth is 10 % above a 4-neighbour's. Thin structure is what a morphological opening of
    inverse depth with a square of 1/64 of the width takes away by more than 10 %: nearer than both its sides.
    """
    inverse = np.maximum(1 / depth, 1e-4).astype(np.float32)
    cross = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))
    edge = inverse > cv2.erode(inverse, cross) * 1.1
    side = max(3, depth.shape[1] // 64)
    opened = cv2.morphologyEx(inverse, cv2.MORPH_OPEN, np.ones((side, side), np.uint8))
    return float(edge.mean()), float((inverse > opened * 1.1).mean())


def check(renderer: Renderer, family: str, look: str, scenes: int, size: tuple[int, int]) -> dict:
    """Figures of `scenes` scenes, two views each, of a family in a look."""
    width, height = size
    rng = np.random.default_rng(0)
    off, edge, pairs, shares, counts, sky = [], [], [], [], np.zeros(len(DEPTH_BINS) - 1), []
    for seed in range(scenes):
        scene = families.build(seed, family, look)
        renderer.load(scene, 1, 64)
        views = good_views(renderer, scene, 2)
        pixels = rng.integers(0, (height, width), (20000, 2))
        truth = cast(scene, views, width, height, pixels)
        for view, theirs in zip(views, truth, strict=True):
            depth = renderer.depth(view, width, height)
            off.append(relative_difference(depth[tuple(pixels.T)], theirs))
            edge.append(beside_an_edge(depth, pixels))
            focal = width / 2 / np.tan(view.fov / 2)
            pairs.append(left_right(depth, renderer.depth(view, width, height, BASELINE), focal))
            shares.append(edges_and_thin(depth))
            counts += np.histogram(depth[np.isfinite(depth)], DEPTH_BINS)[0]
            sky.append(np.isinf(depth).mean())
    wrong, beside = np.concatenate(off), np.concatenate(edge)
    return {
        "pixels": len(wrong),
        "median": float(np.median(wrong[np.isfinite(wrong)])),
        "p99": float(np.quantile(wrong, 0.99)),
        "off_1_percent": float((wrong > 0.01).mean()),
        "off_1_percent_away_from_edges": float((wrong > 0.01)[~beside].mean()),
        "shown_in_right": float(np.mean([p[0] for p in pairs])),
        "left_right_agree": float(np.mean([p[1] for p in pairs])),
        "sky": float(np.mean(sky)),
        "within_80_m": float(counts[DEPTH_BINS[1:] <= 80].sum() / counts.sum()),
        "edges": [s[0] for s in shares],
        "thin": [s[1] for s in shares],
        "depth": (counts / counts.sum()).tolist(),
    }


def histograms(results: dict[str, dict], path: Path) -> None:
    """Draw a row for each family and look: depth, edge density over frames, thin structure over frames."""
    from matplotlib.figure import Figure

    figure = Figure((12, 1.5 * len(results) + 1), layout="constrained")
    axes = figure.subplots(len(results), 3, squeeze=False)
    for row, (name, result) in zip(axes, results.items(), strict=True):
        row[0].stairs(result["depth"], DEPTH_BINS, fill=True)
        row[0].set(xscale="log", ylabel=name)
        for axis, key in ((row[1], "edges"), (row[2], "thin")):
            axis.hist(result[key], SHARE_BINS)
            axis.axvline(np.mean(result[key]), color="black")
    for axis, title in zip(
        axes[0], ("depth, m", "share of edge pixels", "share of thin pixels"), strict=True
    ):
        axis.set_title(title)
    figure.savefig(path, dpi=80)


def main() -> None:
    """Run all checks, print a line for each family and look."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--scenes", type=int, default=3, help="of each family and look")
    parser.add_argument("--size", default="1920x1080")
    options = parser.parse_args()
    width, height = map(int, options.size.split("x"))
    options.folder.mkdir(parents=True, exist_ok=True)
    renderer, results = Renderer(), {}
    for look in LOOKS:
        for family in families.FAMILIES:
            r = results[f"{family} {look}"] = check(renderer, family, look, options.scenes, (width, height))
            print(
                f"{family:9} {look:5} median {r['median']:.1e} p99 {r['p99']:.1e}"
                f" off >1 % {100 * r['off_1_percent']:.3f} % ({100 * r['off_1_percent_away_from_edges']:.4f} % away"
                f" from edges); in the right view {100 * r['shown_in_right']:.1f} %, of these agree"
                f" {100 * r['left_right_agree']:.2f} %; edges {100 * np.mean(r['edges']):.1f} %,"
                f" thin {100 * np.mean(r['thin']):.1f} %, sky {100 * r['sky']:.0f} %,"
                f" within 80 m {100 * r['within_80_m']:.0f} %",
                flush=True,
            )
    (options.folder / "check.json").write_text(json.dumps(results, indent=1))
    histograms(results, options.folder / "histograms.png")


if __name__ == "__main__":
    main()
