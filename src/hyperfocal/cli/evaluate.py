"""`hyperfocal evaluate`: score a model on data with known depth, or depth maps against depth maps."""

import csv
import json
from pathlib import Path
from typing import Annotated

import typer


def evaluate(
    model: Annotated[str | None, typer.Option(help="Model to run on --data.")] = None,
    data: Annotated[str | None, typer.Option(help="KIND:PATH; kinds: see `data check --help`.")] = None,
    split: Annotated[str | None, typer.Option(help="Of --data: a list of frames, or a folder of it.")] = None,
    pred: Annotated[Path | None, typer.Option(help="Folder of predicted .npy depth in metres.")] = None,
    gt: Annotated[Path | None, typer.Option(help="Folder of true .npy depth of the same stems.")] = None,
    gt_disparity: Annotated[
        Path | None, typer.Option(help="Folder of .npy disparity: SEE on its edges.")
    ] = None,
    tiling: Annotated[str, typer.Option(help="Tilings to compare, separated by commas.")] = "none,auto",
    align: Annotated[str, typer.Option(help="none, median, or both separated by a comma.")] = "none,median",
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
    """Score a model (--model with --data) or depth maps (--pred with --gt). Alignment is said in every row."""
    unknown = set(align.split(",")) - {"none", "median"}
    if unknown:
        raise typer.BadParameter(f"--align {align}: none, median or none,median")
    from rich.console import Console
    from rich.progress import track

    from hyperfocal.data.frames import Scope
    from hyperfocal.evaluate.maps import save_pictures, score_folders
    from hyperfocal.evaluate.score import Alignment, Row, markdown, means, score_model

    alignments: list[Alignment] = ["median" if how == "median" else "none" for how in align.split(",")]
    rows: list[Row]
    if pred is not None and gt is not None and model is None:
        farthest = Scope().max_depth if max_depth is None else max_depth
        rows = list(score_folders(pred, gt, gt_disparity, alignments, min_depth, farthest))
        keys = ["alignment"]
    elif model is not None and data is not None and pred is None:
        from hyperfocal.data.kinds import InScope, UnknownKind, open_data
        from hyperfocal.predictor import load

        try:
            reader = open_data(data, split)
        except UnknownKind as error:
            raise typer.BadParameter(str(error)) from error
        tilings = tiling.split(",")
        farthest = reader.scope.max_depth if max_depth is None else max_depth
        scored = score_model(
            load(model, device=device),
            InScope(reader),
            tilings,
            alignments=alignments,
            min_depth=min_depth,
            max_depth=farthest,
            focal_px=focal_px,
            on_map=None if report is None else save_pictures(report / "pictures"),
        )
        total = len(reader) * len(tilings) * len(alignments)
        rows = list(track(scored, "scoring", total=total, console=Console(stderr=True), disable=as_json))
        keys = ["tiling", "alignment"]
    else:
        raise typer.BadParameter("give --model with --data, or --pred with --gt")
    table = means(rows, keys)
    if report is not None:
        report.mkdir(parents=True, exist_ok=True)
        (report / "report.md").write_text(markdown(table, keys), encoding="utf-8")
        with (report / "images.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
    typer.echo(json.dumps(table) if as_json else markdown(table, keys))
