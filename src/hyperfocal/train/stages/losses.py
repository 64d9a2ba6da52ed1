"""The loss to true depth that the stages share."""

from torch import Tensor

from hyperfocal.coarse.blocks import resize
from hyperfocal.losses.gradient import gradient_matching
from hyperfocal.losses.silog import silog, silog_per_image
from hyperfocal.train.recipes import Recipe


def depth_loss(depth: Tensor, target: Tensor, recipe: Recipe) -> Tensor:
    """SILog + weight · gradient matching in log depth.

    Args:
        depth: (N, 1, h, w) metres; brought to the target's size first, as published.
        target: (N, 1, H, W) metres, 0 = unknown.
        recipe: `gradient`, the weight, and `per_image`.
    """
    depth, valid = resize(depth, target.shape[-2:]), target > 0
    scale_invariant = silog_per_image if recipe.per_image else silog
    loss = scale_invariant(depth, target, valid)
    if not recipe.gradient:
        return loss
    logs = depth.clamp_min(1e-3).log(), target.clamp_min(1e-3).log()
    return loss + recipe.gradient * gradient_matching(*logs, valid)


def with_own_loss(depth: Tensor, own: Tensor, target: Tensor, recipe: Recipe) -> Tensor:
    """The refined depth's loss, and that of the refiner's own depth by its weight."""
    loss = depth_loss(depth, target, recipe)
    return loss + recipe.own * depth_loss(own, target, recipe) if recipe.own else loss
