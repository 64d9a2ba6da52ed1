"""A recipe's networks: built, started from other weights, and described as a model."""

import inspect
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from hyperfocal import refine
from hyperfocal.checkpoints import ModelConfig, build
from hyperfocal.coarse import CoarseOutput
from hyperfocal.coarse.dpt import MetricDPT
from hyperfocal.coarse.encoder import Encoder
from hyperfocal.data.batches import WindowBatch
from hyperfocal.data.crops import size_of_area
from hyperfocal.data.patches import PatchBatch
from hyperfocal.errors import HyperfocalError
from hyperfocal.refine import Refiner
from hyperfocal.refine.patchrefiner_v2 import widen_stem
from hyperfocal.train.recipes import Recipe
from hyperfocal.train.stages.stage import Part
from hyperfocal.train.stages.weights import start_from_imagenet, weights

Network = dict[str, Any]


def described(recipe: Recipe, *, refined: bool) -> ModelConfig:
    """What a model of the recipe's networks, with its refiner or without, says about itself.

    Raises:
        HyperfocalError: a network can't be.
    """
    networks = "coarse network and refiner" if refined else "coarse network"
    return _config(
        recipe,
        refined=refined,
        description=recipe.about if recipe.patches else f"{networks}, procedural scenes",
    )


def coarse_network(recipe: Recipe) -> nn.Module:
    """The coarse network at its start."""
    network, _ = build(_config(recipe, refined=False))
    if recipe.coarse_from is not None:
        network.load_state_dict(_fitting(network, weights(recipe.coarse_from, "coarse"), recipe.coarse_from))
    else:
        _from_imagenet(network, recipe.coarse, recipe)
    return network


def refiner_network(recipe: Recipe) -> Refiner:
    """The refiner at its start; under noisy pretraining it doesn't see the coarse depth."""
    whole = _config(recipe, refined=True)
    config = whole.refiner
    assert config is not None
    pretraining = recipe.stage == "pretrain"
    if pretraining:
        if config["kind"] != "patchrefiner_v2":
            raise HyperfocalError(f"{config['kind']} has no noisy pretraining; patchrefiner_v2 has")
        config["coarse_condition"] = False
    with torch.device("meta"):
        build(whole)  # refuses a network that can't be, or that doesn't fit the other
    arguments = {name: value for name, value in config.items() if name != "kind"}
    network = refine.KINDS[config["kind"]](**arguments)
    base = getattr(network, "base", None)
    if base is None and not (recipe.refiner_from or recipe.encoder_from):
        _from_imagenet(network, config, recipe)
    elif base is not None and (start := recipe.base_from or recipe.coarse_from):
        base.load_state_dict(_fitting(base, weights(start, "coarse"), start))
    elif base is not None and not recipe.refiner_from:
        _from_imagenet(base, config["base"], recipe)
    if isinstance(network, refine.PatchRefinerV2):
        if pretraining and arguments.get("space", "metres") == "metres":
            # Around 1, or the clamp at 0 m might kill all gradients.
            nn.init.normal_(network.f2c.final.weight, 1.0, 1.0)
        network.encoder.net.requires_grad_(recipe.encoder_lr > 0)
    state = network.state_dict()
    network.load_state_dict(
        state | dict(_fitting(network, _refiner_start(recipe, state), "the refiner's start"))
    )
    return network


def pretrained(network: nn.Module) -> nn.Module | None:
    """The part of a network that images taught before: its encoder, without a stride-2 map made for ConvNeXt."""
    encoder = getattr(network, "encoder", None)
    return encoder.net if isinstance(encoder, Encoder) else encoder


def slowly(network: nn.Module, factor: float) -> list[Part]:
    """Parts of a base network: its metric head at the full rate, what was pretrained elsewhere slower."""
    if isinstance(network, MetricDPT):
        return [Part(network.bins), Part(network.bottleneck), Part(network, factor)]
    slow = pretrained(network)
    return [Part(network)] if slow is None else [Part(slow, factor), Part(network)]


