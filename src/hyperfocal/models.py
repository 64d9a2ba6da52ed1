"""The table of models by name, and where each one's directory is."""

from __future__ import annotations

import difflib
import os
from importlib import resources
from pathlib import Path

from hyperfocal.errors import HyperfocalError

BUNDLED = ("nano",)  # directories under weights/


def bundled_directory(name: str) -> Path:
    """Return the directory of a bundled model.

    Raises:
        HyperfocalError: this installation lacks its weights.
    """
    directory = Path(str(resources.files("hyperfocal"))) / "weights" / name
    if not (directory / "model.safetensors").is_file():
        raise HyperfocalError(f"model {name!r}: its weights are missing from this installation ({directory})")
    return directory


def find(name: str | os.PathLike[str]) -> Path:
    """Return the model directory of a bundled name, a local directory or a hub id such as `org/model`.

    From the hub only `config.json` and `model.safetensors` are fetched; `HF_HUB_OFFLINE` and `HF_HOME` are
    honoured.

    Raises:
        HyperfocalError: nothing has that name; the message gives the nearest one.
    """
    text = os.fspath(name)
    if text in BUNDLED:
        return bundled_directory(text)
    if Path(text).is_dir():
        return Path(text)
    if text.count("/") == 1 and not text.startswith((".", "/", "~")):
        return _from_hub(text)
    near = difflib.get_close_matches(text, BUNDLED, n=1)
    hint = (
        f"did you mean {near[0]!r}?"
        if near
        else f"there are {', '.join(BUNDLED)}, a local directory, or a hub id"
    )
    raise HyperfocalError(f"no model {text!r}; {hint}")


def _from_hub(repository: str) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(repository, allow_patterns=["config.json", "model.safetensors"]))
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        reason = str(error).strip().splitlines()[0]
        raise HyperfocalError(
            f"model {repository!r}: not a local directory, and the hub gave: {reason}"
        ) from error
