"""load(): a name to a `Model` on its device, in its precision."""

from __future__ import annotations

import logging
import os

import torch
from torch import nn

from hyperfocal import baselines, checkpoints
from hyperfocal.boosting import BoostingModel
from hyperfocal.checkpoints import ModelConfig
from hyperfocal.errors import HyperfocalError
from hyperfocal.models import config_of, find
from hyperfocal.predictor import Model
from hyperfocal.refine import Boosting

log = logging.getLogger("hyperfocal")

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def choose_device(name: str = "auto") -> torch.device:
    """Return the device of that name; "auto" is cuda, else mps, else cpu.

    Raises:
        HyperfocalError: there is no such device here.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise HyperfocalError(f"device {name!r} can't be used here: {str(error).splitlines()[0]}") from error
    return device


def choose_dtype(name: str, device: torch.device) -> torch.dtype:
    """Return the precision of that name; "auto" is float16 on CUDA and float32 elsewhere.

    Not bfloat16: its 8 bits turn a depth map into terraces of one or two percent.

    Raises:
        HyperfocalError: there is no such precision.
    """
    if name == "auto":
        return torch.float16 if device.type == "cuda" else torch.float32
    if name not in DTYPES:
        raise HyperfocalError(f"dtype {name!r}: one of auto, {', '.join(DTYPES)}")
    return DTYPES[name]


def load(
    model: str | os.PathLike[str] = "nano",
    *,
    weights: str | None = "trained",
    seed: int = 0,
    device: str = "auto",
    dtype: str = "auto",
) -> Model:
    """Load a model.

    Args:
        model: bundled name, `baseline-<what>-<base>`, local directory (config.json + model.safetensors) or hub id;
            with `weights=None` also a published system on a base network, such as "prv2-m-zoedepth".
        weights: "trained", or None for random ones, with which nothing is read but the configuration.
        seed: of random weights.
        device: "auto", "cpu", "cuda", "cuda:1", "mps".
        dtype: "auto", "float32", "bfloat16", "float16".

    Float32 weights stay in their file until they are used: replace such a file, never write into it meanwhile.

    Raises:
        HyperfocalError: nothing has that name, the files don't fit, or the device isn't here.
    """
    if weights not in ("trained", None):
        raise HyperfocalError(f"weights {weights!r}: 'trained', or None for random ones")
    where = choose_device(device)
    precision = choose_dtype(dtype, where)
    if weights is None:
        config = config_of(model)
        with torch.random.fork_rng([]):
            torch.manual_seed(seed)
            coarse, refiner = checkpoints.build(config)
    elif baseline := baselines.split(os.fspath(model)):
        what, base = baseline
        config, coarse, refiner = baselines.on(what, find(base))
    else:
        config, coarse, refiner = checkpoints.load(find(model))
    log.info("model %s on %s in %s", os.fspath(model), where, str(precision).removeprefix("torch."))
    return assemble(os.fspath(model), config, coarse, refiner, where, precision)


def assemble(
    name: str,
    config: ModelConfig,
    coarse: nn.Module,
    refiner: nn.Module | None,
    device: torch.device,
    dtype: torch.dtype,
) -> Model:
    """Return the model of these networks: a `Model`, or the one that walks as their refiner asks for."""
    kind = BoostingModel if isinstance(refiner, Boosting) else Model
    return kind(name, config, coarse, refiner, device, dtype)


def outline(model: str | os.PathLike[str]) -> Model:
    """Return a model without numbers in it: networks on the meta device, to count parameters and FLOP.

    Args:
        model: as for `load`.

    Raises:
        HyperfocalError: nothing has that name.
    """
    config, meta = config_of(model), torch.device("meta")
    with meta:
        coarse, refiner = checkpoints.build(config)
    for network in (coarse, refiner):
        if network is not None:
            network.requires_grad_(False)
    return Model(os.fspath(model), config, coarse, refiner, meta, torch.float32)
