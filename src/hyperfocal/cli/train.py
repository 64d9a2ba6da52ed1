"""`hyperfocal recipes` and `hyperfocal train`: the training stages."""

from pathlib import Path
from typing import Annotated

import typer


def recipes(
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON object for each recipe, with every key.")
    ] = False,
) -> None:
    """List the training recipes and what each is for."""
    import json
    from dataclasses import asdict

    from hyperfocal.train.recipes import RECIPES

    group = ""
    for name, recipe in RECIPES.items():
        if as_json:
            typer.echo(json.dumps({"name": name, **asdict(recipe)}))
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
    out: Annotated[Path | None, typer.Option(help="Folder of the run; runs/RECIPE if not given.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run in OUT.")] = False,
    export: Annotated[Path | None, typer.Option(help="At the end, write the model into this folder.")] = None,
) -> None:
    r"""Train one stage. Ctrl-C stops with a checkpoint; --resume goes on from it.

    A refiner takes three runs, each starting from those before:

    \b
        hyperfocal train nano-coarse --data frames --out runs/coarse
        hyperfocal train nano-pretrain encoder_from=runs/coarse --data frames --out runs/pretrain
        hyperfocal train nano-e2e coarse_from=runs/coarse refiner_from=runs/pretrain --data frames
    """
    from hyperfocal.data.kinds import UnknownKind, open_data
    from hyperfocal.train.engine import Run
    from hyperfocal.train.recipes import recipe as find

    try:
        reader = open_data(data if ":" in data else f"unrealstereo4k:{data}")
    except UnknownKind as error:
        raise typer.BadParameter(str(error)) from error
    chosen = find(recipe, overrides or []).for_frames(len(reader))
    run = Run(chosen, out or Path("runs") / recipe, resume=resume)
    run.train(reader, typer.echo)
    if export is not None:
        run.export(export)
        typer.echo(f"model: {export}")
