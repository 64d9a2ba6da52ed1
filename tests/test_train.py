"""Training with the tiny recipes: stages learn, runs resume bit for bit, exports are what was learnt."""

import csv
import json
import math
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from contextlib import nullcontext
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from typer.testing import CliRunner

from frames import write_frames
from hyperfocal import checkpoints
from hyperfocal.cli import INTERRUPTED, app
from hyperfocal.cli.train import _row
from hyperfocal.data.unrealstereo4k import UnrealStereo4K
from hyperfocal.errors import HyperfocalError
from hyperfocal.train.engine import Run, one_cycle
from hyperfocal.train.recipes import RECIPES, recipe
from hyperfocal.train.stages import STAGES, stage


@pytest.fixture(scope="module")
def reader(tmp_path_factory) -> UnrealStereo4K:
    return UnrealStereo4K(write_frames(tmp_path_factory.mktemp("frames"), 3))


@pytest.fixture(scope="module")
def coarse_run(reader, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("coarse")
    Run(recipe("tiny-coarse", ["steps=3"]), folder).train(reader, lambda _: None)
    return folder


@pytest.fixture(scope="module")
def pretrain_run(reader, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("pretrain")
    Run(recipe("tiny-pretrain", ["steps=3"]), folder).train(reader, lambda _: None)
    return folder


def run(name: str, reader: UnrealStereo4K, folder: Path, *overrides: str) -> Run:
    made = Run(recipe(name, overrides), folder)
    made.train(reader, lambda _: None)
    return made


def losses(folder: Path) -> list[float]:
    return [float(row["loss"]) for row in csv.DictReader((folder / "log.csv").open())]


def interrupt_at_step_3(line: str) -> None:
    if line.startswith("step 3"):
        os.kill(os.getpid(), signal.SIGINT)


class TestRecipes:
    def test_overrides_have_the_types_of_what_they_replace(self):
        found = recipe(
            "nano-e2e", ["steps=7", "lr=1e-3", "clip=1", "window=(64,96)", "coarse_from=runs/1", "minutes=3"]
        )
        assert (found.steps, found.lr, found.window, found.minutes) == (7, 1e-3, (64, 96), 3.0)
        assert found.coarse_from == "runs/1"
        assert isinstance(found.clip, float)
        assert recipe("nano-e2e", ["canonical=(0.7,100,300,200)"]).canonical.far == 300

    @pytest.mark.parametrize("override", ["steps", "stpes=3", "steps=many", "steps=1.5", "window=64"])
    def test_wrong_overrides_are_refused(self, override):
        with pytest.raises(HyperfocalError, match=override.split("=")[0]):
            recipe("nano-coarse", [override])

    def test_unknown_recipes_name_the_known(self):
        with pytest.raises(HyperfocalError, match="nano-coarse"):
            recipe("micro")

    def test_the_refiners_fit_their_coarse_networks(self):
        for name in ("nano-e2e", "tiny-e2e"):
            made = stage(recipe(name, ["imagenet=False", "coarse_lr=0.1"]))
            assert made.coarse.feature_channels == made.refiner.coarse_channels

    def test_every_recipe_names_a_stage(self):
        assert {r.stage for r in RECIPES.values()} == set(STAGES)


@pytest.mark.parametrize("steps", [20, 100])
def test_one_cycle_is_pytorchs(steps):
    found = recipe("tiny-coarse", [f"steps={steps}", "pct=0.3", "div=2.0", "final_div=100.0"])
    optimizer = torch.optim.AdamW([torch.zeros(1, requires_grad=True)])
    theirs = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, 1.0, total_steps=steps, pct_start=0.3, div_factor=2, final_div_factor=100
    )
    for step in range(steps):
        group = optimizer.param_groups[0]
        assert one_cycle(step, found) == pytest.approx((group["lr"], group["betas"][0]))
        optimizer.step()
        if step < steps - 1:
            theirs.step()


@pytest.mark.parametrize(("name", "steps"), [("tiny-coarse", 60), ("tiny-pretrain", 30), ("tiny-e2e", 60)])
def test_the_loss_falls_on_one_frame(name, steps, tmp_path):
    one = UnrealStereo4K(write_frames(tmp_path / "frames", 1))
    run(name, one, tmp_path / "run", f"steps={steps}", "log_every=5", "lr=0.005", "encoder_lr=1.0", "pct=0.2")
    found = losses(tmp_path / "run")
    assert found[-1] < 0.8 * found[0]


class TestResume:
    @pytest.mark.parametrize("name", ["tiny-coarse", "tiny-pretrain", "tiny-e2e"])
    def test_an_interrupted_run_ends_with_the_same_weights(self, name, reader, tmp_path):
        whole = run(name, reader, tmp_path / "whole", "steps=6", "log_every=3")
        found = recipe(name, ["steps=6", "log_every=3"])
        first = Run(found, tmp_path / "parts")
        assert not first.train(reader, interrupt_at_step_3)
        assert first.step == 3
        second = Run(found, tmp_path / "parts", resume=True)
        assert second.train(reader, lambda _: None)
        for a, b in (
            (whole.networks.state_dict(), second.networks.state_dict()),
            (whole.average.state, second.average.state),
        ):
            assert a.keys() == b.keys()
            assert all(torch.equal(a[key], b[key]) for key in a)
        weights = [load_file(tmp_path / part / "weights.safetensors") for part in ("whole", "parts")]
        assert all(torch.equal(weights[0][key], weights[1][key]) for key in weights[0])
        assert losses(tmp_path / "whole") == losses(tmp_path / "parts")

    def test_a_signal_to_the_whole_process_group_leaves_a_checkpoint(self, tmp_path):
        frames, folder = write_frames(tmp_path / "frames", 2), tmp_path / "run"
        words = f"train tiny-coarse steps=1000000 workers=2 log_every=1 --data {frames} --out {folder}"
        main = [sys.executable, "-c", "from hyperfocal.cli import main; main()"]
        process = subprocess.Popen([*main, *words.split()], start_new_session=True)
        while not (folder / "log.csv").exists():
            assert process.poll() is None
            time.sleep(0.1)
        os.killpg(process.pid, signal.SIGTERM)
        assert process.wait(timeout=60) == INTERRUPTED
        assert Run(recipe("tiny-coarse"), folder, resume=True).step > 0

    @pytest.mark.slow
    def test_a_signal_to_a_launcher_does_so_too(self, tmp_path):
        frames, folder = write_frames(tmp_path / "frames", 2), tmp_path / "run"
        words = f"train tiny-coarse steps=1000000 log_every=1 --data {frames} --out {folder} --devices 2"
        process = subprocess.Popen([sys.executable, "-m", "hyperfocal.cli", *words.split()])
        while not (folder / "log.csv").exists():
            assert process.poll() is None
            time.sleep(0.1)
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=120) == INTERRUPTED
        assert Run(recipe("tiny-coarse"), folder, resume=True).step > 0

    def test_the_time_limit_leaves_a_checkpoint(self, reader, tmp_path):
        stopped = run("tiny-coarse", reader, tmp_path, "minutes=0")
        assert stopped.step == 0
        assert Run(recipe("tiny-coarse", ["steps=2"]), tmp_path, resume=True).train(reader, lambda _: None)

    def test_the_log_forgets_what_the_checkpoint_does_not_know(self, reader, tmp_path):
        run("tiny-coarse", reader, tmp_path, "steps=2", "log_every=1")
        with (tmp_path / "log.csv").open("a") as log:
            log.write("3,1,1,1,1,1\n")
        Run(recipe("tiny-coarse", ["steps=4", "log_every=1"]), tmp_path, resume=True).train(
            reader, lambda _: None
        )
        steps = [row["step"] for row in csv.DictReader((tmp_path / "log.csv").open())]
        assert steps == ["1", "2", "3", "4"]

    def test_a_run_is_not_overwritten(self, reader, coarse_run):
        with pytest.raises(HyperfocalError, match="--resume"):
            Run(recipe("tiny-coarse"), coarse_run)

    def test_nothing_to_resume(self, tmp_path):
        with pytest.raises(HyperfocalError, match="nothing to resume"):
            Run(recipe("tiny-coarse"), tmp_path, resume=True)

    @pytest.mark.parametrize("override", ["coarse.widths=(16,16,8,8,8,8)", "coarse.encoder=resnet18"])
    def test_other_networks_are_refused_in_a_line(self, override, coarse_run):
        with pytest.raises(HyperfocalError, match="networks are others than the recipe's: coarse") as refused:
            Run(recipe("tiny-coarse", [override]), coarse_run, resume=True)
        assert "\n" not in str(refused.value)

    def test_what_is_frozen_stays(self, reader, tmp_path):
        run("tiny-e2e", reader, tmp_path, "steps=1")
        with pytest.raises(HyperfocalError, match="can't change what is frozen"):
            Run(recipe("tiny-e2e", ["coarse_lr=0"]), tmp_path, resume=True)

    def test_signals_are_given_back(self, reader, tmp_path):
        before = signal.getsignal(signal.SIGINT)
        run("tiny-coarse", reader, tmp_path, "steps=1")
        assert signal.getsignal(signal.SIGINT) is before


