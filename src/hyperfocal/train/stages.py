"""The three stages of PatchRefiner V2's training: what is learnt in each, from which batches, by which loss.

Coarse network → noisy pretraining of the refiner → both end to end (PatchRefiner V2, section 3.3). A stage
owns its networks and its loss; the engine owns the loop.
"""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol, TypeVar

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.utils.data import Dataset

from hyperfocal.checkpoints import ModelConfig
from hyperfocal.coarse.efficientnet_dpt import EfficientNetDPT, load_imagenet
from hyperfocal.data.batches import Reader, WholeBatch, WholeCrops, WindowBatch, WindowCrops
from hyperfocal.data.crops import size_of_area
from hyperfocal.errors import HyperfocalError
from hyperfocal.losses.gradient import gradient_matching
from hyperfocal.losses.silog import silog, silog_per_image
from hyperfocal.refine.patchrefiner_v2 import PatchRefinerV2, widen_stem
from hyperfocal.refine.roi import crop_maps
from hyperfocal.train.processes import randn, whole_batch
from hyperfocal.train.recipes import Recipe

Batch = TypeVar("Batch")
WEIGHTS = "weights.safetensors"  # in a run's folder: the averaged weights of the stage's networks


class Stage(Protocol[Batch]):
    """One stage of training.

    Attributes:
        recipe: its numbers.
        networks: what is trained; keys "coarse" and "refiner".
    """

    recipe: Recipe
    networks: nn.ModuleDict

    def dataset(self, reader: Reader) -> Dataset[Batch]:
        """Batches by step."""

    def parts(self) -> Iterable[tuple[nn.Module, float]]:
        """Modules with the factor on the learning rate; a parameter belongs to the first that holds it."""

    def train(self) -> None:
        """Puts the networks into training mode."""

    def loss(self, batch: Batch, generator: torch.Generator) -> Tensor:
        """The scalar to minimise; `generator` is the only source of randomness."""


class Coarse:
    """The coarse network on whole photos: SILog and gradient matching."""

    def __init__(self, recipe: Recipe) -> None:
        self.recipe = recipe
        self.coarse = _coarse(recipe)
        self.networks = nn.ModuleDict({"coarse": self.coarse})

    def dataset(self, reader: Reader) -> WholeCrops:
        """Large crops."""
        return _whole_crops(reader, self.recipe)

    def parts(self) -> list[tuple[nn.Module, float]]:
        """The encoder is slower: it knows the world's looks already."""
        return [(self.coarse.encoder, self.recipe.encoder_lr), (self.networks, 1.0)]

    def train(self) -> None:
        """Batch norms learn too."""
        self.networks.train()

    def loss(self, batch: WholeBatch, generator: torch.Generator) -> Tensor:
        """Of the predicted map."""
        return _loss(self.coarse(batch.image).depth, batch.target, self.recipe, silog)


class NoisyPretraining:
    """The refiner on whole photos, N(0, 1) noise for coarse features, a coarse depth that says nothing.

    So the denoising units learn to tell the image from noise. The encoder sees three channels; the coarse
    depth is the one that the refiner's space shows as 0.
    """

    def __init__(self, recipe: Recipe) -> None:
        self.recipe = recipe
        self.refiner = _refiner(recipe, coarse_condition=False)
        self.networks = nn.ModuleDict({"refiner": self.refiner})

    def dataset(self, reader: Reader) -> WholeCrops:
        """Whole photos at the size of a window."""
        return _whole_crops(reader, self.recipe)

    def parts(self) -> list[tuple[nn.Module, float]]:
        """The encoder is slower."""
        return [(self.refiner.encoder, self.recipe.encoder_lr), (self.networks, 1.0)]

    def train(self) -> None:
        """Batch norms learn too, but for those of a frozen encoder."""
        self.networks.train()
        self.refiner.encoder.train(self.recipe.encoder_lr > 0)

    def loss(self, batch: WholeBatch, generator: torch.Generator) -> Tensor:
        """Of the refiner's depth, with fresh noise."""
        n, _, height, width = batch.image.shape
        sizes = self.refiner.feature_sizes(height, width)
        noise = [
            randn(n, (channels, *size), generator).to(batch.image.device)
            for channels, size in zip(self.recipe.refiner["coarse_channels"], sizes, strict=True)
        ]
        silent = torch.full_like(batch.target, self.refiner.space.silent)
        depth, own = self.refiner.with_own_depth(batch.image, silent, noise)
        return _with_own_loss(depth, own, batch.target, self.recipe, silog)


class EndToEnd:
    """Photo → coarse network → maps cropped to windows → refiner: the loss is on the windows alone.

    `coarse_lr = 0` freezes the coarse network. Batch norms, its own and those of the refiner's encoder, keep
    their statistics in either case: a step has too few photos to estimate them (the published code lets them
    follow batches of four).
    """

    def __init__(self, recipe: Recipe) -> None:
        self.recipe = recipe
        coarse, refiner = _coarse(recipe), _refiner(recipe, coarse_condition=True)
        self.coarse, self.refiner = coarse, refiner
        self.networks = nn.ModuleDict({"coarse": coarse, "refiner": refiner})
        coarse.requires_grad_(recipe.coarse_lr > 0)

    def dataset(self, reader: Reader) -> WindowCrops:
        """Photos with windows."""
        r = self.recipe
        return WindowCrops(
            reader,
            batch=r.batch,
            windows=r.windows,
            area=r.area,
            tile_size=_4_by_3(r.tile_area),
            window=r.window,
            fraction=r.fraction,
            canonical=r.canonical,
            seed=r.seed,
        )

    def parts(self) -> list[tuple[nn.Module, float]]:
        """The coarse network and the refiner's encoder are slower than the fusion."""
        return [
            (self.coarse, self.recipe.coarse_lr),
            (self.refiner.encoder, self.recipe.encoder_lr),
            (self.refiner, 1.0),
        ]

    def train(self) -> None:
        """All but the encoders' and the coarse network's batch norms."""
        self.coarse.eval()
        self.refiner.train()
        self.refiner.encoder.eval()

    def loss(self, batch: WindowBatch, generator: torch.Generator) -> Tensor:
        """Of the refined windows."""
        with torch.set_grad_enabled(self.recipe.coarse_lr > 0):
            whole = self.coarse(batch.photo)
        height, width = batch.windows.shape[-2:]
        depth, *features = crop_maps(
            [whole.depth, *whole.features],
            batch.boxes,
            (batch.photo.shape[-2], batch.photo.shape[-1]),
            [(height, width), *self.refiner.feature_sizes(height, width)],
            batch.owner,
        )
        depth, own = self.refiner.with_own_depth(batch.windows, depth, features)
        return _with_own_loss(depth, own, batch.target, self.recipe, silog_per_image)


