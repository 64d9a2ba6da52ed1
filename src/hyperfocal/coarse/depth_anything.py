"""Depth Anything (Yang et al., CVPR 2024) with ZoeDepth's metric bins head, as PatchFusion uses it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import timm
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hyperfocal.coarse.metric_bins import MetricBins
from hyperfocal.coarse.output import CoarseOutput

PATCH = 14
# name → encoder, widths of the reassembled maps (low to high), width of the decoder
_SIZES: dict[str, tuple[str, tuple[int, ...], int]] = {
    "vits": ("vit_small_patch14_dinov2", (384, 192, 96, 48), 64),
    "vitb": ("vit_base_patch14_dinov2", (768, 384, 192, 96), 128),
    "vitl": ("vit_large_patch14_dinov2", (1024, 1024, 512, 256), 256),
}


def paper(size: str) -> dict[str, Any]:
    """Constructor arguments of a published size: "vits", "vitb" or "vitl"."""
    encoder, reassemble, width = _SIZES[size]
    return {"encoder": encoder, "reassemble": reassemble, "width": width}


def conv3x3(c_in: int, c_out: int, *, bias: bool = True) -> nn.Conv2d:
    """3×3 convolution that keeps the size."""
    return nn.Conv2d(c_in, c_out, 3, padding=1, bias=bias)


class ResidualUnit(nn.Module):
    """x + two pre-activated 3×3 convolutions, as in RefineNet and DPT."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = conv3x3(channels, channels)
        self.conv2 = conv3x3(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        """Keep the shape (N, C, h, w)."""
        residual: Tensor = self.conv2(F.relu(self.conv1(F.relu(x))))
        return x + residual


class FusionBlock(nn.Module):
    """One level of DPT's decoder (Ranftl et al., 2021): add the skip, refine, project, resize.

    The 1×1 projection runs before the resize: the same function as after it, at a quarter of the cost.
    """

    def __init__(self, channels: int, *, skip: bool) -> None:
        super().__init__()
        self.skip_unit = ResidualUnit(channels) if skip else None
        self.unit = ResidualUnit(channels)
        self.project = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor, skip: Tensor, size: Sequence[int]) -> Tensor:
        """`x` and `skip` (N, C, h, w) → (N, C, *size); the lowest level has no skip and leaves it unread."""
        if self.skip_unit is not None:
            x = x + self.skip_unit(skip)
        return _resize(self.project(self.unit(x)), size)


