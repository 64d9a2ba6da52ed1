"""Refiners: a tile, its coarse depth and its coarse features to sharp depth. One file for each system."""

from hyperfocal.refine.base import Refiner
from hyperfocal.refine.baselines.boosting import Boosting
from hyperfocal.refine.baselines.fine_tiles import FineTiles
from hyperfocal.refine.baselines.graph_gdsr import GraphGDSR
from hyperfocal.refine.baselines.guided_filter import GuidedFilter
from hyperfocal.refine.baselines.scale_shift import ScaleShift
from hyperfocal.refine.baselines.smd_net import SMDNet
from hyperfocal.refine.patchfusion import PatchFusion, PatchFusionCVPR
from hyperfocal.refine.patchrefiner import PatchRefiner
from hyperfocal.refine.patchrefiner_v2 import PatchRefinerV2

__all__ = [
    "KINDS",
    "Boosting",
    "PatchFusion",
    "PatchFusionCVPR",
    "PatchRefiner",
    "PatchRefinerV2",
    "Refiner",
]

KINDS: dict[str, type[Refiner]] = {
    "boosting": Boosting,
    "fine_tiles": FineTiles,
    "graph_gdsr": GraphGDSR,
    "guided_filter": GuidedFilter,
    "patchfusion": PatchFusion,
    "patchfusion_cvpr": PatchFusionCVPR,
    "patchrefiner": PatchRefiner,
    "patchrefiner_v2": PatchRefinerV2,
    "scale_shift": ScaleShift,
    "smd_net": SMDNet,
}
