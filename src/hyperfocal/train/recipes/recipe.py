"""Recipe: the numbers of one training run, as a frozen dataclass."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self

from hyperfocal.data.batches import Canonical
from hyperfocal.data.patches import Patches
from hyperfocal.errors import HyperfocalError
from hyperfocal.refine.patchrefiner_v2 import NANO

# What numbers of a recipe must be. Those that may be None are not looked at then.
RANGES: tuple[tuple[str, Callable[[float], bool], str], ...] = (
    ("1 or more", lambda x: x >= 1, "steps batch windows area tile_area threads accumulate keep"),
    ("more than 0", lambda x: x > 0, "epochs div final_div"),
    ("0 or more", lambda x: x >= 0, "minutes gradient own consistency lr encoder_lr coarse_lr clip"),
    ("0 or more", lambda x: x >= 0, "weight_decay coarse_decay seed workers save_minutes"),
    ("0 or more", lambda x: x >= 0, "log_every validate_every panels_every"),
    ("from 0 to 1", lambda x: 0 <= x <= 1, "ema"),
    ("0 or more and less than 1", lambda x: 0 <= x < 1, "pct"),
)


@dataclass(frozen=True)
class PseudoLabels:
    """A teacher's labels, and the loss that takes detail from them (DSD; PatchRefiner, section 3.3).

    Attributes:
        loss: a key of `stages.pseudo_labels.LOSSES`.
        weight: λ.
        model: directory of the teacher, which then labels each step's crops: online.
        folder: folder of the labels of whole photos, by frame name, in any format of depth maps: offline.
        unit: metres of 1 in the files of `folder`; the published labels have 1/256.
        windows: of local SSIGM, in each crop; 0 makes it the global SSIGM.
        side: of a window, in pixels of the label.
    """

    loss: str = "local_ssigm"
    weight: float = 0.8
    model: str | None = None
    folder: str | None = None
    unit: float | None = None
    windows: int = 100
    side: int = 23


@dataclass(frozen=True)
class Recipe:
    """What a run learns from and how. Sizes are (height, width) in pixels, areas in pixels.

    Starts (`*_from`) are folders of training runs, or model directories.

    Attributes:
        stage: a key of `stages.STAGES`.
        name: in `hyperfocal recipes`.
        about: one line for `hyperfocal recipes`.
        group: the heading that the line stands under.
        coarse: {"kind": ..., constructor arguments} of the coarse network.
        refiner: the same of the refiner. What it can take over from the rest of the recipe may be left out:
            `coarse_channels`, `base` (the coarse network's design) and `size` (of the whole photo).
        imagenet: start encoders from ImageNet weights, where no other start is given.
        coarse_from: whose coarse network this one starts from.
        base_from: whose coarse network the refiner's own base network starts from, such as a `fine` run;
            `coarse_from` if not given.
        refiner_from: whose refiner this one starts from.
        keep_final: with `refiner_from`, keep F2C's last convolution too, as published. From noisy pretraining it
            brings a whole depth where end to end a correction of one is asked.
        encoder_from: whose trained encoder the refiner's starts from: a refiner's, or else a coarse network's.
        steps: optimiser steps of the whole schedule.
        epochs: passes over the data that set `steps` once the number of frames is known.
        minutes: wall-clock limit of one call; the run stops with a checkpoint and `--resume` goes on.
        batch: photos a step.
        windows: crops a photo.
        patches: the papers' crops and range of metric depth; if None, those of our own models, which follow.
        area: pixels of a whole photo at the network's input.
        tile_area: pixels of a tile at the network's input; sets the scale of windows.
        window: size of a window (e2e).
        fraction: range of a crop's area in that of the largest crop of its aspect.
        canonical: the camera that depth is predicted for.
        noise: what stands for coarse features in noisy pretraining: "normal", or "ones" (published, unreported).
        gradient: weight of gradient matching beside SILog.
        own: weight of the same loss on the refiner's own depth (C2F's); 0 leaves it unsupervised, as published.
        per_image: SILog by each window's own mean and variance; else over the batch, as published.
        consistency: weight of the consistency of overlapping crops (PatchFusion's CAT: 0.1); 0 draws no pairs.
        pseudo: the teacher's labels and their loss (dsd).
        batch_norm: batch norms of pretrained parts follow the batches while those learn, as published.
        lr: peak learning rate of parts without one of their own.
        encoder_lr: factor on `lr` for what was pretrained elsewhere: encoders, and base networks but their metric
            bins; 0 freezes the refiner's encoder.
        coarse_lr: factor on `lr` for the coarse network under a refiner; 0 freezes it.
        weight_decay: AdamW's.
        coarse_decay: that of the coarse network under a refiner; None: `weight_decay`.
        decay_all: decay norms, biases, position embeddings and tables of relative positions too.
        clip: largest gradient norm (L2).
        pct: part of the steps in which the learning rate rises; div, final_div: what the peak is divided by
            at the start and, once more, at the end (OneCycle).
        ema: decay of the average of weights that is saved and exported.
        seed: of every random choice.
        workers: processes that prepare batches.
        threads: of PyTorch.
        log_every: steps between log lines; there is one at the end, too. 0: only that.
        save_minutes: between checkpoints.
        accumulate: pieces that a step's batch goes through the networks in, one after another. The loss is
            the mean of the pieces' losses. `batch` is the whole step's, over all pieces and processes.
        keep: checkpoints that are kept, the newest.
        precision: "fp32", "bf16" or "fp16" (automatic mixed precision); None: what `accelerate` was
            configured for, or else fp32.
        compile: run the networks through `torch.compile`.
        recompute: forget activations inside blocks and compute them again for the gradient (activation
            checkpointing): less memory, about a third more time.
        validate_every: steps between validations, where there is validation data; there is one at the end, too.
            0: only that.
        panels_every: steps between pictures of predictions; 0: none.

    Raises:
        HyperfocalError: a number is out of its range.
    """

    stage: str
    about: str
    name: str = ""
    group: str = ""
    coarse: Mapping[str, Any] = field(default_factory=lambda: {"kind": "efficientnet_dpt"})
    refiner: Mapping[str, Any] = field(default_factory=lambda: {"kind": "patchrefiner_v2", **NANO})
    imagenet: bool = True
    coarse_from: str | None = None
    base_from: str | None = None
    refiner_from: str | None = None
    keep_final: bool = False
    encoder_from: str | None = None
    steps: int = 20_000
    epochs: float | None = None
    minutes: float | None = None
    batch: int = 8
    windows: int = 4
    patches: Patches | None = None
    area: int = 224 * 288
    tile_area: int = 384 * 512
    window: tuple[int, int] = (256, 256)
    fraction: tuple[float, float] = (0.35, 1.0)
    canonical: Canonical = field(default_factory=Canonical)
    noise: str = "normal"
    gradient: float = 0.5
    own: float = 0.0
    per_image: bool = False
    consistency: float = 0.0
    pseudo: PseudoLabels | None = None
    batch_norm: bool = False
    lr: float = 6e-4
    encoder_lr: float = 0.3
    coarse_lr: float = 0.1
    weight_decay: float = 0.01
    coarse_decay: float | None = None
    decay_all: bool = True
    clip: float = 35.0
    pct: float = 0.1
    div: float = 10.0
    final_div: float = 100.0
    ema: float = 0.999
    seed: int = 621
    workers: int = 1
    threads: int = 2
    log_every: int = 20
    save_minutes: float = 5.0
    # engine
    accumulate: int = 1
    keep: int = 2
    precision: str | None = None
    compile: bool = False
    recompute: bool = False
    validate_every: int = 1000
    panels_every: int = 1000

    def __post_init__(self) -> None:
        for words, holds, keys in RANGES:
            for key in keys.split():
                value = getattr(self, key)
                if value is not None and not holds(value):
                    raise HyperfocalError(f"{key}={value}: must be {words}")
        smallest, largest = self.fraction
        if not 0 < smallest <= largest <= 1:
            raise HyperfocalError(f"fraction={self.fraction}: must be two of 0 to 1, the smaller first")

    def for_frames(self, frames: int) -> Self:
        """The recipe with the `steps` of its `epochs` over that many frames; itself if it has none."""
        if self.epochs is None:
            return self
        return replace(self, steps=max(1, round(self.epochs * math.ceil(frames / self.batch))))
