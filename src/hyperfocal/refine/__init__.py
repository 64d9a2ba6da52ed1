"""Refiners: a tile with its part of the coarse depth and features, to sharp depth. One file for each."""

from hyperfocal.refine.patchrefiner_v2 import PatchRefinerV2

__all__ = ["PatchRefinerV2"]
