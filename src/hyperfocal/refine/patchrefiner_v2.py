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

from hyperfocal.coarse.blocks import pyramid_sizes, resize
from hyperfocal.coarse.encoder import Encoder
from hyperfocal.refine.base import Refiner
from hyperfocal.refine.blocks import FineToCoarse
from hyperfocal.refine.c2f import DENOISERS, CoarseToFine


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

    Raises:
        ValueError: an unknown `denoise` or `space`, or too few or too many widths.
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
        for name, value, known in (("space", space, SPACES), ("denoise", denoise, DENOISERS)):
            if value not in known:
                raise ValueError(f"{name}={value}: one of {', '.join(known)}")
        for name, widths, count in (
            ("coarse_channels", coarse_channels, 6),
            ("c2f_widths", c2f_widths, 5),
            ("head_widths", head_widths, 2),
            ("f2c_widths", f2c_widths, 6),
            ("decoder_widths", decoder_widths, 5),
        ):
            if widths is not None and len(widths) != count:
                raise ValueError(f"{name} must be {count} numbers, not {widths}")
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

    def crop_sizes(self, maps: Sequence[Tensor], size: tuple[int, int]) -> list[tuple[int, int]]:
        """Sizes of the maps' own levels, as published: where they aren't the encoder's, `forward` resizes."""
        finest = maps[-1].shape[-2:]
        return [
            (round(size[0] * m.shape[-2] / finest[0]), round(size[1] * m.shape[-1] / finest[1])) for m in maps
        ]

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
