"""`hyperfocal data`: look after data sets."""

import json
from pathlib import Path
from typing import Annotated

import typer

data = typer.Typer(name="data", help="Look after data sets.", no_args_is_help=True, rich_markup_mode=None)


@data.callback()
def _data() -> None:
    """Look after data sets."""


@data.command()
def check(
    source: Annotated[
        str,
        typer.Argument(
            metavar="KIND:PATH",
            help="Kinds: unrealstereo4k, mvs-synth, middlebury2014, cityscapes, eth3d, kitti, nyuv2, scannetpp, "
            "folder, packed.",
        ),
    ],
    split: Annotated[
        str | None,
        typer.Option(help="A list of frames (a file, also in PATH), or a folder of PATH, such as val."),
    ] = None,
    ssim: Annotated[
        bool,
        typer.Option("--ssim", help="Also compare both views (unrealstereo4k): does disparity explain them?"),
    ] = False,
    min_ssim: Annotated[float, typer.Option(help="Of --ssim; lower pairs are broken.")] = 0.7,
    write_list: Annotated[
        Path | None, typer.Option(help="Write the names of the sound frames there: a list for --split.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")] = False,
) -> None:
    """Read every frame and name each broken file with the reason, one a line. Exit 1 if there is any."""
    from rich.console import Console
    from rich.progress import track

    from hyperfocal.data.check import fault
    from hyperfocal.data.kinds import UnknownKind, open_data
    from hyperfocal.data.unrealstereo4k import UnrealStereo4K
    from hyperfocal.depthmap.atomic import replacing

    try:
        reader = open_data(source, split)
    except UnknownKind as error:
        raise typer.BadParameter(str(error)) from error
    if ssim and not isinstance(reader, UnrealStereo4K):
        raise typer.BadParameter("--ssim needs both views of a frame: only unrealstereo4k has them")
    console = Console(stderr=True)
    quiet = as_json or not console.is_terminal
    faults: list[str] = []
    sound: list[str] = []

    def name_fault(line: str) -> None:
        faults.append(line)
        typer.echo(line, err=True)

    for line in reader.incomplete:
        name_fault(line)
    for index in track(range(len(reader)), "checking", console=console, disable=quiet):
        found = fault(reader, index, min_ssim if ssim else None)
        if found is None:
            sound.append(reader.frames[index].name)
        else:
            name_fault(found)
    if write_list is not None:
        with replacing(write_list) as temporary:
            temporary.write_text("".join(f"{name}\n" for name in sound), encoding="utf-8")
    if as_json:
        typer.echo(json.dumps({"data": source, "sound": len(sound), "broken": len(faults), "faults": faults}))
    else:
        typer.echo(f"{source}: {len(sound)} sound frames, {len(faults)} broken")
    if faults:
        raise typer.Exit(1)


@data.command()
def pack(
    source: Annotated[str, typer.Argument(metavar="KIND:PATH", help="As for `hyperfocal data check`.")],
    out: Annotated[Path, typer.Option(help="Folder of shards to fill.", file_okay=False)],
    split: Annotated[
        str | None,
        typer.Option(help="A list of frames (a file, also in PATH), or a folder of PATH, such as train."),
    ] = None,
    per_shard: Annotated[int, typer.Option(min=1, help="Frames a shard; about 16 MB each at 4K.")] = 32,
    workers: Annotated[int, typer.Option(min=1, help="Processes.")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")] = False,
) -> None:
    """Write frames, losslessly, into shards from which training reads crops alone: packed:OUT.

    Shards already there are kept: run a stopped run again. OUT may then be served from anywhere:
    packed:https://..., packed:gs://... Frames that can't be read are named and left out; exit 1 if there is any.
    """
    from rich.console import Console
    from rich.progress import track

    from hyperfocal.data.kinds import UnknownKind, open_data
    from hyperfocal.data.pack import pack as write
    from hyperfocal.data.packed import Packed

    try:
        reader = open_data(source, split)
    except UnknownKind as error:
        raise typer.BadParameter(str(error)) from error
    console = Console(stderr=True)
    quiet = as_json or not console.is_terminal
    faults = list(reader.incomplete)
    shards = write(reader, out, per_shard=per_shard, workers=workers)
    for lines in track(shards, "packing", -(-len(reader) // per_shard), console=console, disable=quiet):
        faults += lines
    for line in faults:
        typer.echo(line, err=True)
    written = len(Packed(out))
    size = sum(file.stat().st_size for file in out.glob("*.tar"))
    if as_json:
        answer = {"out": str(out), "frames": written, "bytes": size, "broken": len(faults), "faults": faults}
        typer.echo(json.dumps(answer))
    else:
        typer.echo(f"{out}: {written} frames, {size / 1e6:.0f} MB, {len(faults)} broken")
    if faults:
        raise typer.Exit(1)
