"""Depth models of the transformers library, so small that they run in milliseconds; weights are random."""

from pathlib import Path
from typing import Any

import torch
import transformers as T

VIT = {"hidden_size": 32, "num_hidden_layers": 4, "num_attention_heads": 2}
STAGES = {"out_features": [f"stage{i}" for i in (1, 2, 3, 4)], "reshape_hidden_states": False}
DPT = {"neck_hidden_sizes": [8, 16, 24, 32], "fusion_hidden_size": 16}
PATCHES = {
    "model_type": "dinov2",
    "hidden_size": 16,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "image_size": 32,
    "patch_size": 16,
}
DEPTH_PRO = {
    "image_model_config": PATCHES,
    "patch_model_config": PATCHES,
    "fov_model_config": PATCHES,
    "patch_size": 32,
    "fusion_hidden_size": 16,
    "intermediate_hook_ids": [1, 0],
    "intermediate_feature_dims": [8, 8],
    "scaled_images_feature_dims": [8, 8, 8],
}


def depth_anything(kind: str = "metric") -> dict[str, Any]:
    """Depth Anything V2's shape; "metric" or "relative"."""
    backbone = {"model_type": "dinov2", **VIT, "mlp_ratio": 2, "image_size": 56, "patch_size": 14, **STAGES}
    return {
        "model_type": "depth_anything",
        "backbone_config": backbone,
        "patch_size": 14,
        "reassemble_hidden_size": 32,
        **DPT,
        "head_hidden_size": 8,
        "depth_estimation_type": kind,
        "max_depth": 20 if kind == "metric" else 1,
    }


def zoedepth() -> dict[str, Any]:
    backbone = {
        "model_type": "beit",
        **VIT,
        "intermediate_size": 48,
        "image_size": 64,
        "patch_size": 16,
        "use_relative_position_bias": True,
        **STAGES,
    }
    heads = {"bottleneck_features": 16, "num_relative_features": 8, "bin_embedding_dim": 16}
    return {"model_type": "zoedepth", "backbone_config": backbone, **DPT, **heads}


def glpn() -> dict[str, Any]:
    sizes = {"hidden_sizes": [8, 8, 16, 16], "depths": [1, 1, 1, 1], "num_attention_heads": [1, 1, 2, 2]}
    return {"model_type": "glpn", **sizes, "decoder_hidden_size": 8}


def depth_pro() -> dict[str, Any]:
    return {"model_type": "depth_pro", "use_fov_model": True, **DEPTH_PRO}


def dpt() -> dict[str, Any]:
    shape = {
        **VIT,
        "intermediate_size": 48,
        "image_size": 64,
        "patch_size": 16,
        "backbone_out_indices": [0, 1, 2, 3],
    }
    return {"model_type": "dpt", **shape, **DPT}


PROCESSORS: dict[str, Any] = {
    "depth_anything": lambda: T.DPTImageProcessor(
        size={"height": 56, "width": 56}, keep_aspect_ratio=True, ensure_multiple_of=14
    ),
    "zoedepth": lambda: T.ZoeDepthImageProcessor(size={"height": 64, "width": 96}),
    "glpn": lambda: T.GLPNImageProcessor(),
    "depth_pro": lambda: T.DepthProImageProcessor(size={"height": 128, "width": 128}),
    "dpt": lambda: T.DPTImageProcessor(size={"height": 64, "width": 64}),
}


def write(directory: Path, config: dict[str, Any]) -> Path:
    """Save a random model and its image processor as the hub has them."""
    torch.manual_seed(0)
    parsed = T.AutoConfig.for_model(**config)
    model = T.AutoModelForDepthEstimation.from_config(parsed)
    with torch.no_grad():  # with the library's own initialisation depth would be all but constant
        for parameter in model.parameters():
            if parameter.ndim > 1:
                torch.nn.init.kaiming_normal_(parameter)
        for name, layer in model.named_modules():
            if isinstance(layer, torch.nn.Conv2d) and layer.out_channels == 1:  # what depth is read from
                layer.weight.mul_(0.03)
                layer.bias.fill_(60 if name.startswith("fov_model") else 0.5)
    model.save_pretrained(directory)
    PROCESSORS[config["model_type"]]().save_pretrained(directory)
    return directory
