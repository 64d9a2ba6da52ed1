"""Metrics: published values of the reference repositories, hand-made edges, and invariances."""

from pathlib import Path

import numpy as np
import pytest

from hyperfocal.metrics import depth, edges

PARITY = Path(__file__).parent / "data" / "parity" / "metrics_losses.npz"
# compute_metrics of the three repositories (they agree), range 0.001-80 m, and SEE at both radii.
PUBLISHED = [
    {
        "delta1": 0.9394894651539708,
        "delta2": 0.9768638573743922,
        "delta3": 0.989935170178282,
        "abs_rel": 0.08027383685112,
        "rmse": 1.930933952331543,
        "log10": 0.030412280932068825,
        "rmse_log": 0.13912619650363922,
        "silog": 12.9881010055542,
        "sq_rel": 0.3034587502479553,
        "see": 5.211459159851074,
        "see_radius_2": 5.145509070382287,
    },
    {
        "delta1": 0.9548311712679852,
        "delta2": 0.9832493240880519,
        "delta3": 0.9899274194236198,
        "abs_rel": 0.08568622916936874,
        "rmse": 1.5773520469665527,
        "log10": 0.029520303010940552,
        "rmse_log": 0.15812097489833832,
        "silog": 14.937067031860352,
        "sq_rel": 0.27801716327667236,
        "see": 2.5763628482818604,
        "see_radius_2": 2.5470164961499346,
    },
]


@pytest.mark.parametrize("index", [0, 1])
def test_published_values(index):
    arrays = np.load(PARITY)
    prediction, whole, hole = (arrays[name][index] for name in ("prediction", "truth", "hole"))
    truth = np.where(hole == 0, whole, np.where(hole == 1, 0, 200)).astype(np.float32)
    counts = (truth > 1e-3) & (truth < 80) & edges.disparity_edges(600 / whole)
    found = depth.scores(prediction, truth)
    found["see"] = edges.soft_edge_error(prediction, truth, counts)
    found["see_radius_2"] = edges.soft_edge_error(prediction, truth, counts, radius=2)
    assert found == pytest.approx(PUBLISHED[index], rel=2e-5)


def scene(seed: int = 0) -> np.ndarray:
    """Two planes, boxes and a sky."""
    rng = np.random.default_rng(seed)
    metres = np.full((40, 60), 20.0)
    metres[:10] = np.inf
    for _ in range(5):
        top, left = rng.integers(0, 30), rng.integers(0, 50)
        metres[top : top + 9, left : left + 9] = rng.uniform(2, 15)
    return metres


def test_a_perfect_prediction():
    truth = scene()
    found = depth.scores(truth, truth)
    assert {name: found.pop(name) for name in ("delta1", "delta2", "delta3")} == {
        "delta1": 1,
        "delta2": 1,
        "delta3": 1,
    }
    assert found == pytest.approx(dict.fromkeys(found, 0), abs=1e-9)
    assert edges.soft_edge_error(truth, truth, edges.disparity_edges(100 / truth)) == 0
    assert edges.boundary_f1(truth, truth) == pytest.approx(1)


def test_median_alignment_removes_scale_and_nothing_else():
    truth = scene()
    prediction = truth * np.random.default_rng(1).uniform(0.8, 1.2, truth.shape)
    plain, scaled = (depth.scores(prediction * k, truth, alignment="median") for k in (1, 7))
    assert scaled == pytest.approx(plain)
    assert depth.scores(truth * 7, truth, alignment="median")["abs_rel"] == pytest.approx(0, abs=1e-9)
    assert depth.scores(truth * 1.1, truth)["abs_rel"] == pytest.approx(0.1)


def test_predictions_that_are_not_numbers_count_as_the_ends_of_the_range():
    truth = np.array([[10.0, 10.0]])
    assert depth.scores(np.array([[np.inf, 10.0]]), truth, max_depth=80)["abs_rel"] == pytest.approx(3.5)
    assert depth.scores(np.array([[np.nan, 10.0]]), truth)["abs_rel"] == pytest.approx(0.5, abs=1e-3)


def test_truth_outside_the_range_does_not_count():
    truth = np.array([[0.0, np.nan, np.inf, 90.0, 10.0]])
    assert depth.scores(np.full(truth.shape, 11.0), truth)["abs_rel"] == pytest.approx(0.1)
    assert np.isnan(depth.scores(truth, np.zeros_like(truth))["rmse"])


def test_disparity_edges_are_both_sides_of_a_jump():
    disparity = np.zeros((4, 6))
    disparity[:, 3:] = 2
    expected = np.zeros((4, 6), bool)
    expected[:, 2:4] = True
    assert (edges.disparity_edges(disparity) == expected).all()
    assert (edges.disparity_edges(disparity.T) == expected.T).all()
    assert not edges.disparity_edges(disparity, 2.5).any()


def test_soft_edge_error_forgives_a_pixel_but_not_a_flying_one():
    truth = np.full((9, 12), 4.0)
    truth[:, 6:] = 10
    counts = edges.disparity_edges(truth)
    aside, blurred = np.roll(truth, 1, 1), truth.copy()
    blurred[:, 5:7] = 7
    assert edges.soft_edge_error(aside, truth, counts) == 0
    assert edges.soft_edge_error(blurred, truth, counts) == 3
    assert np.isnan(edges.soft_edge_error(truth, truth, np.zeros_like(counts)))


def test_boundary_f1_is_scale_invariant_and_counts_sky_as_far():
    truth = scene()
    assert edges.boundary_f1(truth * 5, truth) == pytest.approx(1)
    flat = np.where(np.isinf(truth), 20.0, truth)
    assert edges.boundary_f1(flat, truth) < 0.95
    assert edges.boundary_f1(np.full(truth.shape, 3.0), truth) == 0


def test_boundary_f1_weighs_thresholds_by_themselves():
    """A jump of ratio 1.1 in all four directions is right at thresholds below 1.1 and unseen above."""
    truth = np.full((8, 8), 1.0)
    truth[2:6, 2:6] = 1.1
    thresholds = np.linspace(1.05, 1.25, 10)
    expected = thresholds[thresholds < 1.1].sum() / thresholds.sum()
    assert edges.boundary_f1(truth, truth) == pytest.approx(expected)


def test_boundary_f1_of_half_the_contours():
    """Two of four posts are found and nothing is invented: P = 1 and R = ½ from left to right."""
    truth = np.full((6, 40), 10.0)
    truth[:, 5::10] = 2
    prediction = np.where(np.arange(40) < 20, truth, 10.0)
    # No contours lie above or below one another: those directions have P = R = 0, so P = ½ and R = ¼.
    assert edges.boundary_f1(prediction, truth) == pytest.approx(1 / 3)


def test_boundary_f1_leaves_unknown_pixels_out():
    truth = scene()
    holed = truth.copy()
    holed[20:25, 20:30] = 0
    assert edges.boundary_f1(truth, holed) == pytest.approx(1)