def test_a_loss_that_is_no_number_names_its_samples(reader, tmp_path):
    broken = Run(recipe("tiny-coarse"), tmp_path)
    with torch.no_grad():
        broken.networks["coarse"].to_depth.bias.fill_(float("nan"))
    with pytest.raises(HyperfocalError, match=r"nan in step 0 on 00000/0000\d, 00000/0000\d"):
        broken.train(reader, lambda _: None)
    assert not list((tmp_path / "checkpoints").iterdir())


class TestEndToEnd:
    def starts(self, coarse_run: Path, pretrain_run: Path) -> list[str]:
        return [f"coarse_from={coarse_run}", f"refiner_from={pretrain_run}"]

    def test_starts_from_what_was_learnt(self, coarse_run, pretrain_run):
        made = stage(recipe("tiny-e2e", self.starts(coarse_run, pretrain_run)))
        coarse, pretrained = (
            load_file(folder / "weights.safetensors") for folder in (coarse_run, pretrain_run)
        )
        assert torch.equal(made.coarse.to_depth.weight, coarse["coarse.to_depth.weight"])
        stem = made.refiner.encoder.net.conv_stem.weight
        assert torch.equal(stem[:, :3], pretrained["refiner.encoder.net.conv_stem.weight"])
        assert not stem[:, 3:].any()
        assert torch.equal(made.refiner.f2c.up[4][0].weight, pretrained["refiner.f2c.up.4.0.weight"])
        assert pretrained["refiner.f2c.final.weight"].any()
        assert not made.refiner.f2c.final.weight.any(), "it starts as the coarse depth, uncorrected"

    def test_the_encoder_can_start_from_the_coarse_one(self, coarse_run, pretrain_run):
        made = stage(
            recipe("tiny-e2e", [*self.starts(coarse_run, pretrain_run), f"encoder_from={coarse_run}"])
        )
        ours, theirs = made.refiner.encoder.state_dict(), made.coarse.encoder.state_dict()
        assert torch.equal(ours["net.conv_stem.weight"][:, :3], theirs["net.conv_stem.weight"])
        assert all(torch.equal(ours[key], theirs[key]) for key in ours if key != "net.conv_stem.weight")

    def test_a_start_that_is_not_there_is_named(self, tmp_path, pretrain_run):
        with pytest.raises(HyperfocalError, match="expected the folder of a training run"):
            stage(recipe("tiny-e2e", [f"coarse_from={tmp_path}"]))
        with pytest.raises(HyperfocalError, match="no coarse weights"):
            stage(recipe("tiny-e2e", [f"coarse_from={pretrain_run}"]))

    @pytest.mark.parametrize("coarse_lr", [0.0, 0.1])
    def test_the_coarse_network_learns_unless_frozen(
        self, coarse_lr, reader, coarse_run, pretrain_run, tmp_path
    ):
        overrides = [*self.starts(coarse_run, pretrain_run), "steps=3", f"coarse_lr={coarse_lr}"]
        before = load_file(coarse_run / "weights.safetensors")
        after = run("tiny-e2e", reader, tmp_path, *overrides).networks["coarse"].state_dict()
        parameters = {name for name, _ in stage(recipe("tiny-e2e")).coarse.named_parameters()}
        moved = {name for name in after if not torch.equal(after[name], before[f"coarse.{name}"])}
        assert moved <= parameters, "batch-norm statistics stay"
        assert bool(moved) == (coarse_lr > 0)

    def test_a_run_goes_on_without_what_it_started_from(self, reader, coarse_run, tmp_path):
        start = shutil.copytree(coarse_run, tmp_path / "coarse")
        words = [f"coarse_from={start}", "coarse_lr=0.0", "steps=1"]
        frozen = run("tiny-e2e", reader, tmp_path / "run", *words).networks["coarse"].state_dict()
        shutil.rmtree(start)
        again = Run(recipe("tiny-e2e", words), tmp_path / "run", resume=True).networks["coarse"].state_dict()
        assert all(torch.equal(again[name], value) for name, value in frozen.items())

    def test_the_export_is_the_averaged_model(self, reader, coarse_run, pretrain_run, tmp_path):
        made = run("tiny-e2e", reader, tmp_path / "run", *self.starts(coarse_run, pretrain_run), "steps=3")
        made.export(tmp_path / "model")
        config, coarse, refiner = checkpoints.load(tmp_path / "model")
        assert (config.canonical_focal, config.sky_from, config.keep_aspect) == (0.65, 250, True)
        average = made.average.state
        for part, network in (("coarse", coarse), ("refiner", refiner)):
            for name, value in network.state_dict().items():
                torch.testing.assert_close(
                    value, average[f"{part}.{name}"].half().to(value.dtype), rtol=0, atol=0
                )

    def test_a_coarse_run_exports_a_model_without_refiner(self, coarse_run, tmp_path):
        Run(recipe("tiny-coarse"), coarse_run, resume=True).export(tmp_path)
        assert checkpoints.load(tmp_path)[2] is None

    def test_pretraining_exports_nothing(self, pretrain_run, tmp_path):
        with pytest.raises(HyperfocalError, match="refiner_from"):
            Run(recipe("tiny-pretrain"), pretrain_run, resume=True).export(tmp_path)


