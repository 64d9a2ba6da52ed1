"""ZoeDepth's metric bins head (Bhat et al., 2023, arXiv:2302.12288), which PatchFusion uses a second time.

Every pixel has a set of bin centres in metres, seeded at the lowest map and moved by attractors at the next
four, and a probability for each bin at full resolution. Depth is the mean of the centres.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hyperfocal.coarse.blocks import resize, resized_rows
from hyperfocal.coarse.precision import full_precision

EPS = 1e-4
BAND = 48  # rows at once: hundreds of channels at full resolution are never whole in memory


def pointwise(c_in: int, c_middle: int, c_out: int) -> nn.Sequential:
    """Two 1×1 convolutions with a ReLU between."""
    return nn.Sequential(nn.Conv2d(c_in, c_middle, 1), nn.ReLU(), nn.Conv2d(c_middle, c_out, 1))


class MetricBins(nn.Module):
    """Six maps and a relative depth to metric depth.

    Args:
        channels: of the six maps, low to high resolution.
        bins: centres of each pixel.
        embedding: channels of the projected maps.
        attractors: at the second to fifth map.
        alpha: strength of the attraction. ZoeDepth's configuration says 1000, but its code runs with 300.
        temperature: lowest and highest of the softmax over the bins.
    """

    def __init__(
        self,
        channels: Sequence[int],
        bins: int = 64,
        embedding: int = 128,
        attractors: Sequence[int] = (16, 8, 4, 1),
        alpha: float = 300.0,
        temperature: tuple[float, float] = (0.0212, 50.0),
    ) -> None:
        super().__init__()
        self.alpha = alpha
        self.coldest, self.hottest = temperature
        self.seed = pointwise(channels[0], 256, bins)
        self.embed = nn.ModuleList(pointwise(c, embedding, embedding) for c in channels[:5])
        self.attract = nn.ModuleList(pointwise(embedding, embedding, n) for n in attractors)
        seen = channels[5] + 1 + embedding
        self.distribution = nn.Sequential(
            nn.Conv2d(seen, seen // 2, 1), nn.GELU(), nn.Conv2d(seen // 2, 4, 1), nn.Softplus()
        )
        k = torch.arange(bins, dtype=torch.float32)
        self.register_buffer("k", k.view(1, -1, 1, 1), persistent=False)
        self.register_buffer("log_choose", _log_choose(k).view(1, -1, 1, 1), persistent=False)

    k: Tensor
    log_choose: Tensor

    def forward(self, maps: Sequence[Tensor], relative: Tensor) -> Tensor:
        """Predict depth; always in float32, as half precision would round it to steps of per cents.

        Args:
            maps: six maps (N, channels[i], h_i, w_i), low to high resolution.
            relative: (N, 1, h_5, w_5), a depth up to scale, or zeros.

        Returns:
            (N, 1, h_5, w_5) metres, above 0.
        """
        with full_precision(relative.device):
            low, *middle, high = (x.float() for x in maps)
            size = high.shape[-2:]
            centres = F.softplus(self.seed(low))
            seen = self.embed[0](low)
            for embed, attract, x in zip(self.embed[1:], self.attract, middle, strict=True):
                below, seen = seen, embed(x)
                points = F.softplus(attract(seen + resize(below, x.shape[-2:])))
                centres = self._attracted(resize(centres, x.shape[-2:]), points)
            depth = []
            for top in range(0, size[0], BAND):
                rows = range(top, min(size[0], top + BAND))
                maps = (high, relative.float(), seen)
                logits = self._logits(torch.cat([resized_rows(x, size, rows) for x in maps], 1))
                depth.append((logits.softmax(1) * resized_rows(centres, size, rows)).sum(1, keepdim=True))
            return torch.cat(depth, 2)

    def _attracted(self, centres: Tensor, points: Tensor) -> Tensor:
        """Move each centre by the mean pull of the points (N, attractors, h, w)."""
        distance = points[:, :, None] - centres[:, None]
        return centres + (distance / (1 + self.alpha * distance.square())).mean(1)

    def _logits(self, x: Tensor) -> Tensor:
        """Return (N, bins, h, w): a binomial distribution of the bin's index, at a temperature."""
        p0, p1, t0, t1 = (self.distribution(x) + EPS).split(1, 1)
        p = p0 / (p0 + p1)
        temperature = self.coldest + (self.hottest - self.coldest) * t0 / (t0 + t1)
        # (K−1)·ln(1−p), the same for every bin, is left out: the softmax cancels it.
        odds = p.clamp(EPS, 1).log() - (1 - p).clamp(EPS, 1).log()
        logits: Tensor = (self.log_choose + self.k * odds) / temperature
        return logits


def _log_choose(k: Tensor) -> Tensor:
    """Logarithm of K−1 choose k, by Stirling's formula."""
    eps = 1e-7
    n, k = k[-1] + eps, k + eps
    return n * n.log() - k * k.log() - (n - k) * (n - k + eps).log()
