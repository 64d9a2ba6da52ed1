"""`hyperfocal evaluate`: score a model on data with known depth, or depth maps against depth maps."""

import csv
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from hyperfocal.errors import HyperfocalError


def evaluate(
    model: Annotated[str | None, typer.Option(help="Model to run on --data.")] = None,
    data: Annotated[str | None, typer.Option(help="KIND:PATH; kinds: see `data check --help`.")] = None,
    split: Annotated[str | None, typer.Option(help="Of --data: a list of frames, or a folder of it.")] = None,
    pred: Annotated[
        list[str] | None,
        typer.Option(help="Folder of any program's depth maps, as DIR or NAME=DIR; may be repeated."),
    ] = None,
    pred_unit: Annotated[
        float | None,
        typer.Option(
            help="Metres of 1 in the --pred files: 0.00390625 for 1/256 m. By default .png is in mm."
        ),
    ] = None,
    gt: Annotated[Path | None, typer.Option(help="Folder of true depth maps of the same stems.")] = None,
    gt_disparity: Annotated[
        Path | None,
        typer.Option(help="Folder of true disparity maps in pixels (.png: whole ones): SEE on their edges."),
    ] = None,
    tiling: Annotated[str, typer.Option(help="Tilings to compare, separated by commas.")] = "none,auto",
    align: Annotated[
        str, typer.Option(help="none, scale, median, scale-shift, separated by commas.")
    ] = "none,median",
    min_depth: Annotated[float, typer.Option(help="Metres; nearer truth doesn't count.")] = 1e-3,
    max_depth: Annotated[
        float | None,
        typer.Option(help="Metres; farther truth doesn't count. By default 80, or as published for --data."),
    ] = None,
    focal_px: Annotated[float | None, typer.Option(help="Focal length of all photos in pixels.")] = None,
    report: Annotated[
        Path | None, typer.Option(help="Folder for report.md, images.csv and pictures.")
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, mps.")] = "auto",
    as_json: Annotated[bool, typer.Option("--json", help="Mean rows as JSON.")] = False,
) -> None:
    """Score a model (--model) and other programs' depth maps (--pred) on --data, or maps against maps (--gt).

    The alignment of each row is said in it: none, or what was fitted to each image's truth.
    """
    from rich.console import Console
    from rich.progress import track

    from hyperfocal.data.frames import Scope
    from hyperfocal.data.kinds import InScope, UnknownKind, open_data
    from hyperfocal.depthmap.atomic import replacing
    from hyperfocal.evaluate.maps import data_truths, folder_truths, save_pictures, score_maps
    from hyperfocal.evaluate.score import Row, markdown, means, score_model
    from hyperfocal.metrics.depth import ALIGNMENTS

    unknown = set(align.split(",")) - set(ALIGNMENTS)
    if unknown:
        raise typer.BadParameter(f"--align {align}: known are {', '.join(ALIGNMENTS)}, separated by commas")
    alignments = [how for how in ALIGNMENTS if how in align.split(",")]
    if (data is None) == (gt is None) or not (pred or model) or (model is not None and data is None):
        raise typer.BadParameter("give --model or --pred or both with --data, or --pred with --gt")
    if gt_disparity is not None and gt is None:
        raise typer.BadParameter("--gt-disparity goes with --gt")
    named: dict[str, Path] = {}
    for name, folder in map(_named, pred or []):
        if name == model or name in named:
            raise typer.BadParameter(f"--pred {folder}: a second {name}; name it, as in other={folder}")
        if not folder.is_dir():
            raise HyperfocalError(f"{folder}: no folder of depth maps")
        named[name] = folder

    scope, reader = Scope(), None
    if data is not None:
        try:
            frames = open_data(data, split)
        except UnknownKind as error:
            raise typer.BadParameter(str(error)) from error
        scope, reader = frames.scope, InScope(frames)
    if report is not None:
        _make_writable(report)
    farthest = scope.max_depth if max_depth is None else max_depth
    tilings = tiling.split(",")
    scored: dict[str, Iterator[Row]] = {}
    if model is not None and reader is not None:
        from hyperfocal.predictor import load

        scored[model] = score_model(
            load(model, device=device),
            reader,
            tilings,
            alignments=alignments,
            min_depth=min_depth,
            max_depth=farthest,
            focal_px=focal_px,
            on_map=None if report is None else save_pictures(report / "pictures"),
        )
    for name, folder in named.items():
        if reader is not None:
            truths = data_truths(reader)
        elif gt is not None:
            truths = folder_truths(gt, gt_disparity)
        scored[name] = score_maps(
            folder, truths, alignments, min_depth=min_depth, max_depth=farthest, unit=pred_unit
        )
    rows: list[Row] = []
    for name, its_rows in scored.items():
        maps = None if reader is None else len(reader) * (len(tilings) if name == model else 1)
        total = None if maps is None else maps * len(alignments)
        console = Console(stderr=True)
        tracked = track(its_rows, f"scoring {name}", total=total, console=console, disable=as_json)
        rows.extend({"model": name, **row} for row in tracked)
    keys = ["model", "tiling", "alignment"]
    table = means(rows, keys)
    if report is not None:
        with replacing(report / "report.md") as temporary:
            temporary.write_text(markdown(table, keys), encoding="utf-8")
        with (
            replacing(report / "images.csv") as temporary,
            temporary.open("w", newline="", encoding="utf-8") as file,
        ):
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
    typer.echo(json.dumps(table) if as_json else markdown(table, keys))


def _named(text: str) -> tuple[str, Path]:
    """NAME=DIR, or the folder's own name for DIR."""
    name, equals, folder = text.partition("=")
    if not equals or Path(text).is_dir():
        return Path(text).resolve().name, Path(text)
    return name, Path(folder)


def _make_writable(folder: Path) -> None:
    """Makes a folder and tries it, before what shall be written there has taken hours."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise HyperfocalError(f"{folder}: cannot be written: {error.strerror}") from error
