"""PatchFusion (Li et al., CVPR 2024, arXiv:2312.02284): a U-Net fuses a coarse and a fine base network.

The fine network sees the tile. Its depth, the coarse depth and the tile go through an encoder; the decoder takes
in, at each level, the features of both networks and a global-to-local map (G2L): the coarse features of the whole
photo after Swin transformer blocks, cropped to the tile. ZoeDepth's metric bins make depth of what comes out.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, cast

import torch
import torch.nn.functional as F
from timm.layers.mlp import Mlp
from timm.models.swin_transformer import WindowAttention
from torch import Tensor, nn

from hyperfocal.coarse import CoarseOutput, make
from hyperfocal.coarse.blocks import conv3x3, resize
from hyperfocal.coarse.metric_bins import MetricBins
from hyperfocal.errors import HyperfocalError
from hyperfocal.refine.base import Refiner
from hyperfocal.refine.blocks import in_bands
from hyperfocal.refine.roi import crop_maps, extents_of

WINDOW = 12
HEADS, DEPTHS = (32, 32, 16, 16, 8, 8), (4, 4, 3, 3, 2, 2)  # of the six G2L modules, low to high resolution


def encoder_stage(c_in: int, c_out: int) -> nn.Sequential:
    """Twice 3×3 convolution, batch norm and ReLU."""
    layers = ((conv3x3(a, c_out), nn.BatchNorm2d(c_out), nn.ReLU(inplace=True)) for a in (c_in, c_out))
    return nn.Sequential(*(layer for stage in layers for layer in stage))


def decoder_stage(c_in: int, c_middle: int, c_out: int) -> nn.Sequential:
    """Twice 3×3 convolution and ReLU."""
    layers = ((conv3x3(a, b, bias=True), nn.ReLU(inplace=True)) for a, b in pairwise((c_in, c_middle, c_out)))
    return nn.Sequential(*(layer for stage in layers for layer in stage))


class SwinBlock(nn.Module):
    """Attention in windows of 12×12, shifted by half a window or not, then an MLP (Liu et al., 2021).

    Maps are padded before they are shifted (unlike timm's), and shifted even where there is one window only
    (unlike torchvision's). A row of windows is done at a time, which bounds the memory.
    """

    def __init__(self, channels: int, heads: int, shift: int) -> None:
        super().__init__()
        self.shift = shift
        self.norm1 = nn.LayerNorm(channels)
        self.attn = WindowAttention(channels, heads, window_size=WINDOW)
        self.norm2 = nn.LayerNorm(channels)
        self.mlp = Mlp(channels, 4 * channels)

    def forward(self, x: Tensor) -> Tensor:
        """Keep the shape (N, h, w, C)."""
        height, width = x.shape[1:3]
        padded = F.pad(self.norm1(x), (0, 0, 0, -width % WINDOW, 0, -height % WINDOW))
        shifted = padded.roll((-self.shift, -self.shift), (1, 2))
        count = shifted.shape[1] // WINDOW
        rows = zip(shifted.chunk(count, 1), self._regions(shifted).chunk(count), strict=True)
        attended = torch.cat([self._attend(row, region) for row, region in rows], 1)
        x = x + attended.roll((self.shift, self.shift), (1, 2))[:, :height, :width]
        return torch.cat([part + self.mlp(self.norm2(part)) for part in x.chunk(count, 1)], 1)

    def _regions(self, x: Tensor) -> Tensor:
        """Number (h, w) the parts of a shifted map that come from different sides of the photo."""
        edges = torch.tensor((WINDOW, self.shift), device=x.device)
        rows, columns = (
            (torch.arange(size, device=x.device)[:, None] >= size - edges).sum(1) for size in x.shape[1:3]
        )
        return 3 * rows[:, None] + columns

    def _attend(self, row: Tensor, regions: Tensor) -> Tensor:
        """Attend within each window of a row (N, 12, w, C), and within `regions` (12, w) of it."""
        mask = None
        if self.shift:
            region = _windows(regions[None, ..., None])[..., 0]
            mask = -100.0 * (region[:, None, :] != region[:, :, None])
        n, _, w, c = row.shape
        attended: Tensor = self.attn(_windows(row), mask)
        return attended.reshape(n, w // WINDOW, WINDOW, WINDOW, c).transpose(1, 2).reshape(n, WINDOW, w, c)


def _windows(row: Tensor) -> Tensor:
    """(N, 12, w, C) → (N · w / 12, 144, C)."""
    n, _, w, c = row.shape
    return row.reshape(n, WINDOW, w // WINDOW, WINDOW, c).transpose(1, 2).reshape(-1, WINDOW**2, c)


class GlobalToLocal(nn.Module):
    """G2L: Swin blocks over one map of the whole photo. Its learned positions tie it to one size.

    Args:
        channels: of the map.
        size: of the map.
        heads: of the attention.
        depth: how many blocks; every second one is shifted.
    """

    def __init__(self, channels: int, size: tuple[int, int], heads: int, depth: int) -> None:
        super().__init__()
        self.size = size
        self.position = nn.Parameter(torch.zeros(1, size[0] * size[1], channels))
        nn.init.trunc_normal_(self.position, std=0.02)
        self.blocks = nn.Sequential(
            *(SwinBlock(channels, heads, WINDOW // 2 if i % 2 else 0) for i in range(depth))
        )
        self.norm = nn.LayerNorm(channels)

    def forward(self, x: Tensor) -> Tensor:
        """Keep the shape (N, channels, *size)."""
        tokens = x.movedim(1, -1) + self.position.view(1, *self.size, -1)
        return cast(Tensor, self.norm(self.blocks(tokens))).movedim(-1, 1)


class GuidedFusionNetwork(nn.Module):
    """A U-Net over tile and depths, guided by three sorts of maps at six levels.

    Args:
        channels: of the six levels, low to high.
        narrow: decoder stages half as wide inside, as behind the paper's numbers.
    """

    def __init__(self, channels: Sequence[int], *, narrow: bool) -> None:
        super().__init__()
        high_to_low = (5, *reversed(channels))
        self.encoder = nn.ModuleList(encoder_stage(a, b) for a, b in pairwise(high_to_low))
        self.guide = nn.ModuleList(conv3x3(2 * c, c, bias=True) for c in channels[:5])
        self.up = nn.ModuleList()
        for below, here in pairwise(channels):
            given = here + 2 * below
            self.up.append(decoder_stage(given, given // 2 if narrow else given, here))
        self.inject = nn.ModuleList(decoder_stage(2 * c, c, c) for c in channels)

    def forward(
        self, x: Tensor, coarse: Sequence[Tensor], fine: Sequence[Tensor], g2l: Sequence[Tensor]
    ) -> list[Tensor]:
        """Fuse.

        Args:
            x: (N, 5, h, w), coarse depth, fine depth and RGB.
            coarse: six maps, low to high, cropped to the tile.
            fine: six maps of the same sizes.
            g2l: six maps of the same sizes.

        Returns:
            Six maps of the same sizes and channels.
        """
        encoded = [self.encoder[0](x)]
        for stage in self.encoder[1:]:
            encoded.append(stage(F.max_pool2d(encoded[-1], 2)))
        decoded: list[Tensor] = []
        for i, local in enumerate(g2l):
            size = local.shape[-2:]
            level = resize(encoded[5 - i], size)
            if decoded:
                guide = self.guide[i - 1](torch.cat((coarse[i - 1], fine[i - 1]), 1))
                level = in_bands(self.up[i - 1], (level, decoded[-1], guide), size)
            decoded.append(self.inject[i](torch.cat((level, local), 1)))
        return decoded


class PatchFusion(Refiner):
    """Tile, coarse depth, coarse features and their G2L maps to fused depth.

    This is the published main branch, of which the checkpoints are; `PatchFusionCVPR` is the earlier code.

    Args:
        base: the network for tiles, of the same design as the coarse one: {"kind": ..., its arguments}.
        size: height and width at which the whole photo is processed, to which G2L is tied.

    Attributes:
        coarse_channels: of the six coarse maps: the base network's own.
    """

    blend = "patchfusion"
    feeds_back = True
    narrow = False
    base: Any  # a CoarseNetwork

    def __init__(self, base: Mapping[str, Any], size: tuple[int, int] = (384, 512)) -> None:
        super().__init__()
        self.base = make(base)
        channels = self.coarse_channels = tuple(self.base.feature_channels)
        self.sizes: list[tuple[int, int]] = self.base.feature_sizes(*size)
        levels = zip(channels, self.sizes, HEADS, DEPTHS, strict=True)
        self.g2l = nn.ModuleList(GlobalToLocal(c, s, heads, depth) for c, s, heads, depth in levels)
        self.fusion = GuidedFusionNetwork(channels, narrow=self.narrow)
        self.bins = MetricBins(channels)

    def feature_sizes(self, height: int, width: int) -> list[tuple[int, int]]:
        """Sizes of the twelve cropped maps that `forward` takes, for a tile of `height` × `width` pixels."""
        return 2 * list(self.base.feature_sizes(height, width))

    def whole(self, coarse_features: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Do what is done once for a photo: six coarse maps to twelve, themselves and their G2L maps.

        Args:
            coarse_features: (N, C_i, h_i, w_i), low to high, of photos processed at `size`.

        Raises:
            HyperfocalError: the photo was processed at another size.
        """
        maps = self._sized(coarse_features)
        return (*maps, *(g2l(x) for g2l, x in zip(self.g2l, maps, strict=True)))

    def forward(
        self,
        tile: Tensor,
        coarse_depth: Tensor,
        coarse_features: Sequence[Tensor],
        running_mean: Tensor | None = None,
    ) -> Tensor:
        """Refine.

        Args:
            tile: (N, 3, h, w) RGB in [0, 1]; h and w multiples of what the base network asks.
            coarse_depth: (N, 1, h, w) metres, the coarse map cropped to the tile.
            coarse_features: `crops` of what `whole` returned: twelve maps of `feature_sizes(h, w)`.
            running_mean: (N, 1, h, w) metres, the mean of earlier tiles, which the U-Net then sees in place
                of the fine depth: the feedback of consistency-aware inference (paper, §3.3).

        Returns:
            (N, 1, h, w) metres, above 0.
        """
        fine_depth, fine = self._fine(tile)
        fine_depth = fine_depth if running_mean is None else running_mean
        x = torch.cat((coarse_depth, fine_depth, tile), 1)
        decoded = self.fusion(x, coarse_features[:6], fine, coarse_features[6:])
        # The head's relative depth has no counterpart here: the published network feeds it zeros.
        depth: Tensor = self.bins(decoded, torch.zeros_like(coarse_depth))
        return depth

    def _sized(self, coarse_features: Sequence[Tensor]) -> Sequence[Tensor]:
        """Return the maps if they have the sizes that G2L is tied to."""
        sizes = [tuple(f.shape[-2:]) for f in coarse_features]
        if sizes != self.sizes:
            raise HyperfocalError(
                f"PatchFusion was made for photos processed at {self.sizes[5]}, not {sizes[5]}"
            )
        return coarse_features

    def _fine(self, tile: Tensor) -> CoarseOutput:
        """Return what the fine network gives of the tile."""
        fine: CoarseOutput = self.base(tile)
        return fine


class PatchFusionCVPR(PatchFusion):
    """PatchFusion as in the code behind the paper's numbers.

    It has a convolution for each coarse and fine map, decoder stages half as wide inside, and an area prior: each
    tile has G2L maps of its own, so they are computed for each tile. Its coarse depth is cropped from the enlarged
    map. The constructor's arguments and `forward` are `PatchFusion`'s.
    """

    blend = "patchfusion_cvpr"
    narrow = True

    def __init__(self, base: Mapping[str, Any], size: tuple[int, int] = (384, 512)) -> None:
        super().__init__(base, size)
        self.project_coarse, self.project_fine = (
            nn.ModuleList(conv3x3(c, c, bias=True) for c in self.coarse_channels) for _ in range(2)
        )
        self.embed_area = nn.ModuleList(nn.Conv2d(1, c, 1) for c in self.coarse_channels)

    def whole(self, coarse_features: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Project the six coarse maps; as `PatchFusion.whole`, without the G2L maps."""
        maps = self._sized(coarse_features)
        return tuple(project(x) for project, x in zip(self.project_coarse, maps, strict=True))

    def crops(
        self,
        depth: Tensor,
        maps: Sequence[Tensor],
        boxes: Tensor,
        photo_size: tuple[int, int],
        size: tuple[int, int],
        batch_index: Tensor | None = None,
    ) -> tuple[Tensor, list[Tensor]]:
        """Crop the depth and the maps, and G2L maps of each box's own; as `Refiner.crops`."""
        if batch_index is not None:  # now each tile has a photo of its own
            depth, maps = depth[batch_index], [x[batch_index] for x in maps]
        sizes, extents = self.base.feature_sizes(*size), extents_of(maps, photo_size)
        cropped = crop_maps(maps, boxes, photo_size, sizes, extents=extents)
        for i, (x, own_size, extent) in enumerate(zip(maps, sizes, extents, strict=True)):
            area = area_of(boxes.to(x.device), photo_size, self.sizes[i])
            local = self.g2l[i](x + self.embed_area[i](area))
            cropped += crop_maps([local], boxes, photo_size, [own_size], extents=[extent])
        return crop_enlarged(depth, boxes, photo_size, size), cropped

    def _fine(self, tile: Tensor) -> CoarseOutput:
        depth, features = super()._fine(tile)
        projected = (project(x) for project, x in zip(self.project_fine, features, strict=True))
        return CoarseOutput(depth, tuple(projected))


def area_of(boxes: Tensor, photo_size: tuple[int, int], size: tuple[int, int]) -> Tensor:
    """Where boxes lie in a map of the photo: 1 at pixels whose centres are inside, else 0.

    Args:
        boxes: (K, 4) top, left, height, width in photo pixels.
        photo_size: height and width of the photo.
        size: height and width of the map.

    Returns:
        (K, 1, *size) float32.
    """
    inside = []
    for axis in (0, 1):
        centres = (torch.arange(size[axis], device=boxes.device) + 0.5) * (photo_size[axis] / size[axis])
        start = boxes[:, axis, None]
        inside.append((centres >= start) & (centres < start + boxes[:, axis + 2, None]))
    return (inside[0][:, None, :, None] & inside[1][:, None, None, :]).float()


def crop_enlarged(depth: Tensor, boxes: Tensor, photo_size: tuple[int, int], size: tuple[int, int]) -> Tensor:
    """Enlarge depth to the photo's size, then crop it with RoIAlign's adaptive number of samples.

    Args:
        depth: (1, 1, h, w) of the photo, or (K, 1, h, w) of each box's own.
        boxes: (K, 4) top, left, height, width in photo pixels, all of one height and width.
        photo_size: height and width of the photo.
        size: height and width of a crop.

    Returns:
        (K, 1, *size): the mean of as many samples a side as there are photo pixels to a pixel, rounded up.
    """
    rows, columns = (math.ceil(float(boxes[0, 2 + axis]) / size[axis]) for axis in (0, 1))
    finer = (rows * size[0], columns * size[1])
    [crop] = crop_maps([resize(depth, photo_size)], boxes, photo_size, [finer])
    return F.avg_pool2d(crop, (rows, columns))
