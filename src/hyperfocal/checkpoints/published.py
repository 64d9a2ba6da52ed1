"""Published checkpoints: which of their entries is which of ours, each one accounted for."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from torch import Tensor, nn

from hyperfocal.checkpoints.state import check_state, first
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


def _dpt(theirs: str, ours: str) -> tuple[Rule, ...]:
    """DPT's decoder without its ends. Its levels count from high to low."""
    unit = {"1": "skip_unit", "2": "unit"}
    block = theirs + r"refinenet(\d)\."
    return (
        (theirs + r"layer(\d)_rn\.(.+)", lambda m: f"{ours}projections.{4 - int(m[1])}.{m[2]}"),
        (theirs + r"refinenet4\.resConfUnit1\..+", None),  # the lowest level has no skip
        (block + r"resConfUnit([12])\.(.+)", lambda m: f"{ours}blocks.{4 - int(m[1])}.{unit[m[2]]}.{m[3]}"),
        (block + r"out_conv\.(.+)", lambda m: f"{ours}blocks.{4 - int(m[1])}.project.{m[2]}"),
    )


def _beit_dpt(theirs: str, ours: str) -> tuple[Rule, ...]:
    """BEiT and DPT's decoder as in MiDaS, of which ZoeDepth is made."""
    net, post = theirs + r"pretrained\.model\.", theirs + r"pretrained\.act_postprocess(\d)\."
    encoder, decoder, scratch = f"{ours}encoder.", f"{ours}decoder.", theirs + r"scratch\."
    return (
        (net + r"(?:fc_norm|head)\..+", None),  # of BEiT's own classes
        (net + r"blocks\.\d+\.attn\.relative_position_index", None),  # computed
        (
            net + r"blocks\.(\d+)\.attn\.relative_position_bias_table",
            lambda m: f"{encoder}position_bias.{m[1]}",
        ),
        (net + r"blocks\.(.+)", lambda m: f"{encoder}blocks.{m[1]}"),
        (net + r"cls_token", lambda m: f"{encoder}start"),
        (net + r"patch_embed\.proj\.(.+)", lambda m: f"{encoder}project.{m[1]}"),
        (post + r"0\.project\.0\.(.+)", lambda m: f"{encoder}readout.{4 - int(m[1])}.0.{m[2]}"),
        (post + r"([34])\.(.+)", lambda m: f"{decoder}reassemble.{4 - int(m[1])}.{int(m[2]) - 3}.{m[3]}"),
        *_dpt(scratch, decoder),
        (scratch + r"output_conv\.0\.(.+)", lambda m: f"{decoder}head.{m[1]}"),
        (scratch + r"output_conv\.2\.(.+)", lambda m: f"{ours}high.0.{m[1]}"),
        (scratch + r"output_conv\.4\.(.+)", lambda m: f"{ours}to_relative.0.{m[1]}"),
    )


def _dinov2_dpt(theirs: str, ours: str, last: str) -> tuple[Rule, ...]:
    """DINOv2 and DPT's decoder as in both Depth Anythings."""
    head, decoder = theirs + r"depth_head\.", f"{ours}decoder."
    resizes = {"0": 3, "1": 2, "3": 0}
    return (
        (theirs + r"pretrained\.mask_token", None),  # of DINOv2's training
        (theirs + r"pretrained\.(.+)", lambda m: f"{ours}encoder.net.{m[1]}"),
        (head + r"projects\.(\d)\.(.+)", lambda m: f"{decoder}reassemble.{3 - int(m[1])}.0.{m[2]}"),
        (head + r"resize_layers\.([013])\.(.+)", lambda m: f"{decoder}reassemble.{resizes[m[1]]}.1.{m[2]}"),
        *_dpt(head + r"scratch\.", decoder),
        (head + r"scratch\.output_conv1\.(.+)", lambda m: f"{decoder}head.{m[1]}"),
        (head + r"scratch\.output_conv2\.0\.(.+)", lambda m: f"{ours}high.0.{m[1]}"),
        (head + r"scratch\.output_conv2\.2\.(.+)", lambda m: f"{ours}{last}.{m[1]}"),
    )


def _base_network(theirs: str = "", ours: str = "") -> tuple[Rule, ...]:
    """ZoeDepth, Depth Anything with ZoeDepth's head, or Depth Anything V2, under a prefix each."""
    core = theirs + r"core\.core\."
    return (
        *_beit_dpt(core, ours),  # first: what is left of `pretrained.` is DINOv2's
        *_dinov2_dpt(core, ours, "to_relative.0"),
        *_dinov2_dpt(theirs, ours, "to_depth"),
        (theirs + r"conv2\.(.+)", lambda m: f"{ours}bottleneck.{m[1]}"),
        *_metric_bins(theirs, f"{ours}bins."),
    )


# Levels count from high to low resolution there, from low to high here.
_PATCHREFINER_V2: tuple[Rule, ...] = (
    (r"(coarse_branch|fine_branch)\..+", None),
    (r"refiner_fine_branch\.refiner_encoder\.(.+)", lambda m: f"encoder.net.{m[1]}"),
    (r"refiner_fine_branch\.upsample_convx\.(.+)", lambda m: f"encoder.to_stride2.{m[1]}"),  # of ConvNeXt
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
    *_base_network(r"refiner_fine_branch\.", "base."),
    *_f2c("encoder_layers_1", "encoder_layers_2", "decoder_layers"),
)
_FUSION = r"guided_fusion\."
_PATCHFUSION: tuple[Rule, ...] = (
    (r"coarse_branch\..+", None),
    *_base_network(r"fine_branch\.", "base."),
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

    Those of the fine network are read under `fine_branch.`.
    """
    return _renamed(published, _PATCHFUSION, refiner)


def base_network_state(
    published: Mapping[str, Tensor], network: nn.Module, prefix: str = ""
) -> dict[str, Tensor]:
    """Rename the entries of a published base network; as `patchrefiner_v2_state`.

    Args:
        published: the checkpoint's state.
        network: the `ZoeDepth`, `DepthAnything` or `DepthAnythingV2` of the same size, not changed.
        prefix: only the entries under it are read: "coarse_branch." or "fine_branch." of a whole checkpoint of
            one of the three systems.
    """
    own = {name.removeprefix(prefix): v for name, v in published.items() if name.startswith(prefix)}
    return _renamed(own, _base_network(), network)


def _renamed(
    published: Mapping[str, Tensor], rules: tuple[Rule, ...], network: nn.Module
) -> dict[str, Tensor]:
    unknown = [name for name in published if not any(re.fullmatch(pattern, name) for pattern, _ in rules)]
    if unknown:
        raise HyperfocalError(
            f"the published checkpoint has {len(unknown)} entries that nobody knows: {first(unknown, 10)}"
        )
    names = {name: _rename(name, rules) for name in published}
    state = {ours: published[theirs] for theirs, ours in names.items() if ours is not None}
    expected = network.state_dict()
    # Batch counters, which many checkpoints leave out, play no part with a fixed momentum.
    state |= {k: v for k, v in expected.items() if k.endswith("num_batches_tracked") and k not in state}
    check_state("the published checkpoint", expected, state)
    return state


def _rename(name: str, rules: tuple[Rule, ...]) -> str | None:
    found, rule = next((found, rule) for pattern, rule in rules if (found := re.fullmatch(pattern, name)))
    return rule and rule(found)
