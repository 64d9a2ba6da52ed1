"""hyperfocal import: published checkpoints of tiny networks to model directories, and what is refused."""

import json
import re
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from typer.testing import CliRunner

from hyperfocal import load, models
from hyperfocal.checkpoints import build, published
from hyperfocal.checkpoints.conversion import read_published
from hyperfocal.cli import app
from hyperfocal.errors import HyperfocalError
from hyperfocal.models import Base, Family
from hyperfocal.refine import patchfusion

ZOE = {"kind": "zoedepth", "dim": 16, "depth": 4, "heads": 2, "reassemble": (16, 16, 8, 8), "width": 8}
DA2 = {"kind": "depth_anything_v2", "encoder": "test_vit", "reassemble": (16, 16, 8, 8), "width": 8}
V2 = {
    "kind": "patchrefiner_v2",
    "encoder": "test_efficientnet",
    "coarse_channels": (8, 8, 8, 8, 8, 32),
    "c2f_widths": (8,) * 5,
    "head_widths": (6, 4),
    "f2c_widths": (8, 8, 8, 6, 6, 4),
    "decoder_widths": (8, 8, 6, 6, 4),
}
KEYS = Path(__file__).parent / "data/parity/networks"


def _v2(**changes):
    return Family("", lambda on: V2 | {"coarse_channels": on.channels} | changes, multiple=32)


@pytest.fixture(autouse=True)
def tiny(monkeypatch):
    bases = {
        "zoedepth": Base(ZOE, (64, 96), V2["coarse_channels"], "MIT"),
        "da2-vits": Base(DA2, (56, 84), (8, 8, 8, 8, 8, 4), "MIT"),
    }
    monkeypatch.setattr(models, "BASES", bases)
    systems = {
        "prv2-f2c": _v2(c2f_widths=None),
        "prv2-t": _v2(),
        "prv2-c": _v2(encoder="test_convnext"),
        "patchfusion": Family("", lambda on: {"kind": "patchfusion", "base": on.network, "size": on.size}),
    }
    monkeypatch.setattr(models, "FAMILIES", systems)
    monkeypatch.setattr(models, "ABLATIONS", {})
    monkeypatch.setattr(patchfusion, "HEADS", (4,) * 6)


ENCODER = {
    "encoder.net.": "refiner_fine_branch.refiner_encoder.",
    "encoder.to_stride2.": "refiner_fine_branch.upsample_convx.",
}


def published_state(fixture, rules, network, prefix=""):
    """The entries that a published checkpoint of `network` would have, random so that all values differ."""
    ours = network.state_dict()
    state = {}
    for name in json.loads((KEYS / fixture / "keys.json").read_text()):
        name = name.removeprefix(prefix)
        if (
            any(re.fullmatch(rule, name) for rule, _ in rules)
            and (known := published._rename(name, rules)) in ours
        ):
            state[name] = 0.05 * torch.rand(ours[known].shape)
    for name, value in ours.items() if fixture.startswith("PRV2") else ():
        for here, there in ENCODER.items():
            if name.startswith(here):
                theirs = name.replace(here, there)
                state[theirs] = 0.05 * torch.rand(value.shape) if value.is_floating_point() else value
    return state


@pytest.fixture
def coarse_state():
    return published_state("ZOE", published._base_network(), build(models.published("zoedepth"))[0])


@pytest.fixture
def da2_state():
    network = build(models.published("da2-vits"))[0]
    return published_state("PF_DAS", published._base_network(), network, "coarse_branch.core.core.")


@pytest.fixture
def state():
    return v2_state("prv2-t-zoedepth")


def v2_state(name):
    return published_state("PRV2_M", published._PATCHREFINER_V2, build(models.published(name))[1])


def fusion_state(name):
    """PatchFusion's own entries, as it saves them: without its coarse and its fine network."""
    state = published_state("PF_DAS", published._PATCHFUSION, build(models.published(name))[1])
    return {name: value for name, value in state.items() if not name.startswith("fine_branch.")}


def run(*arguments):
    return CliRunner().invoke(app, ["import", *map(str, arguments)])


def save(path, state):
    torch.save(state, path)
    return path


