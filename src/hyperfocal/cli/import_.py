"""`hyperfocal import`: a published checkpoint to a model directory."""

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Kind(StrEnum):
    """What a checkpoint is of."""

    PATCHFUSION = "patchfusion"
    PATCHREFINER = "patchrefiner"
    PATCHREFINER_V2 = "patchrefiner-v2"
    ZOEDEPTH = "zoedepth"
    DEPTH_ANYTHING = "depth-anything"


PATTERNS = {  # of the names in `hyperfocal models` that a kind can be
    Kind.PATCHFUSION: "patchfusion-[!c]*",
    Kind.PATCHREFINER: "prv1-*",
    Kind.PATCHREFINER_V2: "prv2-*",
    Kind.ZOEDEPTH: "zoedepth",
    Kind.DEPTH_ANYTHING: "da*-vit?",
}


def import_(
    kind: Annotated[Kind, typer.Argument(help="What the checkpoint is of.")],
    checkpoint: Annotated[Path, typer.Argument(help="A .pth, .pt or .safetensors file.")],
    out: Annotated[Path, typer.Option(help="Model directory to write.", file_okay=False)],
    coarse: Annotated[
        Path | None, typer.Option(help="The coarse network's own checkpoint, if this one leaves it out.")
    ] = None,
    fine: Annotated[
        Path | None, typer.Option(help="PatchFusion's fine network's own checkpoint, likewise.")
    ] = None,
    max_depth: Annotated[
        float | None,
        typer.Option(
            metavar="METRES",
            help="Largest depth of Depth Anything V2: 20 for its indoor metric weights, 80 for the outdoor ones.",
        ),
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="A name of `hyperfocal models`; found by the entries if not given.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")] = False,
) -> None:
    """Turn a published checkpoint into a model directory, every entry of it used or known to be unused.

    Files are read without running code that may be in them. The result is written only if all of it fits.
    """
    from hyperfocal import checkpoints
    from hyperfocal.checkpoints.conversion import convert, read_published
    from hyperfocal.models import config_of, matching

    names = [model] if model else matching([PATTERNS[kind]])
    state = read_published(checkpoint)
    found = convert(
        state,
        {name: config_of(name) for name in names},
        coarse=None if coarse is None else read_published(coarse),
        fine=None if fine is None else read_published(fine),
        max_depth=max_depth,
    )
    checkpoints.save(out, found.config, found.coarse, found.refiner)
    for other in found.alike:
        typer.echo(
            f"taken for {found.name}; {other} has the same entries, but computes otherwise: --model chooses",
            err=True,
        )
    if as_json:
        row = {"out": str(out), "model": found.name, "alike": found.alike, "entries": len(state)}
        typer.echo(json.dumps(row))
    else:
        typer.echo(f"{out}: {found.name}, {len(state)} entries", err=True)
