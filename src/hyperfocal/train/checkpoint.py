"""Checkpoints: whole or not there, the newest `keep`, read without unpickling code."""

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from hyperfocal.depthmap.atomic import replacing, to_disk
from hyperfocal.errors import HyperfocalError

OLD = "state.pt"  # the one checkpoint of runs by version 0.1


def checkpoints(folder: Path) -> list[Path]:
    """The checkpoints of a run's folder, oldest first."""
    numbered = (folder / "checkpoints").glob("step-*.pt")
    old = [folder / OLD] if (folder / OLD).is_file() else []
    return old + sorted(numbered, key=lambda path: int(path.stem.removeprefix("step-")))


def save(folder: Path, state: Mapping[str, Any], keep: int) -> None:
    """Writes the checkpoint of `state["step"]` and removes all but the newest `keep`."""
    with replacing(folder / "checkpoints" / f"step-{state['step']}.pt") as path:
        with path.open("wb") as file:
            torch.save(dict(state), file)
        to_disk(path)
    for older in checkpoints(folder)[: -max(keep, 1)]:
        older.unlink()


def load(folder: Path) -> dict[str, Any]:
    """Reads the newest checkpoint, on the CPU.

    Raises:
        HyperfocalError: there is none, or it is broken, or holds more than tensors and numbers.
    """
    found = checkpoints(folder)
    if not found:
        raise HyperfocalError(f"{folder}: nothing to resume")
    try:
        state: dict[str, Any] = torch.load(found[-1], map_location="cpu", weights_only=True, mmap=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError) as error:
        reason = str(error).strip().splitlines()[0]
        raise HyperfocalError(f"{found[-1]}: no checkpoint that can be read: {reason}") from error
    return state


def restore(networks: nn.Module, state: Mapping[str, Any], folder: Path) -> None:
    """Fills networks from the checkpoint of `folder`.

    Raises:
        HyperfocalError: they are not of its design.
    """
    there, here = (
        {name: str(tuple(value.shape)) for name, value in values.items()}
        for values in (state["networks"], networks.state_dict())
    )
    odd = next((name for name in {**there, **here} if there.get(name) != here.get(name)), None)
    if odd is not None:
        raise HyperfocalError(
            f"{folder}: its networks are others than the recipe's: {odd} is {there.get(odd, 'missing')} in the "
            f"checkpoint, {here.get(odd, 'missing')} in the recipe"
        )
    networks.load_state_dict(state["networks"])


def clear(folder: Path) -> None:
    """Makes the folder, and removes what a killed process had begun to write there."""
    (folder / "checkpoints").mkdir(parents=True, exist_ok=True)
    ours, of_safetensors = ".hyperfocal-*", ".tmp??????"
    for begun in (*folder.glob(ours), *folder.glob(of_safetensors), *(folder / "checkpoints").glob(ours)):
        begun.unlink()