class TestCommands:
    def test_recipes(self):
        shown = CliRunner().invoke(app, ["recipes"])
        assert shown.exit_code == 0
        assert all(name in shown.output for name in RECIPES)

    def test_the_help_keeps_its_example_in_lines(self):
        shown = CliRunner().invoke(app, ["train", "--help"]).output.splitlines()
        assert "hyperfocal train nano-coarse --data frames --out runs/coarse" in map(str.strip, shown)

    def test_train_and_export(self, reader, tmp_path):
        arguments = ["train", "tiny-coarse", "steps=2", "log_every=1", "--data", str(reader.root)]
        arguments += ["--out", str(tmp_path / "run"), "--export", str(tmp_path / "model")]
        shown = CliRunner().invoke(app, arguments)
        assert shown.exit_code == 0, shown.output
        assert "step 2/2" in shown.output
        assert checkpoints.load(tmp_path / "model")[0].coarse["kind"] == "efficientnet_dpt"

    def test_a_report_that_fails_does_not_cost_the_model(self, reader, tmp_path, monkeypatch):
        def fails(folder):
            raise HyperfocalError("no report")

        monkeypatch.setattr("hyperfocal.train.report.write_report", fails)
        arguments = ["train", "tiny-coarse", "steps=1", "--data", str(reader.root)]
        arguments += ["--out", str(tmp_path / "run"), "--export", str(tmp_path / "model")]
        shown = CliRunner().invoke(app, arguments)
        assert (shown.exit_code, shown.stderr) == (1, "hyperfocal: no report\n")
        checkpoints.load(tmp_path / "model")

    def invoke(self, reader, folder: Path, *words: str):
        arguments = ["train", "tiny-coarse", "log_every=1", "validate_every=1", "workers=0", *words]
        return CliRunner().invoke(app, [*arguments, "--data", str(reader.root), "--out", str(folder)])

    def test_json_lines(self, reader, tmp_path):
        more = ["--json", "--val", f"unrealstereo4k:{reader.root}", "--export", str(tmp_path / "model")]
        shown = self.invoke(reader, tmp_path / "run", "steps=2", *more)
        assert shown.exit_code == 0, shown.output
        lines = [json.loads(line) for line in shown.stdout.splitlines()]
        assert [(line["event"], line["step"]) for line in lines] == [
            ("train", 1), ("validation", 1), ("train", 2), ("validation", 2), ("end", 2)
        ]  # fmt: skip
        assert [line["loss"] for line in lines[0:3:2]] == pytest.approx(losses(tmp_path / "run"), rel=1e-5)
        assert lines[1]["images"] == 3
        assert lines[-1] == {
            **{"event": "end", "run": str(tmp_path / "run"), "step": 2, "steps": 2, "done": True},
            **{"model": str(tmp_path / "model"), "report": str(tmp_path / "run" / "report.md")},
        }

    def test_json_has_no_nan(self, capsys):
        _row("train", {"step": 1, "gradient_norm": math.inf, "loss": math.nan})
        shown = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)
        assert shown == {"event": "train", "step": 1, "gradient_norm": None, "loss": None}

    def test_a_signal_exports_nothing_and_fails(self, reader, tmp_path, monkeypatch):
        stopped = threading.Event()
        stopped.set()
        monkeypatch.setattr("hyperfocal.train.engine.stop_signals", lambda: nullcontext(stopped))
        shown = self.invoke(reader, tmp_path / "run", "--export", str(tmp_path / "model"))
        assert shown.exit_code == INTERRUPTED
        assert "model: not written, the run isn't done; --resume goes on" in shown.stderr
        assert not (tmp_path / "model").exists()

    def test_minutes_that_are_over_are_no_failure(self, reader, tmp_path):
        shown = self.invoke(reader, tmp_path / "run", "minutes=0", "--json")
        assert shown.exit_code == 0, shown.output
        assert not json.loads(shown.stdout)["done"]
        shown = self.invoke(reader, tmp_path / "run", "--resume")
        assert "stopped at step 0/20" in shown.output, "the limit is of each call"
        assert "; --resume goes on" in shown.output

    def test_minutes_that_are_over_before_the_export_are(self, reader, tmp_path):
        shown = self.invoke(reader, tmp_path / "run", "minutes=0", "--export", str(tmp_path / "model"))
        assert shown.exit_code == 1
        assert "not written" in shown.stderr
        assert not (tmp_path / "model").exists()

    def test_a_resumed_run_keeps_what_it_was_begun_with(self, reader, tmp_path):
        begun = self.invoke(
            reader, tmp_path, "minutes=0", "lr=0.01", "steps=9", "coarse.widths=(8,8,8,8,8,8)"
        )
        assert begun.exit_code == 0, begun.output
        shown = self.invoke(reader, tmp_path, "--resume", "minutes=None", "steps=2")
        assert shown.exit_code == 0, shown.output
        assert "done at step 2/2" in shown.output
        found = recipe("tiny-coarse", run=tmp_path)
        assert (found.lr, found.steps, found.coarse["widths"]) == (0.01, 2, (8,) * 6)

    def test_another_recipe_does_not_resume_a_run(self, reader, tmp_path):
        self.invoke(reader, tmp_path, "minutes=0")
        words = ["train", "tiny-e2e", "--resume", "--data", str(reader.root), "--out", str(tmp_path)]
        shown = CliRunner().invoke(app, words)
        assert shown.exit_code == 2
        assert "a run of tiny-coarse, not of tiny-e2e" in " ".join(shown.stderr.split())

    def test_an_export_that_cannot_be_is_refused_before_the_training(self, reader, tmp_path):
        arguments = ["train", "tiny-pretrain", "--data", str(reader.root)]
        arguments += ["--out", str(tmp_path / "run"), "--export", str(tmp_path / "model")]
        shown = CliRunner().invoke(app, arguments)
        assert shown.exit_code == 1
        assert "refiner_from" in shown.stderr
        assert not (tmp_path / "run").exists()
