"""The tables of scores: which columns, and as Markdown, HTML and on the screen."""

import html
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from hyperfocal.evaluate.score import KEYS, Row

if TYPE_CHECKING:
    from rich.table import Table


class Column(NamedTuple):
    """One column of numbers.

    Attributes:
        title: of the column.
        key: in a row.
        better: "↑" more, "↓" less, "" neither.
        digits: after the point.
        note: what it is.
    """

    title: str
    key: str
    better: str
    digits: int
    note: str


COLUMNS = (
    Column("AbsRel", "abs_rel", "↓", 4, "mean |p − g| / g, as all depth errors a mean over images"),
    Column("δ1", "delta1", "↑", 4, "share of pixels within 25 %"),
    Column("RMSE", "rmse", "↓", 4, "metres"),
    Column("SILog", "silog", "↓", 3, "100 × the standard deviation of ln p − ln g"),
    Column("SEE", "see", "↓", 3, "soft edge error at depth edges, metres (SMD-Nets)"),
    Column("boundary F1", "boundary_f1", "↑", 4, "scale-invariant occluding contours (Depth Pro)"),
    Column("CE", "ce", "↓", 4, "consistency error of tiles before alignment, metres (PatchFusion)"),
    Column("D3R", "d3r", "↓", 4, "disagreement of order across depth discontinuities (BoostingDepth)"),
    Column("flat RMSE", "cityscapes_rmse", "↓", 4, "metres, away from outlines (PatchRefiner, Cityscapes)"),
    Column("outline F1", "cityscapes_f1", "↑", 4, "depth edges on outlines of the segmentation (the same)"),
    Column("EdgeAcc", "cityscapes_edge_accuracy", "↓", 3, "pixels from predicted to true edges (the same)"),
    Column(
        "EdgeComp", "cityscapes_edge_completeness", "↓", 3, "pixels from true to predicted edges (the same)"
    ),
    Column("s/image", "seconds", "↓", 2, "median seconds of a prediction, the photo already read"),
    Column("GFLOP", "gflop", "↓", 1, "of the first photo, 2 per multiply-add"),
    Column("peak MB", "peak_rss_mb", "↓", 0, "most resident memory of the process that ran only this model"),
    Column("peak GPU MB", "peak_gpu_mb", "↓", 0, "most memory of the GPU that this model took"),
    Column(
        "GEMM GFLOP/s", "gemm_gflop_per_second", "", 0, "of this machine's float32 matrix products, meanwhile"
    ),
)


def columns_of(rows: Sequence[Row]) -> list[Column]:
    """The columns in which some row has a number."""
    return [c for c in COLUMNS if any(_known(row, c) for row in rows)]


def cells(rows: Sequence[Row], keys: Sequence[str] = KEYS) -> list[list[str]]:
    """The heads and then each row's cells; "–" where there is no number."""
    columns = columns_of(rows)
    body = [
        [str(row[k]) or "–" for k in keys]
        + [f"{float(row[c.key]):.{c.digits}f}" if _known(row, c) else "–" for c in columns]
        for row in rows
    ]
    return [[*keys, *(f"{c.title} {c.better}".strip() for c in columns)], *body]


def best(rows: Sequence[Row], keys: Sequence[str] = KEYS) -> set[tuple[int, int]]:
    """(row, column) of the cells that are best among the two or more rows of the same alignment (and image)."""
    groups: dict[tuple[object, ...], list[int]] = {}
    for i, row in enumerate(rows):
        groups.setdefault((row.get("name"), row["alignment"]), []).append(i)
    found = set()
    for j, column in enumerate(columns_of(rows), len(keys)):
        for group in groups.values():
            values = {i: float(rows[i][column.key]) for i in group if _known(rows[i], column)}
            if column.better and len(values) > 1:
                top = (max if column.better == "↑" else min)(values.values())
                found |= {(i, j) for i, value in values.items() if value == top}
    return found


def markdown(rows: Sequence[Row], keys: Sequence[str] = KEYS) -> str:
    """Mean rows as a Markdown table, the best of each alignment bold."""
    (head, *body), bold = cells(rows, keys), best(rows, keys)
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(keys) + "---:|" * (len(head) - len(keys))]
    for i, row in enumerate(body):
        shown = (f"**{cell}**" if (i, j) in bold else cell.replace("|", "\\|") for j, cell in enumerate(row))
        lines.append("| " + " | ".join(shown) + " |")
    return "\n".join(lines) + "\n"


def html_table(rows: Sequence[Row], keys: Sequence[str] = KEYS) -> str:
    """The same as HTML."""
    (head, *body), bold = cells(rows, keys), best(rows, keys)

    def line(values: Sequence[str], tag: str, i: int = -1) -> str:
        shown = (
            f"<{tag}{' class=best' if (i, j) in bold else ''}>{html.escape(v)}</{tag}>"
            for j, v in enumerate(values)
        )
        return f"<tr>{''.join(shown)}</tr>"

    lines = [line(row, "td", i) for i, row in enumerate(body)]
    return f"<table>\n<thead>{line(head, 'th')}</thead>\n<tbody>\n" + "\n".join(lines) + "\n</tbody></table>"


def rich_table(rows: Sequence[Row], keys: Sequence[str] = KEYS) -> "Table":
    """The same for the screen."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    (head, *body), bold = cells(rows, keys), best(rows, keys)
    table = Table(box=SIMPLE_HEAD)
    for j, title in enumerate(head):
        table.add_column(title, justify="left" if j < len(keys) else "right", overflow="fold")
    for i, row in enumerate(body):
        table.add_row(*(Text(cell, "bold" if (i, j) in bold else "") for j, cell in enumerate(row)))
    return table


def _known(row: Row, column: Column) -> bool:
    return not math.isnan(float(row.get(column.key, math.nan)))
