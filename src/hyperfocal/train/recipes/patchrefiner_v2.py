"""PatchRefiner V2: noisy pretraining, end to end and DSD on each data set and in each size."""

from dataclasses import replace

from hyperfocal.coarse.depth_anything_v2 import paper as depth_anything
from hyperfocal.data.patches import Patches
from hyperfocal.refine.patchrefiner_v2 import paper
from hyperfocal.train.recipes import datasets, patchrefiner
from hyperfocal.train.recipes.recipe import PseudoLabels, Recipe

SIZES = ("m", "e", "c")


def _e2e(size: str) -> Recipe:
    """End to end on UnrealStereo4K; M alone has next to no weight decay, but on the coarse network."""
    return replace(
        patchrefiner.REFINER,
        stage="e2e",
        group="PatchRefiner V2",
        about=f"end to end on UnrealStereo4K, {size.upper()}; coarse_from=, refiner_from= (pretraining)",
        refiner={"kind": "patchrefiner_v2", **paper(size.upper())},
        imagenet=True,
        keep_final=True,
        epochs=48,
        lr=1.2e-4,
        coarse_lr=0.1,
        weight_decay=1e-5 if size == "m" else 0.01,
        coarse_decay=0.01,
        clip=35.0,
    )


def _pretrain(recipe: Recipe) -> Recipe:
    """Noisy pretraining for an end-to-end recipe."""
    about = recipe.about.replace("end to end", "noisy pretraining").partition(";")[0]
    return replace(recipe, stage="pretrain", about=about, keep_final=False, epochs=2 * (recipe.epochs or 0))


def dsd(real: Recipe, loss: str, weight: float = 0.5) -> Recipe:
    """Synthetic to real, from the model that was trained end to end on the real data set."""
    about = f"synthetic to real{real.about.removeprefix('end to end').partition(';')[0]}, {loss}; "
    return replace(
        real,
        stage="dsd",
        about=f"{about}coarse_from= and refiner_from= (end to end), pseudo.model=TEACHER or pseudo.folder=",
        pseudo=PseudoLabels(loss, weight),
        epochs=3,
        div=1.0,
    )


def _on(recipe: Recipe, name: str, patches: Patches, epochs: float) -> Recipe:
    return replace(recipe, about=recipe.about.replace("UnrealStereo4K", name), patches=patches, epochs=epochs)


U4K = {size: _e2e(size) for size in SIZES}
CITYSCAPES = {
    "m": replace(_on(U4K["m"], "Cityscapes", datasets.CITYSCAPES, 5), coarse_lr=0.01),
    "e": _on(U4K["e"], "Cityscapes", datasets.CITYSCAPES, 24),
    "c": _on(U4K["c"], "Cityscapes", datasets.CITYSCAPES, 24),
}
KITTI = _on(U4K["e"], "KITTI", datasets.KITTI, 12)
SCANNETPP = _on(U4K["e"], "ScanNet++", datasets.SCANNETPP, 12)
_CITYSCAPES_PRETRAIN_EPOCHS = {"m": 10, "e": 36, "c": 36}


def depth_anything_v2(recipe: Recipe) -> Recipe:
    """The same on the metric Depth Anything V2: C2F ends in the 128 channels of its last map; 448 pixels wide."""
    assert recipe.patches is not None
    return replace(
        recipe,
        group="PatchRefiner V2 on Depth Anything V2",
        about=f"{recipe.about} (Depth Anything V2)",
        coarse={"kind": "depth_anything_v2", **depth_anything("vitl"), "max_depth": recipe.patches.depth[1]},
        refiner={**recipe.refiner, "head_widths": (128, 128)},
        patches=replace(recipe.patches, process=(448, 448)),
        coarse_lr=1 / 30,
    )


RECIPES: dict[str, Recipe] = {
    **{f"v2-np-u4k-{size}": _pretrain(recipe) for size, recipe in U4K.items()},
    **{f"v2-e2e-u4k-{size}": recipe for size, recipe in U4K.items()},
    **{
        f"v2-np-cityscapes-{size}": replace(_pretrain(recipe), epochs=_CITYSCAPES_PRETRAIN_EPOCHS[size])
        for size, recipe in CITYSCAPES.items()
    },
    **{f"v2-e2e-cityscapes-{size}": recipe for size, recipe in CITYSCAPES.items()},
    "v2-dsd-cityscapes-m": replace(dsd(CITYSCAPES["m"], "ssigm"), epochs=2),
    "v2-dsd-cityscapes-e": dsd(CITYSCAPES["e"], "ssigm"),
    "v2-np-kitti-e": replace(_pretrain(KITTI), epochs=36),
    "v2-e2e-kitti-e": KITTI,
    "v2-dsd-kitti-e": dsd(KITTI, "ssigm", weight=1.0),
    "v2-np-scannetpp-e": replace(_pretrain(SCANNETPP), epochs=36),
    "v2-e2e-scannetpp-e": SCANNETPP,
    "v2-dsd-scannetpp-e": dsd(SCANNETPP, "ssigm", weight=1.0),
    "v2-da2-coarse-u4k": replace(
        depth_anything_v2(replace(patchrefiner.COARSE, refiner=U4K["m"].refiner)),
        about="metric Depth Anything V2 on UnrealStereo4K; coarse_from=its Hypersim weights",
        lr=4e-6,
        encoder_lr=1.0,
        epochs=12,
    ),
    **{f"v2-da2-np-u4k-{size}": _pretrain(depth_anything_v2(recipe)) for size, recipe in U4K.items()},
    **{f"v2-da2-e2e-u4k-{size}": depth_anything_v2(recipe) for size, recipe in U4K.items()},
    "v2-da2-e2e-kitti-e": depth_anything_v2(KITTI),
    "v2-da2-dsd-kitti-e": dsd(depth_anything_v2(KITTI), "ssigm"),
}
