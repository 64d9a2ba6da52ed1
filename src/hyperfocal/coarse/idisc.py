"""iDisc (Piccinelli et al., CVPR 2023, arXiv:2304.06334): depth by internal discretisation of the scene.

At three resolutions the pixels compete for a few latent queries (adaptive feature partitioning, AFP); then
each pixel reads its depth from what those have gathered (internal scene discretisation, ISD). Depth is the mean
over the three. The published feature pyramid has deformable attention in it; this one is convolutional.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from hyperfocal.coarse.blocks import conv3x3, pyramid_sizes, resize
from hyperfocal.coarse.encoder import Encoder
from hyperfocal.coarse.output import CoarseOutput
from hyperfocal.coarse.precision import full_precision

READ = (1, 2, 3)  # the levels, low to high, that depth is read from: strides 16, 8 and 4


class Partition(nn.Module):
    """AFP: latent queries gather the pixels of a map.

    Transposed cross attention: a pixel divides itself among the queries, which makes them compete for it.

    Args:
        channels: of the map and of the queries.
        queries: how many.
        rounds: how often they gather.
    """

    def __init__(self, channels: int, queries: int, rounds: int) -> None:
        super().__init__()
        self.prior = nn.Parameter(torch.randn(1, queries, channels) * channels**-0.5)
        self.norm_pixels, self.norm_queries = nn.LayerNorm(channels), nn.LayerNorm(channels)
        self.to_query, self.to_key, self.to_value = (
            nn.Linear(channels, channels, bias=False) for _ in range(3)
        )
        self.mix = _mlp(channels)
        self.rounds = rounds

    def forward(self, pixels: Tensor) -> Tensor:
        """(N, h·w, C) → queries (N, K, C)."""
        x = self.norm_pixels(pixels)
        keys, values = self.to_key(x), self.to_value(x)
        gathered = self.prior.expand(len(x), -1, -1)
        for _ in range(self.rounds):
            likeness = self.to_query(self.norm_queries(gathered)) @ keys.mT / x.shape[-1] ** 0.5
            share = likeness.softmax(1)  # over the queries (eq. 2)
            gathered = share @ values / share.sum(2, keepdim=True).clamp_min(1e-6)
            gathered = gathered + self.mix(gathered)
        return gathered


class Discretisation(nn.Module):
    """ISD: each pixel reads from the queries, some layers of cross attention deep (eq. 4).

    Args:
        channels: of the pixels and of the queries.
        layers: how many.
        heads: of the attention.
    """

    def __init__(self, channels: int, layers: int, heads: int = 4) -> None:
        super().__init__()
        self.norms = nn.ModuleList(nn.LayerNorm(channels) for _ in range(layers))
        self.attention = nn.ModuleList(
            nn.MultiheadAttention(channels, heads, batch_first=True) for _ in range(layers)
        )
        self.mix = nn.ModuleList(_mlp(channels) for _ in range(layers))
        self.to_depth = nn.Sequential(nn.LayerNorm(channels), nn.Linear(channels, 1))

    def forward(self, pixels: Tensor, queries: Tensor) -> Tensor:
        """(N, h·w, C), (N, K, C) → ln depth (N, h·w, 1)."""
        x = pixels
        for norm, attention, mix in zip(self.norms, self.attention, self.mix, strict=True):
            x = x + attention(norm(x), queries, queries, need_weights=False)[0]
            x = x + mix(x)
        with full_precision(x.device):
            depth: Tensor = self.to_depth(x.float())
        return depth


class IDisc(nn.Module):
    """Whole photo to metric depth and six feature maps.

    Args:
        encoder: timm name of the encoder.
        width: channels of the pyramid, of the queries and of five of the six maps.
        queries: latent queries of each resolution.
        rounds: of the partition.
        layers: of the discretisation.

    Attributes:
        multiple: of which both sides of an image must be multiples.
        feature_channels: `width` six times.
    """

    multiple = 32

    def __init__(
        self,
        encoder: str = "resnet101",
        width: int = 128,
        queries: int = 32,
        rounds: int = 2,
        layers: int = 2,
    ) -> None:
        super().__init__()
        self.encoder = Encoder(encoder)
        self.feature_channels = (width,) * 6
        self.lateral = nn.ModuleList(nn.Conv2d(c, width, 1) for c in self.encoder.channels)
        self.smooth = nn.ModuleList(conv3x3(width, width, bias=True) for _ in self.encoder.channels)
        self.partition = nn.ModuleList(Partition(width, queries, rounds) for _ in READ)
        self.discretise = nn.ModuleList(Discretisation(width, layers) for _ in READ)

    def feature_sizes(self, height: int, width: int) -> list[tuple[int, int]]:
        """Sizes of the six maps, low to high, of an image of `height` × `width` pixels."""
        return pyramid_sizes(height, width)

    def forward(self, image: Tensor) -> CoarseOutput:
        """Predict.

        Args:
            image: (N, 3, h, w) RGB in [0, 1]; h and w multiples of 32.

        Returns:
            Depth (N, 1, h, w) in metres, above 0, and six maps; the last is the fifth, enlarged.
        """
        size = image.shape[-2:]
        laterals = [project(x) for project, x in zip(self.lateral, self.encoder(image), strict=True)]
        sums = [laterals[0]]
        for lateral in laterals[1:]:
            sums.append(lateral + resize(sums[-1], lateral.shape[-2:]))
        maps = [smooth(x) for smooth, x in zip(self.smooth, sums, strict=True)]
        depths = []
        for level, partition, discretise in zip(READ, self.partition, self.discretise, strict=True):
            pixels = maps[level].flatten(2).mT
            shape = maps[level].shape[-2:]
            depths.append(resize(discretise(pixels, partition(pixels)).mT.unflatten(2, shape), size))
        log_depth = torch.stack(depths).mean(0)  # eq. 5
        return CoarseOutput(log_depth.clamp(-10, 10).exp(), (*maps, resize(maps[-1], size)))


def _mlp(channels: int) -> nn.Sequential:
    return nn.Sequential(
        nn.LayerNorm(channels),
        nn.Linear(channels, 2 * channels),
        nn.GELU(),
        nn.Linear(2 * channels, channels),
    )
