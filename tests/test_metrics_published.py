"""Metrics against the values of the three published repositories, which agree, on two images.

`python tests/test_metrics_published.py` prints the largest difference of each metric.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from hyperfocal.metrics import cityscapes, depth, edges

PARITY = Path(__file__).parent / "data" / "parity"
VALUES = json.loads((PARITY / "metrics_values.json").read_text())
ARRAYS = dict(np.load(PARITY / "metrics_losses.npz"))
ADD_MASK = np.unpackbits(np.load(PARITY / "metrics_add_mask.npz")["add_mask"]).reshape(2, 270, 480) > 0
NAMES = {"a1": "delta1", "a2": "delta2", "a3": "delta3", "log_10": "log10"}  # theirs: ours
CASES = ("u4k", "u4k_pred_half_res_bilinear", "garg", "eigen_kitti", "add_mask")

Pairs = Iterator[tuple[str, float, float]]  # metric, ours, published


def maps(index: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Prediction, truth with holes (0 and 200 m), and whole truth."""
    prediction, whole, hole = (ARRAYS[name][index] for name in ("prediction", "truth", "hole"))
    return prediction, np.choose(hole, [whole, np.float32(0), np.float32(200)]), whole


def errors(case: str, index: int) -> Pairs:
    prediction, truth, whole = maps(index)
    if "half_res" in case:
        prediction = depth.resize(prediction[::2, ::2], truth.shape)
    window = {"garg": depth.GARG, "eigen_kitti": depth.EIGEN_KITTI}.get(case, depth.WHOLE)
    valid = depth.window_mask(truth.shape, window) & (ADD_MASK[index] if case == "add_mask" else True)
    found = depth.scores(prediction, truth, valid)
    counts = depth.counted(truth, valid, 1e-3, 80) & edges.disparity_edges(600 / whole)
    found["see"] = edges.soft_edge_error(prediction, truth, counts)
    for theirs, value in VALUES[f"compute_metrics/{case}/img{index}"].items():
        name = NAMES.get(theirs, theirs)
        yield name, found.pop(name), value
    assert not found


def soft_edges(radius: int, index: int) -> Pairs:
    prediction, truth, whole = maps(index)
    counts = depth.counted(truth, None, 1e-3, 80) & edges.disparity_edges(600 / whole)
    for mask, name in ((counts, "valid_boundary_mean"), (np.ones_like(counts), "mean")):
        published = VALUES[f"soft_edge_error_r{radius}_{name}/img{index}"]
        yield f"see, radius {radius}", edges.soft_edge_error(prediction, truth, mask, radius), published


def boundaries(index: int) -> Pairs:
    prediction, truth, whole = maps(index)
    predicted, true = cityscapes.log_edges(prediction), cityscapes.log_edges(whole)
    for edge, name in ((predicted, "pred"), (true, "gt")):
        yield "edge pixels", edge.sum(), VALUES[f"extract_edges_count/log/{name}/img{index}"]
    found = cityscapes.boundary_errors(predicted, true, depth.counted(truth, None, 1e-3, 80))
    published = VALUES[f"compute_boundary_metrics/img{index}"]
    for name, theirs in zip(found, ("precision", "recall", "f1_score", "EdgeAcc", "EdgeComp"), strict=True):
        yield f"Cityscapes {name}", found[name], published[theirs]


def every_pair() -> Pairs:
    for index in (0, 1):
        for case in CASES:
            yield from errors(case, index)
        for radius in (1, 2):
            yield from soft_edges(radius, index)
        yield from boundaries(index)


@pytest.mark.parametrize("index", [0, 1])
@pytest.mark.parametrize("case", CASES)
def test_depth_errors_and_see(case, index):
    for name, ours, published in errors(case, index):
        assert ours == pytest.approx(published, rel=1e-5), name


@pytest.mark.parametrize("index", [0, 1])
@pytest.mark.parametrize("radius", [1, 2])
def test_soft_edge_error_at_both_radii(radius, index):
    for name, ours, published in soft_edges(radius, index):
        assert ours == pytest.approx(published, rel=1e-5), name


@pytest.mark.parametrize("index", [0, 1])
def test_boundaries(index):
    for name, ours, published in boundaries(index):
        assert ours == pytest.approx(published, rel=1e-6), name


def test_errors_are_their_formulas():
    """Written once more, from the definitions, pixel by pixel."""
    prediction, truth, _ = maps(0)
    g = truth[(truth > 1e-3) & (truth < 80)].astype(np.float64).tolist()
    p = prediction[(truth > 1e-3) & (truth < 80)].astype(np.float64).tolist()
    pairs, n = list(zip(p, g, strict=True)), len(g)
    logs = [np.log(a / b) for a, b in pairs]
    expected = {
        "abs_rel": sum(abs(a - b) / b for a, b in pairs) / n,
        "sq_rel": sum((a - b) ** 2 / b for a, b in pairs) / n,
        "rmse": (sum((a - b) ** 2 for a, b in pairs) / n) ** 0.5,
        "rmse_log": (sum(e * e for e in logs) / n) ** 0.5,
        "log10": sum(abs(e) for e in logs) / n / np.log(10),
        "silog": 100 * (sum(e * e for e in logs) / n - (sum(logs) / n) ** 2) ** 0.5,
    }
    expected |= {f"delta{k}": sum(max(a / b, b / a) < 1.25**k for a, b in pairs) / n for k in (1, 2, 3)}
    assert depth.scores(prediction, truth) == pytest.approx(expected, rel=1e-9)


if __name__ == "__main__":
    worst: dict[str, float] = {}
    for metric, ours, published in every_pair():
        worst[metric] = max(worst.get(metric, 0), abs(ours - published) / max(abs(published), 1e-12))
    print("\n".join(f"{metric:<30}{difference:.1e}" for metric, difference in worst.items()))
