"""Stages of training: what is learnt in each, from which batches, by which loss. One file for each stage.

A stage owns its networks and its loss; the engine owns the loop.
"""

from typing import Any

from hyperfocal.checkpoints import ModelConfig
from hyperfocal.checkpoints.config import unknown
from hyperfocal.errors import HyperfocalError
from hyperfocal.train.recipes import Recipe
from hyperfocal.train.stages.coarse import Coarse
from hyperfocal.train.stages.dsd import SyntheticToReal
from hyperfocal.train.stages.e2e import EndToEnd
from hyperfocal.train.stages.fine import Fine
from hyperfocal.train.stages.networks import described
from hyperfocal.train.stages.noise import OnNoise
from hyperfocal.train.stages.patchfusion import Fusion
from hyperfocal.train.stages.patchrefiner import PatchRefinerV1
from hyperfocal.train.stages.pretrain import NoisyPretraining
from hyperfocal.train.stages.smd_net import BimodalHead
from hyperfocal.train.stages.stage import Stage
from hyperfocal.train.stages.weights import WEIGHTS, check_starts, without_starts

__all__ = ["STAGES", "WEIGHTS", "OnNoise", "Stage", "model_config", "resumed", "stage"]

STAGES: dict[str, type[Stage[Any]]] = {
    "coarse": Coarse,
    "fine": Fine,
    "patchfusion": Fusion,
    "patchrefiner": PatchRefinerV1,
    "pretrain": NoisyPretraining,
    "e2e": EndToEnd,
    "dsd": SyntheticToReal,
    "smd_net": BimodalHead,
}


def stage(recipe: Recipe) -> Stage[Any]:
    """The recipe's stage with its networks at their start.

    Raises:
        HyperfocalError: no such stage, or a start is missing.
    """
    made = _kind(recipe)(recipe)
    check_starts(made.networks, recipe)
    return made


def resumed(recipe: Recipe) -> Stage[Any]:
    """The recipe's stage for a checkpoint's weights: its starts need not be there any more.

    Raises:
        HyperfocalError: no such stage.
    """
    return _kind(recipe)(without_starts(recipe))


def model_config(recipe: Recipe) -> ModelConfig:
    """What a model trained by this recipe says about itself.

    Raises:
        HyperfocalError: no such stage, it makes no model of its own, or a network can't be.
    """
    makes = _kind(recipe).makes
    if "coarse" not in makes:
        raise HyperfocalError("pretraining makes no model to export: give its run to e2e as refiner_from=RUN")
    return described(recipe, refined="refiner" in makes)


def _kind(recipe: Recipe) -> type[Stage[Any]]:
    if recipe.stage not in STAGES:
        raise unknown("stage", recipe.stage, STAGES)
    return STAGES[recipe.stage]
