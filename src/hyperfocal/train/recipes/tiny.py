"""Every stage with networks so small that a run takes seconds to minutes on two CPU cores."""

from dataclasses import replace
from typing import Any

from hyperfocal.data.patches import Patches
from hyperfocal.train.recipes import nano
from hyperfocal.train.recipes.recipe import PseudoLabels, Recipe

TINY_COARSE: dict[str, Any] = {"encoder": "test_efficientnet", "widths": (16, 16, 8, 8, 8, 4)}
TINY_REFINER: dict[str, Any] = {
    "encoder": "test_efficientnet",
    "c2f_widths": (8,) * 5,
    "head_widths": (8, 4),
    "f2c_widths": (16, 8, 8, 8, 8, 4),
    "decoder_widths": (8, 8, 8, 8, 4),
    "space": "log",
}


def _tiny(recipe: Recipe) -> Recipe:
    return replace(
        recipe,
        group="tiny",
        about=f"{recipe.stage} with a tiny random network, seconds long, for tests",
        coarse={"kind": "efficientnet_dpt", **TINY_COARSE},
        refiner={"kind": "patchrefiner_v2", **TINY_REFINER},
        imagenet=False,
        encoder_lr=0.3,
        coarse_lr=0.1,
        steps=20,
        batch=2,
        windows=2,
        area=64 * 64,
        tile_area=64 * 96,
        window=(64, 64),
        ema=0.9,
        workers=0,
        threads=1,
        log_every=5,
    )


# The papers' crops and plain SILog. G2L's heads want 32 channels at the lowest levels.
_PAPER = Recipe(
    stage="fine",
    group="tiny",
    about="tiny network on random crops (PatchFusion's fine network)",
    coarse={"kind": "efficientnet_dpt", "encoder": "test_efficientnet", "widths": (32, 32, 16, 16, 8, 8)},
    refiner={"kind": "patchfusion"},
    imagenet=False,
    steps=400,
    batch=4,
    windows=1,
    patches=Patches(image=(384, 640), process=(64, 64)),
    gradient=0.0,
    lr=2e-3,
    encoder_lr=1.0,
    coarse_lr=0.0,
    pct=0.3,
    ema=0.99,
    workers=0,
    threads=1,
)
_FUSION = replace(
    _PAPER,
    stage="patchfusion",
    about="tiny PatchFusion, SILog alone; coarse_from=, base_from=",
    steps=200,
    batch=2,
    lr=1e-3,
)
_DSD = replace(
    _PAPER,
    stage="dsd",
    about="synthetic to real, tiny; needs pseudo.model=TEACHER or pseudo.folder=LABELS",
    refiner={"kind": "patchrefiner_v2", **TINY_REFINER, "space": "metres"},
    keep_final=True,
    coarse_lr=0.1,
    pseudo=PseudoLabels(),
    lr=1e-3,
)

RECIPES = {
    "tiny-coarse": _tiny(nano.COARSE),
    "tiny-pretrain": _tiny(nano.PRETRAIN),
    "tiny-e2e": _tiny(nano.E2E),
    "tiny-patches-coarse": replace(
        _PAPER, stage="coarse", about="tiny network on whole photos as in the papers"
    ),
    "tiny-fine": _PAPER,
    "tiny-patchfusion": _FUSION,
    "tiny-patchfusion-cat": replace(
        _FUSION,
        about="tiny PatchFusion with consistency-aware training; coarse_from=, base_from=",
        consistency=0.1,
    ),
    "tiny-patchrefiner": replace(
        _PAPER,
        stage="patchrefiner",
        about="tiny PatchRefiner V1 on a frozen coarse network; coarse_from=",
        refiner={
            "kind": "patchrefiner",
            "f2c_widths": (32, 16, 16, 16, 8, 8),
            "decoder_widths": (16, 16, 8, 8, 8),
        },
    ),
    "tiny-patches-pretrain": replace(
        _DSD, stage="pretrain", about="noisy pretraining, tiny, as in the papers", pseudo=None
    ),
    "tiny-patches-e2e": replace(_DSD, stage="e2e", about="end to end, tiny, as in the papers", pseudo=None),
    "tiny-dsd": _DSD,
}
