"""SMD-Net on a frozen coarse network (Tosi et al., CVPR 2021): the likelihood of its mixture."""

from dataclasses import replace
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor

from hyperfocal.data.batches import WindowBatch
from hyperfocal.data.patches import PatchBatch
from hyperfocal.losses.laplacian_mixture import mixture_nll
from hyperfocal.refine.baselines.smd_net import Mixture, SMDNet
from hyperfocal.train.recipes import Recipe
from hyperfocal.train.stages.e2e import EndToEnd

STEP = 0.1  # of ln depth between neighbours, from which on there is an edge
REACH = 10  # pixels to either side of an edge that count as near it


class BimodalHead(EndToEnd):
    """Half of the weight lies on the pixels near depth edges, as half of the paper's samples (section 3.3)."""

    def __init__(self, recipe: Recipe) -> None:
        super().__init__(replace(recipe, coarse_lr=0.0))

    def loss(self, batch: WindowBatch | PatchBatch, generator: torch.Generator) -> Tensor:
        """Of the mixtures of all pixels, and of those near edges."""
        refiner = cast(SMDNet, self.refiner)
        depth, features = self.crops(batch)
        mixture = refiner.mixture(depth, features)
        target = batch.target
        if target.shape != mixture.near.shape:
            mixture = Mixture(*(F.interpolate(x, target.shape[-2:]) for x in mixture))
        goal, valid = refiner.part(target), target > 0
        near = valid & near_edges(target, valid)
        return (mixture_nll(mixture, goal, valid) + mixture_nll(mixture, goal, near)) / 2


def near_edges(depth: Tensor, valid: Tensor) -> Tensor:
    """Return where (N, 1, h, w) depth has an edge within `REACH` pixels; steps to unknown depth are none."""
    logs = depth.clamp_min(1e-6).log()
    edge = torch.zeros_like(valid)
    for d in (2, 3):
        n = depth.shape[d] - 1
        step = (logs.diff(dim=d).abs() > STEP) & valid.narrow(d, 0, n) & valid.narrow(d, 1, n)
        edge.narrow(d, 0, n).logical_or_(step)
    return F.max_pool2d(edge.float(), 2 * REACH + 1, stride=1, padding=REACH) > 0
