"""Depth models of the `transformers` library as coarse networks; Depth Pro (Bochkovskii et al., 2024) is one."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from typing import Any, NamedTuple, Self

import torch
from safetensors import SafetensorError
from timm.data import IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD
from torch import Tensor, nn

from hyperfocal.coarse.blocks import resize
from hyperfocal.coarse.dpt import map_sizes
from hyperfocal.coarse.output import CoarseOutput
from hyperfocal.coarse.precision import full_precision
from hyperfocal.errors import HyperfocalError

METRIC = ("depth_pro", "glpn", "tipsv2_dpt", "zoedepth")  # besides Depth Anything, whose configuration says
OTHERWISE = {  # what else the library counts among its depth models
    "chmv2": "predicts the height of trees",
    "prompt_depth_anything": "wants a depth map as a prompt",
}
_NECK = tuple(f"neck.fusion_stage.layers.{i}" for i in range(4))
# The modules of a model whose first inputs are the six maps, low to high; the last is a convolution.
MAPS = {
    "depth_anything": (*_NECK, "head.conv1", "head.conv3"),
    "depth_pro": (
        *(f"fusion_stage.intermediate.{i}" for i in range(4)),
        "fusion_stage.final",
        "head.layers.4",
    ),
    "zoedepth": (*_NECK, "relative_head.conv1", "relative_head.conv3"),
}


class Pretrained(NamedTuple):
    """A depth model of the library.

    Attributes:
        model: itself.
        processor: prepares images for it and reads its output.
        metric: whether it predicts metres, as `is_metric`.
    """

    model: Any
    processor: Any
    metric: bool


def pretrained(source: str | os.PathLike[str]) -> Pretrained:
    """Load a depth model, in float32 and in eval mode, from a hub id or a directory.

    `HF_HUB_OFFLINE` and `HF_HOME` are honoured. Only safetensors are read, and no code but the library's is run.

    Raises:
        HyperfocalError: there is no such model, it is no depth model, or its weights are not whole.
    """
    import transformers

    name = os.fspath(source)
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    try:
        config = transformers.AutoConfig.from_pretrained(name, trust_remote_code=False)
        metric = is_metric(config)
        processor = transformers.AutoImageProcessor.from_pretrained(name, trust_remote_code=False)
        model, loaded = transformers.AutoModelForDepthEstimation.from_pretrained(
            name, config=config, dtype=torch.float32, use_safetensors=True, output_loading_info=True
        )
    except HyperfocalError as error:
        raise HyperfocalError(f"{name}: {error}") from error
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise HyperfocalError(f"{name}: transformers cannot load it: {lines[0]}") from error
    missing = sorted(loaded["missing_keys"])
    if missing:
        raise HyperfocalError(f"{name}: {len(missing)} weights are missing ({missing[0]}, ...)")
    return Pretrained(model.eval(), processor, metric)


def is_metric(config: Any) -> bool:
    """Whether a depth model of the library predicts metres; if not, inverse depth up to scale and shift.

    DPT's configurations do not say. Most DPTs are relative, so all count as that.

    Args:
        config: its transformers configuration.

    Raises:
        HyperfocalError: it predicts something else, or nothing by itself.
    """
    import transformers

    if type(config) not in transformers.MODEL_FOR_DEPTH_ESTIMATION_MAPPING:
        raise HyperfocalError(f"a {config.model_type} model is no depth model")
    if config.model_type in OTHERWISE:
        raise HyperfocalError(f"a {config.model_type} model {OTHERWISE[config.model_type]}: not for depth")
    if config.model_type == "depth_pro" and not config.use_fov_model:
        raise HyperfocalError("a depth_pro model without its field of view predicts no metres")
    return config.model_type in METRIC or getattr(config, "depth_estimation_type", "") == "metric"


class TransformersDepth(nn.Module):
    """A metric depth model of the library, with six maps where it has them. Weights start random.

    Any size of image is taken: it is resized to the next that the model takes, and the depth back.

    Args:
        config: as in the model's own config.json; at least {"model_type": ...}.
        mean: of the image processor, RGB in [0, 1].
        std: the same.

    Attributes:
        multiple: 1.
        feature_channels: of the six maps; empty where `MAPS` does not know the model.

    Raises:
        HyperfocalError: the library has no such depth model, or it is not metric.
    """

    multiple = 1

    def __init__(
        self,
        config: Mapping[str, Any],
        mean: Sequence[float] = IMAGENET_DEFAULT_MEAN,
        std: Sequence[float] = IMAGENET_DEFAULT_STD,
    ) -> None:
        import transformers

        super().__init__()
        plain = json.loads(json.dumps(config))  # the library insists on lists where ours has tuples
        try:
            parsed: Any = transformers.AutoConfig.for_model(plain.pop("model_type", ""), **plain)
            if not is_metric(parsed):
                raise HyperfocalError(f"a {parsed.model_type} model predicts relative depth, not metres")
            self.net: Any = transformers.AutoModelForDepthEstimation.from_config(parsed, dtype=torch.float32)
        except (ValueError, KeyError) as error:
            reason = str(error).strip().splitlines()[0]
            raise HyperfocalError(f"transformers has no such depth model: {reason}") from error
        self.mean, self.std = tuple(mean), tuple(std)
        self.maps: tuple[str, ...] = MAPS.get(parsed.model_type, ())
        self.feature_channels: tuple[int, ...] = ()
        if self.maps:
            last: Any = self.net.get_submodule(self.maps[5])
            self.feature_channels = (parsed.fusion_hidden_size,) * 5 + (last.in_channels,)

    @classmethod
    def from_pretrained(cls, source: str | os.PathLike[str]) -> Self:
        """Load a model from a hub id or a directory; as `pretrained`.

        Raises:
            HyperfocalError: it cannot be loaded, or is not metric.
        """
        model, processor, _ = pretrained(source)
        with torch.device("meta"):
            network = cls(*_arguments(model.config, processor))
        network.net = model
        return network.eval()

    def feature_sizes(self, height: int, width: int) -> list[tuple[int, int]]:
        """Sizes of the six maps, low to high, of an image of `height` × `width` pixels; none without maps."""
        config = self.net.config
        patch = config.patch_size if config.model_type == "depth_anything" else 16
        return map_sizes(*self._inner_size(height, width), patch) if self.maps else []

    def forward(self, image: Tensor) -> CoarseOutput:
        """Predict.

        Args:
            image: (N, 3, h, w) RGB in [0, 1].

        Returns:
            Depth (N, 1, h, w) in metres and six maps of `feature_sizes(h, w)`, or none.
        """
        mean, std = (image.new_tensor(values).view(3, 1, 1) for values in (self.mean, self.std))
        pixels = resize((image - mean) / std, self._inner_size(*image.shape[-2:]))
        seen: dict[str, Tensor] = {}
        with ExitStack() as hooks:
            for name in self.maps:
                module = self.net.get_submodule(name)
                hooks.enter_context(module.register_forward_pre_hook(partial(_keep, seen, name)))
            output = self.net(pixel_values=pixels)
        with full_precision(image.device):
            depth = resize(_metres(output).unsqueeze(1), image.shape[-2:])
        return CoarseOutput(depth, tuple(seen[name] for name in self.maps))

    def _inner_size(self, height: int, width: int) -> tuple[int, int]:
        """Size at which the model takes an image."""
        config = self.net.config
        if config.model_type == "depth_pro":  # the whole is shrunk to one of its patches
            side = round(config.patch_size / min(config.scaled_images_ratios))
            return side, side
        patched = {"depth_anything": config, "tipsv2_dpt": getattr(config, "backbone_config", None)}
        multiple = getattr(patched.get(config.model_type), "patch_size", 32)
        return max(1, round(height / multiple)) * multiple, max(1, round(width / multiple)) * multiple


class DepthPro(TransformersDepth):
    """Depth Pro as the library has it, run at 1536×1536. Its maps have strides 32 … 1.

    Args:
        config: entries that differ from the published configuration's.
        mean: of the image processor.
        std: the same.
    """

    def __init__(
        self,
        config: Mapping[str, Any] | None = None,
        mean: Sequence[float] = (0.5, 0.5, 0.5),
        std: Sequence[float] = (0.5, 0.5, 0.5),
    ) -> None:
        super().__init__({**DEPTH_PRO, **(config or {})}, mean, std)


_VIT_L = {
    "model_type": "dinov2",
    "hidden_size": 1024,
    "num_hidden_layers": 24,
    "num_attention_heads": 16,
    "image_size": 384,
    "patch_size": 16,
}
DEPTH_PRO = {
    "model_type": "depth_pro",
    "use_fov_model": True,
    "image_model_config": _VIT_L,
    "patch_model_config": _VIT_L,
    "fov_model_config": _VIT_L,
}


def _keep(seen: dict[str, Tensor], name: str, _module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
    seen[name] = inputs[0]


def _metres(output: Any) -> Tensor:
    """Depth (N, h, w) of a metric model's output."""
    depth: Tensor = output.predicted_depth.float()
    fov = getattr(output, "field_of_view", None)
    if fov is None:
        return depth
    # Depth Pro: inverse depth of a camera whose focal length is the image's width.
    inverse = depth * 2 * torch.tan(torch.deg2rad(fov.float()) / 2)[:, None, None]
    return 1 / inverse.clamp(1e-4, 1e4)


def _arguments(config: Any, processor: Any) -> tuple[dict[str, Any], list[float], list[float]]:
    """What `TransformersDepth` is made of, of a loaded model."""
    plain = json.loads(config.to_json_string())
    if getattr(processor, "do_normalize", False):
        return plain, processor.image_mean, processor.image_std
    return plain, [0.0] * 3, [1.0] * 3
