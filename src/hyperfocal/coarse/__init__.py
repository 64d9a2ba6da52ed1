"""Coarse networks: the whole photo to metric depth and six feature maps. One file for each network."""

from hyperfocal.coarse.efficientnet_dpt import EfficientNetDPT
from hyperfocal.coarse.output import CoarseOutput

__all__ = ["CoarseOutput", "EfficientNetDPT"]
