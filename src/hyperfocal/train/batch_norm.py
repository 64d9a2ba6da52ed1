"""Batch norms of many processes on CPUs, where PyTorch has no `SyncBatchNorm`."""

import torch
from torch import Tensor, nn

from hyperfocal.train.processes import count, summed


class SyncBatchNorm(nn.BatchNorm2d):
    """Normalises by mean and variance of all processes' batches, which have the same shape.

    Args:
        norm: whose parameters, statistics and activation (timm's batch norms have one) this takes over.
    """

    def __init__(self, norm: nn.BatchNorm2d) -> None:
        super().__init__(norm.num_features, norm.eps, norm.momentum, affine=False)
        self.weight, self.bias = norm.weight, norm.bias
        self.running_mean, self.running_var = norm.running_mean, norm.running_var
        self.num_batches_tracked = norm.num_batches_tracked
        self.after = nn.Sequential(getattr(norm, "drop", nn.Identity()), getattr(norm, "act", nn.Identity()))
        self.train(norm.training)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, h, w) to the same shape."""
        normalised: Tensor = self.after(self._together(x) if self.training else super().forward(x))
        return normalised

    def _together(self, x: Tensor) -> Tensor:
        pixels = count() * x.numel() // x.shape[1]
        precise = x.to(self.weight.dtype)  # autocast brings half precision, too coarse for sums
        mean = summed(precise.sum((0, 2, 3))) / pixels
        centred = precise - mean[:, None, None]
        variance = summed(centred.square().sum((0, 2, 3))) / pixels
        if self.running_mean is not None and self.running_var is not None and self.momentum is not None:
            self.running_mean.lerp_(mean.detach(), self.momentum)
            self.running_var.lerp_(variance.detach() * (pixels / (pixels - 1)), self.momentum)
        if self.num_batches_tracked is not None:
            self.num_batches_tracked += 1
        scale = self.weight * (variance + self.eps).rsqrt()
        return torch.addcmul(self.bias[:, None, None], centred, scale[:, None, None]).to(x.dtype)


def synchronise(module: nn.Module) -> None:
    """Makes all batch norms inside see the whole batch."""
    for name, child in module.named_children():
        if isinstance(child, nn.BatchNorm2d):
            setattr(module, name, SyncBatchNorm(child))
        else:
            synchronise(child)
