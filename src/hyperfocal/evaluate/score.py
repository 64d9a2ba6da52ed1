"""Score predictions: all numbers of one image, their means, and a table in Markdown."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from hyperfocal.data.kinds import Reader
from hyperfocal.metrics.depth import Alignment, align, clip, counted, scores
from hyperfocal.metrics.edges import boundary_f1, disparity_edges, soft_edge_error
from hyperfocal.predictor import Model

FloatMap = NDArray[np.float32]
Row = dict[str, float | str]

# What the tables show, in this order: title, key, whether more is better.
COLUMNS = (
    ("AbsRel", "abs_rel", False),
    ("δ1", "delta1", True),
    ("RMSE", "rmse", False),
    ("SILog", "silog", False),
    ("SEE", "see", False),
    ("boundary F1", "boundary_f1", True),
)


def score_image(
    prediction: FloatMap,
    truth: FloatMap,
    disparity: FloatMap | None,
    *,
    alignment: Alignment = "none",
    min_depth: float = 1e-3,
    max_depth: float = 80.0,
) -> dict[str, float]:
    """Return every metric of one image.

    Args:
        prediction: (H, W) metres, inf = sky.
        truth: (H, W) metres; inf = sky, 0 or NaN = unknown.
        disparity: (H, W) pixels whose jumps of more than 1 are the edges of SEE; None takes jumps of depth in metres.
        alignment: "none", or what is fitted for each image; see `metrics.depth.scale_and_shift`.
        min_depth: metres; truth outside the range doesn't count.
        max_depth: metres.
    """
    known = counted(truth, None, min_depth, max_depth)
    aligned = align(prediction, truth, known, alignment)
    out = scores(aligned, truth, min_depth=min_depth, max_depth=max_depth)
    edges = disparity_edges(np.where(known, truth, np.nan) if disparity is None else disparity)
    out["see"] = soft_edge_error(clip(aligned, min_depth, max_depth), truth, edges & known)
    out["boundary_f1"] = boundary_f1(aligned, truth, truth > 0)
    return out


def score_model(
    model: Model,
    data: Reader,
    tilings: Sequence[str],
    *,
    alignments: Sequence[Alignment] = ("none", "median"),
    min_depth: float = 1e-3,
    max_depth: float = 80.0,
    focal_px: float | None = None,
    on_map: Callable[[str, str, FloatMap], None] | None = None,
) -> Iterator[Row]:
    """Predict each photo of `data` with each tiling; yield one row for each tiling and alignment.

    The photo's true focal length is given to the model, as a camera's EXIF would give it.

    Args:
        model: to score.
        data: photos with their depth.
        tilings: such as ("none", "auto"): the coarse map alone, and refined.
        alignments: of which to give rows.
        min_depth: metres; truth outside the range doesn't count.
        max_depth: metres.
        focal_px: of all photos; by default what the data says.
        on_map: called with (name, tiling, metres) of each prediction.
    """
    for index in range(len(data)):
        sample, disparity = data[index], data.disparity(index)
        for tiling in tilings:
            metres = model.predict(sample.image, tiling=tiling, focal_px=focal_px or sample.focal_px).metres
            if on_map is not None:
                on_map(sample.name, tiling, metres)
            for alignment in alignments:
                values = score_image(
                    metres,
                    sample.metres,
                    disparity,
                    alignment=alignment,
                    min_depth=min_depth,
                    max_depth=max_depth,
                )
                yield {"name": sample.name, "tiling": tiling, "alignment": alignment, **values}


def means(rows: Sequence[Row], keys: Sequence[str] = ("tiling", "alignment")) -> list[Row]:
    """Return the mean of every metric for each combination of `keys`, images without a value left out."""
    groups: dict[tuple[str, ...], list[Row]] = {}
    for row in rows:
        groups.setdefault(tuple(str(row[key]) for key in keys), []).append(row)
    out = []
    for group, members in groups.items():
        metrics = [k for k, v in members[0].items() if not isinstance(v, str)]
        values: Row = {k: float(np.nanmean([float(m[k]) for m in members])) for k in metrics}
        out.append(dict(zip(keys, group, strict=True)) | values | {"images": float(len(members))})
    return out


def markdown(rows: Sequence[Row], keys: Sequence[str] = ("tiling", "alignment")) -> str:
    """Return mean rows as a Markdown table."""
    head = [*keys, *(f"{title} {'↑' if more else '↓'}" for title, _, more in COLUMNS)]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for row in rows:
        cells = [str(row[k]) for k in keys] + [f"{float(row[key]):.4f}" for _, key, _ in COLUMNS]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"
