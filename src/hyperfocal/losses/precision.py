"""Losses are sums over an image: half precision overflows there at 65,504, so they are taken in float32."""

import torch
from torch import Tensor


def at_least_float32(*maps: Tensor) -> tuple[Tensor, ...]:
    """The maps in their own dtype, or in float32 if that is wider; differentiable."""
    return tuple(x.to(torch.promote_types(x.dtype, torch.float32)) for x in maps)