def test_a_whole_checkpoint_becomes_a_model_that_loads(tmp_path, state, coarse_state):
    whole = state | {f"coarse_branch.{name}": value for name, value in coarse_state.items()}
    wrapped = {"model_state_dict": {f"module.{name}": value for name, value in whole.items()}}
    result = run("patchrefiner-v2", save(tmp_path / "c.pth", wrapped), "--out", tmp_path / "m", "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["model"] == "prv2-t-zoedepth"
    weights = load_file(tmp_path / "m/model.safetensors")
    assert torch.equal(weights["refiner.f2c.final.weight"], state["refiner_fusion_model.final_conv.weight"])
    assert torch.equal(weights["coarse.bottleneck.weight"], coarse_state["conv2.weight"])
    depth = load(tmp_path / "m", device="cpu").predict(torch.rand(3, 120, 160), tiling="p16")
    assert depth.metres.shape == (120, 160)


def test_the_coarse_network_may_be_in_a_file_of_its_own(tmp_path, state, coarse_state):
    own = tmp_path / "zoe.safetensors"
    save_file(coarse_state, own)
    result = run("patchrefiner-v2", save(tmp_path / "c.pth", state), "--coarse", own, "--out", tmp_path / "m")
    assert result.exit_code == 0, result.output
    weights = load_file(tmp_path / "m/model.safetensors")
    assert torch.equal(weights["coarse.bottleneck.weight"], coarse_state["conv2.weight"])


def test_without_a_coarse_network_it_says_what_to_give(tmp_path, state):
    result = run("patchrefiner-v2", save(tmp_path / "c.pth", state), "--out", tmp_path / "m")
    assert result.exit_code == 1
    assert "--coarse" in result.stderr
    assert not (tmp_path / "m").exists()


def test_a_base_network_alone(tmp_path, coarse_state):
    result = run("zoedepth", save(tmp_path / "c.pt", coarse_state), "--out", tmp_path / "m")
    assert result.exit_code == 0, result.output
    assert load(tmp_path / "m", device="cpu").refiner is None


def test_entries_that_are_missing_or_unknown_are_listed(tmp_path, state, coarse_state):
    lacking = coarse_state.copy()
    del lacking["conv2.weight"], lacking["conv2.bias"]
    result = run("zoedepth", save(tmp_path / "c.pth", lacking), "--out", tmp_path / "m")
    assert result.exit_code == 1
    assert "2 missing (bottleneck.weight, bottleneck.bias)" in result.stderr
    odd = coarse_state | {"mystery.weight": torch.ones(1), "riddle": torch.ones(1)}
    result = run("zoedepth", save(tmp_path / "c.pth", odd), "--out", tmp_path / "m")
    assert result.exit_code == 1
    assert "mystery.weight, riddle" in result.stderr
    assert not (tmp_path / "m").exists()


class Payload:
    def __reduce__(self):
        return (exec, ("raise SystemExit('code ran')",))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ({"state_dict": {}, "hook": Payload()}, "could run code"),
        ({"epoch": 3}, "no state dictionary"),
        (None, "no such file"),
    ],
)
def test_what_is_no_checkpoint_is_refused_in_one_line(tmp_path, content, reason):
    path = tmp_path / "c.pth"
    if content is not None:
        torch.save(content, path)
    result = run("zoedepth", path, "--out", tmp_path / "m")
    assert result.exit_code == 1
    assert reason in result.stderr
    assert result.stderr.count("\n") == 1
    assert not (tmp_path / "m").exists()


