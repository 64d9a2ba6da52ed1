"""Consistency loss: a plain NumPy loop, both directions of shift, what is counted and what is not."""

import numpy as np
import pytest
import torch

from hyperfocal.losses.consistency import consistency

CROP, LEVELS = (24, 32), ((6, 8), (12, 16))  # as 540×960 to 12×16, in small
SHIFTS = [(8, -12), (-4, 8)]


def rand(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) * 5 + 0.5


def crops(seed: int = 0):
    features = [
        (rand(2, 3 + i, *size, seed=seed + i), rand(2, 3 + i, *size, seed=seed + 9 + i))
        for i, size in enumerate(LEVELS)
    ]
    return features, (rand(2, 1, *CROP, seed=seed + 20), rand(2, 1, *CROP, seed=seed + 21))


def plain_mse(pairs, valid: np.ndarray, shifts) -> float:
    """Pixel by pixel: pixel y of the first crop is pixel y − shift of the second."""
    squares = []
    for first, second in pairs:
        height, width = first.shape[-2:]
        step_y, step_x = valid.shape[-2] // height, valid.shape[-1] // width
        for image, (dy, dx) in enumerate(shifts):
            for y in range(height):
                for x in range(width):
                    y2, x2 = y - int(dy / step_y), x - int(dx / step_x)
                    inside = 0 <= y2 < height and 0 <= x2 < width
                    if inside and valid[image, 0, y * step_y, x * step_x]:
                        squares.extend((first[image, :, y, x] - second[image, :, y2, x2]).numpy() ** 2)
    return float(np.mean(squares))


@pytest.mark.parametrize("shifts", [SHIFTS, [(-7, 5), (3, -9)]])
def test_consistency_is_the_plain_formula(shifts):
    """Also where a level's shift has a fraction: it is cut towards zero."""
    features, depth = crops()
    valid = rand(2, 1, *CROP, seed=5) > 2
    expected = plain_mse(features, valid.numpy(), shifts) + 0.1 * plain_mse([depth], valid.numpy(), shifts)
    assert consistency(features, depth, valid, shifts).item() == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("signs", [(1, 1), (1, -1), (-1, 1), (-1, -1)])
def test_crops_of_one_map_agree_at_the_published_sizes(signs):
    """540×960 crops shifted by 135×240: 3×4 pixels at 12×16, 6×8 at 24×32."""
    origins = np.array([[150, 250], [150 + signs[0] * 135, 250 + signs[1] * 240]])
    shift = tuple((origins[1] - origins[0]).tolist())
    features = []
    for height, width in ((12, 16), (24, 32)):
        step = 540 // height, 960 // width
        world = rand(1, 2, 60, 60)
        tops = [(o // np.array(step) - 150 // np.array(step) + (6, 8)).tolist() for o in origins]
        features.append(tuple(world[..., t : t + height, s : s + width] for t, s in tops))
    world = rand(1, 1, 830, 1460)
    depth = tuple(world[..., y : y + 540, x : x + 960] for y, x in origins.tolist())
    valid = torch.ones(1, 1, 540, 960, dtype=torch.bool)
    assert consistency(features, depth, valid, [shift]).item() == 0
    assert consistency(features, depth, valid, [(-shift[0], -shift[1])]).item() > 0.1


def test_unknown_pixels_of_the_first_crop_and_pixels_outside_the_overlap_do_not_count():
    features, (first, second) = crops()
    valid = torch.ones(2, 1, *CROP, dtype=torch.bool)
    valid[..., :12, :] = False
    before = consistency(features, (first, second), valid, SHIFTS)
    spoilt = first.clone()
    spoilt[..., :12, :] = 99  # unknown
    spoilt[0, :, :, -12:] += torch.tensor([99.0] * 12)  # beyond the second crop, which lies 12 to the left
    spoilt[0, :, :, 20:] = 99
    assert consistency(features, (spoilt, second), valid, SHIFTS).item() == pytest.approx(before.item())


def test_both_crops_learn():
    features, (first, second) = crops()
    leaves = [first.requires_grad_(), second.requires_grad_()]
    valid = torch.ones(2, 1, *CROP, dtype=torch.bool)
    consistency(features, (first, second), valid, SHIFTS).backward()
    assert all(leaf.grad is not None and leaf.grad.any() for leaf in leaves)


@pytest.mark.parametrize("shifts", [[(24, 0), (0, -32)], [(40, 0), (-99, 50)]])
def test_nothing_in_common_is_a_zero_that_can_be_differentiated(shifts):
    features, (first, second) = crops()
    loss = consistency(
        features, (first.requires_grad_(), second), torch.ones(2, 1, *CROP, dtype=torch.bool), shifts
    )
    loss.backward()
    assert loss.shape == ()
    assert loss.item() == 0
    assert not first.grad.any()


def test_nothing_valid_is_zero():
    features, depth = crops()
    loss = consistency(features, depth, torch.zeros(2, 1, *CROP, dtype=torch.bool), SHIFTS)
    assert loss.shape == ()
    assert loss.item() == 0


def test_half_precision_is_summed_in_float32():
    first, second = (torch.full((1, 8, 64, 64), value, dtype=torch.float16) for value in (300.0, 1.0))
    valid = torch.ones(1, 1, 64, 64, dtype=torch.bool)
    loss = consistency([(first, second)], (first[:, :1], second[:, :1]), valid, [(16, 16)])
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(1.1 * 299**2)


def test_gradients():
    valid = rand(1, 1, 6, 8, seed=5) > 2
    maps = [
        rand(1, *shape, seed=i).requires_grad_() for i, shape in enumerate(2 * [(2, 3, 4)] + 2 * [(1, 6, 8)])
    ]
    assert torch.autograd.gradcheck(
        lambda f, f2, d, d2: consistency([(f, f2)], (d, d2), valid, [(2, -2)]), maps
    )
