"""The baselines that are trained (V2's Table 1, PatchFusion's Table 2), small enough for two CPU cores.

Each is trained on nano's frozen coarse network with the batches of nano's refiner, so that only the method differs.
"""

from dataclasses import replace

from hyperfocal.train.recipes import nano
from hyperfocal.train.recipes.recipe import Recipe

_NANO = replace(
    nano.E2E, group="baselines", own=0.0, encoder_lr=0.1, coarse_lr=0.0, gradient=2.0, pct=0.1, steps=600
)

RECIPES: dict[str, Recipe] = {
    "nano-graph-gdsr": replace(
        _NANO,
        about="Graph-GDSR on nano's coarse network; coarse_from=",
        refiner={
            "kind": "graph_gdsr",
            "encoder": "tf_efficientnet_lite0",
            "widths": (64, 48, 32, 24, 16),
            "factor": 8,
        },
    ),
    "nano-smd-net": replace(
        _NANO,
        stage="smd_net",
        about="SMD-Net's mixture on nano's coarse features; coarse_from=",
        refiner={"kind": "smd_net", "widths": (128, 96, 64, 32)},
        lr=3e-4,
    ),
    "nano-boosting": replace(
        _NANO,
        about="BoostingDepth's merging network on nano's coarse network; coarse_from=",
        refiner={"kind": "boosting", "merge_widths": (16, 32, 48, 64, 64)},
    ),
    "nano-idisc": replace(
        nano.COARSE,
        group="baselines",
        about="iDisc with nano's encoder, whole photos",
        coarse={"kind": "idisc", "encoder": "tf_efficientnet_lite0", "width": 64},
        steps=600,
    ),
}
