"""Times every baseline on one photo: median seconds of reading, coarse map and tiles, of CPU time, and peak memory.

python benchmarks/baselines.py [--base nano] [--size 3840x2160] [--photo PHOTO] [--repeats 3] [--only poisson,tiles]

Each baseline runs in a process of its own, so that peaks don't mix. CPU seconds, of all threads, are what to read on a
busy machine. PatchFusion's Table 2 gives 31.875 s for Poisson
blending of a photo of this size, 9.729 s for deformation and 2.256 s for scale and shift, on one A100.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch

import hyperfocal
from hyperfocal import baselines, checkpoints
from hyperfocal.cli.bench import write_test_photo
from hyperfocal.cli.sizes import parse_size
from hyperfocal.machine import gemm_rate, keep_freed_memory, peak_rss_mb
from hyperfocal.models import find

STAGES = ("read", "coarse", "refine")


def main() -> None:
    """Print a Markdown table with a row for each baseline."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--base", default="nano")
    parser.add_argument("--size", default="3840x2160", type=parse_size)
    parser.add_argument("--photo", type=Path)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--only", default=",".join(baselines.BASELINES))
    parser.add_argument("--one", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(measure(options.one, options.photo, options.repeats)))
        return
    print(f"GEMM {gemm_rate(torch.device('cpu')):.0f} GFLOP/s, {torch.get_num_threads()} threads")
    print("| baseline | tiles | refined | read s | coarse s | tiles s | total s | CPU s | peak MB |")
    print("|---|---|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        photo = options.photo or write_test_photo(Path(folder) / "photo.jpg", *options.size)
        for what in options.only.split(","):
            directory = Path(folder) / f"baseline-{what}"
            checkpoints.save(directory, *baselines.on(what, find(options.base)))
            command = [sys.executable, __file__, "--one", str(directory), "--photo", str(photo)]
            command += ["--repeats", str(options.repeats)]
            row = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
            seconds = [row["seconds"][stage] for stage in STAGES]
            times = (*seconds, sum(seconds), row["cpu"])
            cells = [what, row["tiles"], row["refined"], *(f"{s:.2f}" for s in times)]
            print("| " + " | ".join(map(str, (*cells, f"{row['peak_mb']:.0f}"))) + " |", flush=True)


def measure(directory: str, photo: Path, repeats: int) -> dict[str, object]:
    """Predict `repeats` times after a warm-up and return the medians."""
    keep_freed_memory()
    model = hyperfocal.load(directory, device="cpu")
    model.predict(photo)
    reports, cpu = [], []
    for _ in range(repeats):
        start = time.process_time()
        reports.append(model.predict_with_report(photo)[1])
        cpu.append(time.process_time() - start)
    return {
        "tiles": reports[0].tiles,
        "refined": reports[0].refined,
        "seconds": {
            stage: statistics.median(report.seconds[stage] for report in reports) for stage in STAGES
        },
        "cpu": statistics.median(cpu),
        "peak_mb": peak_rss_mb() or float("nan"),
    }


if __name__ == "__main__":
    main()
