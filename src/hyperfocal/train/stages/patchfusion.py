"""PatchFusion's fusion network, with and without consistency-aware training (sections 3.2 and 3.4)."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from hyperfocal.coarse.blocks import resize
from hyperfocal.data.batches import WindowBatch
from hyperfocal.data.patches import PatchBatch
from hyperfocal.errors import HyperfocalError
from hyperfocal.losses.consistency import consistency
from hyperfocal.refine import PatchFusion
from hyperfocal.train.recipes import Recipe
from hyperfocal.train.stages.e2e import EndToEnd
from hyperfocal.train.stages.losses import depth_loss


class Fusion(EndToEnd):
    """Fuses a frozen coarse and a frozen fine network.

    SILog on the crops. With `consistency`, crops come in overlapping pairs, and what the decoder and the head say
    of the same pixels in both shall be the same: + weight · (MSE of features + 0.1 · MSE of depth).
    """

    def __init__(self, recipe: Recipe) -> None:
        if recipe.consistency and recipe.patches is None:
            raise HyperfocalError("consistency needs overlapping crops: set patches.*")
        super().__init__(replace(recipe, coarse_lr=0.0, encoder_lr=0.0))
        if not isinstance(self.refiner, PatchFusion):
            kind = recipe.refiner["kind"]
            raise HyperfocalError(f"stage patchfusion trains PatchFusion; for {kind} there is e2e")
        self.refiner.base.requires_grad_(False)

    def loss(self, batch: WindowBatch | PatchBatch, generator: torch.Generator) -> Tensor:
        """Of the fused crops, and of what overlapping ones disagree on."""
        depth, features = self.crops(batch)
        with outputs_of(self.refiner.fusion) as seen:
            fused = self.refiner(batch.windows, depth, features)
        loss = depth_loss(fused, batch.target, self.recipe)
        if not self.recipe.consistency or not isinstance(batch, PatchBatch) or batch.shifts is None:
            return loss
        half = len(batch.shifts)
        fused = resize(fused, batch.target.shape[-2:])
        disagreement = consistency(
            [(x[:half], x[half:]) for x in seen[0]],
            (fused[:half], fused[half:]),
            batch.target[:half] > 0,
            [(int(y), int(x)) for y, x in batch.shifts.tolist()],
        )
        return loss + self.recipe.consistency * disagreement


@contextmanager
def outputs_of(module: nn.Module) -> Iterator[list[Any]]:
    """What the module returns while inside, call by call: the decoder's maps, which `forward` keeps to itself."""
    seen: list[Any] = []
    handle = module.register_forward_hook(lambda _module, _inputs, output: seen.append(output))
    try:
        yield seen
    finally:
        handle.remove()
