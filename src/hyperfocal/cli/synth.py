"""`hyperfocal synth`: render the procedural data set."""

import json
import time
from pathlib import Path
from typing import Annotated

import typer

from hyperfocal.cli.sizes import parse_size


def synth(
    out: Annotated[Path, typer.Option(help="Folder to fill, in UnrealStereo4K's layout.")],
    frames: Annotated[int, typer.Option(help="How many frames.")] = 100,
    size: Annotated[str, typer.Option(help="Width x height in pixels.")] = "3840x2160",
    seed: Annotated[int, typer.Option(help="First scene seed within the split.")] = 0,
    workers: Annotated[int, typer.Option(help="Processes; the result doesn't depend on it.")] = 1,
    stereo: Annotated[bool, typer.Option("--stereo", help="Also the right picture and its disparity.")] = False,
    split: Annotated[str, typer.Option(help="train, val or test: seed ranges that never meet.")] = "train",
    views: Annotated[int, typer.Option(help="Frames from each scene, 1 to 6.")] = 4,
    passes: Annotated[int, typer.Option(help="Anti-aliasing passes.")] = 2,
    family: Annotated[str | None, typer.Option(help="Only this scene family.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")] = False,
) -> None:
    """Render scenes with exact metric depth. Frames already there are kept, so a stopped run can be run again."""
    from rich.console import Console
    from rich.progress import Progress

    from hyperfocal.synth.writer import Job, render

    width, height = parse_size(size)
    job = Job(out, frames, width, height, seed, split, views, passes, stereo, family)
    start, done = time.perf_counter(), 0
    with Progress(console=Console(stderr=True), disable=as_json) as progress:
        bar = progress.add_task(f"{width}x{height}", total=frames)
        for names in render(job, workers):
            done += len(names)
            progress.update(bar, completed=done)
    seconds = time.perf_counter() - start
    if as_json:
        typer.echo(json.dumps({"out": str(out), "frames": done, "seconds": seconds, "frames_per_hour": done / seconds * 3600}))
