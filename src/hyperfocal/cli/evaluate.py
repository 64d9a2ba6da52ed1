"""`hyperfocal evaluate`: score models on data with known depth, and any program's depth maps."""

import json
import shlex
import sys
from datetime import datetime
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from hyperfocal.errors import HyperfocalError

if TYPE_CHECKING:
    from hyperfocal.data.frames import Scope
    from hyperfocal.evaluate.maps import MapFolder
    from hyperfocal.evaluate.score import Source

Word = TypeVar("Word", bound=str)
ALSO = ("ce", "d3r")


def evaluate(
    model: Annotated[
        list[str] | None,
        typer.Option(help="Model to run on --data, as MODEL or NAME=MODEL; may be repeated."),
    ] = None,
    data: Annotated[str | None, typer.Option(help="KIND:PATH; kinds: see `data check --help`.")] = None,
    split: Annotated[str | None, typer.Option(help="Of --data: a list of frames, or a folder of it.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Only so many frames, evenly spread.")] = None,
    pred: Annotated[
        list[str] | None,
        typer.Option(help="Folder of any program's depth maps, as DIR or NAME=DIR; may be repeated."),
    ] = None,
    pred_unit: Annotated[
        list[str] | None,
        typer.Option(
            help="Metres of 1 in the --pred files: 0.00390625 for 1/256 m, or NAME=0.00390625 for those of one "
            "--pred. By default .png is in mm."
        ),
    ] = None,
    pred_disparity: Annotated[
        list[str] | None,
        typer.Option(
            help="The same of inverse depth of unknown scale and shift (MiDaS, Depth Anything); --align disparity."
        ),
    ] = None,
    gt: Annotated[Path | None, typer.Option(help="Folder of true depth maps of the same stems.")] = None,
    gt_disparity: Annotated[
        Path | None,
        typer.Option(help="Folder of true disparity maps in pixels (.png: whole ones): SEE on their edges."),
    ] = None,
    tiling: Annotated[str, typer.Option(help="Tilings to compare, separated by commas.")] = "none,auto",
    align: Annotated[
        str,
        typer.Option(help="none, scale, median, scale-shift, disparity (in 1/depth), separated by commas."),
    ] = "none,median",
    also: Annotated[
        str,
        typer.Option(
            help="Slow metrics, separated by commas: ce (16 tiles of each photo predicted besides), d3r (superpixels)."
        ),
    ] = "",
    min_depth: Annotated[float, typer.Option(help="Metres; nearer truth doesn't count.")] = 1e-3,
    max_depth: Annotated[
        float | None,
        typer.Option(help="Metres; farther truth doesn't count. By default 80, or as published for --data."),
    ] = None,
    focal_px: Annotated[float | None, typer.Option(help="Focal length of all photos in pixels.")] = None,
    report: Annotated[
        Path | None,
        typer.Option(help="Folder for a page (index.html), tables (.md, .csv), plots and error pictures."),
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, mps.")] = "auto",
    as_json: Annotated[bool, typer.Option("--json", help="Mean rows as JSON.")] = False,
) -> None:
    """Score models (--model) and other programs' depth maps (--pred) on --data, or maps against maps (--gt).

    The alignment of each row is said in it: none, or what was fitted to each image's truth. Each model runs in a
    process of its own, so its memory can be told; what takes seconds is told beside the machine's own speed.
    """
    from rich.console import Console
    from rich.progress import track

    from hyperfocal.data.frames import Scope
    from hyperfocal.data.kinds import UnknownKind, open_data
    from hyperfocal.evaluate.models import ModelRun
    from hyperfocal.evaluate.score import Row, means, score
    from hyperfocal.evaluate.table import rich_table
    from hyperfocal.evaluate.truth import data_truths, folder_truths
    from hyperfocal.metrics.depth import ALIGNMENTS
    from hyperfocal.tiles.plan import check_tiling

    models, tilings = [_model(text) for text in model or []], tiling.split(",")
    alignments = _listed("--align", align, ALIGNMENTS) or ["none"]
    slow = _listed("--also", also, ALSO)
    if (data is None) == (gt is None) or not (models or pred or pred_disparity) or (models and gt):
        raise typer.BadParameter("give --model or --pred or both with --data, or --pred with --gt")
    if gt_disparity is not None and gt is None:
        raise typer.BadParameter("--gt-disparity goes with --gt")
    for name in tilings:
        check_tiling(name)
    folders = _folders(
        [name for name, _ in models], pred or [], pred_disparity or [], _units(pred_unit or [])
    )

    scope = Scope()
    if data is not None:
        try:
            frames = open_data(data, split)
        except UnknownKind as error:
            raise typer.BadParameter(str(error)) from error
        scope = frames.scope
        truths = data_truths(frames, limit=limit, with_pairs="d3r" in slow)
    elif gt is not None:
        truths = folder_truths(gt, gt_disparity, limit=limit, with_pairs="d3r" in slow)
    farthest = scope.max_depth if max_depth is None else max_depth
    collected = None
    if report is not None:
        from hyperfocal.evaluate.report import Report

        collected = Report(report, min_depth, farthest)
    sources: list[Source] = [
        ModelRun(name, where, how, device, focal_px, "ce" in slow, min_depth, farthest)
        for name, where in models
        for how in tilings
    ]
    sources += folders

    counted = _counted(scope, min_depth, farthest)
    screen = Console(stderr=True)
    screen.print(f"frames: {len(truths)}; {counted}; alignment: {', '.join(alignments)}", highlight=False)
    rows: list[Row] = []
    failed = False
    for source in sources:
        on_map = None if collected is None else partial(collected.add, source)
        scored = score(source, truths, alignments, min_depth=min_depth, max_depth=farthest, on_map=on_map)
        total = len(truths) * len(source.alignments or alignments)
        text = f"scoring {source.name} {source.tiling}"
        try:
            rows += list(track(scored, text, total=total, console=screen, disable=as_json))
        except HyperfocalError as error:  # the others go on; a part of the frames would be no fair mean
            typer.echo(f"hyperfocal: {error}", err=True)
            failed = True
    if rows:
        table = means(rows)
        if collected is not None:
            facts = {
                "data": f"{data or gt}" + (f", split {split}" if split else ""),
                "frames": str(len(truths)),
                "counted": counted,
                "alignments": f"{', '.join(alignments)}; pictures and plots show each model's first",
                **_this_run(),
            }
            about = {s.name: ", ".join(f"{k} {v}" for k, v in s.about.items()) for s in sources if s.about}
            collected.write(rows, facts, about)
        if as_json:
            typer.echo(json.dumps([{k: None if v != v else v for k, v in row.items()} for row in table]))
        else:
            Console(width=None if sys.stdout.isatty() else 240).print(rich_table(table))
            if report is not None:
                typer.echo(f"report: {report / 'index.html'}")
    if failed:
        raise typer.Exit(1)


def _listed(option: str, text: str, known: tuple[Word, ...]) -> list[Word]:
    """The words of an option, each once; wrong usage (exit 2) if one isn't known."""
    words = dict.fromkeys(word for word in text.split(",") if word)
    if words.keys() - set(known):
        raise typer.BadParameter(f"{option} {text}: known are {', '.join(known)}, separated by commas")
    return [next(k for k in known if k == word) for word in words]


def _folders(
    models: list[str], pred: list[str], pred_disparity: list[str], units: dict[str, float]
) -> "list[MapFolder]":
    """The folders of maps, if they are there; wrong usage if a name comes twice."""
    from hyperfocal.evaluate.maps import MapFolder

    taken, folders = set(models), []
    if len(taken) < len(models):
        raise typer.BadParameter("--model: two have one name; name them, as in other=MODEL")
    for texts, disparity in ((pred, False), (pred_disparity, True)):
        for name, folder in map(_named, texts):
            if name in taken:
                raise typer.BadParameter(f"--pred {folder}: a second {name}; name it, as in other={folder}")
            if not folder.is_dir():
                raise HyperfocalError(f"{folder}: no folder of depth maps")
            taken.add(name)
            unit = None if disparity else units.get(name, units.get(""))
            folders.append(MapFolder(name, folder, unit, disparity))
    if units.keys() - taken - {""}:
        raise typer.BadParameter(f"--pred-unit: no --pred is named {', '.join(units.keys() - taken - {''})}")
    return folders


def _units(texts: list[str]) -> dict[str, float]:
    """UNIT or NAME=UNIT; "" is any name."""
    units = {}
    for text in texts:
        name, _, number = text.rpartition("=")
        try:
            units[name] = float(number)
        except ValueError:
            raise typer.BadParameter(f"--pred-unit {text}: {number} is no number of metres") from None
    return units


def _model(text: str) -> tuple[str, str]:
    """NAME=MODEL, or a model that is called as it is loaded."""
    name, equals, where = text.partition("=")
    return (text, text) if not equals or Path(text).is_dir() else (name, where)


def _named(text: str) -> tuple[str, Path]:
    """NAME=DIR, or the folder's own name for DIR."""
    name, equals, folder = text.partition("=")
    if not equals or Path(text).is_dir():
        return Path(text).resolve().name, Path(text)
    return name, Path(folder)


def _counted(scope: "Scope", low: float, high: float) -> str:
    """Which truth counts, in words."""
    from hyperfocal.metrics.depth import WHOLE

    text = f"truth of {low:g}–{high:g} m counts"
    if scope.window == WHOLE:
        return text
    top, bottom, left, right = (f"{100 * share:.1f}" for share in scope.window)
    return f"{text}, in rows {top}–{bottom} % and columns {left}–{right} %"


def _this_run() -> dict[str, str]:
    """When, how, where and with what."""
    from hyperfocal.machine import cpu_name

    return {
        "date": datetime.now().astimezone().isoformat(" ", "seconds"),
        "command": shlex.join(["hyperfocal", *sys.argv[1:]]),
        "machine": cpu_name(),
        "versions": f"hyperfocal {version('hyperfocal')}, torch {version('torch')}, numpy {version('numpy')}",
    }
