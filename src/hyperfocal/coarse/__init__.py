"""Coarse networks: the whole photo to metric depth and six feature maps. One file for each network."""

from collections.abc import Mapping
from typing import Any

from torch import nn

from hyperfocal.coarse.dense_depth import DenseDepth
from hyperfocal.coarse.depth_anything import DepthAnything
from hyperfocal.coarse.depth_anything_v2 import DepthAnythingV2
from hyperfocal.coarse.efficientnet_dpt import EfficientNetDPT
from hyperfocal.coarse.idisc import IDisc
from hyperfocal.coarse.output import CoarseNetwork, CoarseOutput
from hyperfocal.coarse.transformers_depth import DepthPro, TransformersDepth
from hyperfocal.coarse.zoedepth import ZoeDepth

__all__ = [
    "KINDS",
    "CoarseNetwork",
    "CoarseOutput",
    "DenseDepth",
    "DepthAnything",
    "DepthAnythingV2",
    "DepthPro",
    "EfficientNetDPT",
    "IDisc",
    "TransformersDepth",
    "ZoeDepth",
    "make",
]

KINDS: dict[str, type[nn.Module]] = {
    "dense_depth": DenseDepth,
    "depth_anything": DepthAnything,
    "depth_anything_v2": DepthAnythingV2,
    "depth_pro": DepthPro,
    "efficientnet_dpt": EfficientNetDPT,
    "idisc": IDisc,
    "transformers": TransformersDepth,
    "zoedepth": ZoeDepth,
}


def make(network: Mapping[str, Any]) -> nn.Module:
    """Make a network with random weights from {"kind": a name in `KINDS`, constructor arguments}."""
    return KINDS[network["kind"]](**{name: value for name, value in network.items() if name != "kind"})
