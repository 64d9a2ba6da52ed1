"""Metrics of one image: hand-made edges, and invariances."""

import numpy as np
import pytest

from hyperfocal.errors import HyperfocalError
from hyperfocal.metrics import cityscapes, depth, edges, ordinal
from hyperfocal.metrics.consistency import consistency_boxes, consistency_error


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


def test_soft_edge_error_takes_nan_beside_an_edge_as_unknown():
    truth = np.full((9, 12), 4.0)
    truth[:, 6:] = 10
    counts, holed = edges.disparity_edges(truth), truth.copy()
    counts[4] = False
    holed[4, 6] = 0
    expected = edges.soft_edge_error(truth + 1, holed, counts)
    holed[4, 6] = np.nan
    assert edges.soft_edge_error(truth + 1, holed, counts) == expected > 0


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


def test_alignments_find_what_was_done_to_the_truth():
    truth = np.where(np.isinf(scene()), 0, scene())
    counts = truth > 0
    for how, spoiled in (("scale", truth * 3), ("median", truth / 3), ("scale-shift", 0.5 * truth - 2)):
        assert np.allclose(depth.align(spoiled, truth, counts, how)[counts], truth[counts])
        assert depth.align(spoiled, truth, counts) is spoiled


def test_least_squares_alignments_are_those_of_lstsq():
    rng = np.random.default_rng(0)
    p, g = rng.uniform(1, 9, 500), rng.uniform(1, 9, 500)
    (s,), *_ = np.linalg.lstsq(p[:, None], g, rcond=None)
    assert depth.scale_and_shift(p, g, "scale") == pytest.approx((s, 0))
    expected = np.linalg.lstsq(np.stack([p, np.ones(500)], 1), g, rcond=None)[0]
    assert depth.scale_and_shift(p, g, "scale-shift") == pytest.approx(expected)
    assert depth.scale_and_shift(np.full(500, 4.0), g, "scale-shift") == pytest.approx((0, g.mean()))


def test_alignment_leaves_sky_and_unknown_pixels_out_of_the_vote():
    truth, prediction = np.array([[2.0, 4.0, 6.0, 5.0]]), np.array([[1.0, 2.0, np.inf, np.nan]])
    for how in ("scale", "median", "scale-shift"):
        aligned = depth.align(prediction, truth, truth > 0, how)
        assert np.allclose(aligned[0, :2], truth[0, :2])
        assert np.isinf(aligned[0, 2])


def test_an_unknown_alignment_is_named():
    with pytest.raises(HyperfocalError, match="scale-shift"):
        depth.align(np.ones((2, 2)), np.ones((2, 2)), np.ones((2, 2), bool), "affine")


def test_the_nyu_crop_is_the_published_pixels():
    rows, columns = np.nonzero(depth.window_mask((480, 640), depth.EIGEN_NYU))
    assert (rows.min(), rows.max() + 1, columns.min(), columns.max() + 1) == (45, 471, 41, 601)


def test_resizing_keeps_sky_sky():
    small = np.array([[1.0, 3.0], [np.inf, np.inf]])
    large = depth.resize(small, (8, 8))
    assert np.isinf(large[4:]).all()
    assert np.allclose(large[:4], [1, 1, 1.25, 1.75, 2.25, 2.75, 3, 3])


def test_mask_boundary_recall_of_a_sharp_a_missed_and_a_blurred_outline():
    mask = np.zeros((20, 20), bool)
    mask[5:15, 5:15] = True
    sharp = np.where(mask, 2.0, 4.0)
    assert edges.mask_boundary_recall(sharp, mask) == pytest.approx(1)
    assert edges.mask_boundary_recall(np.where(mask, 2.0, np.inf), mask) == pytest.approx(1)
    assert edges.mask_boundary_recall(1 / sharp, mask) == 0  # the object behind its surroundings
    assert edges.mask_boundary_recall(np.where(mask, 2.0, 2.2), mask) == pytest.approx(
        edges.boundary_scores(np.where(mask, 2.0, 2.2), sharp)["boundary_recall"]
    )
    blurred = sharp.copy()
    blurred[:, 4], blurred[:, 15] = sharp[:, 4] * 0.8, sharp[:, 15] * 0.8
    # Both sides' steps are now 1.6 then 1.25 in one run: the larger one, on the outline, counts alone.
    assert edges.mask_boundary_recall(blurred, mask) == pytest.approx(1)


def test_thinning_keeps_one_of_each_run():
    depths = np.array([[1.0, 1.2, 1.5, 1.7, 1.7, 2.4, 2.4, 3.2]])
    ratio = depths[:, 1:] / depths[:, :-1]
    assert edges._thinned(ratio, 1.1).tolist() == [[False, True, False, False, True, False, True]]
    two_rows = np.array([[1.0, 1.5], [1.4, 1.0]])  # a run doesn't go on in the next row
    assert edges._thinned(two_rows, 1.2).tolist() == [[False, True], [True, False]]


def test_consistency_boxes_are_the_published_ones():
    boxes, overlap = consistency_boxes(2160, 3840)
    assert overlap == 270
    assert {box.top for box in boxes} == {405, 675, 945, 1215}
    assert {box.left for box in boxes} == {405, 1095, 1785, 2475}
    assert {box[2:] for box in boxes} == {(540, 960)}


