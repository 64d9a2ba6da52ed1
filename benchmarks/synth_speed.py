"""Times `hyperfocal synth` at three sizes: python benchmarks/synth_speed.py [SIZE FRAMES VIEWS PASSES]."""

import resource
import subprocess
import sys
import tempfile
import time

RUNS = [("512x288", 96, 12, 2), ("960x540", 24, 6, 2), ("3840x2160", 8, 4, 2)]  # size, frames, views, passes


def main() -> None:
    """Print CPU-seconds a frame over all processes, what two free cores make of them, and the largest process."""
    chosen = [(sys.argv[1], *map(int, sys.argv[2:5]))] if len(sys.argv) > 1 else RUNS
    for size, frames, views, passes in chosen:
        before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        with tempfile.TemporaryDirectory() as folder:
            options = {
                "out": folder,
                "frames": frames,
                "size": size,
                "views": views,
                "passes": passes,
                "workers": 2,
            }
            words = [word for key, value in options.items() for word in (f"--{key}", str(value))]
            code = "from hyperfocal.cli import main; main()"
            subprocess.run([sys.executable, "-c", code, "synth", *words], check=True)
        after, wall = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter() - start
        cpu = (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) / frames
        print(
            f"{size}, {views} views a scene: {cpu:.2f} CPU-s a frame, {7200 / cpu:.0f} frames/h on two free cores;"
            f" here {3600 * frames / wall:.0f} frames/h; largest process {after.ru_maxrss / 1e6:.2f} GB",
            flush=True,
        )


if __name__ == "__main__":
    main()
