"""The training loop: AdamW, one cycle, clipping, averaged weights, checkpoints that survive anything.

A run is a folder: `state.pt` (to resume), `weights.safetensors` (the averaged weights), `recipe.json` and
`log.csv`. Everything random in step k comes from (seed, k), so a resumed run ends with the same weights as an
uninterrupted one.
"""

import csv
import json
import math
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import asdict
from pathlib import Path
from typing import Any

import cv2
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from hyperfocal import checkpoints
from hyperfocal.data.batches import Reader, batches
from hyperfocal.errors import HyperfocalError
from hyperfocal.train.recipes import Recipe
from hyperfocal.train.stages import WEIGHTS, Stage, model_config, stage

STATE = "state.pt"
RECIPE = "recipe.json"
LOG = "log.csv"
COLUMNS = ("step", "loss", "lr", "gradient_norm", "samples_per_second", "wait")


class Run:
    """One training run in its folder.

    Args:
        recipe: what to learn and how.
        folder: where the run lives; made if it is not there.
        resume: go on from the folder's last checkpoint.

    Raises:
        HyperfocalError: `resume` without a checkpoint, or a checkpoint without `resume`.
    """

    def __init__(self, recipe: Recipe, folder: Path, *, resume: bool = False) -> None:
        self.recipe, self.folder = recipe, folder
        torch.manual_seed(recipe.seed)
        self.stage: Stage[Any] = stage(recipe)
        self.networks = self.stage.networks.to(memory_format=torch.channels_last)
        self.average = Average(self.networks, recipe.ema)
        self.optimizer = torch.optim.AdamW(
            _groups(self.stage), lr=recipe.lr, weight_decay=recipe.weight_decay
        )
        self.step = 0
        folder.mkdir(parents=True, exist_ok=True)
        if resume:
            self._load()
        elif (folder / STATE).exists():
            raise HyperfocalError(f"{folder}: holds a run already; --resume goes on with it")
        _forget_after(self.step, folder / LOG)
        (folder / RECIPE).write_text(json.dumps(asdict(recipe), indent=2) + "\n")

    def train(self, reader: Reader, say: Callable[[str], None] = print) -> bool:
        """Trains to the last step, the time limit or SIGTERM/SIGINT, and leaves a checkpoint in every case.

        Returns:
            Whether the last step was reached.

        Raises:
            HyperfocalError: the loss is not a number; says in which step and on which samples.
        """
        recipe = self.recipe
        torch.set_num_threads(recipe.threads)
        cv2.setNumThreads(0)
        self.stage.train()
        dataset = self.stage.dataset(reader)
        source = batches(dataset, self.step, recipe.steps, workers=recipe.workers)
        started = saved = time.monotonic()
        meter = Meter(self.step, recipe, self.folder / LOG)
        with _stop_signals() as stopped:
            while self.step < recipe.steps and not stopped.is_set():
                if recipe.minutes is not None and time.monotonic() - started >= 60 * recipe.minutes:
                    break
                with meter.waiting():
                    batch = next(source)
                loss, norm = self._step(batch)
                if line := meter.update(self.step, loss, self.optimizer.param_groups[-1]["lr"], norm):
                    say(line)
                if time.monotonic() - saved >= 60 * recipe.save_minutes:
                    self.save()
                    saved = time.monotonic()
        self.save()
        done = self.step >= recipe.steps
        say(f"{'done' if done else 'stopped'} at step {self.step}/{recipe.steps}, saved in {self.folder}")
        return done

    def _step(self, batch: Any) -> tuple[float, float]:
        """One optimiser step; returns the loss and the gradient's norm before clipping."""
        factor, beta1 = one_cycle(self.step, self.recipe)
        for group in self.optimizer.param_groups:
            group["lr"], group["betas"] = group["peak"] * factor, (beta1, 0.999)
        torch.manual_seed(_mix(self.recipe.seed, self.step))  # dropout and stochastic depth
        generator = torch.Generator().manual_seed(_mix(self.recipe.seed + 1, self.step))
        loss = self.stage.loss(batch, generator)
        if not torch.isfinite(loss):
            raise HyperfocalError(f"loss is {loss.item()} in step {self.step} on {', '.join(batch.names)}")
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        norm = nn.utils.clip_grad_norm_(self.networks.parameters(), self.recipe.clip)
        self.optimizer.step()
        self.average.update(self.networks, self.step)
        self.step += 1
        return loss.item(), norm.item()

    def save(self) -> None:
        """Writes the checkpoint and the averaged weights; a reader never sees half a file."""
        state = {
            "step": self.step,
            "networks": self.networks.state_dict(),
            "average": self.average.state,
            "optimizer": self.optimizer.state_dict(),
        }
        _replace(self.folder / STATE, lambda path: torch.save(state, path))
        weights = {name: value.contiguous() for name, value in self.average.state.items()}
        _replace(self.folder / WEIGHTS, lambda path: save_file(weights, path))

    def export(self, directory: Path) -> None:
        """Writes the averaged weights in half precision as a model directory.

        Raises:
            HyperfocalError: the stage makes no model.
        """
        config = model_config(self.recipe)
        networks = deepcopy(self.networks)
        networks.load_state_dict(self.average.state)
        refiner = networks["refiner"] if config.refiner else None
        checkpoints.save(directory, config, networks["coarse"], refiner, torch.float16)

    def _load(self) -> None:
        path = self.folder / STATE
        if not path.is_file():
            raise HyperfocalError(f"{path}: nothing to resume")
        state = torch.load(path, map_location="cpu", weights_only=True)
        self.step = state["step"]
        self.networks.load_state_dict(state["networks"])
        self.average.state = state["average"]
        self.optimizer.load_state_dict(state["optimizer"])
        for group, peak in zip(self.optimizer.param_groups, _groups(self.stage), strict=True):
            group["peak"] = peak["peak"]  # the recipe's, which may have changed, not the checkpoint's


