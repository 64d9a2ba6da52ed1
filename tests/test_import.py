"""hyperfocal import: published checkpoints of tiny networks to model directories, and what is refused."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from typer.testing import CliRunner

from hyperfocal import load, models
from hyperfocal.checkpoints import build, published
from hyperfocal.cli import app
from hyperfocal.models import Base, Family

ZOE = {"kind": "zoedepth", "dim": 16, "depth": 4, "heads": 2, "reassemble": (16, 16, 8, 8), "width": 8}
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


@pytest.fixture(autouse=True)
def tiny(monkeypatch):
    monkeypatch.setattr(models, "BASES", {"zoedepth": Base(ZOE, (64, 96), V2["coarse_channels"], "MIT")})
    systems = {
        "prv2-f2c": Family("", lambda _: V2 | {"c2f_widths": None}),
        "prv2-t": Family("", lambda _: V2),
    }
    monkeypatch.setattr(models, "FAMILIES", systems)
    monkeypatch.setattr(models, "ABLATIONS", {})


def published_state(fixture, rules, network):
    """The entries that a published checkpoint of `network` would have, numbered so that all values differ."""
    ours = network.state_dict()
    state = {}
    for name in json.loads((KEYS / fixture / "keys.json").read_text()):
        if (known := published._rename(name, rules)) in ours:
            state[name] = 0.05 * torch.rand(ours[known].shape)
    for name, value in ours.items():
        if name.startswith("encoder.net."):
            theirs = name.replace("encoder.net.", "refiner_fine_branch.refiner_encoder.")
            state[theirs] = 0.05 * torch.rand(value.shape) if value.is_floating_point() else value
    return state


@pytest.fixture
def coarse_state():
    return published_state("ZOE", published._base_network(), build(models.published("zoedepth"))[0])


@pytest.fixture
def state():
    refiner = build(models.published("prv2-t-zoedepth"))[1]
    return published_state("PRV2_M", published._PATCHREFINER_V2, refiner)


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
