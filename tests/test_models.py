"""The registry: names, random weights on request, sizes counted on networks without numbers."""

import json
import sys

import pytest
import torch
from typer.testing import CliRunner

import hyperfocal
from hyperfocal import HyperfocalError, models
from hyperfocal.cli import app
from hyperfocal.cli.models import describe
from hyperfocal.loading import outline


@pytest.mark.parametrize("name", [n for n in models.names() if n not in models.BUNDLED])
def test_every_name_is_a_config_whose_networks_fit(name):
    assert models.config_of(name).description


def test_names_are_unique():
    assert len(set(models.names())) == len(models.names())


# Ours without what the published networks hold and never use: 2.2 M in ZoeDepth, 1.86 M in V2's C2F.
@pytest.mark.parametrize(
    ("name", "published", "unused"),
    [
        ("prv2-m-zoedepth", 46.952, 1.865),
        ("prv2-m-f2c-zoedepth", 27.540, 0.0),
        ("prv2-m-heavy-zoedepth", 71.474, 0.0),
        ("prv2-m-ungated-zoedepth", 34.453, 0.599),
        ("prv2-m-fused-zoedepth", 46.952, 1.865),
        ("prv2-e-zoedepth", 72.131, 1.865),
        ("prv2-c-zoedepth", 246.123, 1.865),
        ("prv1-zoedepth", 368.809, 2.207),
        ("patchfusion-zoedepth", 432.481, 2.228),
    ],
)
def test_refiners_have_the_papers_parameters(name, published, unused):
    model = outline(name)
    ours = sum(p.numel() for p in model.refiner.parameters()) / 1e6
    assert ours == pytest.approx(published - unused, abs=0.002)


def test_gflop_of_a_tile_are_the_published_ones_less_what_is_done_once_or_cheaper():
    row = describe(outline("prv2-m-zoedepth"))
    assert row["gflops"]["coarse"] == pytest.approx(717, rel=0.01)
    assert row["gflops"]["per_tile"] == pytest.approx(897, rel=0.03)
    assert row["params"]["total"] == row["params"]["coarse"] + row["params"]["refiner"]


def test_random_weights_depend_on_the_seed_alone():
    def first(seed):
        torch.manual_seed(99)
        before = torch.get_rng_state()
        model = hyperfocal.load("nano", weights=None, seed=seed, device="cpu")
        assert torch.equal(torch.get_rng_state(), before)
        return next(model.refiner.parameters())

    assert torch.equal(first(1), first(1))
    assert not torch.equal(first(1), first(2))


def test_a_name_without_weights_says_how_to_get_them():
    with pytest.raises(HyperfocalError, match="hyperfocal import"):
        hyperfocal.load("prv2-m-zoedepth")


def test_a_misspelt_name_gets_the_nearest():
    with pytest.raises(HyperfocalError, match="did you mean 'prv2-m-zoedepth'"):
        hyperfocal.load("prv2-m-zoedpth")
    with pytest.raises(HyperfocalError, match="'trained', or None"):
        hyperfocal.load("nano", weights="random")


@pytest.mark.parametrize("name", ["depth-pro", "prv2-m-depth-pro"])
def test_a_model_whose_library_is_missing_says_how_to_get_it(monkeypatch, name):
    monkeypatch.setitem(sys.modules, "transformers", None)
    assert name not in models.names()
    with pytest.raises(HyperfocalError, match=r"transformers: pip install 'hyperfocal\[transformers\]'"):
        hyperfocal.load(name, weights=None)


def test_models_command_takes_patterns():
    result = CliRunner().invoke(app, ["models", "nan?", "da-vit[s]", "--json"])
    assert result.exit_code == 0, result.output
    assert [row["name"] for row in json.loads(result.stdout)] == ["nano", "da-vits"]
    result = CliRunner().invoke(app, ["models", "xyz-*"])
    assert result.exit_code == 1
    assert "no model's name matches 'xyz-*'" in result.stderr


@pytest.mark.slow
def test_models_command_measures_every_model():
    result = CliRunner().invoke(app, ["models", "--json"])
    assert result.exit_code == 0, result.output
    rows = json.loads(result.stdout)
    assert [row["name"] for row in rows] == list(models.names())
    for row in rows:
        assert row["params"]["coarse"] > 1e6, row
        assert row["gflops"]["coarse"] > 1, row
        assert row["gflops"]["per_tile"] > 0 or not row["params"]["refiner"], row
