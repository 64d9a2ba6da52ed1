"""The training loop on Accelerate: AdamW, one cycle, clipping, averaged weights, checkpoints that survive anything.

A run is a folder: `checkpoints/` (to resume), `weights.safetensors` (the averaged weights), `recipe.json`,
`log.csv`, `validation.csv` and `tensorboard/`. Everything random in step k comes from (seed, k), and from a
photo's place in the batch: a resumed run ends with the same weights as an uninterrupted one, and many
processes with those of one.
"""

import logging
import math
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import cv2
import torch
from accelerate import Accelerator, DistributedDataParallelKwargs
from accelerate.utils import DistributedType, send_to_device
from timm.layers.norm_act import convert_sync_batchnorm
from torch import Tensor, nn
from torch.utils._pytree import tree_map

from hyperfocal import checkpoints
from hyperfocal.checkpoints.state import write_state
from hyperfocal.data.batches import Reader, Share, batches
from hyperfocal.data.kinds import DataSet
from hyperfocal.errors import HyperfocalError
from hyperfocal.loading import assemble, choose_device
from hyperfocal.predictor import Model
from hyperfocal.train import checkpoint, processes
from hyperfocal.train.average import Average
from hyperfocal.train.batch_norm import synchronise
from hyperfocal.train.groups import groups
from hyperfocal.train.journal import Journal, OnRow
from hyperfocal.train.meter import Meter
from hyperfocal.train.progress import Bar
from hyperfocal.train.recipes import Recipe, write_recipe
from hyperfocal.train.recompute import recompute
from hyperfocal.train.schedule import one_cycle
from hyperfocal.train.stages import WEIGHTS, OnNoise, Stage, model_config, resumed, stage
from hyperfocal.train.stop import stop_signals
from hyperfocal.train.validation import picture, validate

PRECISIONS = {None: None, "fp32": "no", "bf16": "bf16", "fp16": "fp16"}

log = logging.getLogger(__name__)


