"""Metrics against the values of the three published repositories, which agree, on two images."""

import json
from pathlib import Path

import numpy as np
import pytest

from hyperfocal.metrics import cityscapes, depth, edges

PARITY = Path(__file__).parent / "data" / "parity"
VALUES = json.loads((PARITY / "metrics_values.json").read_text())
ARRAYS = dict(np.load(PARITY / "metrics_losses.npz"))
ADD_MASK = np.unpackbits(np.load(PARITY / "metrics_add_mask.npz")["add_mask"]).reshape(2, 270, 480) > 0
NAMES = {"a1": "delta1", "a2": "delta2", "a3": "delta3", "log_10": "log10"}  # theirs: ours


def maps(index: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Prediction, truth with holes (0 and 200 m), and whole truth."""
    prediction, whole, hole = (ARRAYS[name][index] for name in ("prediction", "truth", "hole"))
    return prediction, np.choose(hole, [whole, np.float32(0), np.float32(200)]), whole


@pytest.mark.parametrize("index", [0, 1])
@pytest.mark.parametrize("case", ["u4k", "u4k_pred_half_res_bilinear", "garg", "eigen_kitti", "add_mask"])
def test_depth_errors_and_see(case, index):
    prediction, truth, whole = maps(index)
    if "half_res" in case:
        prediction = depth.resize(prediction[::2, ::2], truth.shape)
    window = {"garg": depth.GARG, "eigen_kitti": depth.EIGEN_KITTI}.get(case, depth.WHOLE)
    valid = depth.window_mask(truth.shape, window) & (ADD_MASK[index] if case == "add_mask" else True)
    found = depth.scores(prediction, truth, valid)
    counts = depth.counted(truth, valid, 1e-3, 80) & edges.disparity_edges(600 / whole)
    found["see"] = edges.soft_edge_error(prediction, truth, counts)
    published = VALUES[f"compute_metrics/{case}/img{index}"]
    assert found == pytest.approx({NAMES.get(k, k): v for k, v in published.items()}, rel=1e-5)


@pytest.mark.parametrize("index", [0, 1])
@pytest.mark.parametrize("radius", [1, 2])
def test_soft_edge_error_at_both_radii(radius, index):
    prediction, truth, whole = maps(index)
    counts = depth.counted(truth, None, 1e-3, 80) & edges.disparity_edges(600 / whole)
    found = [edges.soft_edge_error(prediction, truth, m, radius) for m in (counts, np.ones_like(counts))]
    names = ("valid_boundary_mean", "mean")
    assert found == pytest.approx(
        [VALUES[f"soft_edge_error_r{radius}_{n}/img{index}"] for n in names], rel=1e-5
    )


@pytest.mark.parametrize("index", [0, 1])
def test_boundaries(index):
    prediction, truth, whole = maps(index)
    predicted, true = cityscapes.log_edges(prediction), cityscapes.log_edges(whole)
    assert predicted.sum() == VALUES[f"extract_edges_count/log/pred/img{index}"]
    assert true.sum() == VALUES[f"extract_edges_count/log/gt/img{index}"]
    found = cityscapes.boundary_errors(predicted, true, depth.counted(truth, None, 1e-3, 80))
    published = VALUES[f"compute_boundary_metrics/img{index}"]
    names = ("precision", "recall", "f1_score", "EdgeAcc", "EdgeComp")
    assert list(found.values()) == pytest.approx([published[name] for name in names], rel=1e-6)
