"""Depth Anything V2 (Yang et al., NeurIPS 2024, arXiv:2406.09414), its metric form: DINOv2, DPT, a sigmoid."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from hyperfocal.coarse import depth_anything
from hyperfocal.coarse.blocks import conv3x3
from hyperfocal.coarse.dinov2 import DINOv2
from hyperfocal.coarse.dpt import Decoder, map_sizes
from hyperfocal.coarse.output import CoarseOutput
from hyperfocal.coarse.precision import full_precision


def paper(size: str) -> dict[str, Any]:
    """Constructor arguments of a published size: "vits", "vitb" or "vitl"."""
    taps = (4, 11, 17, 23) if size == "vitl" else (2, 5, 8, 11)
    return {**depth_anything.paper(size), "taps": taps}


class DepthAnythingV2(nn.Module):
    """Depth Anything V2, which PatchRefiner V2 runs at 448×448. Weights start random: nothing is downloaded.

    The six maps are the lowest projected level, the four levels of the decoder, and the head's map after its
    first convolution, at the size of the image.

    Args:
        encoder: timm name of a DINOv2 vision transformer.
        reassemble: channels of the tapped maps, low to high resolution.
        width: channels of the decoder.
        taps: the four blocks, shallow to deep.
        max_depth: metres, which no checkpoint holds: 20 for the published weights of indoors (Hypersim), 80 for
            those of outdoors (Virtual KITTI).

    Attributes:
        multiple: of which both sides of an image must be multiples.
        feature_channels: `width` five times, then `width`/2.
    """

    multiple = DINOv2.patch

    def __init__(
        self,
        encoder: str = "vit_small_patch14_dinov2",
        reassemble: Sequence[int] = (384, 192, 96, 48),
        width: int = 64,
        taps: Sequence[int] = (2, 5, 8, 11),
        max_depth: float = 20.0,
    ) -> None:
        super().__init__()
        self.max_depth = max_depth
        self.feature_channels = (width,) * 5 + (width // 2,)
        self.encoder = DINOv2(encoder, taps)
        self.decoder = Decoder(self.encoder.dim, reassemble, width)
        self.high = nn.Sequential(conv3x3(width // 2, 32, bias=True), nn.ReLU())
        self.to_depth = nn.Conv2d(32, 1, 1)

    def feature_sizes(self, height: int, width: int) -> list[tuple[int, int]]:
        """Sizes of the six maps, low to high, of an image of `height` × `width` pixels."""
        return map_sizes(height, width, DINOv2.patch)

    def forward(self, image: Tensor) -> CoarseOutput:
        """Predict.

        Args:
            image: (N, 3, h, w) RGB in [0, 1]; h and w multiples of 14.

        Returns:
            Depth (N, 1, h, w) in metres, up to `max_depth`, and six maps of `feature_sizes(h, w)`.
        """
        maps = self.decoder(self.encoder(image), self.feature_sizes(*image.shape[-2:])[1:])
        high = self.high(maps[5])
        with full_precision(image.device):
            depth = self.max_depth * self.to_depth(high.float()).sigmoid()
        return CoarseOutput(depth, tuple(maps))
