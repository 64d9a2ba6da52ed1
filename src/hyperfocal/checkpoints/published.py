"""Published checkpoints: which of their entries is which of ours, each one accounted for."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from torch import Tensor, nn

from hyperfocal.checkpoints.state import check_state
from hyperfocal.errors import HyperfocalError

# A published name (a regular expression) and how to make our name of it; None: known, and used by nobody.
Rule = tuple[str, Callable[[re.Match[str]], str] | None]

_C2F = r"refiner_fusion_model\.c2f\.scratch\."
_UNIT = r"GateresConfUnit(?P<unit>[12])\.(?:conv|fusion_conv\.(?P<mix>\d))\.(?P<leaf>\w+)"


def _unit(block: str, found: re.Match[str]) -> str:
    unit = "skip_unit" if found["unit"] == "1" else "unit"
    part = "residual" if found["mix"] is None else f"denoise.mix.{found['mix']}"
    return f"{block}.{unit}.{part}.{found['leaf']}"


def _f2c(merge: str, inject: str, up: str) -> tuple[Rule, ...]:
    """The fusion of both PatchRefiners, which differ in the names of its three lists."""
    fusion = r"refiner_fusion_model\."
    return (
        (fusion + merge + r"\.(\d)\.single_conv\.(.+)", lambda m: f"f2c.merge.{5 - int(m[1])}.{m[2]}"),
        (fusion + inject + r"\.(\d)\.single_conv\.(.+)", lambda m: f"f2c.inject.{5 - int(m[1])}.{m[2]}"),
        (fusion + up + r"\.(\d)\.conv\.double_conv\.(.+)", lambda m: f"f2c.up.{m[1]}.{m[2]}"),
        (fusion + r"final_conv\.(.+)", lambda m: f"f2c.final.{m[1]}"),
    )


def _metric_bins(theirs: str = "", ours: str = "bins.") -> tuple[Rule, ...]:
    """ZoeDepth's head, under a prefix each."""
    return (
        (theirs + r"seed_bin_regressor\._net\.(.+)", lambda m: f"{ours}seed.{m[1]}"),
        (theirs + r"seed_projector\._net\.(.+)", lambda m: f"{ours}embed.0.{m[1]}"),
        (theirs + r"projectors\.(\d)\._net\.(.+)", lambda m: f"{ours}embed.{int(m[1]) + 1}.{m[2]}"),
        (theirs + r"attractors\.(\d)\._net\.(.+)", lambda m: f"{ours}attract.{m[1]}.{m[2]}"),
        (theirs + r"conditional_log_binomial\.mlp\.(.+)", lambda m: f"{ours}distribution.{m[1]}"),
    )


def _depth_anything(theirs: str = "", ours: str = "") -> tuple[Rule, ...]:
    """Depth Anything with ZoeDepth's head, under a prefix each. Its levels count from high to low."""
    core = theirs + r"core\.core\."
    head = core + r"depth_head\."
    resizes = {"0": 3, "1": 2, "3": 0}
    unit = {"1": "skip_unit", "2": "unit"}
    return (
        (core + r"pretrained\.mask_token", None),  # of DINOv2's training
        (core + r"pretrained\.(.+)", lambda m: f"{ours}encoder.{m[1]}"),
        (head + r"projects\.(\d)\.(.+)", lambda m: f"{ours}reassemble.{3 - int(m[1])}.0.{m[2]}"),
        (head + r"resize_layers\.([013])\.(.+)", lambda m: f"{ours}reassemble.{resizes[m[1]]}.1.{m[2]}"),
        (head + r"scratch\.layer(\d)_rn\.(.+)", lambda m: f"{ours}projections.{4 - int(m[1])}.{m[2]}"),
        (head + r"scratch\.refinenet4\.resConfUnit1\..+", None),  # the lowest level has no skip
        (
            head + r"scratch\.refinenet(\d)\.resConfUnit([12])\.(.+)",
            lambda m: f"{ours}blocks.{4 - int(m[1])}.{unit[m[2]]}.{m[3]}",
        ),
        (
            head + r"scratch\.refinenet(\d)\.out_conv\.(.+)",
            lambda m: f"{ours}blocks.{4 - int(m[1])}.project.{m[2]}",
        ),
        (head + r"scratch\.output_conv1\.(.+)", lambda m: f"{ours}head.{m[1]}"),
        (head + r"scratch\.output_conv2\.0\.(.+)", lambda m: f"{ours}high.0.{m[1]}"),
        (head + r"scratch\.output_conv2\.2\.(.+)", lambda m: f"{ours}to_relative.0.{m[1]}"),
        (theirs + r"conv2\.(.+)", lambda m: f"{ours}bottleneck.{m[1]}"),
        *_metric_bins(theirs, f"{ours}bins."),
    )


