"""Graph-GDSR, SMD-Net and iDisc: their equations, their gradients and what the predictor asks of them."""

import math

import pytest
import torch
import torch.nn.functional as F

from hyperfocal.coarse.idisc import Discretisation, IDisc, Partition
from hyperfocal.losses.laplacian_mixture import mixture_nll
from hyperfocal.refine.baselines.graph_gdsr import Graph, GraphGDSR, average_up, conjugate_gradient, solve
from hyperfocal.refine.baselines.smd_net import Mixture, SMDNet


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def graph(n=1, size=6, factor=2, weight=0.3, dtype=torch.float64, seed=0):
    g = seeded(seed)
    down, right = (
        torch.rand(n, 1, size - a, size - b, generator=g, dtype=dtype) * 0.9 + 0.1
        for a, b in ((1, 0), (0, 1))
    )
    return Graph(down, right, torch.tensor(weight, dtype=dtype), factor)


def dense(form, size):
    """The matrix DᵀD + λL, column by column."""
    basis = torch.eye(size * size, dtype=torch.float64).view(-1, 1, size, size)
    return torch.stack([form.apply(e[None]).flatten() for e in basis], 1)


def test_solution_is_that_of_the_dense_system():
    form, source = graph(), torch.rand(1, 1, 3, 3, generator=seeded(1), dtype=torch.float64)
    y = solve(source, torch.zeros(1, 1, 6, 6, dtype=torch.float64), form, tolerance=1e-12, steps=500)
    matrix = dense(form, 6)
    assert torch.allclose(matrix, matrix.T)
    expected = torch.linalg.solve(matrix, average_up(source, 2).flatten())
    assert torch.allclose(y.flatten(), expected, atol=1e-9)


def test_gradients_of_source_edges_and_weight():
    source = torch.rand(1, 1, 3, 3, generator=seeded(1), dtype=torch.float64)
    form, start = graph(), torch.zeros(1, 1, 6, 6, dtype=torch.float64)
    leaves = [x.clone().requires_grad_() for x in (source, form.down, form.right, form.weight)]

    def solved(s, down, right, weight):
        return solve(s, start, Graph(down, right, weight, 2), tolerance=1e-12, steps=500)

    assert torch.autograd.gradcheck(solved, leaves)


def test_a_map_does_not_depend_on_its_batch():
    two, source = graph(2), torch.rand(2, 1, 3, 3, generator=seeded(1), dtype=torch.float64)
    source[1] *= 1000
    b, zero = average_up(source, 2), torch.zeros(2, 1, 6, 6, dtype=torch.float64)
    both = conjugate_gradient(two, b, zero, 1e-3, 50)
    for i in range(2):
        one = Graph(two.down[i : i + 1], two.right[i : i + 1], two.weight, 2)
        alone = conjugate_gradient(one, b[i : i + 1], zero[:1], 1e-3, 50)
        assert torch.allclose(both[i : i + 1], alone, rtol=1e-12)


def test_a_cut_edge_keeps_two_surfaces_apart():
    """A step inside a coarse pixel: with its edge cut the sharp map has the step, smoothed otherwise."""
    truth = torch.full((1, 1, 8, 8), 2.0, dtype=torch.float64)
    truth[..., 3:] = 5.0  # not at a multiple of 2
    source = F.avg_pool2d(truth, 2)
    down, right = torch.ones(1, 1, 7, 8, dtype=torch.float64), torch.ones(1, 1, 8, 7, dtype=torch.float64)
    weight = torch.tensor(1e-3, dtype=torch.float64)
    start = torch.full_like(truth, 3.0)
    smooth = solve(source, start, Graph(down, right, weight, 2), tolerance=1e-10, steps=2000)
    right[..., 2] = 1e-4
    cut = solve(source, start, Graph(down, right, weight, 2), tolerance=1e-10, steps=2000)
    assert (cut - truth).abs().max() < 0.05
    assert (smooth - truth).abs().max() > 0.5


def test_constant_depth_stays_and_averages_are_kept():
    torch.manual_seed(0)
    refiner = GraphGDSR("test_efficientnet", (8,) * 5, factor=8).eval()
    tile = torch.rand(1, 3, 64, 96)
    with torch.inference_mode():
        flat = refiner(tile, torch.full((1, 1, 64, 96), 7.0), [])
        ramp = torch.linspace(2, 9, 96).expand(1, 1, 64, 96)
        refined = refiner(tile, ramp, [])
    assert torch.allclose(flat, torch.tensor(7.0), rtol=1e-3)
    assert ((F.avg_pool2d(refined, 8) - F.avg_pool2d(ramp, 8)).abs() < 0.5).all()


def test_graph_gdsr_learns_an_edge_of_the_photo():
    torch.manual_seed(0)
    refiner = GraphGDSR("test_efficientnet", (8,) * 5, factor=8)
    truth = torch.full((1, 1, 64, 64), 2.0)
    truth[..., 28:] = 6.0
    tile = (truth / 8).expand(1, 3, 64, 64)
    coarse = F.interpolate(F.avg_pool2d(truth, 8), (64, 64), mode="bilinear")
    optimiser = torch.optim.Adam(refiner.parameters(), 1e-2)
    losses = []
    for _ in range(15):
        loss = (refiner(tile, coarse, []) - truth).abs().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.6 * losses[0]


