"""`hyperfocal bench`: seconds, FLOP and memory of a prediction, and what this machine could reach."""

import json
import statistics
import tempfile
import time
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from hyperfocal.cli.sizes import parse_size
from hyperfocal.machine import cpu_name, gemm_rate, keep_freed_memory, peak_rss_mb

STAGES = ("read", "coarse", "refine", "write", "total")


def bench(
    model: Annotated[str, typer.Option(help="Bundled name, local directory or hub id.")] = "nano",
    size: Annotated[str, typer.Option(help="Width x height of the test photo.")] = "3840x2160",
    photo: Annotated[Path | None, typer.Option(help="A photo instead of the test photo.")] = None,
    tiling: Annotated[str, typer.Option(help="As for predict.")] = "auto",
    repeats: Annotated[int, typer.Option(min=1, help="Predictions; medians are given.")] = 3,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:N or mps.")] = "auto",
    dtype: Annotated[str, typer.Option(help="auto, float32, bfloat16 or float16.")] = "auto",
    threads: Annotated[int | None, typer.Option(min=1, help="CPU threads; all cores if not given.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")] = False,
) -> None:
    """Time predictions from JPEG to EXR, and compare them with this machine's own matrix multiplication."""
    width, height = parse_size(size)
    keep_freed_memory()
    start = time.perf_counter()
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from hyperfocal.loading import load
    from hyperfocal.tiles.tiling import Tiling

    if threads is not None:
        torch.set_num_threads(threads)
    network = load(model, device=device, dtype=dtype)
    load_seconds = time.perf_counter() - start
    runs = []
    with tempfile.TemporaryDirectory() as folder:
        source = photo or write_test_photo(Path(folder) / "photo.jpg", width, height)
        for _ in range(repeats):
            start = time.perf_counter()
            depth, report = network.predict_with_report(source, Tiling(tiling))
            predicted = time.perf_counter()
            depth.save(Path(folder) / "photo.exr")
            end = time.perf_counter()
            runs.append({**report.seconds, "write": end - predicted, "total": end - start})
        peak = peak_rss_mb()  # before anything but predictions takes memory
        with FlopCounterMode(display=False) as counter:
            network.predict(source, tiling=tiling)
    seconds = {stage: statistics.median(run[stage] for run in runs) for stage in STAGES}
    gflop = counter.get_total_flops() / 1e9
    rate, gemm = gflop / (seconds["coarse"] + seconds["refine"]), gemm_rate(network.device)
    result = {
        "model": network.name,
        "width": depth.metres.shape[1],
        "height": depth.metres.shape[0],
        "tiling": tiling,
        "tiles": report.tiles,
        "refined": report.refined,
        "repeats": repeats,
        "seconds": {"load": load_seconds, **seconds},
        "gflop": gflop,
        "gflop_per_second": rate,
        "gemm_gflop_per_second": gemm,
        "fraction": rate / gemm,
        "peak_rss_mb": peak,
        "torch": torch.__version__,
        "device": str(network.device),
        "dtype": str(network.dtype).removeprefix("torch."),
        "threads": torch.get_num_threads(),
        "cpu": cpu_name(),
        "date": datetime.now().astimezone().isoformat(timespec="seconds"),
    }
    typer.echo(json.dumps(result) if as_json else _table(result))


def write_test_photo(path: Path, width: int, height: int) -> Path:
    """Write a photo with detail everywhere, the same each time: waves of many sizes and some noise.

    Made in bands of rows, so that it doesn't count in the peak of the memory.
    """
    import numpy as np
    from PIL import Image

    generator = np.random.default_rng(0)
    pixels = np.empty((height, width, 3), np.uint8)
    x = np.arange(width, dtype=np.float32)
    for y, row in enumerate(pixels):
        waves = sum(np.sin(x / period + y / (2 * period) + period) for period in (3, 17, 90, 400))
        noise = generator.integers(-20, 20, (width, 3))
        row[:] = np.clip(128 + 25 * np.asarray(waves)[:, None] + noise, 0, 255)
    Image.fromarray(pixels).save(path, quality=90)
    return path


def _table(result: dict[str, Any]) -> str:
    """The result for people."""
    lines = [f"{result['model']}, {result['width']}x{result['height']}, {result['tiles']} tiles"]
    lines += [f"  {stage:<8}{seconds:8.3f} s" for stage, seconds in result["seconds"].items()]
    lines += [
        f"  {result['gflop']:.1f} GFLOP at {result['gflop_per_second']:.1f} GFLOP/s, "
        f"{result['fraction']:.0%} of this machine's GEMM ({result['gemm_gflop_per_second']:.1f} GFLOP/s)",
        "  peak memory unknown"
        if result["peak_rss_mb"] is None
        else f"  peak memory {result['peak_rss_mb']:.0f} MB",
        f"  torch {result['torch']}, {result['device']}, {result['dtype']}, {result['threads']} threads, "
        f"{result['cpu']}, {result['date']}",
    ]
    return "\n".join(lines)
