"""Recipes: every one builds a config, overrides reach nested values, table rows have the published parameters."""

import json
from dataclasses import replace

import pytest
import torch
from typer.testing import CliRunner

from hyperfocal.cli import app
from hyperfocal.coarse import make
from hyperfocal.data.patches import Patches
from hyperfocal.errors import HyperfocalError
from hyperfocal.refine import PatchRefinerV2
from hyperfocal.train.recipes import FILE, RECIPES, PseudoLabels, Recipe, recipe, write_recipe
from hyperfocal.train.stages import STAGES, model_config, stage
from hyperfocal.train.stages.pseudo_labels import LOSSES

UNUSED = 1_836_032 + 28_800  # built and counted by the published code, never used


def parameters(network: Recipe) -> int:
    arguments = {k: v for k, v in network.refiner.items() if k != "kind"}
    with torch.device("meta"):
        return sum(p.numel() for p in PatchRefinerV2(**arguments).parameters())


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_is_whole(name):
    found = RECIPES[name]
    assert found.stage in STAGES
    assert found.about
    assert found.group
    assert found.pseudo is None or found.pseudo.loss in LOSSES
    if found.stage != "pretrain":
        config = model_config(found)
        assert config.keep_aspect == (found.patches is None)
        assert (config.refiner is None) == (found.stage in ("coarse", "fine"))


def test_a_stage_of_an_unknown_name_is_offered_the_nearest():
    for asked in (stage, model_config):
        with pytest.raises(HyperfocalError, match="unknown stage 'pretrian'; did you mean 'pretrain'"):
            asked(replace(RECIPES["tiny-pretrain"], stage="pretrian"))


@pytest.mark.parametrize(
    "name", [name for name in RECIPES if name.startswith("tiny-") and name != "tiny-dsd"]
)
def test_a_stage_makes_the_networks_that_it_says(name):
    made = STAGES[RECIPES[name].stage](RECIPES[name])
    assert tuple(made.networks) == made.makes


def test_refiners_read_what_their_coarse_networks_give():
    given: dict[str, tuple[int, ...]] = {}
    for name, found in RECIPES.items():
        if found.stage in ("patchfusion", "patchrefiner", "e2e", "dsd"):
            config = model_config(found)
            if (key := repr(config.coarse)) not in given:
                with torch.device("meta"):
                    given[key] = tuple(make(config.coarse).feature_channels)
            assert tuple(config.refiner.get("coarse_channels", given[key])) == given[key], name


@pytest.mark.parametrize(
    ("name", "published", "unused"),
    [
        ("v2-row1-m", 27_540_308, 0),
        ("v2-row1-e", 51_684_532, 0),
        ("v2-row1-c", 227_301_108, 0),
        ("v2-row2-m", 71_474_288, 0),
        ("v2-row2-e", 95_618_512, 0),
        ("v2-row2-c", 271_235_088, 0),
        ("v2-row3-m", 27_540_308, 0),
        ("v2-row4-m", 46_951_989, UNUSED),
        ("v2-row4-e", 72_130_709, UNUSED),
        ("v2-row4-c", 246_122_965, UNUSED),
        ("v2-row5-m", 46_951_989, UNUSED),
        ("v2-row7-m", 46_951_989, UNUSED),
    ],
)
def test_rows_have_the_published_parameters(name, published, unused):
    assert parameters(RECIPES[name]) + unused == published


def test_the_row_without_denoising_has_the_published_parameters():
    # Of the unused units only the residual convolutions are left there: 256 and 32 channels.
    left = sum(9 * c * c + c for c in (256, 32))
    assert parameters(RECIPES["v2-row6-m"]) + left == 34_453_365


def test_rows_differ_in_what_they_say():
    rows = {k: replace(v, about="", name="", group="") for k, v in RECIPES.items() if k.startswith("v2-row")}
    same = {("v2-row4-m", "v2-row5-m", "v2-row8-m")}  # these differ in their starts, which the user names
    for group in same:
        assert len({repr(rows[name]) for name in group}) == 1
    assert rows["v2-row1-m"] == replace(rows["v2-row3-m"], coarse_lr=0.0)
    assert rows["v2-row9-m"] == replace(rows["v2-row4-m"], imagenet=False)
    assert len({repr(r) for r in rows.values()}) == len(rows) - 2 - 2, "5 repeats 4 in each size, 8 in M"


@pytest.mark.parametrize(("batch", "frames", "steps"), [(16, 7592, 22_800), (4, 9, 144)])
def test_epochs_become_steps(batch, frames, steps):
    found = recipe("v2-e2e-u4k-m", [f"batch={batch}"]).for_frames(frames)
    assert found.steps == steps
    assert found.for_frames(frames) == found


