"""Many processes that train as one: what they see, say and decide together. Alone, nothing here does anything.

The result doesn't depend on the number of processes: each takes its photos of a global batch
(`data.batches.Share`), losses are taken of everybody's maps (`whole_batch`), and noise belongs to the photo
(`randn`).
"""

from collections.abc import Sequence
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.tensor import DTensor, distribute_tensor

T = TypeVar("T")


def count() -> int:
    """How many processes train together."""
    return dist.get_world_size() if dist.is_initialized() else 1


def index() -> int:
    """Which of them this one is, from 0."""
    return dist.get_rank() if dist.is_initialized() else 0


def whole_batch(*maps: Tensor) -> tuple[Tensor, ...]:
    """The maps of all processes' photos, in the order of the photos.

    A loss of them is the loss of the global batch, also where it is no mean over photos (SILog's root, means
    over valid pixels). Gradients flow to this process's own maps, times the number of processes: the engine
    takes the mean of the processes' gradients.

    Args:
        maps: (N, ...), of the same shape in every process.

    Returns:
        The same, (processes · N, ...).
    """
    return tuple(_gather(x) for x in maps) if count() > 1 else maps


def _gather(own: Tensor) -> Tensor:
    fixed = own.detach().contiguous()
    parts = [torch.empty_like(fixed) for _ in range(count())]
    dist.all_gather(parts, fixed)
    if own.requires_grad:
        parts[index()] = fixed + count() * (own - fixed)  # the same value, `count()` times the slope
    return torch.cat(parts)


class _Sum(torch.autograd.Function):
    """Of all processes, there and back."""

    @staticmethod
    def forward(ctx: Any, own: Tensor) -> Tensor:
        total = own.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor) -> Tensor:
        return summed(*slopes)


def summed(own: Tensor) -> Tensor:
    """The sum of all processes' tensors of that shape. Gradients flow to all of them."""
    total: Tensor = _Sum.apply(own)
    return total


def randn(shape: Sequence[int], generator: torch.Generator, device: torch.device | str = "cpu") -> Tensor:
    """N(0, 1) noise that a photo gets whichever process it is in, drawn on the device.

    Args:
        shape: photos of this process first.
        generator: in the same state in all processes, before and after; on the CPU.
        device: of the noise. One kind of device draws the same every time, two kinds don't.
    """
    photos, *each = shape
    seeds = torch.randint(2**62, (count() * photos,), generator=generator)
    own = seeds[index() * photos :][:photos].tolist()
    noise = torch.empty(photos, *each, device=device)
    for one, seed in zip(noise, own, strict=True):
        one.normal_(generator=torch.Generator(device).manual_seed(seed))
    return noise


def any_process(*flags: bool, device: torch.device) -> list[bool]:
    """Each flag, true in all processes if it is in one of them."""
    if count() == 1:
        return list(flags)
    shared = torch.tensor(flags, dtype=torch.uint8, device=device)
    dist.all_reduce(shared, dist.ReduceOp.MAX)
    return [bool(flag) for flag in shared.tolist()]


def everybodys(things: Sequence[T]) -> list[T]:
    """The things of all processes, such as names; whatever pickle takes."""
    if count() == 1:
        return list(things)
    lists: list[list[T]] = [[] for _ in range(count())]
    dist.all_gather_object(lists, list(things))
    return [thing for part in lists for thing in part]


def full(value: Tensor) -> Tensor:
    """A whole tensor from one that FSDP has cut; all processes must ask for it."""
    return value.full_tensor() if isinstance(value, DTensor) else value


def cut(value: Tensor) -> Tensor:
    """This process's piece of a tensor that FSDP has cut; the same memory."""
    return value.to_local() if isinstance(value, DTensor) else value


def like(value: Tensor, other: Tensor) -> Tensor:
    """A whole tensor cut as FSDP has cut `other`."""
    if not isinstance(other, DTensor):
        return value
    return distribute_tensor(value.to(other.device), other.device_mesh, other.placements)
