"""The plots of a report, drawn with Matplotlib."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hyperfocal.evaluate.profile import Profile, Profiles
from hyperfocal.evaluate.score import Row

DPI = 110
LEAST = 0.01  # per cent: where no error at all stands on a logarithmic axis


def plot_profiles(profiles: Mapping[str, Profiles], path: Path) -> None:
    """Draw AbsRel against the distance to the nearest depth edge, and against depth, a line for each label."""
    figure, (edge, depth) = _figure(2)
    for label, its in profiles.items():
        # Bins of one and of zero pixels need a place on a logarithmic axis: half the width of the next.
        _line(edge, its.edge, np.maximum(its.edge.bins[:-1], 0.5), label)
        _line(depth, its.depth, np.sqrt(its.depth.bins[:-1] * its.depth.bins[1:]), label)
    edge.set(xlabel="distance to the nearest depth edge in pixels", ylabel="AbsRel in %", xscale="log")
    edge.set_xticks([0.5, 1, 4, 16, 64, 256], ["on it", "1", "4", "16", "64", "256"])
    edge.minorticks_off()
    depth.set(xlabel="true depth in metres", ylabel="AbsRel in %", xscale="log")
    _plain(depth.xaxis)
    for axes in (edge, depth):  # a little sky among far walls is thousands of per cent
        axes.set_yscale("log")
        _plain(axes.yaxis)
    figure.legend(*edge.get_legend_handles_labels(), loc="outside right upper", frameon=False)
    figure.savefig(path, format="png", dpi=DPI)


def plot_cost(table: Sequence[Row], path: Path) -> None:
    """Draw boundary F1 and AbsRel against seconds, a point for each timed row of the first alignment."""
    timed = [r for r in table if r["alignment"] == table[0]["alignment"] and "seconds" in r]
    figure, both = _figure(2)
    for axes, key, title in zip(both, ("abs_rel", "boundary_f1"), ("AbsRel ↓", "boundary F1 ↑"), strict=True):
        for row in timed:
            seconds, value = float(row["seconds"]), float(row[key])
            axes.plot(seconds, value, "o")
            axes.annotate(f" {label(row)}", (seconds, value), fontsize=8)
        axes.set(xlabel="seconds an image", ylabel=title, xscale="log")
        axes.margins(0.25)
        _plain(axes.xaxis)
    figure.savefig(path, format="png", dpi=DPI)


def label(row: Row) -> str:
    """Model and tiling."""
    return f"{row['model']} {row['tiling']}".strip()


def _figure(columns: int) -> tuple[Any, Any]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 4), layout="constrained")
    every = figure.subplots(1, columns)
    for axes in every:
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(alpha=0.3)
    return figure, every


def _plain(axis: Any) -> None:
    """Puts plain numbers on a logarithmic axis: 1, 2, 5, 10..."""
    from matplotlib.ticker import LogLocator, NullLocator

    axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter("{x:g}")


def _line(axes: Any, profile: Profile, positions: Any, label: str) -> None:
    known = profile.pixels > 0
    errors = np.maximum(100 * profile.means[known], LEAST)
    axes.plot(positions[known], errors, "o-", markersize=4, label=label)
