"""Training losses: published values, plain NumPy, gradients, and what each must not depend on."""

from pathlib import Path

import numpy as np
import pytest
import torch

from hyperfocal.losses.gradient import gradient_matching
from hyperfocal.losses.silog import silog, silog_per_image

PARITY = Path(__file__).parent / "data" / "parity" / "metrics_losses.npz"


@pytest.fixture
def parity() -> tuple[torch.Tensor, torch.Tensor]:
    """Prediction and truth of two images; the truth's holes are 0 m or 200 m."""
    arrays = np.load(PARITY)
    truth = np.where(arrays["hole"] == 0, arrays["truth"], np.where(arrays["hole"] == 1, 0, 200))
    return torch.from_numpy(arrays["prediction"])[:, None], torch.from_numpy(truth.astype(np.float32))[
        :, None
    ]


def random_depth(seed: int, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    return torch.rand(2, 1, 12, 14, generator=torch.Generator().manual_seed(seed), dtype=dtype) * 20 + 0.5


@pytest.mark.parametrize(("lam", "published"), [(0.15, 1.411015510559082), (0.5, 1.4427223205566406)])
def test_silog_is_the_published_one(parity, lam, published):
    prediction, truth = parity
    valid = (truth > 1e-3) & (truth < 80)
    assert silog(prediction, truth, valid, lam).item() == pytest.approx(published, rel=1e-5)


def test_silog_pools_the_batch():
    prediction, truth = random_depth(0), random_depth(1)
    valid = random_depth(2) > 8
    g = (prediction.log() - truth.log())[valid].numpy()
    expected = 10 * np.sqrt(g.var(ddof=1) + 0.15 * g.mean() ** 2)
    assert silog(prediction, truth, valid).item() == pytest.approx(expected, rel=1e-6)


def test_silog_without_its_mean_ignores_scale():
    prediction, truth = random_depth(0), random_depth(1)
    everywhere = torch.ones_like(truth, dtype=torch.bool)
    one, three = (silog(prediction * k, truth, everywhere, 0.0) for k in (1, 3))
    assert one.item() == pytest.approx(three.item(), rel=1e-6)


def test_silog_per_image_is_silog_for_one_image():
    prediction, truth, valid = random_depth(0)[:1], random_depth(1)[:1], random_depth(2)[:1] > 8
    one = silog_per_image(prediction, truth, valid)
    assert one.item() == pytest.approx(silog(prediction, truth, valid).item(), rel=1e-6)


def test_silog_per_image_averages_squares_and_ignores_each_image_own_scale_without_its_mean():
    prediction, truth = random_depth(0), random_depth(1)
    valid = random_depth(2) > 8
    g = (prediction.log() - truth.log()).numpy()
    expected = 10 * np.sqrt(np.mean([g[i][valid[i].numpy()].var(ddof=1) for i in range(2)]))
    scaled = prediction * torch.tensor([2.0, 0.3]).view(2, 1, 1, 1)
    for given in (prediction, scaled):
        assert silog_per_image(given, truth, valid, 0.0).item() == pytest.approx(expected, rel=1e-6)


def test_silog_per_image_does_without_an_unknown_image():
    prediction, truth = random_depth(0).requires_grad_(), random_depth(1)
    truth[1] = 0
    loss = silog_per_image(prediction, truth, truth > 0)
    alone = silog(prediction[:1], truth[:1], truth[:1] > 0)
    loss.backward()
    assert loss.item() == pytest.approx(alone.item() / np.sqrt(2), rel=1e-6)
    assert prediction.grad is not None
    assert prediction.grad.isfinite().all()
    assert not prediction.grad[1].any()


@pytest.mark.parametrize("count", [0, 1])
def test_silog_of_too_few_pixels_is_a_zero_that_can_be_differentiated(count):
    prediction = random_depth(0).requires_grad_()
    valid = torch.zeros_like(prediction, dtype=torch.bool)
    valid.view(-1)[:count] = True
    loss = silog(prediction, random_depth(1), valid)
    loss.backward()
    assert loss.shape == ()
    assert loss.item() == 0
    assert not prediction.grad.any()


def test_silog_of_a_perfect_prediction_has_finite_gradients():
    truth = random_depth(0)
    prediction = truth.clone().requires_grad_()
    silog(prediction, truth, truth > 0).backward()
    assert prediction.grad.isfinite().all()


def test_silog_gradients():
    truth, valid = random_depth(1)[:, :, :4, :4], random_depth(2)[:, :, :4, :4] > 8
    prediction = random_depth(0)[:, :, :4, :4].requires_grad_()
    assert torch.autograd.gradcheck(lambda p: silog(p, truth, valid), (prediction,))


def test_gradient_matching_at_one_scale_is_plain_differences():
    prediction, truth = random_depth(0).log(), random_depth(1).log()
    r = (prediction - truth).numpy()
    expected = np.abs(np.diff(r, axis=-1)).mean() + np.abs(np.diff(r, axis=-2)).mean()
    everywhere = torch.ones_like(truth, dtype=torch.bool)
    assert gradient_matching(prediction, truth, everywhere, 1).item() == pytest.approx(expected)


def test_gradient_matching_sees_both_directions_alike():
    """The published class sees only one of them."""
    prediction, truth, valid = random_depth(0).log(), random_depth(1).log(), random_depth(2) > 4
    plain, turned = (
        gradient_matching(*(t.transpose(-1, -2) if turn else t for t in (prediction, truth, valid)))
        for turn in (False, True)
    )
    assert plain.item() == pytest.approx(turned.item())


def test_gradient_matching_ignores_scale_and_invalid_pixels():
    prediction, truth, valid = random_depth(0).log(), random_depth(1).log(), random_depth(2) > 4
    spoilt = torch.where(valid, truth, torch.full_like(truth, -torch.inf))
    assert gradient_matching(prediction + 1.5, spoilt, valid).item() == pytest.approx(
        gradient_matching(prediction, truth, valid).item()
    )
    assert gradient_matching(prediction, truth, torch.zeros_like(valid)).item() == 0


def test_gradient_matching_gradients():
    truth, valid = random_depth(1).log(), random_depth(2) > 4
    prediction = random_depth(0).log().requires_grad_()
    assert torch.autograd.gradcheck(lambda p: gradient_matching(p, truth, valid), (prediction,))


@pytest.mark.parametrize("loss", [silog, silog_per_image, gradient_matching])
def test_half_precision_is_summed_in_float32(loss):
    """Sums over an image overflow half precision."""
    prediction, truth = (12 * random_depth(i).repeat(1, 1, 20, 20).half() for i in (0, 1))
    everywhere = torch.ones_like(truth, dtype=torch.bool)
    found = loss(prediction.requires_grad_(), truth, everywhere)
    found.backward()
    assert found.item() == loss(prediction.float(), truth.float(), everywhere).item()
    assert prediction.grad.isfinite().all()
