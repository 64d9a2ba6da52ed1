"""The table of models by name: what each is made of, and where the directories of the bundled ones are.

A base network has its own name; a published system on it is called family-base, such as `prv2-m-zoedepth`.
"""

from __future__ import annotations

import difflib
import fnmatch
import os
from collections.abc import Callable, Iterable
from importlib import resources, util
from pathlib import Path
from typing import Any, NamedTuple

from hyperfocal import baselines
from hyperfocal.checkpoints.config import ModelConfig
from hyperfocal.checkpoints.directory import read_config
from hyperfocal.coarse import depth_anything, depth_anything_v2
from hyperfocal.errors import HyperfocalError
from hyperfocal.refine import patchrefiner_v2

BUNDLED = ("nano",)  # directories under weights/
ABLATED = "zoedepth"  # the base network of the papers' ablations


class Base(NamedTuple):
    """A base network as the papers use it.

    Attributes:
        network: {"kind": ..., its constructor arguments}.
        size: height and width at which a photo, and a tile of it, is processed.
        channels: of its six maps, low to high.
        licence: SPDX name of the published weights' licence.
    """

    network: dict[str, Any]
    size: tuple[int, int]
    channels: tuple[int, ...]
    licence: str


def _depth_anything(size: str, licence: str) -> Base:
    network = depth_anything.paper(size)
    return Base({"kind": "depth_anything", **network}, (392, 518), (*[network["width"]] * 5, 32), licence)


