"""The final report of a run: `report.md` and its curves, `curves.png`."""

import json
from pathlib import Path

from hyperfocal.depthmap.atomic import replacing
from hyperfocal.train.journal import LOG, VALIDATION, read
from hyperfocal.train.recipes import FILE

CURVES = (("loss", "loss"), ("lr", "learning rate"), ("gradient_norm", "gradient norm before clipping"))
SPEED = (("samples_per_second", "samples/s"), ("wait", "share of time waiting for data"))
SCORES = ("abs_rel", "delta1", "rmse", "silog", "see", "boundary_f1")


def write_report(folder: Path) -> Path:
    """Writes the report of a run's folder from its recipe, log and validation.

    Returns:
        The path of `report.md`.
    """
    recipe = json.loads((folder / FILE).read_text(encoding="utf-8"))
    log, validation = read(folder / LOG), read(folder / VALIDATION)
    lines = [f"# {folder.name}", "", recipe["about"], "", "![curves](curves.png)", ""]
    if log:
        rate = sum(log["samples_per_second"]) / len(log["step"])
        wait = sum(log["wait"]) / len(log["step"])
        lines += [
            f"Step {log['step'][-1]:.0f} of {recipe['steps']}, loss {log['loss'][-1]:.4f}, "
            f"{rate:.1f} samples/s, {wait:.1%} of the time waiting for data.",
            "",
        ]
    if validation:
        shown = ["step", *(name for name in SCORES if name in validation)]
        lines += ["| " + " | ".join(shown) + " |", "|" + "---|" * len(shown)]
        for row in zip(*(validation[name] for name in shown), strict=True):
            lines.append(f"| {row[0]:.0f} | " + " | ".join(f"{value:.4f}" for value in row[1:]) + " |")
        lines.append("")
    lines += ["| recipe | |", "|---|---|", *(f"| {key} | {value} |" for key, value in recipe.items())]
    _draw_curves(folder / "curves.png", log, validation)
    with replacing(folder / "report.md") as path:
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder / "report.md"


def _draw_curves(path: Path, log: dict[str, list[float]], validation: dict[str, list[float]]) -> None:
    from matplotlib.figure import Figure  # no pyplot: it would look for a display

    curves = [(log, *curve) for curve in (*CURVES, *SPEED) if log]
    curves += [(validation, name, f"validation: {name}") for name in SCORES if name in validation]
    figure = Figure(figsize=(12, 3 * -(-len(curves) // 3) or 3), layout="constrained")
    for place, (columns, name, title) in enumerate(curves):
        axes = figure.add_subplot(-(-len(curves) // 3), 3, place + 1)
        axes.plot(columns["step"], columns[name], marker="." if len(columns["step"]) < 20 else "")
        axes.set_title(title)
        axes.grid(alpha=0.3)
    with replacing(path) as partial:
        figure.savefig(partial, format="png", dpi=80)