def cropped(
    whole: CoarseOutput, refiner: Refiner, batch: WindowBatch | PatchBatch
) -> tuple[Tensor, list[Tensor]]:
    """Coarse depth (K, 1, h, w) and maps of a batch's windows, as the refiner takes them."""
    height, width = batch.windows.shape[-2:]
    photo = (batch.photo.shape[-2], batch.photo.shape[-1])
    maps = refiner.whole(whole.features)
    return refiner.crops(whole.depth, maps, batch.boxes, photo, (height, width), batch.owner)


def _config(recipe: Recipe, *, refined: bool, description: str = "") -> ModelConfig:
    """The checked config: unknown kinds and arguments are refused here."""
    patches = recipe.patches
    coarse_size = patches.process if patches else _4_by_3(recipe.area)
    alone = ModelConfig(
        coarse=dict(recipe.coarse),
        refiner=None,
        coarse_size=coarse_size,
        tile_size=coarse_size,
        keep_aspect=patches is None,
        canonical_focal=None if patches else recipe.canonical.focal,
        sky_from=None if patches else recipe.canonical.sky_from,
        licence="NOASSERTION" if patches else "Apache-2.0",  # the data's own licence may bind
        description=description,
    )
    return replace(
        alone,
        refiner=_completed(dict(recipe.refiner), alone) if refined else None,
        tile_size=patches.process if patches else _4_by_3(recipe.tile_area),
    )


def _completed(refiner: Network, config: ModelConfig) -> Network:
    """The refiner's arguments with those that follow from the coarse network and the photo's size."""
    kind = refine.KINDS.get(refiner.get("kind", ""))
    taken = inspect.signature(kind).parameters if kind else {}
    if "base" in taken:
        refiner.setdefault("base", config.coarse)
    if "size" in taken:
        refiner.setdefault("size", config.coarse_size)
    if "coarse_channels" in taken and "coarse_channels" not in refiner:
        refiner["coarse_channels"] = _channels(config)
    return refiner


def _channels(config: ModelConfig) -> tuple[int, ...]:
    """Of the six maps of the config's coarse network; asked of each network once, for it takes a second."""
    key = repr(config.coarse)
    if key not in _known_channels:
        with torch.device("meta"):
            network: Any = build(config)[0]
        _known_channels[key] = network.feature_channels
    return _known_channels[key]


_known_channels: dict[str, tuple[int, ...]] = {}


def _from_imagenet(network: nn.Module, arguments: Mapping[str, Any], recipe: Recipe) -> None:
    """Fills the network's encoder, if it is one that ImageNet weights exist for."""
    encoder = getattr(network, "encoder", None)
    if recipe.imagenet and isinstance(encoder, Encoder):
        start_from_imagenet(encoder, arguments.get("encoder", "tf_efficientnet_lite0"))


def _refiner_start(recipe: Recipe, fresh: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Entries of the refiner that start from other runs: its encoder's may come from yet another one."""
    start: dict[str, Tensor] = {}
    if recipe.refiner_from is not None:
        start |= weights(recipe.refiner_from, "refiner")
        if not recipe.keep_final:
            start.pop("f2c.final.weight", None)
    if recipe.encoder_from is not None:
        trained = weights(recipe.encoder_from, "refiner", "coarse")
        encoder = {name: value for name, value in trained.items() if name.startswith("encoder.")}
        if not encoder:
            raise HyperfocalError(f"{recipe.encoder_from}: its network has no encoder to start from")
        start |= encoder
    stems = (name for name in fresh if name.startswith("encoder.net.") and fresh[name].ndim == 4)
    stem = next(stems, None)
    return widen_stem(start) if stem is not None and fresh[stem].shape[1] == 4 else start


def _fitting(network: nn.Module, state: Mapping[str, Tensor], source: str) -> Mapping[str, Tensor]:
    """The state, if each of its entries is one of the network's."""
    own = network.state_dict()
    for name, value in state.items():
        if name not in own or own[name].shape != value.shape:
            what = "isn't in this network" if name not in own else f"is {tuple(value.shape)} there"
            here = "" if name not in own else f", {tuple(own[name].shape)} here"
            raise HyperfocalError(f"{source}: {name} {what}{here}; the networks must be of one design")
    return state


def _4_by_3(area: int) -> tuple[int, int]:
    return size_of_area(area, 4 / 3)