class TestOverrides:
    def test_nested_values(self):
        found = recipe(
            "v2-e2e-u4k-m",
            [
                "refiner.encoder=resnet18",
                "refiner.c2f_widths=None",
                "patches.process=(192,256)",
                "pseudo.loss=ssi",
                "pseudo.weight=1",
                "refiner.base.width=32",
            ],
        )
        assert found.refiner["encoder"] == "resnet18"
        assert found.refiner["c2f_widths"] is None
        assert found.refiner["base"] == {"width": 32}
        assert found.patches == replace(Patches(), process=(192, 256))
        assert found.pseudo == PseudoLabels("ssi", weight=1.0)
        assert RECIPES["v2-e2e-u4k-m"].refiner["encoder"].startswith("mobilenet"), "the named one stays"

    def test_a_kind_brings_its_own_defaults(self):
        assert recipe("nano-e2e", ["refiner.kind=patchrefiner"]).refiner == {"kind": "patchrefiner"}

    def test_steps_put_epochs_out_of_force(self):
        assert recipe("pf-fine-u4k", ["steps=7"]).for_frames(100).steps == 7
        assert recipe("pf-fine-u4k", ["epochs=2"]).for_frames(160).steps == 20

    @pytest.mark.parametrize(
        "text",
        [
            "patches=3",
            "patches.sise=3",
            "steps.x=3",
            "pseudo.weight=much",
            "patches.process=64",
            "pseudo=ssi",
        ],
    )
    def test_wrong_ones_are_refused(self, text):
        with pytest.raises(HyperfocalError, match=text.partition("=")[0].split(".")[0]):
            recipe("tiny-coarse", [text])

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ("refiner.kind=patchrefinr", "patchrefiner"),
            ("refiner.encodr=resnet18", "encoder"),
            ("coarse.kind=zoo", "unknown coarse kind"),
        ],
    )
    def test_networks_refuse_what_they_do_not_know(self, text, said):
        with pytest.raises(HyperfocalError, match=said):
            stage(recipe("tiny-e2e", [text]))

    def test_a_near_name_is_offered(self):
        with pytest.raises(HyperfocalError, match="v2-row6-m"):
            recipe("v2-row6m")

    @pytest.mark.parametrize(("text", "near"), [("stpes=3", "steps"), ("patches.proces=(64,64)", "process")])
    def test_a_near_key_is_offered(self, text, near):
        with pytest.raises(
            HyperfocalError, match=f"{text.split('=')[0]}.*unknown key.*did you mean '{near}'"
        ):
            recipe("tiny-fine", [text])

    @pytest.mark.parametrize(
        "text",
        [
            *("steps=0", "batch=0", "threads=0", "workers=-1", "seed=-1", "accumulate=0", "log_every=-1"),
            *("validate_every=-1", "pct=1.0", "pct=-0.1", "div=0", "ema=1.5", "epochs=0", "minutes=-1"),
            *("fraction=(0.7,0.3)", "fraction=(0,1)", "fraction=(1,)", "window=(64,'a')"),
        ],
    )
    def test_numbers_out_of_range_are_refused(self, text):
        with pytest.raises(HyperfocalError, match=text.split("=")[0]) as refused:
            recipe("tiny-coarse", [text])
        assert "\n" not in str(refused.value)


class TestSaved:
    @pytest.mark.parametrize("name", ["tiny-e2e", "tiny-dsd", "v2-da2-e2e-u4k-m", "pf-fine-u4k"])
    def test_a_recipe_comes_back(self, name, tmp_path):
        write_recipe(recipe(name, ["lr=1"]), tmp_path)
        assert recipe(name, run=tmp_path) == recipe(name, ["lr=1"])
        assert recipe(name, ["lr=2", "steps=7"], run=tmp_path) == recipe(name, ["lr=2", "steps=7"])

    def test_another_recipes_run_is_refused(self, tmp_path):
        write_recipe(recipe("tiny-coarse"), tmp_path)
        with pytest.raises(HyperfocalError, match="a run of tiny-coarse, not of tiny-e2e"):
            recipe("tiny-e2e", run=tmp_path)

    def test_files_of_earlier_versions_lack_keys(self, tmp_path):
        write_recipe(recipe("tiny-e2e", ["lr=1", "refiner.space=metres"]), tmp_path)
        values = json.loads((tmp_path / FILE).read_text())
        for key in ("name", "group", "own", "accumulate", "pseudo", "patches"):
            del values[key]
        del values["coarse"]["kind"], values["refiner"]["kind"]
        (tmp_path / FILE).write_text(json.dumps(values))
        found = recipe("tiny-e2e", run=tmp_path)
        assert found == replace(recipe("tiny-e2e", ["lr=1", "refiner.space=metres"]), group="", own=0.0)

    @pytest.mark.parametrize("text", ["", "[]", "{}", "{", '{"stage": "e2e", "about": "", "newer": 1}'])
    def test_broken_ones_are_refused_in_a_line(self, text, tmp_path):
        (tmp_path / FILE).write_text(text)
        with pytest.raises(HyperfocalError, match=FILE) as refused:
            recipe("tiny-e2e", run=tmp_path)
        assert "\n" not in str(refused.value)


def test_recipes_are_listed_in_groups():
    shown = CliRunner().invoke(app, ["recipes"]).output.splitlines()
    headings = [line for line in shown if line and not line.startswith(" ")]
    assert headings == list(dict.fromkeys(r.group for r in RECIPES.values())), "each heading once"