class DepthAnything(nn.Module):
    """Image to metric depth and six feature maps: DINOv2, DPT decoder, metric bins.

    The six maps are the lowest level through a 1×1 convolution, the four levels of the decoder, and the last
    map of the relative depth head. Weights start random: nothing is downloaded.

    Args:
        encoder: timm name of a DINOv2 vision transformer; the last four of its blocks are tapped.
        reassemble: channels of the tapped maps, low to high resolution.
        width: channels of the decoder.

    Attributes:
        multiple: of which both sides of an image must be multiples.
        feature_channels: `width` five times, then 32.
    """

    multiple = PATCH
    encoder: Any  # timm's VisionTransformer
    mean: Tensor
    std: Tensor

    def __init__(
        self,
        encoder: str = "vit_small_patch14_dinov2",
        reassemble: Sequence[int] = (384, 192, 96, 48),
        width: int = 64,
    ) -> None:
        super().__init__()
        self.encoder = timm.create_model(encoder, num_classes=0, dynamic_img_size=True)
        self.feature_channels = (width,) * 5 + (32,)
        lowest, _, high, highest = reassemble
        resizes = (  # to strides 28, 14, 7 and 3.5 from the encoder's 14
            nn.Conv2d(lowest, lowest, 3, stride=2, padding=1),
            nn.Identity(),
            nn.ConvTranspose2d(high, high, 2, stride=2),
            nn.ConvTranspose2d(highest, highest, 4, stride=4),
        )
        self.reassemble = nn.ModuleList(
            nn.Sequential(nn.Conv2d(self.encoder.num_features, c, 1), resized)
            for c, resized in zip(reassemble, resizes, strict=True)
        )
        self.projections = nn.ModuleList(conv3x3(c, width, bias=False) for c in reassemble)
        self.blocks = nn.ModuleList(FusionBlock(width, skip=i > 0) for i in range(4))
        self.bottleneck = nn.Conv2d(width, width, 1)
        self.head = conv3x3(width, width // 2)
        self.high = nn.Sequential(conv3x3(width // 2, 32), nn.ReLU())
        self.to_relative = nn.Sequential(nn.Conv2d(32, 1, 1), nn.ReLU())
        self.bins = MetricBins(self.feature_channels)
        for name, values in (("mean", (0.485, 0.456, 0.406)), ("std", (0.229, 0.224, 0.225))):
            self.register_buffer(name, torch.tensor(values).view(1, 3, 1, 1), persistent=False)

    def feature_sizes(self, height: int, width: int) -> list[tuple[int, int]]:
        """Sizes of the six maps, low to high, of an image of `height` × `width` pixels."""
        h, w = height // PATCH, width // PATCH
        return [((h + 1) // 2, (w + 1) // 2), *((h * s, w * s) for s in (1, 2, 4, 8)), (height, width)]

    def forward(self, image: Tensor) -> CoarseOutput:
        """Predict.

        Args:
            image: (N, 3, h, w) RGB in [0, 1]; h and w multiples of 14.

        Returns:
            Depth (N, 1, h, w) in metres and six maps of `feature_sizes(h, w)`.
        """
        sizes = self.feature_sizes(*image.shape[-2:])
        levels = [
            project(reassemble(tap))
            for project, reassemble, tap in zip(
                self.projections, self.reassemble, reversed(self._taps(image)), strict=True
            )
        ]
        maps, x = [self.bottleneck(levels[0])], levels[0]
        for block, skip, size in zip(self.blocks, levels, sizes[1:5], strict=True):
            x = block(x, skip, size)
            maps.append(x)
        maps.append(self.high(_resize(self.head(x), sizes[5])))
        return CoarseOutput(self.bins(maps, self.to_relative(maps[5])), tuple(maps))

    def _taps(self, image: Tensor) -> list[Tensor]:
        """Return what comes out of the last four blocks, normalised: (N, C, h/14, w/14) each."""
        patches = self.encoder.patch_embed((image - self.mean) / self.std)  # (N, h/14, w/14, C)
        size = patches.shape[1:3]
        start = self.encoder.cls_token.expand(len(image), -1, -1)
        x = torch.cat((start, patches.flatten(1, 2)), 1) + self._positions(size)
        taps = []
        for i, block in enumerate(self.encoder.blocks):
            x = block(x)
            if i >= len(self.encoder.blocks) - 4:
                taps.append(self.encoder.norm(x)[:, 1:].transpose(1, 2).reshape(len(image), -1, *size))
        return taps

    def _positions(self, size: Sequence[int]) -> Tensor:
        """Resample the position embedding as DINOv2 does: bicubic, and a tenth of a patch too wide.

        timm's own resampling is antialiased, which is another function.
        """
        start, grid = self.encoder.pos_embed[:, :1], self.encoder.pos_embed[:, 1:]
        side = int(grid.shape[1] ** 0.5)
        if tuple(size) == (side, side):
            return torch.cat((start, grid), 1)
        square = grid.transpose(1, 2).reshape(1, -1, side, side)
        scale = tuple((s + 0.1) / side for s in size)
        resampled = F.interpolate(square.float(), scale_factor=scale, mode="bicubic").to(grid.dtype)
        return torch.cat((start, resampled.flatten(2).transpose(1, 2)), 1)


def _resize(x: Tensor, size: Sequence[int]) -> Tensor:
    return F.interpolate(x, tuple(size), mode="bilinear", align_corners=True)
