"""Measures the loader: crops and whole photos a second by worker processes, and its share of a training step.

python benchmarks/loader.py unrealstereo4k:FOLDER packed:FOLDER [--recipe nano-e2e]
"""

import argparse
import time
from collections.abc import Callable, Iterator

import cv2
import numpy as np
import torch
from torch.utils.data import Dataset

from hyperfocal.data import crops
from hyperfocal.data.augment import Look, degrade
from hyperfocal.data.batches import Reader, batches
from hyperfocal.data.kinds import open_data
from hyperfocal.tiles.plan import Box
from hyperfocal.train.recipes import recipe
from hyperfocal.train.stages import resumed

CROP, PROCESS = (540, 960), (384, 512)


class Items(Dataset[torch.Tensor]):
    """One augmented photo at the process size an index: whole, or the part of it that `choose` picks."""

    def __init__(self, reader: Reader, choose: Callable[[np.random.Generator, crops.Size], Box]) -> None:
        self.reader, self.choose = reader, choose

    def __getitem__(self, step: int) -> torch.Tensor:
        rng = np.random.default_rng(step)
        index = self.reader.draw(rng, 0, step)
        sample = self.reader.crop(index, lambda size: self.choose(rng, size))
        sample = crops.resize(sample, PROCESS)
        return torch.from_numpy(degrade(Look.draw(rng)(sample.image), rng))


def whole(rng: np.random.Generator, size: crops.Size) -> Box:
    """All of it."""
    return Box(0, 0, *size)


def random_crop(rng: np.random.Generator, size: crops.Size) -> Box:
    """A sixteenth of a 4K frame anywhere."""
    return crops.place_box(rng, size, CROP)


def rate(source: Iterator[object], seconds: float) -> float:
    """Items a second of an endless source, after a few to start with."""
    for _ in range(4):
        next(source)
    start, count = time.perf_counter(), 0
    while time.perf_counter() - start < seconds:
        next(source)
        count += 1
    return count / (time.perf_counter() - start)


def work(task: Callable[[int], object], count: int) -> float:
    """CPU seconds of one of `count` tasks after the first, over all threads: other programs don't change it."""
    task(0)
    start = time.process_time()
    for step in range(1, count + 1):
        task(step)
    return (time.process_time() - start) / count


def share(name: str, reader: Reader) -> tuple[float, float]:
    """CPU seconds of a recipe's batch, and of a training step with it."""
    chosen = recipe(name)
    torch.set_num_threads(chosen.threads)
    learner = resumed(chosen)  # weights say nothing of time
    learner.train()
    dataset = learner.dataset(reader)
    batch = dataset[0]
    generator = torch.Generator().manual_seed(0)
    return work(dataset.__getitem__, 8), work(lambda _: learner.loss(batch, generator).backward(), 2)


def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", nargs="+", metavar="KIND:PATH")
    parser.add_argument("--recipe", default="nano-e2e")
    parser.add_argument("--seconds", type=float, default=10, help="of each measurement")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    print("| data | read | CPU ms | 1 worker, /s | 2 workers, /s |")
    print("|---|---|---|---|---|")
    for name in options.data:
        for what, choose in (("540×960 crop", random_crop), ("whole photo", whole)):
            dataset = Items(open_data(name), choose)
            cpu = 1000 * work(dataset.__getitem__, 28)
            one, two = (
                rate(batches(dataset, 0, 10**6, workers=workers), options.seconds) for workers in (1, 2)
            )
            print(f"| {name.partition(':')[0]} | {what} | {cpu:.0f} | {one:.1f} | {two:.1f} |", flush=True)
    for name in options.data:
        loading, learning = share(options.recipe, open_data(name))
        print(
            f"\n{options.recipe} on {name.partition(':')[0]}: a batch takes {loading:.2f} CPU s, "
            f"a training step {learning:.2f} CPU s: {loading / (loading + learning):.0%} of both",
            flush=True,
        )


if __name__ == "__main__":
    main()
