"""Do the papers' training ideas help? Small runs that differ in one thing each, scored on unseen frames.

python benchmarks/training_claims.py --data FRAMES --val UNSEEN --out FOLDER [--claims cat np gdu e2e] [--seeds 2]

Frames are in UnrealStereo4K's layout. A trial that is done is not trained again, so the script may be stopped and
started. It writes FOLDER/claims.md: mean over the seeds, and the range between them, of AbsRel, RMSE, SILog and SEE
of the 4 × 4 tiles stitched, and of the consistency error (CE) of overlapping tiles. The networks are tiny and the
runs short: a difference smaller than the range between seeds says nothing.
"""

import argparse
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file

from hyperfocal.coarse.blocks import resize
from hyperfocal.data.patches import PatchBatch, Patches, sampled
from hyperfocal.data.unrealstereo4k import UnrealStereo4K
from hyperfocal.metrics.consistency import consistency_boxes, consistency_error
from hyperfocal.metrics.depth import scores
from hyperfocal.metrics.edges import disparity_edges, soft_edge_error
from hyperfocal.tiles.plan import Box
from hyperfocal.train.engine import Run
from hyperfocal.train.recipes import recipe
from hyperfocal.train.stages import WEIGHTS, resumed
from hyperfocal.train.stages.networks import cropped

FloatMap = NDArray[np.float32]


@dataclass(frozen=True)
class Trial:
    """One run: a recipe, changes, and the trials that it starts from (keys of the recipe → names)."""

    recipe: str
    changes: tuple[str, ...] = ()
    starts: dict[str, str] = field(default_factory=dict)
    about: str = ""


_LONG, _REFINE = ("steps=800", "log_every=100"), ("steps=900", "log_every=100", "patches.process=(96,160)")
_V2 = {"coarse_from": "v2-coarse"}
TRIALS = {
    "pf-coarse": Trial("tiny-patches-coarse", _LONG),
    "pf-fine": Trial("tiny-fine", _LONG, {"coarse_from": "pf-coarse"}),
    "fusion": Trial(
        "tiny-patchfusion", (), {"coarse_from": "pf-coarse", "base_from": "pf-fine"}, "SILog alone"
    ),
    "fusion-cat": Trial(
        "tiny-patchfusion-cat",
        (),
        {"coarse_from": "pf-coarse", "base_from": "pf-fine"},
        "consistency-aware training",
    ),
    "v2-coarse": Trial("tiny-patches-coarse", (*_LONG, "patches.process=(96,160)")),
    "v2-noisy": Trial("tiny-patches-pretrain", _REFINE),
    "v2": Trial("tiny-patches-e2e", _REFINE, _V2, "end to end, gated, no pretraining"),
    "v2-np": Trial(
        "tiny-patches-e2e", _REFINE, {**_V2, "refiner_from": "v2-noisy"}, "after noisy pretraining"
    ),
    "v2-np-encoder": Trial(
        "tiny-patches-e2e", _REFINE, {**_V2, "encoder_from": "v2-noisy"}, "only its encoder"
    ),
    "v2-long": Trial(
        "tiny-patches-e2e", (*_REFINE, "steps=1800"), _V2, "no pretraining, as many steps as both together"
    ),
    "v2-ungated": Trial("tiny-patches-e2e", (*_REFINE, "refiner.denoise=none"), _V2, "without GDU"),
    "v2-fused": Trial("tiny-patches-e2e", (*_REFINE, "refiner.denoise=fuse"), _V2, "GDU → V1's fusion"),
    "v2-frozen": Trial("tiny-patches-e2e", (*_REFINE, "coarse_lr=0"), _V2, "coarse network frozen"),
}
CLAIMS = {
    "cat": ("fusion", "fusion-cat"),
    "np": ("v2", "v2-np", "v2-np-encoder", "v2-long"),
    "gdu": ("v2", "v2-ungated", "v2-fused"),
    "e2e": ("v2-frozen", "v2"),
}
COLUMNS = ("abs_rel", "rmse", "silog", "see", "ce")


