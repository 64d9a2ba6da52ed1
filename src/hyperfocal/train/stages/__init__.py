"""Stages of training: what is learnt in each, from which batches, by which loss. One file for each stage.

A stage owns its networks and its loss; the engine owns the loop.
"""

from collections.abc import Callable
from typing import Any

from hyperfocal.errors import HyperfocalError
from hyperfocal.train.recipes import Recipe
from hyperfocal.train.stages.coarse import Coarse
from hyperfocal.train.stages.dsd import SyntheticToReal
from hyperfocal.train.stages.e2e import EndToEnd
from hyperfocal.train.stages.fine import Fine
from hyperfocal.train.stages.networks import model_config
from hyperfocal.train.stages.patchfusion import Fusion
from hyperfocal.train.stages.patchrefiner import PatchRefinerV1
from hyperfocal.train.stages.pretrain import NoisyPretraining
from hyperfocal.train.stages.smd_net import BimodalHead
from hyperfocal.train.stages.stage import Stage
from hyperfocal.train.stages.weights import WEIGHTS, check_starts, without_starts

__all__ = ["STAGES", "WEIGHTS", "Stage", "model_config", "resumed", "stage"]

STAGES: dict[str, Callable[[Recipe], Stage[Any]]] = {
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
    made = _made(recipe)
    check_starts(made.networks, recipe)
    return made


def resumed(recipe: Recipe) -> Stage[Any]:
    """The recipe's stage for a checkpoint's weights: its starts need not be there any more.

    Raises:
        HyperfocalError: no such stage.
    """
    return _made(without_starts(recipe))


def _made(recipe: Recipe) -> Stage[Any]:
    if recipe.stage not in STAGES:
        raise HyperfocalError(f"no stage {recipe.stage!r}; there are {', '.join(STAGES)}")
    made: Stage[Any] = STAGES[recipe.stage](recipe)
    return made