# Levels count from high to low resolution there, from low to high here.
_PATCHREFINER_V2: tuple[Rule, ...] = (
    (r"(coarse_branch|fine_branch)\..+", None),
    (r"refiner_fine_branch\.refiner_encoder\.(.+)", lambda m: f"encoder.net.{m[1]}"),
    *_f2c("fusion_layers_1", "fusion_layers_2", "f2r_agg"),
    (_C2F + r"(refinenet5|output_conv2_fusion)\.GateresConfUnit1\..+", None),  # built, saved, never used
    (_C2F + r"layer(\d)_rn\.(.+)", lambda m: f"c2f.projections.{5 - int(m[1])}.{m[2]}"),
    (_C2F + r"refinenet(?P<level>\d)\." + _UNIT, lambda m: _unit(f"c2f.blocks.{5 - int(m['level'])}", m)),
    (_C2F + r"refinenet(\d)\.out_conv\.(.+)", lambda m: f"c2f.blocks.{5 - int(m[1])}.project.{m[2]}"),
    (_C2F + r"output_conv1\.(.+)", lambda m: f"c2f.head.0.{m[1]}"),
    (_C2F + r"output_conv2\.0\.(.+)", lambda m: f"c2f.head.1.{m[1]}"),
    (_C2F + r"output_conv2_fusion\." + _UNIT, lambda m: _unit("c2f.head_block", m)),
    (_C2F + r"output_conv2_fusion\.out_conv\.(.+)", lambda m: f"c2f.head_block.project.{m[1]}"),
    (_C2F + r"output_conv3\.0\.(.+)", lambda m: f"c2f.to_depth.{m[1]}"),
)
_PATCHREFINER: tuple[Rule, ...] = (
    (r"(coarse_branch|fine_branch)\..+", None),
    *_depth_anything(r"refiner_fine_branch\.", "base."),
    *_f2c("encoder_layers_1", "encoder_layers_2", "decoder_layers"),
)
_FUSION = r"guided_fusion\."
_PATCHFUSION: tuple[Rule, ...] = (
    (r"coarse_branch\..+", None),
    *_depth_anything(r"fine_branch\.", "base."),
    (r"fusion_conv_list\.5\..+", None),  # nothing is above the highest level
    (r"fusion_conv_list\.(.+)", lambda m: f"fusion.guide.{m[1]}"),
    (_FUSION + r"inc\.double_conv\.(.+)", lambda m: f"fusion.encoder.0.{m[1]}"),
    (
        _FUSION + r"down_conv_list\.(\d)\.maxpool_conv\.1\.double_conv\.(.+)",
        lambda m: f"fusion.encoder.{int(m[1]) + 1}.{m[2]}",
    ),
    (_FUSION + r"up_conv_list\.(\d)\.conv\.double_conv\.(.+)", lambda m: f"fusion.up.{m[1]}.{m[2]}"),
    (_FUSION + r"convs\.(\d)\.double_conv\.(.+)", lambda m: f"fusion.inject.{m[1]}.{m[2]}"),
    (_FUSION + r"g2l_list\.(\d)\.absolute_pos_embed", lambda m: f"g2l.{m[1]}.position"),
    (_FUSION + r"g2l_list\.(\d)\.g2l_layer\.(.+)", lambda m: f"g2l.{m[1]}.{m[2]}"),
    (_FUSION + r"g2l_list\.(\d)\.g2l_layer_norm\.(.+)", lambda m: f"g2l.{m[1]}.norm.{m[2]}"),
    (_FUSION + r"g2l_list\.\d\.embed_proj\..+", None),  # of the area prior, which the main branch leaves out
    *_metric_bins(),
)


def patchrefiner_v2_state(published: Mapping[str, Tensor], refiner: nn.Module) -> dict[str, Tensor]:
    """Rename the refiner's entries of a published PatchRefiner V2 checkpoint.

    Args:
        published: the checkpoint's state (what it keeps under `model_state_dict`). Entries of the coarse and
            fine base networks in it are left out here.
        refiner: the `PatchRefinerV2` of the same variant, not changed.

    Returns:
        A state that `refiner.load_state_dict` takes strictly.

    Raises:
        HyperfocalError: an entry is unknown, missing, unexpected or of another shape.
    """
    return _renamed(published, _PATCHREFINER_V2, refiner)


def patchrefiner_state(published: Mapping[str, Tensor], refiner: nn.Module) -> dict[str, Tensor]:
    """Rename the refiner's entries of a published PatchRefiner (V1) checkpoint; as `patchrefiner_v2_state`."""
    return _renamed(published, _PATCHREFINER, refiner)


def patchfusion_state(published: Mapping[str, Tensor], refiner: nn.Module) -> dict[str, Tensor]:
    """Rename the entries of a published PatchFusion checkpoint (main branch); as `patchrefiner_v2_state`.

    Those of the fine network must be in it, under `fine_branch.`.
    """
    return _renamed(published, _PATCHFUSION, refiner)


def depth_anything_state(
    published: Mapping[str, Tensor], network: nn.Module, prefix: str = ""
) -> dict[str, Tensor]:
    """Rename the entries of a published Depth Anything with metric bins; as `patchrefiner_v2_state`.

    Of a whole PatchFusion checkpoint, `prefix` "coarse_branch." or "fine_branch." takes one of the two.
    """
    own = {name.removeprefix(prefix): v for name, v in published.items() if name.startswith(prefix)}
    return _renamed(own, _depth_anything(), network)


def _renamed(
    published: Mapping[str, Tensor], rules: tuple[Rule, ...], network: nn.Module
) -> dict[str, Tensor]:
    names = {name: _rename(name, rules) for name in published}
    state = {ours: published[theirs] for theirs, ours in names.items() if ours is not None}
    expected = network.state_dict()
    # Batch counters, which many checkpoints leave out, play no part with a fixed momentum.
    state |= {k: v for k, v in expected.items() if k.endswith("num_batches_tracked") and k not in state}
    check_state("the published checkpoint", expected, state)
    return state


def _rename(name: str, rules: tuple[Rule, ...]) -> str | None:
    for pattern, rule in rules:
        if found := re.fullmatch(pattern, name):
            return rule and rule(found)
    raise HyperfocalError(f"the published checkpoint has an unknown entry: {name}")