def main() -> None:
    """Train what is not trained yet, score it, and write the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--val", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--claims", nargs="+", choices=CLAIMS, default=list(CLAIMS))
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--scale", type=float, default=1.0, help="of every run's steps")
    parser.add_argument("--override", nargs="*", default=[], help="key=value of every run, such as threads=2")
    options = parser.parse_args()
    lines = []
    for claim in options.claims:
        lines += [f"## {claim}", "", "| run | what | " + " | ".join(COLUMNS) + " | steps |"]
        lines.append("|---" * (len(COLUMNS) + 3) + "|")
        for name in CLAIMS[claim]:
            rows = []
            for seed in range(options.seeds):
                folder = trained(name, seed, options)
                rows.append(scored(folder, options.val))
                print(name, seed, rows[-1], flush=True)
            cells = [
                f"{np.mean(column):.4f} ± {np.ptp(column) / 2:.4f}" for column in zip(*rows, strict=True)
            ]
            steps = scaled_steps(TRIALS[name], options.scale)
            lines.append(f"| {name} | {TRIALS[name].about} | " + " | ".join(cells) + f" | {steps} |")
        lines.append("")
        (options.out / "claims.md").write_text("\n".join(lines) + "\n")
    print("\n".join(lines))


def trained(name: str, seed: int, options: argparse.Namespace) -> Path:
    """The folder of a trial's run, trained after those that it starts from. Coarse and fine runs serve all seeds."""
    trial = TRIALS[name]
    seed = seed if trial.about or name == "v2-noisy" else 0
    folder: Path = options.out / f"{name}-{seed}"
    done = folder / "done"
    if done.exists():
        return folder
    starts = [f"{key}={trained(start, seed, options)}" for key, start in trial.starts.items()]
    steps = f"steps={scaled_steps(trial, options.scale)}"
    changes = [*trial.changes, *options.override, *starts, steps, f"seed={621 + seed}"]
    started = time.monotonic()
    run = Run(recipe(trial.recipe, changes), folder, resume=(folder / WEIGHTS).exists())
    if not run.train(UnrealStereo4K(options.data), lambda line: print(f"{folder.name}: {line}", flush=True)):
        raise SystemExit(f"{folder.name}: stopped; start again to go on")
    done.write_text(f"{time.monotonic() - started:.0f} seconds\n")
    return folder


def scaled_steps(trial: Trial, scale: float) -> int:
    """The steps of a trial's run."""
    return round(scale * recipe(trial.recipe, trial.changes).steps)


def scored(folder: Path, val: Path) -> list[float]:
    """The means of COLUMNS over the unseen frames."""
    trial = TRIALS[folder.name.rpartition("-")[0]]
    made: Any = resumed(recipe(trial.recipe, trial.changes))
    made.networks.load_state_dict(load_file(folder / WEIGHTS))
    made.networks.eval()
    return np.mean([list(scores_of(*frame, made)) for frame in frames(val, made.recipe.patches)], 0).tolist()


def frames(val: Path, patches: Patches) -> Iterator[tuple[FloatMap, FloatMap]]:
    """Images in [0, 1] and metres of unseen frames, at the size that training has."""
    reader = UnrealStereo4K(val)
    for index in range(len(reader)):
        sample = reader[index]
        size = patches.image[::-1]
        image = cv2.resize(sample.image, size, interpolation=cv2.INTER_AREA)
        metres = cv2.resize(sample.metres, size, interpolation=cv2.INTER_NEAREST_EXACT)
        yield np.asarray(image, np.float32) / 255, np.asarray(metres, np.float32)


def scores_of(image: FloatMap, metres: FloatMap, made: Any) -> Iterator[float]:
    """COLUMNS of one frame."""
    patches, (height, width) = made.recipe.patches, metres.shape
    rows, columns = patches.raw
    grid = [Box(y, x, rows, columns) for y in range(0, height, rows) for x in range(0, width, columns)]
    tiles = predicted(image, grid, made).reshape(*patches.split, rows, columns)
    stitched = tiles.transpose(0, 2, 1, 3).reshape(height, width)
    found = scores(stitched, metres)
    yield from (found[key] for key in ("abs_rel", "rmse", "silog"))
    near, far = patches.depth
    known = (metres > near) & (metres < far)
    edges = disparity_edges(np.where(known, metres, 0)) & known
    yield soft_edge_error(np.clip(stitched, near, far), np.where(known, metres, 0), edges)
    overlapping, overlap = consistency_boxes(height, width)
    yield consistency_error(predicted(image, overlapping, made).reshape(4, 4, rows, columns), overlap)


@torch.no_grad()
def predicted(image: FloatMap, boxes: list[Box], made: Any) -> FloatMap:
    """Depth (K, *raw) of each box by itself."""
    process = made.recipe.patches.process
    scale = np.tile(np.divide(process, image.shape[:2]), 2)
    batch = PatchBatch(
        photo=sampled(image, process),
        windows=torch.cat([sampled(image[box.slices], process) for box in boxes]),
        boxes=torch.from_numpy((np.array(boxes) * scale).astype(np.float32)),
        owner=torch.zeros(len(boxes), dtype=torch.int64),
        target=torch.empty(0),
        label=None,
        shifts=None,
        names=(),
    )
    depth = made.refiner(batch.windows, *cropped(made.coarse(batch.photo), made.refiner, batch))
    return np.asarray(resize(depth, made.recipe.patches.raw)[:, 0].numpy(), np.float32)


if __name__ == "__main__":
    main()