STAGES: dict[str, Callable[[Recipe], Stage[Any]]] = {
    "coarse": Coarse,
    "pretrain": NoisyPretraining,
    "e2e": EndToEnd,
}


def model_config(recipe: Recipe) -> ModelConfig:
    """What a model trained by this recipe says about itself.

    Raises:
        HyperfocalError: the stage makes no model of its own.
    """
    if recipe.stage == "pretrain":
        raise HyperfocalError("pretraining makes no model to export: give its run to e2e as refiner_from=RUN")
    refined = recipe.stage == "e2e"
    return ModelConfig(
        coarse={"kind": "efficientnet_dpt", **recipe.coarse},
        refiner={"kind": "patchrefiner_v2", **recipe.refiner} if refined else None,
        coarse_size=_4_by_3(recipe.area),
        tile_size=_4_by_3(recipe.tile_area),
        keep_aspect=True,
        canonical_focal=recipe.canonical.focal,
        sky_from=recipe.canonical.sky_from,
        licence="Apache-2.0",
        description=f"{'coarse network and refiner' if refined else 'coarse network'}, procedural scenes",
    )


ScaleInvariant = Callable[[Tensor, Tensor, Tensor], Tensor]


def _with_own_loss(
    depth: Tensor, own: Tensor, target: Tensor, recipe: Recipe, scale_invariant: ScaleInvariant
) -> Tensor:
    """The refined depth's loss, and that of the refiner's own depth by its weight."""
    loss = _loss(depth, target, recipe, scale_invariant)
    return loss + recipe.own * _loss(own, target, recipe, scale_invariant) if recipe.own else loss


def _loss(depth: Tensor, target: Tensor, recipe: Recipe, scale_invariant: ScaleInvariant) -> Tensor:
    """SILog + weight · gradient matching in log depth, of the global batch; unknown pixels have target 0."""
    depth, target = whole_batch(depth, target)
    valid = target > 0
    logs = depth.clamp_min(1e-3).log(), target.clamp_min(1e-3).log()
    return scale_invariant(depth, target, valid) + recipe.gradient * gradient_matching(*logs, valid)


def _whole_crops(reader: Reader, recipe: Recipe) -> WholeCrops:
    return WholeCrops(
        reader,
        batch=recipe.batch,
        area=recipe.area,
        fraction=recipe.fraction,
        canonical=recipe.canonical,
        seed=recipe.seed,
    )


def _coarse(recipe: Recipe) -> EfficientNetDPT:
    network = EfficientNetDPT(**recipe.coarse)
    if recipe.coarse_from is not None:
        network.load_state_dict(_weights(recipe.coarse_from, "coarse"))
    elif recipe.imagenet:
        load_imagenet(network.encoder)
    return network


def _refiner(recipe: Recipe, *, coarse_condition: bool) -> PatchRefinerV2:
    network = PatchRefinerV2(**{**recipe.refiner, "coarse_condition": coarse_condition})
    if recipe.imagenet:
        load_imagenet(network.encoder)
    network.encoder.requires_grad_(recipe.encoder_lr > 0)
    start: dict[str, Tensor] = {}
    if recipe.refiner_from is not None:
        start |= _weights(recipe.refiner_from, "refiner")
        del start["f2c.final.weight"]  # it gave a whole depth; end to end it gives a correction of one
    if recipe.encoder_from is not None:
        trained = _weights(recipe.encoder_from, "coarse")
        start |= {name: value for name, value in trained.items() if name.startswith("encoder.")}
    if coarse_condition:
        start = widen_stem(start)
    network.load_state_dict(network.state_dict() | start)
    return network


def _weights(run: str, part: str) -> dict[str, Tensor]:
    """One network's averaged weights from a run's folder."""
    path = Path(run) / WEIGHTS
    if not path.is_file():
        raise HyperfocalError(f"{path}: not there; expected the folder of a training run")
    state: Mapping[str, Tensor] = load_file(path)
    taken = {name.removeprefix(f"{part}."): v for name, v in state.items() if name.startswith(f"{part}.")}
    if not taken:
        raise HyperfocalError(f"{path}: holds no {part} weights")
    return taken


def _4_by_3(area: int) -> tuple[int, int]:
    return size_of_area(area, 4 / 3)


def stage(recipe: Recipe) -> Stage[Any]:
    """The recipe's stage with its networks at their start.

    Raises:
        HyperfocalError: no such stage, or a start is missing.
    """
    if recipe.stage not in STAGES:
        raise HyperfocalError(f"no stage {recipe.stage!r}; there are {', '.join(STAGES)}")
    made: Stage[Any] = STAGES[recipe.stage](recipe)
    return made