class Run:
    """One training run in its folder; made and used alike in every process of it.

    Args:
        recipe: what to learn and how.
        folder: where the run lives; made if it is not there.
        resume: go on from the folder's last checkpoint.

    Attributes:
        step: how many are done.
        interrupted: a signal ended `train` before the last step.

    Raises:
        HyperfocalError: `resume` without a checkpoint, or with one of other networks, or a checkpoint without
            `resume`; a precision that isn't known.
    """

    def __init__(self, recipe: Recipe, folder: Path, *, resume: bool = False) -> None:
        self.recipe, self.folder = recipe, folder
        if not resume and checkpoint.checkpoints(folder):
            raise HyperfocalError(f"{folder}: holds a run already; --resume goes on with it")
        self.accelerator = _accelerator(recipe.precision)
        self.share = Share(processes.index(), processes.count(), recipe.accumulate)
        torch.manual_seed(recipe.seed)
        self.stage: Stage[Any] = resumed(recipe) if resume else stage(recipe)
        self.networks = self.stage.networks
        if self.accelerator.distributed_type is not DistributedType.FSDP:  # which wants contiguous weights
            self.networks.to(memory_format=torch.channels_last)
        state = checkpoint.load(folder) if resume else None
        if state is not None:
            checkpoint.restore(self.networks, state, folder)
        self.step, self.interrupted = 0 if state is None else state["step"], False
        self._prepare()
        self.average = Average(self.networks, recipe.ema)
        if state is not None:
            self._load(state)
        if self.accelerator.is_main_process:
            checkpoint.clear(folder)
            write_recipe(recipe, folder)

    def _prepare(self) -> None:
        """Hands networks and optimiser to Accelerate: devices, precision, DDP or FSDP."""
        if self.recipe.recompute:
            recompute(self.networks)
        if self.recipe.compile:
            for network in self.networks.values():
                for part in (network, *network.children()):  # stages call some networks by their parts
                    part.compile()
        if self.share.processes > 1 and self.accelerator.device.type == "cuda":
            convert_sync_batchnorm(self.networks)  # type: ignore[no-untyped-call]
        elif self.share.processes > 1:
            synchronise(self.networks)
        optimizer = torch.optim.AdamW(groups(self.stage), lr=self.recipe.lr)
        self.whole, self.optimizer = self.accelerator.prepare(_Whole(self.networks), optimizer)

    def _load(self, state: dict[str, Any]) -> None:
        """Takes in what a checkpoint holds besides the networks."""
        self.average.load(
            {name: processes.like(v, self.average.state[name]) for name, v in state["average"].items()}
        )
        there, here = (
            [len(group["params"]) for group in found]
            for found in (state["optimizer"]["param_groups"], self.optimizer.param_groups)
        )
        if there != here:
            raise HyperfocalError(
                f"{self.folder}: groups of {there} parameters learnt so far, {here} by the recipe; a run can't "
                "change what is frozen or which parts decay alike"
            )
        self.optimizer.load_state_dict(_cut(state["optimizer"], self.optimizer))
        for group, peak in zip(self.optimizer.param_groups, groups(self.stage), strict=True):
            for key in ("peak", "weight_decay"):  # the recipe's, which may have changed, not the checkpoint's
                group[key] = peak[key]
        if self.accelerator.scaler is not None and "scaler" in state:
            self.accelerator.scaler.load_state_dict(state["scaler"])

    def train(
        self,
        reader: Reader,
        say: Callable[[str], None] = print,
        validation: DataSet | None = None,
        on_row: OnRow = lambda kind, row: None,
    ) -> bool:
        """Trains to the last step, the time limit or SIGTERM/SIGINT, and leaves a checkpoint in every case.

        Args:
            reader: photos to learn from.
            say: gets a line of text every `log_every` steps.
            validation: photos to score the averaged weights on.
            on_row: gets each row of measurements, after its kind: "train" or "validation". In one process only.

        Returns:
            Whether the last step was reached; if not, `interrupted` says whether it was a signal.

        Raises:
            HyperfocalError: the loss or its gradient is not a number; says in which step and on which samples.
                Checkpoints stay as they were.
        """
        recipe, main = self.recipe, self.accelerator.is_main_process
        torch.set_num_threads(recipe.threads)
        cv2.setNumThreads(0)
        self.stage.train()
        source = batches(
            self.stage.dataset(reader),
            self.step,
            recipe.steps,
            workers=recipe.workers,
            batch=recipe.batch,
            share=self.share,
        )
        seen: Any = reader if validation is None else validation
        started = saved = time.monotonic()
        meter = Meter(self.step, recipe)
        with (
            stop_signals() as stopped,
            Journal(self.folder, self.step, writes=main, on_row=on_row) as journal,
            Bar(self.step, recipe.steps, shown=main) as bar,
        ):
            first = self.step
            while self.step < recipe.steps:
                now = time.monotonic()
                late = recipe.minutes is not None and now - started >= 60 * recipe.minutes
                self.interrupted, late, save = processes.any_process(
                    stopped.is_set(),
                    late,
                    now - saved >= 60 * recipe.save_minutes,
                    device=self.accelerator.device,
                )
                if self.interrupted or late:
                    break
                if save:
                    with meter.pausing():
                        self.save()
                    saved = time.monotonic()
                loss, norm = self._step(source, meter)
                lr = self.optimizer.param_groups[-1]["lr"]
                if row := meter.update(self.step, loss, lr, norm):
                    journal.log(row._asdict())
                    if main:
                        say(f"step {self.step}/{recipe.steps}  {row}  left {meter.left(self.step)}")
                bar.update(self.step, loss, meter.rate)
                if self.step < recipe.steps:
                    with meter.pausing():
                        self._look(journal, seen, validation, say)
            self.save()
            done = self.step >= recipe.steps
            if done and self.step > first:
                self._look(journal, seen, validation, say)  # all is saved, should it fail
        if main:
            how, then = ("done", "") if done else ("stopped", "; --resume goes on")
            say(f"{how} at step {self.step}/{recipe.steps}, saved in {self.folder}{then}")
        return done

    def _step(self, source: Iterator[Any], meter: Meter) -> tuple[float, float]:
        """One optimiser step; returns the loss and the gradient's norm before clipping."""
        recipe, share, accelerator = self.recipe, self.share, self.accelerator
        factor, beta1 = one_cycle(self.step, recipe)
        for group in self.optimizer.param_groups:
            group["lr"], group["betas"] = group["peak"] * factor, (beta1, 0.999)
        self.optimizer.zero_grad(set_to_none=True)
        total = torch.zeros((), device=accelerator.device)
        names: list[str] = []
        for piece in range(share.pieces):
            with meter.waiting():
                batch = next(source)
            batch = send_to_device(batch, accelerator.device, non_blocking=True)
            names += batch.names
            number = self.step * share.pieces + piece
            # Dropout and stochastic depth differ between processes; what a stage draws does not.
            torch.manual_seed(_mix(recipe.seed, number * share.processes + share.process))
            generator = torch.Generator().manual_seed(_mix(recipe.seed + 1, number))
            last = piece == share.pieces - 1
            with nullcontext() if last else accelerator.no_sync(self.whole):
                with accelerator.autocast():
                    loss = self.whole(
                        lambda batch=batch, generator=generator: self.stage.loss(batch, generator)
                    )
                accelerator.backward(loss / share.pieces)
            total += loss.detach() / share.pieces
        norm = accelerator.clip_grad_norm_(self.networks.parameters(), recipe.clip)
        found = total.item(), processes.full(norm).item()
        if not math.isfinite(found[0]) or not (math.isfinite(found[1]) or accelerator.scaler):
            what = "gradient" if math.isfinite(found[0]) else "loss"
            value = found[what == "gradient"]
            every = ", ".join(processes.everybodys(names))
            raise HyperfocalError(f"{what} is {value} in step {self.step} on {every}")
        self.optimizer.step()
        self.average.update(self.step)
        self.step += 1
        return found

    def _look(
        self, journal: Journal, seen: Any, validation: DataSet | None, say: Callable[[str], None]
    ) -> None:
        """Draws and scores what the averaged weights predict, at the steps for it."""
        recipe, last = self.recipe, self.step == self.recipe.steps
        draw = recipe.panels_every and self.step % recipe.panels_every == 0
        score = last or (recipe.validate_every and self.step % recipe.validate_every == 0)
        if not draw and (validation is None or not score):
            return
        model = self.model()
        if draw and self.accelerator.is_main_process:
            try:
                journal.picture("prediction", picture(model, seen[0]), self.step)
            except HyperfocalError as error:
                log.warning("no picture: %s", error)
        if score and validation is not None and (scores := validate(model, validation)):
            journal.validation({"step": self.step, **scores})
            if self.accelerator.is_main_process:
                best = {name: f"{scores[name]:.4f}" for name in ("abs_rel", "delta1", "boundary_f1")}
                say(f"validation: {'  '.join(f'{name} {value}' for name, value in best.items())}")

    def save(self) -> None:
        """Writes the checkpoint and the averaged weights; a reader never sees half a file."""
        state: dict[str, Any] = {
            "step": self.step,
            "networks": self.networks.state_dict(),
            "average": self.average.state,
            "optimizer": self.optimizer.state_dict(),
        }
        if self.accelerator.scaler is not None:
            state["scaler"] = self.accelerator.scaler.state_dict()
        state = tree_map(lambda value: processes.full(value) if isinstance(value, Tensor) else value, state)
        if self.accelerator.is_main_process:
            checkpoint.save(self.folder, state, self.recipe.keep)
            write_state(self.folder / WEIGHTS, state["average"])
        self.accelerator.wait_for_everyone()

    def model(self) -> Model:
        """The averaged weights as a model, on this run's device; of a refiner alone, as it sees noise."""
        coarse: nn.Module
        refiner: nn.Module | None
        if "coarse" in self.stage.makes:
            config = model_config(self.recipe)
            coarse, refiner = self._averaged(config)
        else:
            coarse, refiner = OnNoise(self.recipe), None
            config = coarse.config
            coarse.load_state_dict(self._average())
        return assemble(self.folder.name, config, coarse, refiner, self.accelerator.device, torch.float32)

    def export(self, directory: Path) -> None:
        """Writes the averaged weights in half precision as a model directory.

        Raises:
            HyperfocalError: the stage makes no model.
        """
        config = model_config(self.recipe)
        coarse, refiner = self._averaged(config)
        if self.accelerator.is_main_process:
            checkpoints.save(directory, config, coarse, refiner, torch.float16)

    def _averaged(self, config: checkpoints.ModelConfig) -> tuple[nn.Module, nn.Module | None]:
        """New networks with the averaged weights."""
        average = self._average()
        networks = checkpoints.build(config)
        for name, network in zip(("coarse", "refiner"), networks, strict=True):
            if network is not None:
                network.load_state_dict({key: average[f"{name}.{key}"] for key in network.state_dict()})
        return networks

    def _average(self) -> dict[str, Tensor]:
        return {name: processes.full(value) for name, value in self.average.state.items()}


class _Whole(nn.Module):
    """All networks as one module: DDP and FSDP see whatever a loss does with any of them.

    The loss comes as a function, not as a batch, which FSDP would round to half precision.
    """

    def __init__(self, networks: nn.ModuleDict) -> None:
        super().__init__()
        self.networks = networks

    def forward(self, loss: Callable[[], Tensor]) -> Tensor:
        return loss()


def _accelerator(precision: str | None) -> Accelerator:
    if precision not in PRECISIONS:
        raise HyperfocalError(f"precision {precision!r}: one of fp32, bf16, fp16")
    return Accelerator(
        mixed_precision=PRECISIONS[precision],
        cpu=choose_device().type == "cpu" or None,
        kwargs_handlers=[DistributedDataParallelKwargs(find_unused_parameters=True)],
    )


def _cut(state: dict[str, Any], optimizer: Any) -> dict[str, Any]:
    """An optimiser's whole state cut as its parameters are."""
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    moments = {
        index: {
            name: processes.like(value, parameters[index]) if value.ndim else value
            for name, value in entry.items()
        }
        for index, entry in state["state"].items()
    }
    return {**state, "state": moments}


def _mix(seed: int, step: int) -> int:
    return (seed * 1_000_003 + step) % 2**63
