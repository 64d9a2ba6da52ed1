"""Coarse networks: the whole photo to metric depth and six feature maps. One file for each network."""

from collections.abc import Mapping
from typing import Any

from torch import nn

from hyperfocal.coarse.depth_anything import DepthAnything
from hyperfocal.coarse.efficientnet_dpt import EfficientNetDPT
from hyperfocal.coarse.output import CoarseNetwork, CoarseOutput
from hyperfocal.coarse.zoedepth import ZoeDepth

__all__ = ["KINDS", "CoarseNetwork", "CoarseOutput", "DepthAnything", "EfficientNetDPT", "ZoeDepth", "make"]

KINDS: dict[str, type[nn.Module]] = {
    "depth_anything": DepthAnything,
    "efficientnet_dpt": EfficientNetDPT,
    "zoedepth": ZoeDepth,
}


def make(network: Mapping[str, Any]) -> nn.Module:
    """Make a network with random weights from {"kind": a name in `KINDS`, constructor arguments}."""
    return KINDS[network["kind"]](**{name: value for name, value in network.items() if name != "kind"})
