"""The coarse-to-fine module (C2F) of PatchRefiner V2 (Li et al., 2025, arXiv:2501.01121): guided denoising."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hyperfocal.coarse.blocks import conv3x3, resize
from hyperfocal.refine.blocks import ChannelNorm


class GuidedFusion(nn.Module):
    """Mixes a map with its coarse guide: (N, C, h, w), (N, G, h, w) → (N, C, h, w). V2's ablation 7."""

    def __init__(self, channels: int, guide_channels: int) -> None:
        super().__init__()
        self.mix = nn.Sequential(
            conv3x3(channels + guide_channels, channels, bias=True),
            ChannelNorm(channels),
            nn.ReLU(),
            nn.Conv2d(channels, channels, 1, bias=False),
        )

    def forward(self, x: Tensor, guide: Tensor) -> Tensor:
        """Return the mix."""
        mixed: Tensor = self.mix(torch.cat((x, guide), 1))
        return mixed


class GuidedDenoising(GuidedFusion):
    """PatchRefiner V2's guided denoising unit (GDU): the mix becomes a mask in (0, 1) on the map."""

    def forward(self, x: Tensor, guide: Tensor) -> Tensor:
        """Return the masked map."""
        return x * super().forward(x, guide).sigmoid()


class Unguided(nn.Module):
    """Leaves the map as it is and the guide unread. V2's ablation 6."""

    def __init__(self, channels: int, guide_channels: int) -> None:
        super().__init__()

    def forward(self, x: Tensor, guide: Tensor) -> Tensor:
        """Return `x`."""
        return x


DENOISERS: dict[str, type[GuidedFusion] | type[Unguided]] = {
    "gate": GuidedDenoising,
    "fuse": GuidedFusion,
    "none": Unguided,
}


class GuidedUnit(nn.Module):
    """One residual 3×3 convolution, then the denoiser: the paper's RCU and GDU."""

    def __init__(self, channels: int, guide_channels: int, denoise: str) -> None:
        super().__init__()
        self.residual = conv3x3(channels, channels, bias=True)
        self.denoise = DENOISERS[denoise](channels, guide_channels)

    def forward(self, x: Tensor, guide: Tensor) -> Tensor:
        """(N, C, h, w), (N, G, h, w) → (N, C, h, w)."""
        denoised: Tensor = self.denoise(x + self.residual(F.relu(x)), guide)
        return denoised


class GuidedBlock(nn.Module):
    """One level of the coarse-to-fine path: add the denoised skip, denoise, project, resize.

    The 1×1 projection runs before the resize: the same function as after it, at a quarter of the cost.
    """

    def __init__(
        self, channels: int, out_channels: int, guide_channels: int, denoise: str, *, skip: bool
    ) -> None:
        super().__init__()
        self.skip_unit = GuidedUnit(channels, guide_channels, denoise) if skip else None
        self.unit = GuidedUnit(channels, guide_channels, denoise)
        self.project = nn.Conv2d(channels, out_channels, 1)

    def forward(self, x: Tensor, guide: Tensor, size: Sequence[int], skip: Tensor | None = None) -> Tensor:
        """`x`, `skip` (N, C, h, w) and `guide` (N, G, h, w) → (N, out_channels, *size)."""
        if self.skip_unit is not None:
            x = x + self.skip_unit(skip, guide)
        return resize(self.project(self.unit(x, guide)), size)


class CoarseToFine(nn.Module):
    """C2F: the encoder's maps from stride 32 up to stride 1, denoised at each level by the coarse maps.

    Args:
        channels: of the five encoder maps.
        guides: channels of the six coarse maps.
        widths: of the path at strides 32 to 2.
        head: middle and last width of the head at stride 1.
        denoise: a key of `DENOISERS`.
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
