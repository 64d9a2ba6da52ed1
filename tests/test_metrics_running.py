"""Metrics that add up: over images, over shards, over processes; and their values are the pure functions'."""

import subprocess
import sys

import numpy as np
import pytest
import torch

from hyperfocal.metrics import depth, edges, ordinal, running

IMAGES = 5


def batch(seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """(5, 1, 40, 60) predictions and truths: boxes before a plane, with holes; the last one knows nothing."""
    rng = np.random.default_rng(seed)
    truth = np.full((IMAGES, 1, 40, 60), 12.0, np.float32)
    for image in truth[:, 0]:
        top, left = rng.integers(5, 20, 2)
        image[top : top + 15, left : left + 20] = rng.uniform(2, 9)
    prediction = truth * rng.uniform(0.7, 1.3, truth.shape).astype(np.float32)
    truth[rng.random(truth.shape) < 0.1] = 0
    truth[-1] = 0
    return torch.from_numpy(prediction), torch.from_numpy(truth)


METRICS = {
    "depth": lambda: running.DepthErrors(alignment="scale"),
    "see": running.SoftEdgeError,
    "boundary": running.BoundaryScores,
    "d3r": lambda: running.D3R(segments=40),
}


@pytest.mark.parametrize("make", METRICS.values(), ids=METRICS)
def test_two_shards_add_up_to_the_whole(make):
    prediction, truth = batch()
    whole, left, right = make(), make(), make()
    whole.update(prediction, truth)
    left.update(prediction[:2], truth[:2])
    for p, g in zip(prediction[2:], truth[2:], strict=True):
        right.update(p, g)
    right.merge_state(left)  # puts what comes in first
    for name, values in whole.per_image().items():
        assert torch.equal(values.nan_to_num(-1), right.per_image()[name].nan_to_num(-1))
        assert len(values) == IMAGES
    assert {k: float(v) for k, v in right.compute().items()} == {
        k: float(v) for k, v in whole.compute().items()
    }


def test_values_are_those_of_the_pure_functions():
    prediction, truth = batch()
    maps = [(p[0].numpy(), g[0].numpy()) for p, g in zip(prediction, truth, strict=True)]
    nyu = depth.window_mask((40, 60), depth.EIGEN_NYU)
    expected = [depth.scores(p, g, nyu, max_depth=10, alignment="median") for p, g in maps]
    metric = running.DepthErrors(max_depth=10, window=depth.EIGEN_NYU, alignment="median")
    metric.update(prediction, truth)
    for name, values in metric.per_image().items():
        assert values.tolist() == pytest.approx([e[name] for e in expected], rel=1e-6, nan_ok=True)
        assert float(metric.compute()[name]) == pytest.approx(
            np.nanmean([e[name] for e in expected]), rel=1e-6
        )

    d3r = running.D3R(segments=40)
    d3r.update(prediction, truth)
    assert float(d3r.per_image()["d3r"][0]) == pytest.approx(
        ordinal.d3r(*maps[0], ordinal.neighbouring_centres(maps[0][1], 40))
    )

    see = running.SoftEdgeError(radius=2)
    see.update(prediction, truth)
    p, g = maps[0]
    counts = edges.disparity_edges(np.where(g > 0, g, np.nan)) & (g > 0)  # a hole is no edge
    assert counts.sum() < (edges.disparity_edges(g) & (g > 0)).sum()
    assert float(see.per_image()["see"][0]) == pytest.approx(edges.soft_edge_error(p, g, counts, 2))


def test_predictions_of_another_size_or_precision_are_taken():
    prediction, truth = batch()
    small, large = running.DepthErrors(), running.DepthErrors()
    small.update(prediction[:, 0, ::2, ::2].half(), truth[:, 0])
    half = prediction[:, :, ::2, ::2].half().float()
    large.update(torch.nn.functional.interpolate(half, (40, 60), mode="bilinear"), truth)
    assert float(small.compute()["rmse"]) == pytest.approx(float(large.compute()["rmse"]))


def test_tiles_masks_and_streets():
    tiles = torch.ones(4, 4, 6, 8)
    tiles[0] += 1
    ce = running.ConsistencyError()
    ce.update(tiles, overlap=3)
    beside, below = 12 * 6 * 3, 12 * 3 * 8  # pixels; 4 of the 12 strips below differ by 1
    assert float(ce.compute()["ce"]) == pytest.approx(below / 3 / (beside + below))

    mask = torch.zeros(1, 20, 20, dtype=torch.bool)
    mask[:, 5:15, 5:15] = True
    recall = running.MaskBoundaryRecall()
    recall.update(torch.where(mask, 2.0, 4.0), mask)
    assert float(recall.compute()["mask_boundary_recall"]) == pytest.approx(1)

    photo = torch.zeros(1, 64, 128, 3, dtype=torch.uint8)
    truth = torch.full((1, 64, 128), 20.0)
    truth[:, 20:40, 40:80] = 8
    photo[:, 20:40, 40:80] = 200
    street = running.CityscapesErrors()
    street.update(truth, truth, photo, photo)
    assert float(street.compute()["rmse"]) == 0
    assert float(street.compute()["f1"]) > 0.9


def test_pure_metrics_need_no_extra():
    code = (
        "import sys; sys.modules.update(dict.fromkeys(['torchmetrics', 'skimage', 'scipy', 'kornia']));"
        "import hyperfocal.metrics.depth, hyperfocal.metrics.edges, hyperfocal.metrics.consistency"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def _process(rank: int, count: int, store: str) -> None:
    """One of the processes: rank 2 has no image."""
    torch.distributed.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=count)
    prediction, truth = batch()
    metric, whole = running.DepthErrors(), running.DepthErrors(sync_on_compute=False)
    whole.update(prediction, truth)
    shard = (slice(0, 3), slice(3, 5), slice(0))[rank]
    if rank < 2:
        metric.update(prediction[shard], truth[shard])
    expected = whole.compute()
    for name, value in metric.compute().items():
        torch.testing.assert_close(value, expected[name], msg=f"{name} of rank {rank}")
    if rank < 2:
        assert len(metric.per_image()["rmse"]) == len(prediction[shard])
        with metric.sync_context():
            assert torch.equal(metric.per_image()["rmse"][:4], whole.per_image()["rmse"][:4])
    else:
        with metric.sync_context():
            assert len(metric.per_image()["rmse"]) == IMAGES
    torch.distributed.destroy_process_group()


@pytest.mark.slow
@pytest.mark.parametrize("processes", [2, 3])
def test_processes_add_up(tmp_path, processes):
    torch.multiprocessing.spawn(_process, (processes, str(tmp_path / "store")), nprocs=processes)
