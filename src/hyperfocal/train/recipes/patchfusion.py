"""PatchFusion's runs: coarse, fine and fusion, of both published codes, and its Table 2."""

from dataclasses import replace

from hyperfocal.coarse.depth_anything import paper as depth_anything
from hyperfocal.train.recipes import datasets
from hyperfocal.train.recipes.recipe import Recipe

# As in the code behind the paper's numbers: no rotation, 16 and 12 epochs at batch 16, SILog alone.
COARSE = Recipe(
    stage="coarse",
    group="PatchFusion (paper)",
    about="coarse ZoeDepth on UnrealStereo4K; coarse_from=a ZoeDepth (NYU)",
    coarse={"kind": "zoedepth"},
    refiner={"kind": "patchfusion_cvpr"},
    imagenet=False,
    epochs=16,
    batch=16,
    windows=1,
    patches=replace(datasets.U4K, rotation=0.0),
    gradient=0.0,
    batch_norm=True,
    lr=1.61e-4,
    encoder_lr=0.1,
    coarse_lr=0.0,
    pct=0.5,
    div=1.0,
    final_div=1e4,
    clip=0.1,
    ema=0.0,
    workers=4,
)
FINE = replace(COARSE, stage="fine", about="fine ZoeDepth on random crops; coarse_from=a ZoeDepth (NYU)")
FUSION = replace(
    COARSE,
    stage="patchfusion",
    about="fusion, SILog alone; coarse_from=, base_from= (the fine run)",
    epochs=12,
    lr=1e-4,
    decay_all=False,
    div=10.0,
)
CAT = replace(
    FUSION, about="fusion with consistency-aware training; coarse_from=, base_from=", consistency=0.1
)
_PAPER = {"pf-coarse": COARSE, "pf-fine": FINE, "pf-fusion": FUSION, "pf-fusion-cat": CAT}


def _mvs_synth(recipe: Recipe) -> Recipe:
    """The same on MVS-Synth, whose fusion schedule the notes don't tell apart from UnrealStereo4K's."""
    about = f"{recipe.about.replace(' on UnrealStereo4K', '')} (MVS-Synth)"
    return replace(recipe, about=about, patches=replace(datasets.MVS_SYNTH, rotation=0.0))


# The main branch, of which the published checkpoints are.
_HEAD_COARSE = replace(
    COARSE,
    group="PatchFusion (main branch)",
    refiner={"kind": "patchfusion"},
    patches=datasets.U4K,
    epochs=24,
    lr=2e-4,
)
_HEAD_FUSION = replace(
    _HEAD_COARSE,
    stage="patchfusion",
    about="fusion; coarse_from=, base_from= (the fine run)",
    epochs=16,
    lr=1e-4,
    weight_decay=1e-3,
    pct=0.25,
    div=10.0,
)
_HEAD = {
    "pf-main-coarse": _HEAD_COARSE,
    "pf-main-fine": replace(_HEAD_COARSE, stage="fine", about=FINE.about),
    "pf-main-fusion": _HEAD_FUSION,
}


def _depth_anything(recipe: Recipe, size: str) -> Recipe:
    """The same on Depth Anything. Its learning rate isn't in the notes: ZoeDepth's."""
    return replace(
        recipe,
        about=recipe.about.replace("ZoeDepth (NYU)", f"Depth Anything {size}").replace(
            "ZoeDepth", f"Depth Anything {size}"
        ),
        coarse={"kind": "depth_anything", **depth_anything(size)},
        patches=replace(datasets.U4K, process=(392, 518)),
    )


def _row(row: str, recipe: Recipe) -> Recipe:
    return replace(recipe, group="PatchFusion, Table 2 (consistency)", about=row)


_TABLE2 = {
    "pf-table2-fine": _row("tiles of the fine network alone (CE 0.2546)", FINE),
    "pf-table2-scale-shift": _row(
        "per-tile scale and shift (CE 0.3703): the fine run, merged by a baseline", FINE
    ),
    "pf-table2-deformation": _row("deformation field (CE 0.2213): the fine run, merged by a baseline", FINE),
    "pf-table2-poisson": _row("Poisson blending (CE 0.2499): the fine run, merged by a baseline", FINE),
    "pf-table2-no-cat": _row(
        "without CAT (0.2155 is without G2L too; what stands in for G2L isn't told, so it stays here)", FUSION
    ),
    "pf-table2-p16": _row("PatchFusion, P=16 (CE 0.1441)", CAT),
    "pf-table2-p49-no-cai": _row("the same weights, P=49 without CAI (CE 0.1441)", CAT),
    "pf-table2-p49": _row("the same weights, P=49 with CAI (CE 0.0464)", CAT),
}

RECIPES: dict[str, Recipe] = {
    **{f"{name}-u4k": recipe for name, recipe in _PAPER.items()},
    **{f"{name}-mvs-synth": _mvs_synth(recipe) for name, recipe in _PAPER.items()},
    **{f"{name}-u4k": recipe for name, recipe in _HEAD.items()},
    **{
        f"{name}-u4k-{size}": _depth_anything(recipe, size)
        for size in ("vits", "vitb", "vitl")
        for name, recipe in _HEAD.items()
    },
    **_TABLE2,
}
