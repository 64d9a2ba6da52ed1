"""PatchRefiner (V1): the coarse networks of both PatchRefiners, V1's refiner on each data set, and its DSD."""

from dataclasses import replace

from hyperfocal.train.recipes import datasets, patchfusion
from hyperfocal.train.recipes.recipe import PseudoLabels, Recipe

COARSE = replace(
    patchfusion.COARSE,
    group="PatchRefiner",
    about="coarse ZoeDepth on UnrealStereo4K; coarse_from=a ZoeDepth (NYU)",
    refiner={"kind": "patchrefiner"},
    patches=datasets.U4K,
    epochs=24,
)
REFINER = replace(
    COARSE,
    stage="patchrefiner",
    about="refiner on UnrealStereo4K, which starts as the coarse network; coarse_from=",
    epochs=36,
    pct=0.3,
    div=2.0,
    final_div=100.0,
)
DSD = replace(
    REFINER,
    stage="dsd",
    about="synthetic to real on Cityscapes, SSI; coarse_from=, refiner_from=, pseudo.model=TEACHER",
    patches=datasets.CITYSCAPES,
    keep_final=True,
    pseudo=PseudoLabels("ssi", weight=1.0),
    epochs=2,
    div=1.0,
)


def _real(recipe: Recipe, name: str) -> Recipe:
    """The same on a real data set: five epochs. For KITTI's coarse network the notes give no number."""
    patches = {"cityscapes": datasets.CITYSCAPES, "kitti": datasets.KITTI, "scannetpp": datasets.SCANNETPP}
    about = recipe.about.replace("UnrealStereo4K", name)
    return replace(recipe, about=about, patches=patches[name], epochs=5)


RECIPES: dict[str, Recipe] = {
    "pr-coarse-u4k": COARSE,
    **{f"pr-coarse-{name}": _real(COARSE, name) for name in ("cityscapes", "kitti", "scannetpp")},
    "pr-u4k": REFINER,
    **{f"pr-{name}": _real(REFINER, name) for name in ("cityscapes", "kitti", "scannetpp")},
    **{
        f"pr-dsd-cityscapes-{loss}": replace(
            DSD, about=DSD.about.replace("SSI", loss), pseudo=PseudoLabels(loss, weight=1.0)
        )
        for loss in ("ranking", "ssi", "mix")
    },
    "pr-dsd-cityscapes-released": replace(
        DSD, about=f"{DSD.about}, λ of the released checkpoint", pseudo=PseudoLabels("ssi", weight=0.07)
    ),
}
