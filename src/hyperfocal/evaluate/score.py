"""Score predictions: all numbers of one image, and their means."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean, median
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from hyperfocal.evaluate.truth import Truth
from hyperfocal.metrics.depth import Alignment, align, clip, counted, scores
from hyperfocal.metrics.edges import boundary_f1, soft_edge_error

FloatMap = NDArray[np.float32]
Row = dict[str, float | str]
KEYS = ("model", "tiling", "alignment")  # of a row of the table; "name" of an image besides
NAN = float("nan")


@dataclass(frozen=True)
class Prediction:
    """One depth map.

    Attributes:
        metres: (H, W) at the truth's size; inf = sky.
        measured: further numbers of it, such as seconds.
    """

    metres: FloatMap
    measured: Mapping[str, float] = field(default_factory=dict)


class Source(Protocol):
    """Where predictions come from."""

    @property
    def name(self) -> str:
        """Of the model or program."""

    @property
    def tiling(self) -> str:
        """Of the model; empty for other programs."""

    @property
    def alignments(self) -> tuple[Alignment, ...] | None:
        """Those that make sense; None: any."""

    @property
    def about(self) -> Mapping[str, str]:
        """What a report says of it, known once it has run."""

    def __call__(self, truths: Iterable[Truth]) -> Iterator[tuple[Truth, Prediction]]:
        """Yields a prediction for each frame."""


def score_image(
    prediction: FloatMap,
    truth: Truth,
    *,
    alignment: Alignment = "none",
    min_depth: float = 1e-3,
    max_depth: float = 80.0,
) -> dict[str, float]:
    """Return every metric of one image.

    Args:
        prediction: (H, W) metres, inf = sky.
        truth: of the same size.
        alignment: "none", or what is fitted for each image; see `metrics.depth.align`.
        min_depth: metres; truth outside the range doesn't count.
        max_depth: metres.

    Returns:
        The errors of `metrics.depth.scores`, see, boundary_f1; d3r where the truth has pairs; the numbers of
        `cityscapes_scores` as cityscapes_... where it has a segmentation.
    """
    metres = truth.metres
    known = counted(metres, None, min_depth, max_depth)
    aligned = align(prediction, metres, known, alignment)
    out = scores(aligned, metres, min_depth=min_depth, max_depth=max_depth)
    out["see"] = soft_edge_error(clip(aligned, min_depth, max_depth), metres, truth.edges(known))
    out["boundary_f1"] = boundary_f1(aligned, metres, metres > 0)
    if truth.pairs is not None:
        from hyperfocal.metrics.ordinal import d3r

        out["d3r"] = d3r(aligned, metres, truth.pairs)
    if truth.segmentation is not None and truth.image is not None:
        from hyperfocal.metrics.cityscapes import cityscapes_scores

        found = cityscapes_scores(aligned, metres, truth.image, truth.segmentation)
        out |= {f"cityscapes_{key}": value for key, value in found.items()}
    return out


def score(
    source: Source,
    truths: Iterable[Truth],
    alignments: Sequence[Alignment] = ("none", "median"),
    *,
    min_depth: float = 1e-3,
    max_depth: float = 80.0,
    on_map: Callable[[Truth, FloatMap], None] | None = None,
) -> Iterator[Row]:
    """Yield the scores of each prediction: a row for each image and alignment.

    Args:
        source: a `MapFolder` or a `ModelRun`.
        truths: the frames.
        alignments: of which to give rows, unless the source allows others only.
        min_depth: metres; truth outside the range doesn't count.
        max_depth: metres.
        on_map: called with each truth and the prediction in its first alignment.
    """
    alignments = source.alignments or alignments
    for truth, prediction in source(truths):
        for alignment in alignments:
            values = score_image(
                prediction.metres, truth, alignment=alignment, min_depth=min_depth, max_depth=max_depth
            )
            keys = {"model": source.name, "tiling": source.tiling, "alignment": alignment}
            yield {"name": truth.name, **keys, **values, **prediction.measured}
        if on_map is not None:
            known = counted(truth.metres, None, min_depth, max_depth)
            on_map(truth, align(prediction.metres, truth.metres, known, alignments[0]))


def means(rows: Sequence[Row], keys: Sequence[str] = KEYS) -> list[Row]:
    """Return one row for each combination of `keys`.

    Each number is the mean over the images that have it, NaN where none has; of `seconds` the median, which a
    busy moment doesn't move, and of the peaks of memory the largest.
    """
    groups: dict[tuple[str, ...], list[Row]] = {}
    for row in rows:
        groups.setdefault(tuple(str(row[key]) for key in keys), []).append(row)
    out = []
    for group, members in groups.items():
        names = dict.fromkeys(k for member in members for k, v in member.items() if not isinstance(v, str))
        values: Row = {name: _summary(name, [float(m.get(name, NAN)) for m in members]) for name in names}
        out.append(dict(zip(keys, group, strict=True)) | values | {"images": float(len(members))})
    return out


def _summary(name: str, values: Sequence[float]) -> float:
    known = [value for value in values if not np.isnan(value)]
    if not known:
        return NAN
    match name:
        case "seconds":
            return median(known)
        case "peak_rss_mb" | "peak_gpu_mb":
            return max(known)
    return fmean(known)
