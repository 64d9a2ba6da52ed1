"""Graph-GDSR (de Lutio et al., CVPR 2022, arXiv:2203.14297): super-resolution of depth on a learned graph.

The sharp map y of a tile is the minimum of ‖D y − s‖² + λ yᵀ L y: averaged down it is the coarse map s, and
it is smooth along the pixel graph's edges, of which a network that sees the tile says how strong they are.
The photo can't put depth where s has none: the quotient of the two terms is all that is learned.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hyperfocal.coarse.blocks import conv3x3, resize
from hyperfocal.coarse.encoder import Encoder
from hyperfocal.refine.baselines.featureless import Featureless


class Graph(NamedTuple):
    """The quadratic form of the problem.

    Attributes:
        down: (N, 1, h − 1, w), strength of the edge from each pixel to the one below.
        right: (N, 1, h, w − 1), to the one on its right.
        weight: λ, a scalar.
        factor: pixels of y along a pixel of s.
    """

    down: Tensor
    right: Tensor
    weight: Tensor
    factor: int

    def apply(self, y: Tensor) -> Tensor:
        """(DᵀD + λL) y for (N, 1, h, w)."""
        return average_up(F.avg_pool2d(y, self.factor), self.factor) + self.weight * self.laplacian(y)

    def laplacian(self, y: Tensor) -> Tensor:
        """L y: what flows out of each pixel."""
        flow_down, flow_right = self.down * y.diff(dim=2), self.right * y.diff(dim=3)
        out = F.pad(flow_down, (0, 0, 1, 0)) - F.pad(flow_down, (0, 0, 0, 1))
        return out + F.pad(flow_right, (1, 0, 0, 0)) - F.pad(flow_right, (0, 1, 0, 0))


def average_up(s: Tensor, factor: int) -> Tensor:
    """Dᵀ s, where D averages blocks of factor × factor pixels."""
    spread = s.repeat_interleave(factor, 2).repeat_interleave(factor, 3)
    return spread / factor**2


def conjugate_gradient(graph: Graph, b: Tensor, start: Tensor, tolerance: float, steps: int) -> Tensor:
    """Solve (DᵀD + λL) y = b for each map of a batch (Hestenes & Stiefel, 1952).

    Args:
        graph: the matrix, positive definite if its strengths are above 0.
        b: (N, 1, h, w).
        start: (N, 1, h, w), a guess.
        tolerance: of ‖residual‖ / ‖b‖ at which a map is solved.
        steps: at most.
    """

    def dot(u: Tensor, v: Tensor) -> Tensor:
        return (u * v).sum((1, 2, 3), keepdim=True)

    y, r = start, b - graph.apply(start)
    p, rr = r, dot(r, r)
    enough = tolerance**2 * dot(b, b)
    for _ in range(steps):
        if b.is_meta or (rr <= enough).all():  # the meta device has no numbers to be near
            break
        q = graph.apply(p)
        step = rr / dot(p, q).clamp_min(torch.finfo(b.dtype).tiny)
        step = torch.where(rr <= enough, 0, step)  # a solved map stays: it must not depend on its batch
        y, r = y + step * p, r - step * q
        before, rr = rr, torch.where(rr <= enough, rr, dot(r, r))
        p = torch.where(rr <= enough, p, r + rr / before * p)
    return y


class _Solve(torch.autograd.Function):
    """y = (DᵀD + λL)⁻¹ b. Backward is one more solve: no step of the solver is kept."""

    @staticmethod
    def forward(
        ctx: Any, b: Tensor, start: Tensor, down: Tensor, right: Tensor, weight: Tensor, *how: Any
    ) -> Tensor:
        factor, tolerance, steps = ctx.how = how
        y = conjugate_gradient(Graph(down, right, weight, factor), b, start, tolerance, steps)
        ctx.save_for_backward(y, down, right, weight)
        return y

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        y, down, right, weight = ctx.saved_tensors
        factor, tolerance, steps = ctx.how
        graph = Graph(down, right, weight, factor)
        g = conjugate_gradient(graph, grads[0], torch.zeros_like(y), tolerance, steps)
        d_down = -weight * g.diff(dim=2) * y.diff(dim=2)
        d_right = -weight * g.diff(dim=3) * y.diff(dim=3)
        d_weight = -(g * graph.laplacian(y)).sum()
        return g, None, d_down, d_right, d_weight.reshape_as(weight), None, None, None


def solve(
    source: Tensor, start: Tensor, graph: Graph, *, tolerance: float = 1e-4, steps: int = 300
) -> Tensor:
    """Return the map that is smooth on `graph` and averages to `source`; differentiable in all but `start`.

    Args:
        source: (N, 1, h / factor, w / factor).
        start: (N, 1, h, w), a guess.
        graph: of the sharp map.
        tolerance: of the solution's residual, relative to the right side's norm.
        steps: of the solver, at most.
    """
    b = average_up(source, graph.factor)
    y: Tensor = _Solve.apply(b, start, graph.down, graph.right, graph.weight, graph.factor, tolerance, steps)
    return y


class GraphGDSR(Featureless):
    """Tile and coarse depth to the depth that is smooth on the tile's graph.

    Args:
        encoder: timm name of the network that makes the graph's features.
        widths: of its decoder at strides 16, 8, 4, 2, 1; the last is the number of features of a pixel.
        factor: pixels of a tile along one of the coarse map's, to which the tile's coarse depth is averaged.
            Sides of tiles must be multiples of it, and of 32.
    """

    def __init__(
        self,
        encoder: str = "resnet50",
        widths: Sequence[int] = (256, 128, 64, 64, 64),
        factor: int = 8,
    ) -> None:
        super().__init__()
        self.factor = factor
        self.encoder = Encoder(encoder, extra_channels=1)
        channels = self.encoder.channels
        below = (channels[0], *widths[:4])
        skips = (*channels[1:], 4)
        self.up = nn.ModuleList(
            nn.Sequential(conv3x3(b + s, w), nn.BatchNorm2d(w), nn.ReLU(), conv3x3(w, w, bias=True))
            for b, s, w in zip(below, skips, widths, strict=True)
        )
        self.log_scale = nn.Parameter(torch.zeros(()))  # μ: how far apart features are that are cut
        self.log_weight = nn.Parameter(torch.tensor(-1.0))  # λ

    def graph(self, tile: Tensor, coarse_depth: Tensor) -> Graph:
        """Return the graph of a tile, strengths exp(−μ ‖feature − feature‖²) in (0, 1] (the paper's eq. 5).

        Args:
            tile: (N, 3, h, w) RGB in [0, 1].
            coarse_depth: (N, 1, h, w) metres.
        """
        depth = _normalised(coarse_depth)
        maps = self.encoder(tile, depth)
        x = maps[0]
        for stage, skip in zip(self.up, (*maps[1:], torch.cat((tile, depth), 1)), strict=True):
            x = stage(torch.cat((resize(x, skip.shape[-2:]), skip), 1))
        scale = self.log_scale.exp()
        down, right = (
            (-scale * x.diff(dim=d).square().mean(1, keepdim=True)).exp().clamp_min(1e-4) for d in (2, 3)
        )
        return Graph(down, right, self.log_weight.exp(), self.factor)

    def forward(self, tile: Tensor, coarse_depth: Tensor, coarse_features: Sequence[Tensor]) -> Tensor:
        """Refine.

        Args:
            tile: (N, 3, h, w) RGB in [0, 1].
            coarse_depth: (N, 1, h, w) metres, the coarse map cropped to the tile.
            coarse_features: none.

        Returns:
            (N, 1, h, w) metres, at least 0; its averages over blocks of `factor` are near the coarse map's.
        """
        source = F.avg_pool2d(coarse_depth, self.factor)
        return solve(source, coarse_depth, self.graph(tile, coarse_depth)).clamp_min(0)


def _normalised(depth: Tensor) -> Tensor:
    """Ln depth, zero in the mean over a tile."""
    log = depth.clamp_min(1e-6).log()
    return log - log.mean((2, 3), keepdim=True)
