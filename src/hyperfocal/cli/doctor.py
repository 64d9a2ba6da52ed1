"""`hyperfocal doctor`: what this machine has, and which parts of Hyperfocal work on it."""

import importlib
import json
import os
import platform
import sys
from typing import Annotated, Any

import typer

from hyperfocal import __version__
from hyperfocal.cli.extras import EXTRAS
from hyperfocal.errors import HyperfocalError
from hyperfocal.machine import cpu_name


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")] = False,
) -> None:
    """Say what this machine has and which extras work; exit 1 if a bundled model doesn't load."""
    import torch

    from hyperfocal.loading import choose_device, choose_dtype
    from hyperfocal.models import BUNDLED

    device = choose_device()
    found: dict[str, Any] = {
        "hyperfocal": __version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "cpu": cpu_name(),
        "threads": torch.get_num_threads(),
        "memory_gb": _memory_gb(),
        "device": str(device),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "dtype": str(choose_dtype("auto", device)).removeprefix("torch."),
    }
    models = {name: _trouble_with_model(name) for name in BUNDLED}
    extras = {name: _trouble_with_extra(name) for name in EXTRAS}
    if as_json:
        found |= {"models": _records(models), "extras": _records(extras)}
        typer.echo(json.dumps(found))
    else:
        lines = [f"{key:<12}{'none' if value is None else value}" for key, value in found.items()]
        for kind, troubles in (("model", models), ("extra", extras)):
            lines += [f"{kind} {name:<13}{trouble or 'works'}" for name, trouble in troubles.items()]
        typer.echo("\n".join(lines))
    if any(models.values()):
        raise typer.Exit(1)


def _records(troubles: dict[str, str | None]) -> dict[str, dict[str, Any]]:
    return {name: {"works": trouble is None, "trouble": trouble} for name, trouble in troubles.items()}


def _trouble_with_model(name: str) -> str | None:
    from hyperfocal import checkpoints
    from hyperfocal.models import find

    try:
        checkpoints.load(find(name))
    except HyperfocalError as error:
        return str(error)
    return None


def _trouble_with_extra(name: str) -> str | None:
    """Return why an extra doesn't work, with what to do about it; None if it does."""
    missing = []
    for module in EXTRAS[name]:
        try:
            importlib.import_module(module)
        except Exception:  # a broken package fails in its own way
            missing.append(module)
    if missing:
        return f"cannot import {', '.join(missing)}: pip install 'hyperfocal[{name}]'"
    return _trouble_with_egl() if name == "synth" else None


def _trouble_with_egl() -> str | None:
    """Return why nothing can be drawn without a display; None if it can."""
    import moderngl

    try:
        moderngl.create_context(standalone=True, backend="egl").release()  # type: ignore[arg-type]
    except Exception as error:  # no library, no driver, or too old a one: each fails in its own way
        hint = "on Debian or Ubuntu: apt install libegl1 libegl-mesa0 libgl1-mesa-dri"
        return f"no OpenGL through EGL ({' '.join(str(error).split())}); {hint}"
    return None


def _memory_gb() -> float | None:
    """Memory of the machine in GB (10⁹ bytes); None where it can't be asked for."""
    if sys.platform == "win32":
        return None
    return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1)
