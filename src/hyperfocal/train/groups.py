"""Parameter groups of the optimiser: which parameter learns how fast and decays how much."""

from collections import defaultdict
from typing import Any

from torch import Tensor, nn

from hyperfocal.train.stages import Stage

# What learned places and start tokens are called: ours, timm's and those of transformers.
PLACES = {"position", "position_bias", "position_embeddings", "pos_embed", "relative_position_bias_table"}
TOKENS = {"start", "cls_token"}


def groups(stage: Stage[Any]) -> list[dict[str, Any]]:
    """The parameters that learn, by part and weight decay; `peak` is the group's highest learning rate."""
    recipe, taken = stage.recipe, set[Tensor]()
    found = []
    for module, rate, decay in stage.parts():
        decay = recipe.weight_decay if decay is None else decay
        by_decay: defaultdict[float, list[nn.Parameter]] = defaultdict(list)
        for name, parameter in module.named_parameters():
            if parameter.requires_grad and parameter not in taken:
                decays = recipe.decay_all or not (
                    parameter.ndim < 2 or (PLACES | TOKENS) & {*name.split(".")}
                )
                by_decay[decay if decays else 0.0].append(parameter)
                taken.add(parameter)
        for weight_decay, parameters in by_decay.items():
            found.append({"params": parameters, "peak": rate * recipe.lr, "weight_decay": weight_decay})
    return found