class Average:
    """Exponential moving average of weights and batch-norm statistics, short at first to forget the start.

    Args:
        networks: whose state is averaged.
        decay: at most; step k uses min(decay, (1 + k) / (10 + k)).
    """

    def __init__(self, networks: nn.Module, decay: float) -> None:
        self.decay = decay
        self.state: dict[str, Tensor] = {k: v.detach().clone() for k, v in networks.state_dict().items()}

    @torch.no_grad()
    def update(self, networks: nn.Module, step: int) -> None:
        """Takes in the networks' state after step `step`."""
        decay = min(self.decay, (1 + step) / (10 + step))
        for name, value in networks.state_dict().items():
            if value.is_floating_point():
                self.state[name].lerp_(value, 1 - decay)
            else:
                self.state[name].copy_(value)


class Meter:
    """Losses since the last log line, throughput and the share of time spent waiting for data."""

    def __init__(self, step: int, recipe: Recipe, path: Path) -> None:
        self.recipe, self.path = recipe, path
        self.first, self.began = step, time.monotonic()
        self._restart()

    def _restart(self) -> None:
        self.losses: list[float] = []
        self.norms: list[float] = []
        self.since, self.waited = time.monotonic(), 0.0

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Counts the time inside as waiting for data."""
        start = time.monotonic()
        yield
        self.waited += time.monotonic() - start

    def update(self, step: int, loss: float, lr: float, norm: float) -> str | None:
        """Notes a step; every `log_every` steps writes a row of `log.csv` and returns the line to show."""
        self.losses.append(loss)
        self.norms.append(norm)
        if step % self.recipe.log_every and step != self.recipe.steps:
            return None
        now = time.monotonic()
        rate = len(self.losses) * self.recipe.batch / (now - self.since)
        wait = self.waited / (now - self.since)
        mean = math.fsum(self.losses) / len(self.losses)
        left = (self.recipe.steps - step) * (now - self.began) / (step - self.first)
        row = (step, mean, lr, max(self.norms), rate, wait)
        _append(self.path, row)
        self._restart()
        return (
            f"step {step}/{self.recipe.steps}  loss {mean:.3f}  lr {lr:.1e}  gradient {row[3]:.1f}  "
            f"{rate:.1f} samples/s  wait {wait:.0%}  left {_clock(left)}"
        )


def one_cycle(step: int, recipe: Recipe) -> tuple[float, float]:
    """Factor on the peak learning rate, and beta1: both cosine, up and down once (Smith & Topin, 2018).

    From 1/div up to 1 in the first `pct` of the steps, then down to 1/(div · final_div); beta1 goes the
    other way, 0.95 → 0.85 → 0.95. PyTorch's OneCycleLR as a pure function, so `steps` may change when a run
    is resumed.
    """
    top = recipe.pct * recipe.steps - 1
    last = recipe.steps - 1
    start, end = 1 / recipe.div, 1 / (recipe.div * recipe.final_div)
    if step < top:
        part = step / top
        return _cosine(start, 1.0, part), _cosine(0.95, 0.85, part)
    part = min(1.0, (step - top) / (last - top))
    return _cosine(1.0, end, part), _cosine(0.85, 0.95, part)


def _cosine(a: float, b: float, part: float) -> float:
    return b + (a - b) * (1 + math.cos(math.pi * part)) / 2


def _groups(current: Stage[Any]) -> list[dict[str, Any]]:
    """Parameter groups; each parameter in the group of the first part that holds it, frozen ones in none."""
    taken: set[Tensor] = set()
    groups = []
    for module, factor in current.parts():
        parameters = [p for p in module.parameters() if p.requires_grad and p not in taken]
        taken.update(parameters)
        if parameters:
            groups.append({"params": parameters, "peak": factor * current.recipe.lr})
    return groups


@contextmanager
def _stop_signals() -> Iterator[threading.Event]:
    """SIGTERM and SIGINT set the event instead of ending the process; a second one ends it."""
    stopped = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stopped  # only the main thread may handle signals
        return

    def stop(number: int, _: object) -> None:
        stopped.set()
        signal.signal(number, before[signal.Signals(number)])

    before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stopped
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _replace(path: Path, write: Callable[[Path], None]) -> None:
    """Writes beside the path, then renames."""
    partial = path.with_name(f"{path.name}.partial")
    write(partial)
    partial.replace(path)


def _forget_after(step: int, path: Path) -> None:
    """Drops the log's rows of steps that the checkpoint does not know; they will be made again."""
    if path.exists():
        head, *rows = path.read_text().splitlines(keepends=True)
        path.write_text("".join([head, *(row for row in rows if int(row.split(",")[0]) <= step)]))


def _append(path: Path, row: tuple[float, ...]) -> None:
    new = not path.exists()
    with path.open("a", newline="") as file:
        writer = csv.writer(file)
        if new:
            writer.writerow(COLUMNS)
        writer.writerow(f"{value:.6g}" for value in row)


def _mix(seed: int, step: int) -> int:
    return (seed * 1_000_003 + step) % 2**63


def _clock(seconds: float) -> str:
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours}:{minutes:02d}"