def mixture(logit, near, near_scale, far, far_scale):
    return Mixture(
        *(torch.tensor([float(v)]) for v in (logit, near, math.log(near_scale), far, math.log(far_scale)))
    )


def test_likelihood_is_the_formula():
    m, d = mixture(0.4, 0.2, 0.1, 0.7, 0.3), 0.35
    p = 1 / (1 + math.exp(-0.4))
    density = p / 0.2 * math.exp(-abs(d - 0.2) / 0.1) + (1 - p) / 0.6 * math.exp(-abs(d - 0.7) / 0.3)
    got = mixture_nll(m, torch.tensor([d]), torch.tensor([True]))
    assert got.item() == pytest.approx(-math.log(density), rel=1e-6)


def test_likelihood_integrates_to_one():
    d = torch.linspace(-6, 8, 20001, dtype=torch.float64)
    wide = Mixture(*(torch.full_like(d, v) for v in (0.4, 0.2, math.log(0.1), 0.7, math.log(0.3))))
    each = [
        mixture_nll(Mixture(*(x[i : i + 1] for x in wide)), d[i : i + 1], torch.tensor([True]))
        for i in range(0, 20001, 20)
    ]
    assert torch.trapezoid(torch.stack(each).neg().exp(), d[::20]).item() == pytest.approx(1, abs=2e-3)


def test_without_a_valid_pixel_the_likelihood_is_a_scalar_zero_with_a_gradient():
    near = torch.ones(3, requires_grad=True)
    m = Mixture(torch.zeros(3), near, torch.zeros(3), torch.ones(3), torch.zeros(3))
    loss = mixture_nll(m, torch.ones(3), torch.zeros(3, dtype=torch.bool))
    loss.backward()
    assert loss.item() == 0
    assert torch.equal(near.grad, torch.zeros(3))


def test_mode_is_a_surface_never_between():
    assert mixture(0.0, 0.2, 0.1, 0.8, 0.3).mode().item() == pytest.approx(0.2)  # equal parts: the sharper
    assert mixture(-3.0, 0.2, 0.1, 0.8, 0.3).mode().item() == pytest.approx(0.8)


def test_smd_net_reads_each_point_alone():
    torch.manual_seed(0)
    channels = (4, 4, 4, 4, 4, 2)
    net = SMDNet(channels, (16, 8), near=0.5, far=50.0).eval()
    maps = [torch.randn(1, c, 8, 8) for c in channels]
    depth = torch.rand(1, 1, 8, 8) * 10
    tile = torch.rand(1, 3, 8, 8)
    with torch.inference_mode():
        whole = net(tile, depth, maps)
        corner = net(tile[..., :4, :4], depth[..., :4, :4], [m[..., :4, :4] for m in maps])
    assert torch.allclose(whole[..., :4, :4], corner, atol=1e-5)
    assert 0.5 <= whole.min() <= whole.max() <= 50


def test_half_precision_leaves_smd_nets_depth_its_steps():
    """Of 1024 points most have a depth of their own; bfloat16 would leave a few dozen values."""
    torch.manual_seed(0)
    net = SMDNet((1,) * 6, (16, 8)).eval()
    maps = list(torch.randn(6, 1, 1, 32, 32).bfloat16())
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        depth = net(torch.rand(1, 3, 32, 32), torch.rand(1, 1, 32, 32) * 10, maps)
    assert depth.dtype == torch.float32
    assert len(depth.unique()) > 900


def test_half_precision_leaves_idiscs_depth_its_steps():
    torch.manual_seed(0)
    net = Discretisation(8, layers=1, heads=2).eval()
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        log_depth = net(torch.randn(1, 1024, 8), torch.randn(1, 4, 8))
    assert log_depth.dtype == torch.float32
    assert len(log_depth.unique()) > 900


def test_smd_net_takes_a_tile_of_any_size():
    net = SMDNet((1,) * 6, (4,)).eval()
    tile, depth = torch.rand(1, 3, 33, 47), torch.rand(1, 1, 33, 47)
    maps = [torch.randn(1, 1, *size) for size in net.feature_sizes(33, 47)]
    assert net(tile, depth, maps).shape == (1, 1, 33, 47)


def test_pixels_of_a_partition_divide_themselves_among_the_queries():
    torch.manual_seed(0)
    partition = Partition(8, queries=3, rounds=2)
    pixels = torch.randn(2, 20, 8)
    gathered = partition(pixels)
    assert gathered.shape == (2, 3, 8)
    shuffled = partition(pixels[:, torch.randperm(20)])
    assert torch.allclose(gathered, shuffled, atol=1e-5)  # a set of pixels, in no order


def test_idisc_gives_depth_and_six_maps():
    torch.manual_seed(0)
    net = IDisc("test_efficientnet", width=16, queries=4).eval()
    with torch.inference_mode():
        depth, features = net(torch.rand(2, 3, 64, 96))
    assert depth.shape == (2, 1, 64, 96)
    assert depth.min() > 0
    assert tuple(f.shape[1] for f in features) == net.feature_channels
    assert [tuple(f.shape[2:]) for f in features] == net.feature_sizes(64, 96)
