"""`hyperfocal recipes` and `hyperfocal train`: the training stages."""

import json
import math
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer


def recipes(
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON object for each recipe, with every key.")
    ] = False,
) -> None:
    """List the training recipes and what each is for."""
    from dataclasses import asdict

    from hyperfocal.train.recipes import RECIPES

    group = ""
    for name, recipe in RECIPES.items():
        if as_json:
            typer.echo(json.dumps(asdict(recipe)))
            continue
        if recipe.group != group:
            group = recipe.group
            typer.echo(f"\n{group}")
        typer.echo(f"  {name:28}{recipe.about}")


def train(
    recipe: Annotated[str, typer.Argument(help="A name from `hyperfocal recipes`.")],
    overrides: Annotated[
        list[str] | None,
        typer.Argument(
            help="key=value, such as steps=40000 refiner.encoder=resnet18 patches.process=(192,256)."
        ),
    ] = None,
    data: Annotated[
        str,
        typer.Option(
            metavar="KIND:PATH",
            help="As for `hyperfocal data check`; packed: reads fastest. A bare folder is unrealstereo4k.",
        ),
    ] = "data",
    split: Annotated[str | None, typer.Option(help="Of --data: a list of frames, or a folder of it.")] = None,
    val: Annotated[
        str | None, typer.Option(metavar="KIND:PATH", help="Photos to score the averaged model on.")
    ] = None,
    val_split: Annotated[str | None, typer.Option(help="Of --val, as --split is of --data.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder of the run; runs/RECIPE if not given.")] = None,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume", help="Go on with the run in OUT as it was begun, but for what key=value changes."
        ),
    ] = False,
    export: Annotated[
        Path | None, typer.Option(help="When the last step is done, write the model into this folder.")
    ] = None,
    devices: Annotated[
        int, typer.Option(min=1, help="GPUs of this machine to train on; without GPUs, processes.")
    ] = 1,
    precision: Annotated[
        str | None, typer.Option(help="fp32, bf16 or fp16; as in the recipe if not given.")
    ] = None,
    as_json: Annotated[
        bool,
        typer.Option(
            "--json", help="JSON lines instead of text: each row of the log and of scores, how it ended."
        ),
    ] = False,
) -> None:
    """Train one stage. Ctrl-C stops with a checkpoint; --resume goes on from it.

    Exit status: 0 after the last step, or when minutes=... are over; 130 if Ctrl-C or SIGTERM stopped the run; 1 if it
    failed, or if the minutes were over before there was a model to --export.

    A refiner takes three runs, each starting from those before:

    \b
        hyperfocal train nano-coarse --data frames --out runs/coarse
        hyperfocal train nano-pretrain encoder_from=runs/coarse --data frames --out runs/pretrain
        hyperfocal train nano-e2e coarse_from=runs/coarse refiner_from=runs/pretrain --data frames

    For several machines: `accelerate launch -m hyperfocal.cli train ...` on each.
    """  # noqa: D301 - \b is click's mark of lines to keep
    if devices > 1 and "RANK" not in os.environ:  # which launchers set: then this is one of the processes
        raise typer.Exit(_launch(devices))

    from hyperfocal.cli import INTERRUPTED
    from hyperfocal.data.kinds import UnknownKind, open_data
    from hyperfocal.errors import HyperfocalError
    from hyperfocal.train.engine import Run
    from hyperfocal.train.recipes import recipe as find
    from hyperfocal.train.report import write_report
    from hyperfocal.train.stages import model_config

    try:
        reader = open_data(data if ":" in data else f"unrealstereo4k:{data}", split)
        validation = None if val is None else open_data(val, val_split)
    except UnknownKind as error:
        raise typer.BadParameter(str(error)) from error
    folder = out or Path("runs") / recipe
    words = [*(overrides or []), *([f"precision={precision}"] if precision else [])]
    try:
        chosen = find(recipe, words, run=folder if resume else None).for_frames(len(reader))
    except HyperfocalError as error:
        raise typer.BadParameter(str(error)) from error
    if export is not None:
        model_config(chosen)  # refuses before the training what the export would after it
    run = Run(chosen, folder, resume=resume)
    say = _nothing if as_json else typer.echo
    done = run.train(reader, say, validation, _row if as_json else _nothing)
    main = run.accelerator.is_main_process
    model = export if done else None
    if model is not None:
        run.export(model)
    if main:
        if model is not None:
            say(f"model: {model}")
        report = write_report(folder)
        say(f"report: {report}")
        if as_json:
            ended = {"run": str(folder), "step": run.step, "steps": chosen.steps, "done": done}
            made = {"model": None if model is None else str(model), "report": str(report)}
            typer.echo(json.dumps({"event": "end", **ended, **made}))
        if export is not None and not done:
            typer.echo(f"hyperfocal: {export}: not written, the run isn't done; --resume goes on", err=True)
    if run.interrupted:
        raise typer.Exit(INTERRUPTED)
    if export is not None and not done:
        raise typer.Exit(1)


def _nothing(*_: object) -> None:
    """Says nothing."""


def _row(kind: str, row: Mapping[str, float]) -> None:
    """A row as a JSON object of its own line; JSON has no NaN and no infinity."""
    numbers = {name: value if math.isfinite(value) else None for name, value in row.items()}
    typer.echo(json.dumps({"event": kind, **numbers}))


def _launch(devices: int) -> int:
    """Runs this command in that many processes of this machine; returns the exit code."""
    from torch.distributed.elastic.multiprocessing import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.run import main

    from hyperfocal.cli import INTERRUPTED

    try:
        main(["--standalone", f"--nproc-per-node={devices}", "-m", "hyperfocal.cli", *sys.argv[1:]])
    except SignalException:
        return INTERRUPTED  # passed on: the processes have stopped with a checkpoint
    except ChildFailedError:
        return 1  # they have said why
    return 0
