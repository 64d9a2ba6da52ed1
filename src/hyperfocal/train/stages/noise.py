"""What noisy pretraining shows a refiner in a coarse network's place, in training and in validation."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from hyperfocal.coarse import CoarseOutput
from hyperfocal.refine import PatchRefinerV2
from hyperfocal.train.recipes import Recipe
from hyperfocal.train.stages.networks import described


def no_coarse(
    refiner: Any, image: Tensor, draw: Callable[[Sequence[int]], Tensor]
) -> tuple[Tensor, list[Tensor]]:
    """A coarse depth that says nothing, and drawn maps.

    Args:
        refiner: that they are for.
        image: (N, 3, h, w).
        draw: the shape of a map to its numbers.

    Returns:
        (N, 1, h, w) metres that the refiner's space shows as 0, and six maps (N, C_i, h_i, w_i).
    """
    n, _, height, width = image.shape
    sizes = zip(refiner.coarse_channels, refiner.feature_sizes(height, width), strict=True)
    maps = [draw((n, channels, *size)).to(image.device) for channels, size in sizes]
    return torch.full_like(image[:, :1], refiner.space.silent), maps


class OnNoise(nn.Module):
    """A recipe's noisily pretrained refiner as a network of whole photos, to validate it.

    It shows every photo of a size the same noise: scores are comparable.

    Attributes:
        config: of a model with this in its coarse network's place.
    """

    def __init__(self, recipe: Recipe) -> None:
        super().__init__()
        self.config, self.noise = described(recipe, refined=False), recipe.noise
        network = described(recipe, refined=True).refiner or {}
        arguments = {name: value for name, value in network.items() if name != "kind"}
        self.refiner = PatchRefinerV2(**arguments | {"coarse_condition": False})

    def forward(self, image: Tensor) -> CoarseOutput:
        """(N, 3, h, w) RGB in [0, 1] → depth (N, 1, h, w) in metres; no maps."""
        draw = partial(torch.randn, generator=torch.Generator().manual_seed(0))
        silent, maps = no_coarse(self.refiner, image, torch.ones if self.noise == "ones" else draw)
        return CoarseOutput(self.refiner(image, silent, maps), ())
