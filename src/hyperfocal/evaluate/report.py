"""The report: a folder with a page, its tables as CSV and Markdown, plots, and a picture of each prediction."""

import csv
import html
import re
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hyperfocal.depthmap.atomic import replacing
from hyperfocal.depthmap.formats import write_picture_jpg
from hyperfocal.errors import HyperfocalError
from hyperfocal.evaluate.panel import panel
from hyperfocal.evaluate.plots import label, plot_cost, plot_profiles
from hyperfocal.evaluate.profile import Profiles
from hyperfocal.evaluate.score import KEYS, Row, Source, means
from hyperfocal.evaluate.table import columns_of, html_table, markdown
from hyperfocal.evaluate.truth import Truth

SHOWN = 3  # best and worst frames, each
PICTURES = (
    "Errors: white is right, blue too near, red too far, grey doesn't count; colours are full at 25 %. "
    "Of large frames the part with most edges stands below, pixel by pixel."
)
_STYLE = """
:root { color-scheme: light dark; --line: #8884; --dim: #888 }
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 1240px; padding: 0 1rem }
h1 { font-size: 1.6rem } h2 { font-size: 1.2rem; margin-top: 2.2rem } h3 { font-size: 1rem; margin-bottom: .3rem }
.wide { overflow-x: auto }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: 13px }
th, td { padding: .25rem .6rem; text-align: right; border-bottom: 1px solid var(--line); white-space: nowrap }
th:nth-child(-n+3), td:nth-child(-n+3) { text-align: left }
.best { font-weight: 700 }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .1rem 1rem; font-size: 14px }
dt { color: var(--dim) } dd { margin: 0; overflow-wrap: anywhere }
img { max-width: 100%; height: auto; background: #fff; border-radius: 4px }
figure { margin: .6rem 0 } figcaption, .note { color: var(--dim); font-size: 13px }
"""


class Report:
    """Collects what is scored and writes it into a folder.

    Args:
        folder: created if missing.
        min_depth: metres; truth outside the range doesn't count.
        max_depth: metres.

    Raises:
        HyperfocalError: the folder can't be written: found out before what shall stand in it has taken hours.
        ModuleNotFoundError: Matplotlib or SciPy isn't there.
    """

    def __init__(self, folder: Path, min_depth: float = 1e-3, max_depth: float = 80.0) -> None:
        import matplotlib  # noqa: F401
        import scipy  # noqa: F401

        self.folder, self.range = folder, (min_depth, max_depth)
        self.profiles: dict[str, Profiles] = {}
        try:
            folder.mkdir(parents=True, exist_ok=True)
            tempfile.TemporaryFile(dir=folder).close()
        except OSError as error:
            raise HyperfocalError(f"{folder}: cannot be written: {error.strerror}") from error

    def add(self, source: Source, truth: Truth, prediction: NDArray[np.floating]) -> None:
        """Adds a prediction, aligned: its picture is written, its errors are counted by their place."""
        name = label({"model": source.name, "tiling": source.tiling})
        self.profiles.setdefault(name, Profiles(*self.range)).add(truth, prediction)
        with replacing(self.folder / picture_path(source.name, source.tiling, truth.name)) as temporary:
            write_picture_jpg(panel(truth, {"prediction": prediction}, *self.range), temporary)

    def write(self, rows: Sequence[Row], facts: Mapping[str, str], models: Mapping[str, str]) -> None:
        """Writes everything else.

        Args:
            rows: of `score`.
            facts: about the run: title to text; data, frames and counted among them.
            models: about each: name to licence and so on.
        """
        table = means(rows)
        profiles = {name: its for name, its in self.profiles.items() if name in {label(row) for row in rows}}
        with replacing(self.folder / "errors.png") as temporary:
            plot_profiles(profiles, temporary)
        timed = {label(row) for row in rows if "seconds" in row}
        if len(timed) > 1:
            with replacing(self.folder / "cost.png") as temporary:
                plot_cost(table, temporary)
        write_csv(self.folder / "table.csv", table)
        write_csv(self.folder / "images.csv", rows)
        write_csv(self.folder / "edges.csv", _edge_rows(profiles))
        plots = ["errors.png"] + ["cost.png"] * (len(timed) > 1)
        for name, text in (
            ("report.md", _markdown_page(table, plots, facts, models)),
            ("index.html", _html_page(rows, table, plots, facts, models)),
        ):
            with replacing(self.folder / name) as temporary:
                temporary.write_text(text, encoding="utf-8")


def picture_path(model: str, tiling: str, name: str) -> str:
    """Where the picture of a prediction is, below the report's folder."""
    words = (re.sub(r"[^\w.-]+", "_", word).strip("_") for word in (name, model, tiling) if word)
    return f"pictures/{'__'.join(words)}.jpg"


