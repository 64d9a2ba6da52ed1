"""The published systems on ZoeDepth with random weights: a tile, or a whole 4K photo, beside the published code.

Every system is written to a model directory and loaded from it in a process of its own, so that the peak of memory is
its own, and a user's. Rates are shared by all that runs on
the machine, so they are given as fractions of a matrix product's (2048 × 2048, float32) in the same process: by wall
time, and by CPU time, which doesn't count the waiting.

    python benchmarks/published.py                     # all systems, one tile of each
    python benchmarks/published.py prv2_m --whole      # 2160 × 3840, P=16: minutes
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from hyperfocal.machine import keep_freed_memory, peak_rss_mb

if TYPE_CHECKING:
    from hyperfocal.predictor import Model

SIZE = (384, 512)
BASE = {"kind": "zoedepth"}
PHOTO = (2160, 3840)


class Published(NamedTuple):
    """A refiner, and what its published code took on 2 cores with a GEMM of 250 to 300 GFLOP/s, where known.

    Attributes:
        refiner: its kind and arguments.
        seconds: of a tile.
        gflop: of a tile.
        peak_gib: of a whole photo for PatchRefiner V2, after one tile for the others.
    """

    refiner: dict[str, Any]
    seconds: float | None = None
    gflop: float | None = None
    peak_gib: float | None = None


def systems() -> dict[str, Published]:
    """The systems, and what the published code took."""
    from hyperfocal.refine.patchrefiner_v2 import paper

    cvpr = {"kind": "patchfusion_cvpr", "base": BASE, "size": SIZE}
    return {
        "prv2_m": Published({"kind": "patchrefiner_v2", **paper("M")}, 7.73, 897.1, 10.1),
        "prv1": Published({"kind": "patchrefiner", "base": BASE}, 16.55, 1755.7, 6.36),
        "patchfusion": Published({"kind": "patchfusion", "base": BASE, "size": SIZE}, 33.6, 3551.9, 8.08),
        "patchfusion_cvpr": Published(cvpr),
    }


def write(name: str, directory: str) -> None:
    """Write a system with random weights."""
    import torch

    from hyperfocal.checkpoints import ModelConfig, build, save

    config = ModelConfig(
        coarse=BASE,
        refiner=systems()[name].refiner,
        coarse_size=SIZE,
        tile_size=SIZE,
        keep_aspect=False,
        canonical_focal=None,
        sky_from=None,
        licence="none: random weights",
        description=name,
    )
    torch.manual_seed(0)
    save(directory, config, *build(config))


def measure(name: str, directory: str, repeats: int, whole: bool, threads: int) -> dict[str, Any]:
    """Return the figures of one system, in this process."""
    keep_freed_memory()
    import torch

    import hyperfocal

    torch.set_num_threads(threads)
    start = time.perf_counter()
    model = hyperfocal.load(directory, device="cpu")
    result = {"system": name, "threads": threads, "load": time.perf_counter() - start}
    return result | (measure_photo(model) if whole else measure_tile(model, repeats))


def measure_photo(model: Model) -> dict[str, Any]:
    """Return the figures of a whole photo, P=16."""
    import numpy as np

    from hyperfocal.tiles.tiling import Tiling

    photo = np.random.default_rng(0).integers(0, 256, (*PHOTO, 3), np.uint8)
    report: dict[str, Any] = {}

    def predict() -> None:
        report.update(model.predict_with_report(photo, Tiling("p16"))[1].seconds)

    return {"photo": timed(predict, 1), "stages": report, "peak_gib": peak_gib(), "gemm": gemm()}


def measure_tile(model: Model, repeats: int) -> dict[str, Any]:
    """Return the figures of what is done once, of the crops of a tile, and of the tile."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    refiner = model.refiner
    assert refiner is not None
    image = torch.rand(1, 3, *SIZE).contiguous(memory_format=torch.channels_last)
    box = torch.tensor([[810, 1920, 540, 960]])
    with torch.inference_mode():
        depth, features = model.coarse(image)
        maps = refiner.whole(features)
        crops = refiner.crops(depth, maps, box, PHOTO, SIZE)
        steps: dict[str, Callable[[], object]] = {
            "once": lambda: refiner.whole(model.coarse(image).features),
            "crops": lambda: refiner.crops(depth, maps, box, PHOTO, SIZE),
            "tile": lambda: refiner(image, *crops),
        }
        steps["tile"]()
        result: dict[str, Any] = {"peak_gib": peak_gib()}
        before = gemm()
        result |= {name: timed(step, repeats) for name, step in steps.items()}
        after = gemm()
        for name, step in steps.items():
            with FlopCounterMode(display=False) as counter:
                step()
            result[name]["gflop"] = counter.get_total_flops() / 1e9
    result["gemm"] = {clock: max(before[clock], after[clock]) for clock in before}
    tile = result["tile"]
    result["of_gemm"] = {c: tile["gflop"] / tile[c] / result["gemm"][c] for c in result["gemm"]}
    return result


def gemm() -> dict[str, float]:
    """GFLOP a second and a CPU-second of a matrix product, the best of five."""
    import torch

    a = torch.rand(2048, 2048)
    runs = [timed(lambda: a @ a, 1) for _ in range(5)]
    return {clock: 2 * 2048**3 / min(run[clock] for run in runs) / 1e9 for clock in runs[0]}


def timed(run: Callable[[], object], repeats: int) -> dict[str, float]:
    """Median seconds and CPU-seconds of a call."""
    runs = []
    for _ in range(repeats):
        start, cpu = time.perf_counter(), time.process_time()
        run()
        runs.append((time.perf_counter() - start, time.process_time() - cpu))
    seconds, cpu_seconds = map(statistics.median, zip(*runs, strict=True))
    return {"seconds": seconds, "cpu_seconds": cpu_seconds}


def peak_gib() -> float:
    """Most memory that this process has held so far."""
    return (peak_rss_mb() or 0) * 1e6 / 2**30


def main() -> None:
    """Measure, each system in a process of its own."""
    parser = argparse.ArgumentParser(description="The published systems, beside their published code.")
    parser.add_argument("systems", nargs="*", help="prv2_m, prv1, patchfusion, patchfusion_cvpr; all if none")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--whole", action="store_true", help="a whole photo instead of a tile")
    args = parser.parse_args()
    spawn = multiprocessing.get_context("spawn")
    for name in args.systems or systems():
        with tempfile.TemporaryDirectory() as directory:
            with spawn.Pool(1) as alone:
                alone.apply(write, (name, directory))
            with spawn.Pool(1) as alone:
                result = alone.apply(measure, (name, directory, args.repeats, args.whole, args.threads))
        published = systems()[name]._asdict()
        published.pop("refiner")
        print(json.dumps(result | {"published": published}), flush=True)


if __name__ == "__main__":
    main()
