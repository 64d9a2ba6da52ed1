"""Losses to a teacher's label (SSI, SSIGM, ranking) and DSD: published values, plain NumPy, limits."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from hyperfocal.losses.dsd import dsd
from hyperfocal.losses.local_ssigm import local_ssigm
from hyperfocal.losses.ranking import edge_guided_pairs, edge_guided_ranking, ranking
from hyperfocal.losses.silog import silog
from hyperfocal.losses.ssi import scale_and_shift, ssi, ssi_normalised
from hyperfocal.losses.ssigm import gm, ssigm

PARITY = Path(__file__).parent / "data" / "parity"


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def random_depth(seed: int, *shape: int) -> torch.Tensor:
    return torch.rand(*(shape or (2, 1, 12, 14)), generator=seeded(seed), dtype=torch.float64) * 20 + 0.5


def everywhere(depth: torch.Tensor) -> torch.Tensor:
    return torch.ones_like(depth, dtype=torch.bool)


LOSSES = {
    "ssi": ssi,
    "ssi_normalised": ssi_normalised,
    "gm": gm,
    "ssigm": ssigm,
    "local_ssigm": lambda p, q, v: local_ssigm(p, q, v, seeded(), 20, 5),
    "ranking": lambda p, q, v: edge_guided_ranking(p, q, v, seeded(), 200),
}
each = pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)


# Published values ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def parity() -> tuple[torch.Tensor, torch.Tensor, dict[str, torch.Tensor]]:
    """Prediction, pseudo label, and the masks `all` and `valid` (the truth's holes left out)."""
    arrays = np.load(PARITY / "metrics_losses.npz")
    prediction = torch.from_numpy(arrays["prediction"])[:, None]
    known = torch.from_numpy((arrays["hole"] == 0) & (arrays["truth"] > 1e-3) & (arrays["truth"] < 80))[
        :, None
    ]
    label = torch.from_numpy(np.load(PARITY / "pseudo_label.npz")["label"])[:, None]
    return prediction, label, {"all": torch.ones_like(known), "valid": known}


@pytest.mark.parametrize(
    ("loss", "mask", "published"),
    [
        (ssi, "all", 0.33859115839004517),
        (ssi, "valid", 0.33911988139152527),
        (ssigm, "all", 0.6383748054504395),
        (ssigm, "valid", 0.6232439875602722),
        (gm, "all", 1.1336474418640137),
        (gm, "valid", 1.1058614253997803),
    ],
)
def test_published_values(parity, loss, mask, published):
    """Of both papers' SSI class. GM is its unaligned form: the GM class proper sees one direction only."""
    prediction, label, masks = parity
    assert loss(prediction, label, masks[mask]).item() == pytest.approx(published, rel=1e-5)


@pytest.mark.parametrize(
    ("mask", "published"),
    [
        ("all", [[0.49865245819091797, 0.4916531443595886], [1.1806410551071167, 1.3230481147766113]]),
        ("valid", [[0.49817341566085815, 0.4921644628047943], [1.1925864219665527, 1.3112668991088867]]),
    ],
)
def test_published_scale_and_shift(parity, mask, published):
    """Within 2e-5: the published sums are not centred and lose digits in float32."""
    prediction, label, masks = parity
    assert torch.stack(scale_and_shift(prediction, label, masks[mask])).numpy() == pytest.approx(
        np.array(published), rel=2e-5
    )


def test_published_normalised_ssi_is_that_of_the_batch_as_one_image(parity):
    """The published class takes one mean and deviation of the batch; the formula has each image's own."""
    prediction, label, masks = parity
    one = [x.transpose(0, 1) for x in (prediction, label, masks["all"])]
    assert ssi_normalised(*one).item() == pytest.approx(0.08116725087165833, rel=1e-5)


def test_published_ranking_is_that_of_the_prediction_divided(parity):
    """The published class divides the student's metres by 250/80; the pairs are the ones that it drew."""
    prediction, label, _ = parity
    pairs = torch.from_numpy(np.load(PARITY / "pseudo_label.npz")["pairs"]).long()
    found = ranking(prediction[0] / 3.125, label[0], pairs)
    assert found.item() == pytest.approx(0.2069295197725296, rel=1e-5)


# Plain formulas -----------------------------------------------------------------------------------------


def plain_residual(p: np.ndarray, q: np.ndarray, v: np.ndarray) -> np.ndarray:
    scale, shift = np.polyfit(p[v], q[v], 1)
    return np.where(v, scale * p + shift - q, 0)


def plain_changes(e: np.ndarray, v: np.ndarray) -> float:
    height, width = e.shape
    total = 0.0
    for y in range(height):
        for x in range(width):
            if y + 2 < height and v[y, x] and v[y + 2, x]:
                total += abs(e[y, x] - e[y + 2, x])
            if x + 2 < width and v[y, x] and v[y, x + 2]:
                total += abs(e[y, x] - e[y, x + 2])
    return total


@pytest.fixture
def maps() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    return random_depth(0), random_depth(1), random_depth(2) > 6


def images(*maps: torch.Tensor) -> list[tuple[np.ndarray, ...]]:
    return list(zip(*(m[:, 0].numpy() for m in maps), strict=True))


def test_ssi_is_the_mean_over_the_pixels_of_the_batch(maps):
    residuals = [np.abs(plain_residual(p, q, v)[v]) for p, q, v in images(*maps)]
    assert ssi(*maps).item() == pytest.approx(np.concatenate(residuals).mean(), rel=1e-9)


def test_normalised_ssi(maps):
    def z(x):
        return (x - x.mean()) / x.std(ddof=1)

    differences = [np.abs(z(p[v]) - z(q[v])) for p, q, v in images(*maps)]
    assert ssi_normalised(*maps).item() == pytest.approx(np.concatenate(differences).mean(), rel=1e-9)


def test_ssigm_and_gm(maps):
    count = maps[2].sum().item()
    aligned = sum(plain_changes(plain_residual(p, q, v), v) for p, q, v in images(*maps))
    direct = sum(plain_changes(p - q, v) for p, q, v in images(*maps))
    assert ssigm(*maps).item() == pytest.approx(aligned / count, rel=1e-9)
    assert gm(*maps).item() == pytest.approx(direct / count, rel=1e-9)


@pytest.mark.parametrize("loss", [gm, ssigm])
def test_both_directions_count_alike(maps, loss):
    assert loss(*(m.mT for m in maps)).item() == pytest.approx(loss(*maps).item())


def test_local_ssigm_is_the_mean_over_its_windows(maps):
    """An image one larger than the window has four of them; enough draws meet each as often."""
    prediction, label, valid = (m[:1, :, :8, :8] for m in maps)
    ((p, q, v),) = images(prediction, label, valid)
    values = []
    for y in (0, 1):
        for x in (0, 1):
            window = tuple(m[y : y + 7, x : x + 7] for m in (p, q, v))
            values.append(plain_changes(plain_residual(*window), window[2]) / window[2].sum())
    singles = {local_ssigm(prediction, label, valid, seeded(i), 1, 7).item() for i in range(40)}
    assert sorted(singles) == pytest.approx(sorted(values), rel=1e-9)
    many = local_ssigm(prediction, label, valid, seeded(), 20_000, 7).item()
    assert many == pytest.approx(np.mean(values), rel=0.01)


def test_local_ssigm_of_a_window_as_large_as_the_image_is_ssigm(maps):
    one = [m[:1, :, :, :12] for m in maps]
    assert local_ssigm(*one, seeded(), 3, 99).item() == pytest.approx(ssigm(*one).item())


def test_local_ssigm_takes_windows_of_every_image(maps):
    prediction, label, valid = maps
    alone = [local_ssigm(*(m[i : i + 1] for m in maps), seeded(), 4000, 7).item() for i in (0, 1)]
    both = local_ssigm(prediction, label, valid, seeded(), 4000, 7).item()
    assert abs(alone[0] - alone[1]) > 0.1
    assert both == pytest.approx(np.mean(alone), rel=0.02)


def test_local_ssigm_draws_anew_from_its_generator(maps):
    generator = seeded()
    first, second = (local_ssigm(*maps, generator, 5, 7).item() for _ in range(2))
    assert first != second
    assert local_ssigm(*maps, seeded(), 5, 7).item() == first


def test_local_ssigm_leaves_scales_that_differ_from_place_to_place(maps):
    """Left and right wrong by other factors: only windows across the border still see it."""
    label = random_depth(1, 1, 1, 40, 80)
    factor = torch.where(torch.arange(80) < 40, 1.0, 4.0).double()
    local = local_ssigm(label * factor, label, everywhere(label), seeded(), 300, 5)
    assert local.item() < 0.2 * ssigm(label * factor, label, everywhere(label)).item()


def test_ranking_formula():
    prediction, label = random_depth(0), random_depth(1)
    label.view(-1)[::3] = label.view(-1)[0]  # some pairs are equal
    pairs = torch.randint(prediction.numel(), (2, 500), generator=seeded())
    p, q = prediction.flatten().tolist(), label.flatten().tolist()
    terms = []
    for a, b in pairs.T.tolist():
        ratio = (q[a] + 1e-6) / (q[b] + 1e-6)
        sign = 1 if ratio >= 1.03 else -1
        equal = 1 / 1.03 < ratio < 1.03
        terms.append((p[a] - p[b]) ** 2 if equal else math.log(1 + math.exp(-sign * (p[a] - p[b]))))
    assert ranking(prediction, label, pairs).item() == pytest.approx(np.mean(terms), rel=1e-9)


def test_ranking_wants_the_order_of_the_label_and_does_not_mind_its_unit():
    label = random_depth(1)
    pairs = torch.randint(label.numel(), (2, 500), generator=seeded())
    right, wrong = (ranking(p, label, pairs).item() for p in (label, 21 - label))
    assert right < 0.5 * wrong
    assert ranking(label, 1000 * label, pairs).item() == pytest.approx(right)


# Pairs --------------------------------------------------------------------------------------------------


def wall(angle: float, height: int = 96, width: int = 128) -> torch.Tensor:
    """3 m, then 9 m beyond a line through the middle; the gradient points to `angle` (0 right, 90 down)."""
    y, x = np.mgrid[:height, :width]
    along = (x - width / 2) * np.cos(np.radians(angle)) + (y - height / 2) * np.sin(np.radians(angle))
    return torch.from_numpy(np.where(along > 0, 9.0, 3.0).astype(np.float32))


@pytest.mark.parametrize("angle", [0, 90, 180, -35, 60, 140])
def test_lines_follow_the_gradient_across_the_edge(angle):
    """The published lines do not: their angle is the gradient's magnitude."""
    label = wall(angle)
    pairs = edge_guided_pairs(label, everywhere(label), seeded(), 300)
    across = pairs[:, : pairs.shape[1] // 2]
    assert across.shape[1] > 300
    first, second = np.stack(np.unravel_index(across.numpy(), label.shape), -1)  # (K, 2) rows, columns
    leap = (second - first).astype(float)
    gradient = np.array([np.sin(np.radians(angle)), np.cos(np.radians(angle))])
    aside = leap @ np.array([gradient[1], -gradient[0]])
    # Rounded ends and the pixels' steps turn the line a little, over up to 60 pixels.
    assert np.abs(aside).mean() < 0.08 * np.abs(leap @ gradient).mean() + 0.7
    near, middle, far = (label.flatten()[across].reshape(2, 3, -1)[:, i] for i in range(3))
    assert (near == 3).float().mean() > 0.97  # a and b before the edge
    assert (far == 9).float().mean() > 0.97  # c and d beyond it
    assert (middle[0] < middle[1]).float().mean() > 0.97


def test_half_of_the_pairs_are_random_and_lie_on_known_pixels():
    label = wall(20)
    valid = torch.zeros_like(label, dtype=torch.bool)
    valid[30:70, 20:] = True
    pairs = edge_guided_pairs(label, valid, seeded(), 400)
    across, anywhere = pairs.chunk(2, 1)
    assert across.shape == anywhere.shape
    assert across.shape[1] % 3 == 0
    assert valid.flatten()[anywhere].all()
    assert len(anywhere[0].unique()) == anywhere.shape[1]  # a permutation
    assert pairs.min() >= 0
    assert pairs.max() < label.numel()


def test_no_more_random_pairs_than_known_pixels():
    label = wall(0)
    valid = torch.zeros_like(label, dtype=torch.bool)
    valid[40:50, 60:68] = True
    pairs = edge_guided_pairs(label, valid, seeded(), 500)
    assert pairs.shape[1] == 3 * 500 + 80


def test_pairs_come_from_the_generator_alone_and_from_ratios_of_depth():
    label, state = wall(20), torch.get_rng_state()
    first = edge_guided_pairs(label, everywhere(label), seeded(), 100)
    torch.manual_seed(7)
    assert torch.equal(first, edge_guided_pairs(label, everywhere(label), seeded(), 100))
    assert torch.equal(first, edge_guided_pairs(4 * label, everywhere(label), seeded(), 100))
    assert not torch.equal(first, edge_guided_pairs(label, everywhere(label), seeded(1), 100))
    torch.set_rng_state(state)


def test_edge_guided_ranking_is_the_mean_of_its_images():
    label = torch.stack([wall(0), wall(70)])[:, None]
    prediction = random_depth(0, *label.shape)
    generator = seeded()
    alone = [
        ranking(
            prediction[i], label[i], edge_guided_pairs(label[i, 0], everywhere(label)[0, 0], generator, 50)
        )
        for i in (0, 1)
    ]
    found = edge_guided_ranking(prediction, label, everywhere(label), seeded(), 50)
    assert found.item() == pytest.approx(torch.stack(alone).mean().item())


# Limits of all ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("loss", [ssi, ssi_normalised, ssigm, LOSSES["local_ssigm"]])
def test_the_scale_and_shift_of_each_image_do_not_matter(maps, loss):
    prediction, label, valid = maps
    scale, shift = (torch.tensor(x, dtype=torch.float64).view(2, 1, 1, 1) for x in ([3, 0.2], [-1, 40]))
    expected = loss(prediction, label, valid).item()
    assert loss(prediction * scale + shift, label, valid).item() == pytest.approx(expected, rel=1e-8)
    # In float32 as well, where uncentred sums would lose it: a shift a hundred times the spread.
    far = (prediction * 0.2 + 400).float()
    assert loss(far, label.float(), valid).item() == pytest.approx(expected, rel=1e-3)


@each
@pytest.mark.parametrize("case", ["nothing valid", "one pixel valid", "flat", "flat label", "zero", "tiny"])
def test_degenerate_images_give_a_finite_scalar_with_finite_gradients(loss, case):
    prediction, label = (random_depth(i).float() for i in (0, 1))
    valid = everywhere(label)
    if case == "nothing valid":
        valid[:] = False
        label[:] = torch.nan
        if loss is LOSSES["ranking"]:
            label[:] = 5  # it needs a finite label
    elif case == "one pixel valid":
        valid[:] = False
        valid[0, 0, 3, 3] = True
    elif case == "flat":
        prediction[:] = 7.3
    elif case == "flat label":
        label[:] = 7.3
    elif case == "zero":
        prediction[:] = 0
    else:
        prediction, label, valid = (x[:1, :, :1, :1] for x in (prediction, label, valid))
    prediction.requires_grad_()
    value = loss(prediction, label, valid)
    value.backward()
    assert value.shape == ()
    assert value.isfinite()
    assert prediction.grad.isfinite().all()
    assert prediction.grad.abs().max() < 1e3
    if case == "nothing valid":
        assert value.item() == 0


@pytest.mark.parametrize("noise", [1e-7, 1e-6, 1e-5])
def test_a_prediction_that_is_flat_but_for_rounding_has_no_scale(noise):
    """Its least squares would be in the thousands, and gradients with them."""
    prediction = 7.3 * (1 + noise * random_depth(0) / 20).float()
    scale, shift = scale_and_shift(prediction, random_depth(1).float(), everywhere(prediction))
    assert not scale.any()
    assert not shift.any()


def test_a_slope_of_a_millimetre_a_pixel_has_its_scale():
    prediction = (8 + 0.001 * torch.arange(23.0)).expand(1, 1, 23, 23)
    scale, shift = scale_and_shift(prediction, 3 * prediction - 2, everywhere(prediction))
    assert scale.item() == pytest.approx(3, rel=1e-3)
    assert shift.item() == pytest.approx(-2, rel=1e-2)


@pytest.mark.parametrize("loss", [ssi, ssi_normalised, gm, ssigm, LOSSES["local_ssigm"]])
def test_what_stands_at_invalid_pixels_does_not_matter(maps, loss):
    prediction, label, valid = maps
    spoilt = [x.masked_fill(~valid, bad) for x, bad in ((prediction, torch.inf), (label, torch.nan))]
    spoilt[0].requires_grad_()
    value = loss(*spoilt, valid)
    value.backward()
    assert value.item() == pytest.approx(loss(*maps).item())
    assert spoilt[0].grad.isfinite().all()


@each
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_summed_in_float32(loss, dtype):
    """300×200 depths up to 250 m: their sums would overflow."""
    prediction, label = (12 * random_depth(i, 1, 1, 200, 300).to(dtype) for i in (0, 1))
    found = loss(prediction.requires_grad_(), label, everywhere(label))
    found.backward()
    assert found.dtype == torch.float32
    assert found.item() == loss(prediction.float(), label.float(), everywhere(label)).item()
    assert prediction.grad.isfinite().all()


@each
def test_gradients(loss):
    prediction, label, valid = (
        random_depth(0, 1, 1, 9, 8),
        random_depth(1, 1, 1, 9, 8),
        random_depth(2, 1, 1, 9, 8) > 4,
    )
    assert torch.autograd.gradcheck(lambda p: loss(p, label, valid), (prediction.requires_grad_(),))


def test_gradients_of_ranking_over_given_pairs():
    prediction, label = random_depth(0), random_depth(1)
    pairs = torch.randint(prediction.numel(), (2, 60), generator=seeded())
    assert torch.autograd.gradcheck(lambda p: ranking(p, label, pairs), (prediction.requires_grad_(),))


def test_gradients_of_scale_and_shift():
    label, valid = random_depth(1), random_depth(2) > 6
    prediction = random_depth(0).requires_grad_()
    assert torch.autograd.gradcheck(lambda p: scale_and_shift(p, label, valid), (prediction,))


# DSD ----------------------------------------------------------------------------------------------------


def test_dsd_is_silog_and_the_weighted_loss(maps):
    prediction, truth, valid = maps
    label = random_depth(3)
    found = dsd(prediction, truth, valid, ssigm(prediction, label, everywhere(label)), 0.5)
    expected = silog(prediction, truth, valid) + 0.5 * ssigm(prediction, label, everywhere(label))
    assert found.item() == pytest.approx(expected.item())
    assert dsd(prediction, truth, valid, torch.tensor(1.0)).item() == pytest.approx(
        silog(prediction, truth, valid).item() + 0.8  # the paper's weight
    )


@pytest.mark.parametrize("bad", [torch.nan, torch.inf])
def test_dsd_leaves_out_a_loss_that_is_not_finite(maps, bad):
    prediction, truth, valid = maps
    prediction = prediction.clone().requires_grad_()
    found = dsd(prediction, truth, valid, (prediction * bad).sum())
    found.backward()
    assert found.item() == pytest.approx(silog(prediction, truth, valid).item())
    assert prediction.grad.isfinite().all()


def test_dsd_without_real_depth_is_the_pseudo_label_alone(maps):
    prediction, truth, valid = maps
    pseudo = ssi(prediction, random_depth(3), everywhere(truth))
    assert dsd(prediction, truth, torch.zeros_like(valid), pseudo).item() == pytest.approx(
        0.8 * pseudo.item()
    )


def test_dsd_gradients(maps):
    prediction, truth, valid = maps
    label = random_depth(3)
    assert torch.autograd.gradcheck(
        lambda p: dsd(p, truth, valid, ssi(p, label, everywhere(label))),
        (prediction.clone().requires_grad_(),),
    )
