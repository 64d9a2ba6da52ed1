"""Refiners: a tile, its coarse depth and its coarse features to sharp depth. One file for each system."""

from hyperfocal.refine.base import Refiner
from hyperfocal.refine.patchfusion import PatchFusion, PatchFusionCVPR
from hyperfocal.refine.patchrefiner import PatchRefiner
from hyperfocal.refine.patchrefiner_v2 import PatchRefinerV2

__all__ = ["KINDS", "PatchFusion", "PatchFusionCVPR", "PatchRefiner", "PatchRefinerV2", "Refiner"]

KINDS: dict[str, type[Refiner]] = {
    "patchfusion": PatchFusion,
    "patchfusion_cvpr": PatchFusionCVPR,
    "patchrefiner": PatchRefiner,
    "patchrefiner_v2": PatchRefinerV2,
}
