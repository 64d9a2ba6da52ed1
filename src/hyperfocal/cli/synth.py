"""`hyperfocal synth`: render the procedural data set."""

import json
import os
import time
from pathlib import Path
from typing import Annotated

import typer

from hyperfocal.cli.sizes import parse_size
from hyperfocal.errors import HyperfocalError


def synth(
    out: Annotated[Path, typer.Option(help="Folder to fill, in UnrealStereo4K's layout.", file_okay=False)],
    frames: Annotated[int, typer.Option(help="How many frames.")] = 100,
    size: Annotated[str, typer.Option(help="Width x height in pixels.")] = "3840x2160",
    seed: Annotated[int, typer.Option(help="First scene seed within the split.")] = 0,
    workers: Annotated[
        int | None,
        typer.Option(min=1, help="Processes of up to 1.6 GB; one a core, up to 8, if not given."),
    ] = None,
    stereo: Annotated[
        bool, typer.Option("--stereo", help="Also the right picture and its disparity.")
    ] = False,
    split: Annotated[str, typer.Option(help="train, val or test: seed ranges that never meet.")] = "train",
    look: Annotated[str, typer.Option(help="day or dusk: other materials, light and palette.")] = "day",
    views: Annotated[
        int, typer.Option(help="Frames from each scene, 1 to 12; many are cheaper, few more varied.")
    ] = 4,
    passes: Annotated[int, typer.Option(help="Anti-aliasing passes, 1 to 8.")] = 2,
    family: Annotated[
        str | None, typer.Option(help="Only street, room, park, closeup, aisle, site or workshop.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")] = False,
) -> None:
    """Render scenes with exact metric depth. Frames already there are kept: run a stopped run again.

    The same seeds give the same files, whatever the number of workers.
    """
    width, height = parse_size(size)
    from rich.console import Console
    from rich.progress import Progress

    from hyperfocal.synth.writer import Job, render

    try:
        job = Job(out, frames, width, height, seed, split, views, passes, stereo, family, look)
    except HyperfocalError as error:
        raise typer.BadParameter(str(error)) from error
    start, done, console = time.perf_counter(), 0, Console(stderr=True)
    with Progress(console=console, disable=as_json or not console.is_terminal) as progress:
        bar = progress.add_task(f"{width}x{height}", total=frames)
        for names in render(job, workers or min(os.cpu_count() or 1, 8)):
            done += len(names)
            progress.update(bar, completed=done)
    seconds = time.perf_counter() - start
    if done < frames:
        typer.echo(f"{frames - done} frames fewer: some scenes have too few open views", err=True)
    if as_json:
        typer.echo(json.dumps({"out": str(out), "frames": done, "seconds": seconds}))
    else:
        typer.echo(f"{out}: {done} frames of {width}x{height}, {seconds:.1f} s", err=True)
