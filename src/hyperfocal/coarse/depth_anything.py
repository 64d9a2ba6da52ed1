"""Depth Anything (Yang et al., CVPR 2024) with ZoeDepth's metric bins head, as PatchFusion uses it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hyperfocal.coarse.dinov2 import DINOv2
from hyperfocal.coarse.dpt import MetricDPT

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


class DepthAnything(MetricDPT):
    """Depth Anything with metric bins, processed at 392×518. Weights start random: nothing is downloaded.

    Args:
        encoder: timm name of a DINOv2 vision transformer; the last four of its blocks are tapped.
        reassemble: channels of the tapped maps, low to high resolution.
        width: channels of the decoder.

    Attributes:
        multiple: of which both sides of an image must be multiples.
    """

    multiple = DINOv2.patch

    def __init__(
        self,
        encoder: str = "vit_small_patch14_dinov2",
        reassemble: Sequence[int] = (384, 192, 96, 48),
        width: int = 64,
    ) -> None:
        super().__init__(DINOv2(encoder), reassemble, width)