def test_consistency_error_is_the_mean_difference_of_neighbours():
    rng = np.random.default_rng(0)
    boxes, overlap = consistency_boxes(96, 160)
    whole = rng.uniform(1, 9, (96, 160))
    same = np.stack([whole[box.slices] for box in boxes]).reshape(4, 4, 24, 40)
    assert consistency_error(same, overlap) == 0
    tiles = same + rng.normal(size=same.shape)
    pairs = [(r, c, r, c - 1) for r in range(4) for c in (1, 2, 3)]
    pairs += [(r, c, r - 1, c) for r in (1, 2, 3) for c in range(4)]
    differences = []
    for r, c, r2, c2 in pairs:
        canvases = [np.full(whole.shape, np.nan) for _ in range(2)]
        for canvas, (i, j) in zip(canvases, ((r, c), (r2, c2)), strict=True):
            canvas[boxes[4 * i + j].slices] = tiles[i, j]
        both = np.abs(canvases[0] - canvases[1])
        differences.append(both[np.isfinite(both)])
    assert consistency_error(tiles, overlap) == pytest.approx(np.concatenate(differences).mean())


def test_d3r_is_the_disagreement_of_orders_across_discontinuities():
    truth = np.full((60, 90), 10.0)
    truth[:, 45:] = 5
    truth[:, :2] = 0
    pairs = ordinal.neighbouring_centres(truth, 60)
    assert len(pairs) > 60
    across = [(i, j) for i, j in pairs.tolist() if {truth[tuple(i)], truth[tuple(j)]} == {5, 10}]
    assert across
    assert ordinal.d3r(truth * 3, truth, pairs) == 0
    assert ordinal.d3r(np.ones_like(truth), truth, pairs) == 1
    assert ordinal.d3r(1 / np.maximum(truth, 1), truth, pairs) == 2
    upper = truth.copy()
    upper[30:] = 10  # the lower half's edge is lost
    lost = sum(upper[tuple(i)] == upper[tuple(j)] for i, j in across)
    assert ordinal.d3r(upper, truth, pairs) == pytest.approx(lost / len(across))
    assert np.isnan(ordinal.d3r(truth, np.full_like(truth, 3.0), pairs))


def test_d3r_takes_sky_as_far():
    truth = scene()
    pairs = ordinal.neighbouring_centres(truth, 60)
    assert ordinal.d3r(truth, truth, pairs) == 0
    assert ordinal.d3r(np.where(np.isinf(truth), 1.0, truth), truth, pairs) > 0


def street() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Truth, photo and segmentation: a car at 8 m before a wall at 20 m, below a sky."""
    truth = np.full((128, 256), 20.0, np.float32)
    labels = np.full((128, 256, 3), (70, 70, 70), np.uint8)
    truth[40:80, 90:150], labels[40:80, 90:150] = 8, (0, 0, 142)
    labels[20:60, 180:230] = (220, 220, 0)  # a sign painted on the wall: an outline without a depth edge
    labels[:10] = (70, 130, 180)
    return truth, labels.copy(), labels


def test_cityscapes_counts_neither_bonnet_nor_sides_nor_sky():
    truth, _, labels = street()
    expected = np.zeros(truth.shape, bool)
    expected[10:96, 16:240] = True
    assert (cityscapes.cityscapes_valid(cityscapes.without_sky(truth, labels)) == expected).all()


def test_a_true_boundary_needs_both_an_outline_and_a_depth_edge():
    truth, _, labels = street()
    boundary = cityscapes.true_boundary(cityscapes.without_sky(truth, labels), labels)
    assert boundary[60, 85:95].any()
    assert not boundary[:, 170:].any()
    labels[:] = 0
    assert not cityscapes.true_boundary(truth, labels).any()


def test_cityscapes_scores_of_the_truth_and_of_a_shifted_edge():
    truth, photo, labels = street()
    perfect = cityscapes.cityscapes_scores(truth, truth, photo, labels)
    assert perfect["rmse"] == 0
    assert perfect["f1"] > 0.9
    assert perfect["edge_accuracy"] < 1.1
    shifted = cityscapes.cityscapes_scores(np.roll(truth, 6, 1), truth, photo, labels)
    assert shifted["f1"] < 0.7 < perfect["f1"]
    assert shifted["edge_accuracy"] > perfect["edge_accuracy"]
    blind = cityscapes.cityscapes_scores(np.full_like(truth, 20), truth, photo, labels)
    assert (blind["f1"], blind["edge_accuracy"], blind["edge_completeness"]) == (0, 10, 10)


def test_cityscapes_scale_is_judged_where_it_is_flat():
    truth, photo, labels = street()
    off = truth.copy()
    off[39:41, 91:149] = 14  # wrong, but only along an outline of the photo
    assert (
        cityscapes.cityscapes_scores(off, truth, photo, labels)["rmse"]
        == 0
        < depth.scores(off, truth)["rmse"]
    )
    off[25:30, 20:60] = 14
    assert cityscapes.cityscapes_scores(off, truth, photo, labels)["rmse"] > 0.2
