"""The rows of PatchRefiner V2's tables, each as what it changes in a base recipe.

The project's notes carry the paper's row signs 1 to 9 (4 + noisy pretraining, ★, is 5), the losses and windows of
its Cityscapes ablations and the refiner's starts, but not which table number each has: see docs/training/tables.md.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from hyperfocal.refine.patchrefiner_v2 import ENCODERS
from hyperfocal.train.recipes import patchrefiner_v2 as v2
from hyperfocal.train.recipes.recipe import PseudoLabels, Recipe

# ablation row → what it is, arguments of the refiner, other values
_ROWS: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "1": ("F2C only, coarse network frozen", {"c2f_widths": None}, {"coarse_lr": 0.0}),
    "2": ("heavy F2C, frozen", {"c2f_widths": None, "heavy": True}, {"coarse_lr": 0.0}),
    "3": ("row 1 + end to end", {"c2f_widths": None}, {}),
    "4": ("row 3 + C2F", {}, {}),
    "5": ("★, row 4 + noisy pretraining: refiner_from=", {}, {}),
    "6": ("row 4 without guided denoising", {"denoise": "none"}, {}),
    "7": ("row 4, denoising replaced by V1's fusion", {"denoise": "fuse"}, {}),
    "8": ("row 4, only the encoder from noisy pretraining: encoder_from=", {}, {}),
    "9": ("row 4 without ImageNet weights", {}, {"imagenet": False}),
}


def _row(base: Recipe, group: str, about: str, refiner: Mapping[str, Any], **changes: Any) -> Recipe:
    return replace(base, group=group, about=about, refiner={**base.refiner, **refiner}, **changes)


_ABLATION = {
    f"v2-row{row}-{size}": _row(
        v2.U4K[size],
        "V2: ablation of the refiner on UnrealStereo4K",
        f"{size.upper()}, row {row}: {about}",
        refiner,
        **changes,
    )
    for row, (about, refiner, changes) in _ROWS.items()
    for size in (v2.SIZES if row in "12345" else ("m", "c") if row == "9" else ("m",))
}

_STARTS: dict[str, tuple[str, dict[str, Any]]] = {
    "nothing": ("random", {"imagenet": False}),
    "imagenet": ("ImageNet", {}),
    "np": ("noisy pretraining, whole: refiner_from=", {}),
    "np-encoder": ("noisy pretraining, encoder only: encoder_from=", {}),
    "checkpoint": ("a given checkpoint: refiner_from= or encoder_from=, a run or a model directory", {}),
}
_TABLE8 = {
    f"v2-table8-{start}": _row(
        v2.U4K["m"], "V2, Table 8: what the refiner starts from (M)", about, {}, **changes
    )
    for start, (about, changes) in _STARTS.items()
}

_REAL = v2.CITYSCAPES["e"]
_LOSSES = {
    "ranking": "ranking, online labels",
    "ssi": "SSI",
    "gm": "gradient matching without alignment",
    "ssigm": "SSIGM of the whole crop",
    "local_ssigm": "local SSIGM, 100 windows of 23 pixels",
}
_DSD = {
    "v2-table2b-coarse": replace(
        _REAL,
        stage="coarse",
        about="coarse network (RMSE 9.097, F1 19.15)",
        imagenet=False,
        epochs=5,
        lr=1.61e-4,
        pct=0.5,
        div=1.0,
        final_div=1e4,
        clip=0.1,
    ),
    "v2-table2b-real": replace(_REAL, about="E on real truth alone (F1 27.98)"),
    **{
        f"v2-table2b-{loss.replace('_', '-')}": replace(
            v2.dsd(_REAL, loss, weight=0.8), about=f"E, DSD: {about}"
        )
        for loss, about in _LOSSES.items()
    },
}
_DSD = {
    name: replace(recipe, group="V2, Table 2b: losses on Cityscapes (E)") for name, recipe in _DSD.items()
}


def _windows(about: str, count: int = 100, side: int = 23) -> Recipe:
    pseudo = PseudoLabels("local_ssigm", weight=0.8, windows=count, side=side)
    return replace(
        v2.dsd(_REAL, "local_ssigm"),
        group="V2: windows of local SSIGM on Cityscapes (E)",
        about=about,
        pseudo=pseudo,
    )


_WINDOWS = {
    **{
        f"v2-window-side-{side}": _windows(f"100 windows of {side} pixels", side=side)
        for side in (5, 11, 23, 47, 95, 191)
    },
    **{
        f"v2-window-count-{count}": _windows(
            f"{count} windows of 23 pixels" if count else "no windows: the global SSIGM", count=count
        )
        for count in (0, 20, 50, 100, 200, 300)
    },
}

_MOBILENETS = {
    "medium": "mobilenetv4_conv_medium.e500_r256_in1k",
    "large": "mobilenetv4_conv_large.e600_r384_in1k",
}
_ENCODERS = {
    **{f"v2-encoder-{size}": (v2.U4K[size], ENCODERS[size.upper()]) for size in v2.SIZES},
    **{f"v2-encoder-mobilenet-{size}": (v2.U4K["m"], name) for size, name in _MOBILENETS.items()},
}
_ENCODER_ROWS = {
    name: _row(
        base,
        "V2: the refiner's encoder on UnrealStereo4K",
        f"{encoder}; refiner_from= (pretraining)",
        {"encoder": encoder},
    )
    for name, (base, encoder) in _ENCODERS.items()
}

RECIPES: dict[str, Recipe] = {**_ABLATION, **_DSD, **_TABLE8, **_WINDOWS, **_ENCODER_ROWS}