def test_a_truncated_file_is_refused_in_one_line(tmp_path, coarse_state):
    whole = save(tmp_path / "c.pth", coarse_state).read_bytes()
    (tmp_path / "c.pth").write_bytes(whole[: len(whole) // 2])
    result = run("zoedepth", tmp_path / "c.pth", "--out", tmp_path / "m")
    assert result.exit_code == 1
    assert result.stderr.count("\n") == 1


def test_whatever_is_broken_in_a_file_is_one_line(tmp_path):
    """Found: IndexError, KeyError, UnicodeDecodeError, AssertionError, TypeError, ValueError, AttributeError."""
    path = tmp_path / "c.pth"
    broken = [b"", b"epoch 3, loss 0.2\n" * 9, b"<!DOCTYPE html>", b"PK\3\4" + bytes(99)]
    for zipped in (True, False):
        weights = {"model_state_dict": {f"a.{i}.weight": torch.zeros(2, 2) for i in range(2)}}
        torch.save(weights, path, _use_new_zipfile_serialization=zipped)
        whole = path.read_bytes()
        for i in range(0, len(whole), 5):
            broken.append(whole[:i] + bytes([whole[i] ^ 1 << i % 8]) + whole[i + 1 :])
    reasons = []
    for data in broken:
        path.write_bytes(data)
        try:
            read_published(path)
        except HyperfocalError as error:
            reasons.append(str(error))
    assert len(reasons) > 100
    assert all(reason.startswith(str(path)) and "\n" not in reason for reason in reasons)
    (tmp_path / "c.safetensors").write_bytes(b"\x08" + bytes(20))
    with pytest.raises(HyperfocalError, match="not a readable checkpoint: damaged, or another kind of file"):
        read_published(tmp_path / "c.safetensors")


@pytest.mark.parametrize("content", [b"", b"epoch 3, loss 0.2\n" * 9])
def test_an_empty_file_and_a_text_are_refused_in_one_line(tmp_path, content):
    (tmp_path / "c.pth").write_bytes(content)
    result = run("zoedepth", tmp_path / "c.pth", "--out", tmp_path / "m")
    assert result.exit_code == 1
    assert result.stderr.startswith(f"hyperfocal: {tmp_path / 'c.pth'} is not a readable checkpoint: damaged")
    assert result.stderr.count("\n") == 1


def test_depth_anything_v2_wants_its_largest_depth(tmp_path, da2_state):
    checkpoint, out = save(tmp_path / "c.pth", da2_state), tmp_path / "m"
    result = run("depth-anything", checkpoint, "--out", out)
    assert result.exit_code == 1
    assert "da2-vits needs --max-depth METRES" in result.stderr
    assert "relative weights have the same names, but give no metres" in result.stderr
    assert result.stderr.count("\n") == 1
    for value in ("0", "-80", "nan", "inf"):
        result = run("depth-anything", checkpoint, "--out", out, "--max-depth", value)
        assert result.exit_code == 1
        assert "must be a positive number of metres" in result.stderr
    assert not out.exists()
    result = run("depth-anything", checkpoint, "--out", out, "--max-depth", 80)
    assert result.exit_code == 0, result.output
    assert json.loads((out / "config.json").read_text())["coarse"]["max_depth"] == 80
    assert load(out, device="cpu").coarse.max_depth == 80


def test_the_largest_depth_is_of_the_fine_network_too(tmp_path, da2_state):
    whole = fusion_state("patchfusion-da2-vits") | {
        f"{part}_branch.{name}": value for name, value in da2_state.items() for part in ("coarse", "fine")
    }
    checkpoint, out = save(tmp_path / "c.pth", whole), tmp_path / "m"
    result = run("patchfusion", checkpoint, "--out", out)
    assert result.exit_code == 1
    assert "patchfusion-da2-vits needs --max-depth" in result.stderr
    result = run("patchfusion", checkpoint, "--out", out, "--max-depth", 80)
    assert result.exit_code == 0, result.output
    model = load(out, device="cpu")
    assert model.coarse.max_depth == model.refiner.base.max_depth == 80


def test_a_largest_depth_is_refused_where_the_weights_know_it(tmp_path, coarse_state):
    result = run(
        "zoedepth", save(tmp_path / "c.pth", coarse_state), "--out", tmp_path / "m", "--max-depth", 80
    )
    assert result.exit_code == 1
    assert "--max-depth is for Depth Anything V2, which zoedepth has not" in result.stderr
    assert not (tmp_path / "m").exists()


def test_convnexts_stride_2_map_is_imported(tmp_path, coarse_state):
    state = v2_state("prv2-c-zoedepth")
    whole = state | {f"coarse_branch.{name}": value for name, value in coarse_state.items()}
    result = run("patchrefiner-v2", save(tmp_path / "c.pth", whole), "--out", tmp_path / "m", "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["model"] == "prv2-c-zoedepth"
    weights = load_file(tmp_path / "m/model.safetensors")
    theirs = state["refiner_fine_branch.upsample_convx.0.weight"]
    assert torch.equal(weights["refiner.encoder.to_stride2.0.weight"], theirs)


def test_patchfusion_may_be_in_three_files(tmp_path, coarse_state):
    fine_state = {name: value + 1 for name, value in coarse_state.items()}
    own = save(tmp_path / "fusion.pth", fusion_state("patchfusion-zoedepth"))
    coarse, fine = save(tmp_path / "coarse.pth", coarse_state), save(tmp_path / "fine.pth", fine_state)
    for given, lacking in (
        ((), "no coarse and no fine"),
        (("--coarse", coarse), "no fine"),
        (("--fine", fine), "no coarse"),
    ):
        result = run("patchfusion", own, *given, "--out", tmp_path / "m")
        assert result.exit_code == 1
        assert f"the checkpoint has {lacking} network in it" in result.stderr
        assert all(option in given or option in result.stderr for option in ("--coarse", "--fine"))
        assert result.stderr.count("\n") == 1
    result = run("patchfusion", own, "--coarse", coarse, "--fine", fine, "--out", tmp_path / "m")
    assert result.exit_code == 0, result.output
    weights = load_file(tmp_path / "m/model.safetensors")
    assert torch.equal(weights["coarse.bottleneck.weight"], coarse_state["conv2.weight"])
    assert torch.equal(weights["refiner.base.bottleneck.weight"], fine_state["conv2.weight"])
    result = run("patchrefiner-v2", own, "--fine", fine, "--out", tmp_path / "other")
    assert result.exit_code == 1
    assert "--fine: prv2-f2c-zoedepth has no such network in a file of its own" in result.stderr


def test_a_system_with_the_same_entries_is_named(tmp_path, monkeypatch, state, coarse_state):
    monkeypatch.setattr(models, "ABLATIONS", {"prv2-t-fused": _v2(denoise="fuse")})
    whole = state | {f"coarse_branch.{name}": value for name, value in coarse_state.items()}
    arguments = ("patchrefiner-v2", save(tmp_path / "c.pth", whole), "--out", tmp_path / "m")
    result = run(*arguments, "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert (found["model"], found["alike"]) == ("prv2-t-zoedepth", ["prv2-t-fused-zoedepth"])
    assert result.stderr.startswith("taken for prv2-t-zoedepth; prv2-t-fused-zoedepth has the same entries")
    assert "--model chooses" in result.stderr
    result = run(*arguments, "--model", "prv2-t-fused-zoedepth")
    assert result.exit_code == 0, result.output
    assert "prv2-t-zoedepth" not in result.stderr
    assert json.loads((tmp_path / "m/config.json").read_text())["refiner"]["denoise"] == "fuse"
