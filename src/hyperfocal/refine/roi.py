"""RoI crops: the part of whole-image maps that a tile covers, resampled to the tile's size.

RoIAlign (He et al., 2017) with one sample for each output pixel, as PatchFusion and PatchRefiner use it, but
with each axis' own scale. Written with `grid_sample`, which is several times as fast as RoIAlign on a CPU.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor


def crop_maps(
    maps: Sequence[Tensor],
    boxes: Tensor,
    image_size: tuple[int, int],
    sizes: Sequence[tuple[int, int]],
    batch_index: Tensor | None = None,
    extents: Sequence[tuple[float, float]] | None = None,
) -> list[Tensor]:
    """Crop boxes out of maps of whole images: one bilinear sample at the centre of every output pixel.

    Differentiable in the maps. The boxes of one photo read its maps in place: nothing is repeated for them.

    Args:
        maps: (N, C_i, h_i, w_i), each of any size; one photo (N = 1) unless `batch_index` is given.
        boxes: (K, 4) top, left, height, width in photo pixels, inside the photo.
        image_size: height and width of the photo.
        sizes: output (height, width) for each map.
        batch_index: (K,) int64, the image that each box belongs to.
        extents: height and width, in photo pixels, that each map covers from the photo's top left corner, as
            `extents_of` gives them; the photo's own unless given.

    Returns:
        One (K, C_i, *sizes[i]) crop of each map, in the map's dtype and the layout that convolutions like.
    """
    # In float32 whatever the maps are: half precision cannot tell neighbouring pixels of a wide photo apart.
    boxes = boxes.float()
    crops = []
    extents = extents or [image_size] * len(maps)
    for whole, (height, width), (full_height, full_width) in zip(maps, sizes, extents, strict=True):
        boxes = boxes.to(whole.device)
        rows = _centres(boxes[:, 0], boxes[:, 2], height, full_height)
        columns = _centres(boxes[:, 1], boxes[:, 3], width, full_width)
        grid = torch.stack(
            (columns[:, None, :].expand(-1, height, -1), rows[:, :, None].expand(-1, -1, width)), dim=-1
        )
        source = whole.float()
        source = source.expand(len(boxes), -1, -1, -1) if batch_index is None else source[batch_index]
        crop = F.grid_sample(source, grid, mode="bilinear", padding_mode="border", align_corners=False)
        crops.append(crop.to(whole.dtype, memory_format=torch.channels_last))
    return crops


def extents_of(maps: Sequence[Tensor], image_size: tuple[int, int]) -> list[tuple[float, float]]:
    """Return the height and width, in photo pixels, that each map of a pyramid covers.

    A convolution of stride 2 makes 19 columns of 37 that cover 38, one more than there is: in a network's own
    pixels a map has one stride for both axes, the larger of the two ratios to the finest map.

    Args:
        maps: (N, C_i, h_i, w_i) of whole images; the last one is the finest and covers the photo.
        image_size: height and width of the photo.
    """
    extents = []
    finest_height, finest_width = maps[-1].shape[-2:] if maps else image_size
    for whole in maps:
        height, width = whole.shape[-2:]
        stride = max(finest_height / height, finest_width / width)
        extents.append(
            (
                image_size[0] * (height * stride / finest_height),
                image_size[1] * (width * stride / finest_width),
            )
        )
    return extents


def _centres(start: Tensor, length: Tensor, count: int, full: float) -> Tensor:
    """Centres (K, count) of `count` equal bins of each span, with −1 and 1 the edges of the map."""
    steps = (torch.arange(count, device=start.device) + 0.5) / count
    half = full / 2
    return ((start - half)[:, None] + steps * length[:, None]) / half