def write_csv(path: Path, rows: Sequence[Row]) -> None:
    """Write rows that needn't have the same columns; a missing number is an empty cell, as is NaN."""
    with (
        replacing(path) as temporary,
        temporary.open("w", newline="", encoding="utf-8") as file,
    ):
        writer = csv.DictWriter(file, list(dict.fromkeys(key for row in rows for key in row)))
        writer.writeheader()
        writer.writerows({k: "" if v != v else v for k, v in row.items()} for row in rows)


def _edge_rows(profiles: Mapping[str, Profiles]) -> list[Row]:
    """The numbers behind the plot."""
    return [
        {"model": name, "from_px": low, "below_px": high, "pixels": int(pixels), "abs_rel": float(mean)}
        for name, its in profiles.items()
        for low, high, pixels, mean in zip(
            its.edge.bins[:-1], its.edge.bins[1:], its.edge.pixels, its.edge.means, strict=True
        )
    ]


def ranked(rows: Sequence[Row]) -> list[str]:
    """Frames from best to worst: mean AbsRel of all models in each one's first alignment; unscored ones left out."""
    first = {label(row): row["alignment"] for row in reversed(rows)}
    chosen = [
        row for row in rows if row["alignment"] == first[label(row)] and row["abs_rel"] == row["abs_rel"]
    ]
    return [
        str(row["name"]) for row in sorted(means(chosen, ["name"]), key=lambda row: float(row["abs_rel"]))
    ]


def _markdown_page(
    table: Sequence[Row], plots: Sequence[str], facts: Mapping[str, str], models: Mapping[str, str]
) -> str:
    lines = ["# Evaluation", "", _subtitle(facts), "", markdown(table)]
    lines += [f"- {title}: {text}" for title, text in {**facts, **models}.items()]
    lines += ["", *(f"![]({plot})" for plot in plots), ""]
    lines += [f"- {title}: {text}" for title, text in _notes(table).items()]
    lines += [""]
    lines += [
        "Each image: images.csv. The numbers behind the plot: edges.csv. Pictures: index.html, pictures/."
    ]
    return "\n".join(lines) + "\n"


def _html_page(
    rows: Sequence[Row],
    table: Sequence[Row],
    plots: Sequence[str],
    facts: Mapping[str, str],
    models: Mapping[str, str],
) -> str:
    frames = ranked(rows)
    best, worst = frames[:SHOWN], frames[SHOWN:][-SHOWN:][::-1]
    figures = "".join(f"<figure><img src={plot} alt=''></figure>" for plot in plots)
    parts = [
        f"<h1>Evaluation</h1><p>{html.escape(_subtitle(facts))}</p><div class=wide>{html_table(table)}</div>"
        f"<details class=note><summary>What the columns are</summary>{_definitions(_notes(table))}</details>",
        f"<h2>Where the errors are</h2>{figures}",
        f"<h2>Worst frames</h2><p class=note>{PICTURES}</p>{_frames(worst, rows)}" if worst else "",
        f"<h2>{'Best frames' if worst else 'Frames'}</h2><p class=note>{PICTURES}</p>{_frames(best, rows)}",
        f"<h2>Models</h2>{_definitions(models)}" if models else "",
        f"<h2>This run</h2>{_definitions(facts)}",
        f"<h2>Each image</h2><details><summary>{len(rows)} rows</summary><div class=wide>"
        f"{html_table(rows, ('name', *KEYS))}</div></details>",
    ]
    return (
        "<!doctype html>\n<html lang=en><head><meta charset=utf-8><title>Evaluation</title>"
        "<meta name=viewport content='width=device-width'>"
        f"<style>{_STYLE}</style></head>\n<body>\n{chr(10).join(parts)}\n</body></html>\n"
    )


def _subtitle(facts: Mapping[str, str]) -> str:
    return f"{facts['data']}: {facts['frames']} frames; {facts['counted']}."


def _notes(table: Sequence[Row]) -> dict[str, str]:
    return {column.title: column.note for column in columns_of(table)}


def _frames(names: Sequence[str], rows: Sequence[Row]) -> str:
    """The pictures of frames, with the numbers of each prediction's first row, which they show."""
    out = []
    for name in names:
        out.append(f"<h3>{html.escape(name)}</h3>")
        shown = {label(row): row for row in reversed(rows) if row["name"] == name}
        for title, row in reversed(shown.items()):
            path = picture_path(str(row["model"]), str(row["tiling"]), name)
            text = f"{title}, alignment {row['alignment']}: AbsRel {float(row['abs_rel']):.4f}"
            text += f", boundary F1 {float(row['boundary_f1']):.4f}"
            out.append(
                f"<figure><a href='{path}'><img src='{path}' loading=lazy alt='{html.escape(title)}'></a>"
                f"<figcaption>{html.escape(text)}</figcaption></figure>"
            )
    return "\n".join(out)


def _definitions(texts: Mapping[str, str]) -> str:
    items = (f"<dt>{html.escape(k)}</dt><dd>{html.escape(v)}</dd>" for k, v in texts.items())
    return f"<dl>{''.join(items)}</dl>"