def _depth_anything_v2(size: str, licence: str) -> Base:
    network = depth_anything_v2.paper(size)
    width = network["width"]
    return Base({"kind": "depth_anything_v2", **network}, (448, 448), (*[width] * 5, width // 2), licence)


BASES: dict[str, Base] = {
    "zoedepth": Base({"kind": "zoedepth"}, (384, 512), (*[256] * 5, 32), "MIT"),
    "da-vits": _depth_anything("vits", "Apache-2.0"),
    "da-vitb": _depth_anything("vitb", "Apache-2.0"),
    "da-vitl": _depth_anything("vitl", "Apache-2.0"),
    "da2-vits": _depth_anything_v2("vits", "Apache-2.0"),
    "da2-vitb": _depth_anything_v2("vitb", "CC-BY-NC-4.0"),
    "da2-vitl": _depth_anything_v2("vitl", "CC-BY-NC-4.0"),
    "idisc": Base({"kind": "idisc"}, (384, 512), (128,) * 6, "CC-BY-NC-4.0"),
    "densedepth": Base({"kind": "dense_depth"}, (384, 512), (2208, 1104, 552, 276, 138, 32), "GPL-3.0-only"),
    "depth-pro": Base({"kind": "depth_pro"}, (1536, 1536), (*[256] * 5, 32), "LicenseRef-Apple-AMLR"),
}
LIBRARIES = {"depth-pro": "transformers"}  # of which base networks are made, where they aren't ours


class Family(NamedTuple):
    """A published system on any base network.

    Attributes:
        about: one line for people.
        refiner: {"kind": ..., its constructor arguments} on a base.
        multiple: tiles are of the base's size, rounded down to multiples of this.
    """

    about: str
    refiner: Callable[[Base], dict[str, Any]]
    multiple: int = 1


def _prv2(about: str, size: str = "M", **changes: Any) -> Family:
    def refiner(base: Base) -> dict[str, Any]:
        fitted = {"coarse_channels": base.channels, "head_widths": (128, base.channels[5])}
        return {"kind": "patchrefiner_v2", **patchrefiner_v2.paper(size), **fitted, **changes}

    return Family(f"PatchRefiner V2, {about}", refiner, multiple=32)


def _prv1(base: Base) -> dict[str, Any]:
    return {"kind": "patchrefiner", "base": base.network}


def _patchfusion(base: Base) -> dict[str, Any]:
    return {"kind": "patchfusion", "base": base.network, "size": base.size}


def _patchfusion_cvpr(base: Base) -> dict[str, Any]:
    return {"kind": "patchfusion_cvpr", "base": base.network, "size": base.size}


def _smd_net(base: Base) -> dict[str, Any]:
    return {"kind": "smd_net", "coarse_channels": base.channels}


def _graph_gdsr(base: Base) -> dict[str, Any]:
    return {"kind": "graph_gdsr"}


FAMILIES: dict[str, Family] = {
    "patchfusion": Family("PatchFusion, published main branch", _patchfusion),
    "patchfusion-cvpr": Family("PatchFusion as behind the paper's numbers", _patchfusion_cvpr),
    "prv1": Family("PatchRefiner (V1)", _prv1),
    "prv2-m": _prv2("MobileNetV4-S"),
    "prv2-e": _prv2("EfficientNet-B5", "E"),
    "prv2-c": _prv2("ConvNeXt-L", "C"),
    "smd-net": Family("SMD-Net's bimodal depth of a point", _smd_net),
    "graph-gdsr": Family("Graph-GDSR's learned graph", _graph_gdsr, multiple=32),
}
ABLATIONS: dict[str, Family] = {
    "prv2-m-f2c": _prv2("ablations 1 and 3: F2C alone", c2f_widths=None),
    "prv2-m-heavy": _prv2("ablation 2: heavy F2C alone", c2f_widths=None, heavy=True),
    "prv2-m-ungated": _prv2("ablation 6: C2F without denoising units", denoise="none"),
    "prv2-m-fused": _prv2("ablation 7: C2F with PatchRefiner's fusion", denoise="fuse"),
}


def names() -> tuple[str, ...]:
    """Return all names: bundled models, baselines on them, base networks, every family on each, the ablations.

    Base networks whose library isn't installed are left out.
    """
    bases = [base for base in BASES if base not in LIBRARIES or util.find_spec(LIBRARIES[base])]
    simple = [f"baseline-{what}-{base}" for base in BUNDLED for what in baselines.BASELINES]
    systems = [f"{family}-{base}" for base in bases for family in FAMILIES]
    return (*BUNDLED, *simple, *bases, *systems, *(f"{family}-{ABLATED}" for family in ABLATIONS))


def matching(patterns: Iterable[str]) -> list[str]:
    """Return the names that match shell patterns such as `prv2-*`, and what is no pattern as it is.

    Raises:
        HyperfocalError: a pattern matches none.
    """
    found: dict[str, None] = {}
    for pattern in patterns:
        hits = fnmatch.filter(names(), pattern) if set(pattern) & set("*?[") else [pattern]
        if not hits:
            raise HyperfocalError(f"no model's name matches {pattern!r}")
        found.update(dict.fromkeys(hits))
    return list(found)


def published(name: str) -> ModelConfig | None:
    """Return what the published system or base network of that name is made of; None: there is none."""
    if name in BASES:
        base = BASES[name]
        return _config(base, base.size, None, f"the base network {name} alone")
    for key, family in (FAMILIES | ABLATIONS).items():
        on = name.removeprefix(f"{key}-")
        if on != name and on in BASES:
            base = BASES[on]
            height, width = (side - side % family.multiple for side in base.size)
            return _config(base, (height, width), family.refiner(base), f"{family.about}, on {on}")
    return None


def _config(
    base: Base, tile_size: tuple[int, int], refiner: dict[str, Any] | None, description: str
) -> ModelConfig:
    return ModelConfig(
        coarse=base.network,
        refiner=refiner,
        coarse_size=base.size,
        tile_size=tile_size,
        keep_aspect=False,
        canonical_focal=None,
        sky_from=None,
        licence=base.licence,
        description=description,
    )


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
        HyperfocalError: nothing has that name, and the message gives the nearest one; or it is a published
            system, whose weights do not come with this package.
    """
    text = os.fspath(name)
    if text in BUNDLED:
        return bundled_directory(text)
    if Path(text).is_dir():
        return Path(text)
    if text.count("/") == 1 and not text.startswith((".", "/", "~")):
        return _from_hub(text)
    if published(text) is not None:
        raise HyperfocalError(
            f"model {text!r} comes without weights: make a directory of a published checkpoint with "
            f"`hyperfocal import`, or give weights=None for random ones"
        )
    raise _unknown(text)


def config_of(name: str | os.PathLike[str]) -> ModelConfig:
    """Return what the model of a name, a local directory or a hub id is made of.

    Raises:
        HyperfocalError: nothing has that name; the message gives the nearest one.
    """
    if baseline := baselines.split(os.fspath(name)):
        what, base = baseline
        return baselines.config(what, config_of(base))
    table = None if Path(name).is_dir() else published(os.fspath(name))
    return table or read_config(find(name))


def _unknown(text: str) -> HyperfocalError:
    near = difflib.get_close_matches(text, names(), n=1)
    hint = (
        f"did you mean {near[0]!r}?"
        if near
        else f"there are {', '.join(BUNDLED)}, what `hyperfocal models` lists, a local directory, or a hub id"
    )
    return HyperfocalError(f"no model {text!r}; {hint}")


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
