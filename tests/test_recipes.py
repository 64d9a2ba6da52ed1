"""Recipes: every one builds a config, overrides reach nested values, table rows have the published parameters."""

from dataclasses import replace

import pytest
import torch
from typer.testing import CliRunner

from hyperfocal.cli import app
from hyperfocal.coarse import make
from hyperfocal.data.patches import Patches
from hyperfocal.errors import HyperfocalError
from hyperfocal.refine import PatchRefinerV2
from hyperfocal.train.recipes import RECIPES, PseudoLabels, Recipe, recipe
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
    rows = {k: replace(v, about="", group="") for k, v in RECIPES.items() if k.startswith("v2-row")}
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


def test_recipes_are_listed_in_groups():
    shown = CliRunner().invoke(app, ["recipes"]).output.splitlines()
    headings = [line for line in shown if line and not line.startswith(" ")]
    assert headings == list(dict.fromkeys(r.group for r in RECIPES.values())), "each heading once"
