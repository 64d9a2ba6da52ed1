"""PatchRefiner V2 (Li et al., 2025, arXiv:2501.01121): a light network corrects the coarse depth of a tile.

The tile and its coarse depth go through a light encoder. The coarse-to-fine module (C2F) takes the encoder's
features up to full resolution, denoised under the guidance of the coarse features. The fine-to-coarse module
(F2C) fuses them with the coarse features into the offset. Pyramids are ordered from low to high resolution.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hyperfocal.coarse.blocks import conv3x3, pyramid_sizes, resize
from hyperfocal.coarse.encoder import Encoder
from hyperfocal.refine.base import Refiner
from hyperfocal.refine.blocks import GuidedBlock, fuse_block, heavy_fuse_block, in_bands, up_stage


class Space(NamedTuple):
    """The space in which depth is shown to the network and corrected by it.

    Attributes:
        show: depth in metres → what the network reads.
        shift: depth in metres, the network's offset → corrected depth in metres.
        silent: the depth in metres that is shown as 0.
    """

    show: Callable[[Tensor], Tensor]
    shift: Callable[[Tensor, Tensor], Tensor]
    silent: float


def _same(depth: Tensor) -> Tensor:
    return depth


def _log(depth: Tensor) -> Tensor:
    return depth.clamp_min(1e-6).log()


def _add(depth: Tensor, offset: Tensor) -> Tensor:
    return (depth + offset).clamp_min(0)


def _scale(depth: Tensor, offset: Tensor) -> Tensor:
    return depth * offset.exp()  # exp(ln depth + offset), without the rounding of ln


SPACES = {"metres": Space(_same, _add, 0.0), "log": Space(_log, _scale, 1.0)}


class CoarseToFine(nn.Module):
    """C2F: the encoder's maps from stride 32 up to stride 1, denoised at each level by the coarse maps.

    Args:
        channels: of the five encoder maps.
        guides: channels of the six coarse maps.
        widths: of the path at strides 32 to 2.
        head: middle and last width of the head at stride 1.
        denoise: a key of `blocks.DENOISERS`.
    """

    def __init__(
        self,
        channels: Sequence[int],
        guides: Sequence[int],
        widths: Sequence[int],
        head: Sequence[int],
        denoise: str,
    ) -> None:
        super().__init__()
        middle, last = head
        self.projections = nn.ModuleList(conv3x3(c, w) for c, w in zip(channels, widths, strict=True))
        self.blocks = nn.ModuleList(
            GuidedBlock(w, above, g, denoise, skip=i > 0)
            for i, (w, above, g) in enumerate(zip(widths, (*widths[1:], widths[-1]), guides[:5], strict=True))
        )
        self.head = nn.Sequential(
            conv3x3(widths[-1], middle, bias=True), conv3x3(middle, last, bias=True), nn.ReLU()
        )
        self.head_block = GuidedBlock(last, last, guides[5], denoise, skip=False)
        self.to_depth = nn.Conv2d(last, 1, 1)
        with torch.no_grad():
            weight, bias = self.to_depth.parameters()
            weight.normal_(1.0, 1.0)
            bias.zero_()

    def forward(self, fine: Sequence[Tensor], guides: Sequence[Tensor]) -> tuple[list[Tensor], Tensor]:
        """Return six maps and the unsupervised depth that goes with them.

        Args:
            fine: five encoder maps, strides 32 to 2.
            guides: six coarse maps, strides 32 to 1, of the same sizes.
        """
        levels = [project(f) for project, f in zip(self.projections, fine, strict=True)]
        sizes = [guide.shape[-2:] for guide in guides]
        x = levels[0]
        maps = [x]  # the stride-32 map is handed on as it is, before any denoising
        for block, guide, size, skip in zip(self.blocks, guides[:5], sizes[1:], levels, strict=True):
            x = block(x, guide, size, skip)
            maps.append(x)
        maps[5] = self.head_block(self.head(x), guides[5], sizes[5])
        return maps, self.to_depth(maps[5])


class FineToCoarse(nn.Module):
    """F2C: fuses fine and coarse maps and two depth maps at every level, up to the offset at stride 1.

    Args:
        coarse: channels of the six coarse maps.
        fine: channels of the six fine maps.
        widths: channels of the six fused maps.
        decoder: output channels of the five up stages.
        heavy: the heavy variant, ablation 2: three convolutions instead of one, five instead of two.
    """

    def __init__(
        self,
        coarse: Sequence[int],
        fine: Sequence[int],
        widths: Sequence[int],
        decoder: Sequence[int],
        *,
        heavy: bool,
    ) -> None:
        super().__init__()
        fuse, convs = (heavy_fuse_block, 5) if heavy else (fuse_block, 2)
        self.merge = nn.ModuleList(fuse(c + f, w) for c, f, w in zip(coarse, fine, widths, strict=True))
        self.inject = nn.ModuleList(fuse(w + 2, w) for w in widths)
        below = (widths[0], *decoder)
        self.up = nn.ModuleList(
            up_stage(b + w + 2, out, convs) for b, w, out in zip(below[:5], widths[1:], decoder, strict=True)
        )
        self.final = conv3x3(decoder[-1], 1)

    def forward(
        self, coarse: Sequence[Tensor], fine: Sequence[Tensor], coarse_depth: Tensor, fine_depth: Tensor
    ) -> Tensor:
        """Return the offset (N, 1, h, w) from six coarse and fine maps and two (N, 1, h, w) depth maps."""
        depths = torch.cat((coarse_depth, fine_depth), 1)
        x: Tensor | None = None
        for i, (c, f) in enumerate(zip(coarse, fine, strict=True)):
            size = c.shape[-2:]
            here = resize(depths, size)
            level = self.inject[i](torch.cat((self.merge[i](torch.cat((c, f), 1)), here), 1))
            x = level if x is None else in_bands(self.up[i - 1], (x, level, here), size)
        offset: Tensor = self.final(x)
        return offset


class PatchRefinerV2(Refiner):
    """Tile, coarse depth and coarse features to refined depth.

    The defaults are PatchRefiner V2's; `paper` gives its three published sizes. Noisy pretraining is this
    forward with `coarse_condition=False`, noise for features and a coarse depth of 0 m (1 m in log space).

    Args:
        encoder: timm name of the light encoder.
        coarse_channels: of the six coarse maps, strides 32 to 1.
        c2f_widths: of the coarse-to-fine path, strides 32 to 2, or None to go without it (ablations 1 to 3).
        head_widths: middle and last width of the C2F head at stride 1.
        f2c_widths: of the six fused maps, strides 32 to 1.
        decoder_widths: of the five up stages, strides 16 to 1.
        coarse_condition: whether the encoder sees the coarse depth as fourth channel.
        denoise: "gate" (guided denoising units), "fuse" (ablation 7) or "none" (ablation 6).
        heavy: heavy F2C (ablation 2).
        space: "metres" adds the offset to the depth, as published, and clamps at 0. "log" works on ln depth:
            equal errors of ratio weigh the same at 1 m and at 300 m, nothing falls to 0, and an untrained
            refiner returns the coarse depth.

    Attributes:
        coarse_channels: as given.
    """

    def __init__(
        self,
        encoder: str,
        coarse_channels: Sequence[int] = (256, 256, 256, 256, 256, 32),
        c2f_widths: Sequence[int] | None = (256,) * 5,
        head_widths: Sequence[int] = (128, 32),
        f2c_widths: Sequence[int] = (512, 256, 128, 64, 64, 32),
        decoder_widths: Sequence[int] = (512, 256, 128, 64, 32),
        coarse_condition: bool = True,
        denoise: str = "gate",
        heavy: bool = False,
        space: str = "metres",
    ) -> None:
        super().__init__()
        self.coarse_channels = tuple(coarse_channels)
        self.space = SPACES[space]
        self.coarse_condition = coarse_condition
        self.encoder = Encoder(encoder, extra_channels=int(coarse_condition))
        channels = self.encoder.channels
        self.c2f: CoarseToFine | None = None
        fine: tuple[int, ...] = (*channels, channels[-1])
        if c2f_widths is not None:
            self.c2f = CoarseToFine(channels, coarse_channels, c2f_widths, head_widths, denoise)
            fine = (*c2f_widths, head_widths[1])
        self.f2c = FineToCoarse(coarse_channels, fine, f2c_widths, decoder_widths, heavy=heavy)
        if space == "log":
            nn.init.zeros_(self.f2c.final.weight)
            if self.c2f is not None:  # the published N(1, 1) would start it at e^±10 m
                nn.init.normal_(self.c2f.to_depth.weight, std=0.1)

    def feature_sizes(self, height: int, width: int) -> list[tuple[int, int]]:
        """Sizes of the six cropped coarse maps, low to high, for a tile of `height` × `width` pixels."""
        return pyramid_sizes(height, width)

    def forward(self, tile: Tensor, coarse_depth: Tensor, coarse_features: Sequence[Tensor]) -> Tensor:
        """Refine.

        Args:
            tile: (N, 3, h, w) RGB in [0, 1]; h and w multiples of 32.
            coarse_depth: (N, 1, h, w) metres, the coarse map cropped to the tile.
            coarse_features: six coarse maps cropped to the tile, low to high; resized where their sizes are
                not `feature_sizes(h, w)`.

        Returns:
            (N, 1, h, w) metres; at least 0 in "metres" space, above 0 in "log" space.
        """
        return self.space.shift(coarse_depth, self.offset(tile, coarse_depth, coarse_features))

    def offset(self, tile: Tensor, coarse_depth: Tensor, coarse_features: Sequence[Tensor]) -> Tensor:
        """Return what `forward` shifts the coarse depth by: (N, 1, h, w), in metres or in ln metres."""
        return self._offsets(tile, coarse_depth, coarse_features)[0]

    def with_own_depth(
        self, tile: Tensor, coarse_depth: Tensor, coarse_features: Sequence[Tensor]
    ) -> tuple[Tensor, Tensor]:
        """Return what `forward` does and C2F's own depth of the tile, both (N, 1, h, w) metres.

        The published code leaves the second one unsupervised; supervising it teaches C2F sooner.
        """
        offset, own = self._offsets(tile, coarse_depth, coarse_features)
        silent = torch.full_like(own, self.space.silent)
        return self.space.shift(coarse_depth, offset), self.space.shift(silent, own)

    def _offsets(
        self, tile: Tensor, coarse_depth: Tensor, coarse_features: Sequence[Tensor]
    ) -> tuple[Tensor, Tensor]:
        """The offset and the fine depth that F2C reads: zeros without C2F."""
        shown = self.space.show(coarse_depth)
        fine: Sequence[Tensor] = self.encoder(tile, shown if self.coarse_condition else None)
        sizes = [*(f.shape[-2:] for f in fine), tile.shape[-2:]]
        coarse = [resize(c, size) for c, size in zip(coarse_features, sizes, strict=True)]
        if self.c2f is None:
            fine, fine_depth = [*fine, resize(fine[-1], sizes[-1])], torch.zeros_like(shown)
        else:
            fine, fine_depth = self.c2f(fine, coarse)
        return self.f2c(coarse, fine, shown, fine_depth), fine_depth


ENCODERS = {
    "M": "mobilenetv4_conv_small.e2400_r224_in1k",
    "E": "tf_efficientnet_b5.ap_in1k",
    "C": "convnext_large.fb_in22k_ft_in1k",
}

# The bundled model: narrow everywhere, narrowest at stride 1, where a channel costs most.
NANO: dict[str, Any] = {
    "encoder": "tf_efficientnet_lite0",
    "coarse_channels": (128, 96, 64, 48, 32, 16),
    "c2f_widths": (96, 64, 48, 32, 24),
    "head_widths": (8, 8),
    "f2c_widths": (96, 64, 40, 24, 12, 6),
    "decoder_widths": (64, 40, 20, 12, 8),
    "space": "log",
}


def paper(size: str) -> dict[str, Any]:
    """Constructor arguments of a published size: "M" (47 M parameters), "E" (72 M) or "C" (246 M)."""
    return {"encoder": ENCODERS[size]}


def widen_stem(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Give a state with a three-channel encoder a fourth input channel of zero weight; biases are kept.

    This carries a noisily pretrained refiner (`coarse_condition=False`) into one that sees the coarse depth.
    """
    return {
        name: F.pad(value, (0, 0, 0, 0, 0, 1)) if _is_rgb_stem(name, value) else value
        for name, value in state.items()
    }


def _is_rgb_stem(name: str, value: Tensor) -> bool:
    return name.startswith("encoder.net.") and value.ndim == 4 and value.shape[1] == 3
