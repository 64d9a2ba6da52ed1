"""The engine: batches shared by processes, accumulation, checkpoints, killed runs, what a run leaves to be seen."""

import csv
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from typer.testing import CliRunner

from frames import write_frames
from hyperfocal.boosting import BoostingModel
from hyperfocal.cli import app
from hyperfocal.cli.extras import EXTRAS
from hyperfocal.data.batches import Canonical, Part, Share, WholeCrops, WindowCrops, parts
from hyperfocal.data.unrealstereo4k import UnrealStereo4K
from hyperfocal.errors import HyperfocalError
from hyperfocal.evaluate.panel import CELL
from hyperfocal.train import checkpoint, processes
from hyperfocal.train.engine import Run
from hyperfocal.train.journal import Journal, read
from hyperfocal.train.recipes import recipe

MAIN = [sys.executable, "-m", "hyperfocal.cli", "train"]

# In float64: in float32, Adam makes a difference of 1e-4 from rounding where a gradient is almost nothing.
DOUBLE = """
import sys
from pathlib import Path
import torch
from hyperfocal.data.unrealstereo4k import UnrealStereo4K
from hyperfocal.train import engine
from hyperfocal.train.recipes import recipe

def double(found, make=engine.stage):
    stage = make(found)
    stage.networks.double()
    loss = stage.loss
    cast = lambda x: x.double() if isinstance(x, torch.Tensor) and x.is_floating_point() else x
    stage.loss = lambda batch, generator: loss(type(batch)(*map(cast, batch)), generator)
    for module in stage.networks.modules():
        if not list(module.children()):  # some maps are made in float32
            module.register_forward_pre_hook(lambda module, inputs: tuple(map(cast, inputs)))
    return stage

engine.stage = double
frames, out, name, *overrides = sys.argv[1:]
engine.Run(recipe(name, overrides), Path(out)).train(UnrealStereo4K(frames), print)
"""

TWO = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]

# Accelerate offers FSDP on GPUs alone; what it then does works on CPUs as well.
FSDP = """
import os
import sys
from pathlib import Path
from accelerate import state
from accelerate.utils import DistributedType
from torch.distributed.tensor import DTensor
from hyperfocal.data.unrealstereo4k import UnrealStereo4K
from hyperfocal.train.engine import Run
from hyperfocal.train.recipes import recipe

os.environ |= {"ACCELERATE_USE_FSDP": "true", "FSDP_VERSION": "2", "FSDP_AUTO_WRAP_POLICY": "NO_WRAP"}
start = state.AcceleratorState.__init__

def cut(self, *args, fsdp_plugin=None, **kwargs):
    first = not state.AcceleratorState._shared_state
    start(self, *args, fsdp_plugin=fsdp_plugin, **kwargs)
    if first:
        self.fsdp_plugin = fsdp_plugin
        self.distributed_type = state.PartialState._shared_state["distributed_type"] = DistributedType.FSDP

state.AcceleratorState.__init__ = cut
frames, out, last = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
run = Run(recipe("tiny-patches-e2e", ["steps=6"]), out, resume=out.exists())
assert all(isinstance(parameter, DTensor) for parameter in run.networks.parameters())
step = run._step

def until_last(*args):
    if run.step == last:
        run.save()
        sys.exit()
    return step(*args)

run._step = until_last
run.train(UnrealStereo4K(frames), print)
"""


def apart(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> float:
    """Relative distance (L2) of all weights together. Adam lets single ones drift whose gradients are next to 0."""
    distance, length = (sum(f(n).double().square().sum() for n in a) for f in (lambda n: a[n] - b[n], a.get))
    return float((distance / length).sqrt())


@pytest.fixture(scope="module")
def frames(tmp_path_factory) -> Path:
    return write_frames(tmp_path_factory.mktemp("frames"), 4)


@pytest.fixture(scope="module")
def reader(frames) -> UnrealStereo4K:
    return UnrealStereo4K(frames)


def run(name: str, reader: UnrealStereo4K, folder: Path, *overrides: str) -> Run:
    made = Run(recipe(name, overrides), folder)
    made.train(reader, lambda _: None)
    return made


def crops(kind: type, reader: UnrealStereo4K) -> WholeCrops | WindowCrops:
    more = {} if kind is WholeCrops else {"windows": 2, "tile_size": (64, 96), "window": (32, 64)}
    return kind(reader, batch=4, area=64 * 64, fraction=(0.7, 1.0), canonical=Canonical(), seed=3, **more)


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)


class TestShares:
    @pytest.mark.parametrize("kind", [WholeCrops, WindowCrops])
    @pytest.mark.parametrize(("count", "pieces"), [(1, 2), (2, 1), (2, 2), (4, 1)])
    def test_together_processes_see_the_batch_that_one_sees(self, kind, count, pieces, reader):
        dataset = crops(kind, reader)
        shares = [list(parts(range(5, 6), 4, Share(p, count, pieces))) for p in range(count)]
        in_order = [shares[p][piece] for piece in range(pieces) for p in range(count)]
        whole, seen = dataset[5], [dataset[part] for part in in_order]
        for name in set(whole._fields) - {"owner", "names"}:
            assert torch.equal(torch.cat([getattr(part, name) for part in seen]), getattr(whole, name))
        assert [name for part in seen for name in part.names] == list(whole.names)

    def test_parts_follow_steps_and_pieces(self):
        assert list(parts(range(2, 4), 8, Share(1, 2, 2))) == [
            Part(2, 2, 4), Part(2, 6, 8), Part(3, 2, 4), Part(3, 6, 8)
        ]  # fmt: skip

    def test_a_batch_that_cannot_be_shared_is_refused(self, reader, tmp_path):
        with pytest.raises(HyperfocalError, match="batch=2 can't be shared evenly"):
            run("tiny-coarse", reader, tmp_path, "accumulate=3")

    def test_noise_is_drawn_on_the_device_from_a_seed_a_photo(self, monkeypatch):
        seeds = torch.randint(2**62, (2,), generator=torch.Generator().manual_seed(1)).tolist()
        expected = [torch.randn(3, 5, generator=torch.Generator().manual_seed(seed)) for seed in seeds]
        asked, generator = [], torch.Generator
        monkeypatch.setattr(torch, "Generator", lambda device: asked.append(device) or generator(device))
        noise = processes.randn((2, 3, 5), generator().manual_seed(1), torch.device("cpu"))
        assert torch.equal(noise, torch.stack(expected))
        assert asked == 2 * [torch.device("cpu")]

    def test_noise_belongs_to_the_photo(self, monkeypatch):
        alone = processes.randn((4, 3, 2), torch.Generator().manual_seed(1))
        monkeypatch.setattr(processes, "count", lambda: 2)
        halves = []
        for index in range(2):
            monkeypatch.setattr(processes, "index", lambda index=index: index)
            generator = torch.Generator().manual_seed(1)
            halves.append(processes.randn((2, 3, 2), generator))
        assert torch.equal(torch.cat(halves), alone)
        assert alone.flatten(1).unique(dim=0).shape[0] == 4

    @pytest.mark.slow
    @pytest.mark.parametrize(
        "training",
        [
            "tiny-e2e batch=2",
            "tiny-e2e batch=4 accumulate=2",
            "tiny-patches-coarse batch=4",  # whose batch norms learn
        ],
    )
    def test_two_processes_learn_what_one_does(self, training, frames, tmp_path):
        (tmp_path / "double.py").write_text(DOUBLE)
        for start, out in (([sys.executable], "one"), (TWO, "two")):
            words = [tmp_path / "double.py", frames, tmp_path / out, *training.split(), "steps=20"]
            subprocess.run([*start, *map(str, words)], check=True, timeout=300)
        one, two = (load_file(tmp_path / out / "weights.safetensors") for out in ("one", "two"))
        for name in one:
            torch.testing.assert_close(two[name], one[name], rtol=0, atol=1e-5)

    @pytest.mark.slow
    def test_they_do_in_single_precision_too(self, frames, tmp_path):
        for count in ("1", "2"):
            words = f"tiny-patches-e2e steps=20 --data {frames} --out {tmp_path / count} --devices {count}"
            subprocess.run([*MAIN, *words.split()], check=True, timeout=300)
        one, two = (load_file(tmp_path / count / "weights.safetensors") for count in ("1", "2"))
        assert apart(one, two) < 1e-5

    @pytest.mark.slow
    def test_networks_cut_in_pieces(self, frames, tmp_path):
        """FSDP stops and goes on bit for bit, and learns what one process does."""
        (tmp_path / "fsdp.py").write_text(FSDP)
        at_once, stopped, alone = (tmp_path / name for name in ("at_once", "stopped", "alone"))
        for out, *stop in ((at_once, "6"), (stopped, "4"), (stopped, "6")):
            subprocess.run(
                [*TWO, *map(str, (tmp_path / "fsdp.py", frames, out, *stop))], check=True, timeout=300
            )
        words = f"tiny-patches-e2e steps=6 --data {frames} --out {alone}"
        subprocess.run([*MAIN, *words.split()], check=True, timeout=300)
        cut, resumed, whole = (load_file(out / "weights.safetensors") for out in (at_once, stopped, alone))
        assert all(torch.equal(cut[name], resumed[name]) for name in whole)
        assert apart(cut, whole) < 1e-5

    @pytest.mark.slow
    def test_devices_and_half_precision(self, frames, tmp_path):
        words = (
            f"tiny-coarse steps=3 log_every=1 --data {frames} --out {tmp_path} --devices 2 --precision bf16"
        )
        shown = subprocess.run(
            [*MAIN, *words.split()], check=True, timeout=300, capture_output=True, text=True
        )
        assert shown.stdout.count("step 3/3") == 2, "said once, by one process: its line and the last one"
        assert all(v.isfinite().all() for v in load_file(tmp_path / "weights.safetensors").values())


def test_the_loss_is_the_mean_over_pieces(reader, tmp_path):
    made = Run(recipe("tiny-coarse", ["batch=4", "accumulate=2", "steps=1", "log_every=1"]), tmp_path)
    made.stage.train()
    dataset = made.stage.dataset(reader)
    with torch.no_grad():
        losses = [made.stage.loss(dataset[Part(0, i, i + 2)], torch.Generator()).item() for i in (0, 2)]
    made.train(reader, lambda _: None)
    (row,) = csv.DictReader((tmp_path / "log.csv").open())
    assert float(row["loss"]) == pytest.approx(np.mean(losses), rel=1e-4)


@pytest.mark.parametrize("name", ["tiny-coarse", "tiny-e2e"])
def test_recomputing_activations_changes_nothing(name, reader, tmp_path):
    plain = run(name, reader, tmp_path / "plain", "steps=3")
    again = run(name, reader, tmp_path / "again", "steps=3", "recompute=True")
    a, b = plain.networks.state_dict(), again.networks.state_dict()
    assert a.keys() == b.keys()
    for key in a:
        torch.testing.assert_close(a[key], b[key], rtol=0, atol=1e-6)


class TestCheckpoints:
    def test_a_killed_run_ends_with_the_same_weights(self, reader, frames, tmp_path):
        words = ["tiny-coarse", "steps=12", "log_every=1", "workers=1", "save_minutes=0.0"]
        more = ["--data", str(frames), "--out", str(tmp_path / "killed")]
        process = subprocess.Popen([*MAIN, *words, *more])
        log = tmp_path / "killed" / "log.csv"
        while not log.exists() or log.read_text().count("\n") < 5:
            assert process.poll() is None
            time.sleep(0.01)
        process.kill()
        assert process.wait(timeout=60) == -signal.SIGKILL
        resumed = Run(recipe(words[0], words[1:]), tmp_path / "killed", resume=True)
        assert 0 < resumed.step < 12
        resumed.train(reader, lambda _: None)
        whole = run(*words[:1], reader, tmp_path / "whole", *words[1:])
        assert same(whole.networks.state_dict(), resumed.networks.state_dict())
        weights = [load_file(tmp_path / part / "weights.safetensors") for part in ("whole", "killed")]
        assert same(*weights)

    def test_the_newest_are_kept(self, reader, tmp_path):
        run("tiny-coarse", reader, tmp_path, "steps=5", "save_minutes=0.0", "keep=3")
        assert [path.name for path in checkpoint.checkpoints(tmp_path)] == [f"step-{k}.pt" for k in (3, 4, 5)]

    def test_what_a_killed_process_had_begun_is_removed(self, reader, tmp_path):
        run("tiny-coarse", reader, tmp_path, "steps=1")
        begun = tmp_path / "checkpoints" / ".hyperfocal-0"
        begun.touch()
        assert Run(recipe("tiny-coarse"), tmp_path, resume=True).step == 1
        assert not begun.exists()

    def test_a_run_of_version_0_1_goes_on(self, reader, tmp_path):
        run("tiny-coarse", reader, tmp_path, "steps=1")
        checkpoint.checkpoints(tmp_path)[0].rename(tmp_path / "state.pt")
        assert Run(recipe("tiny-coarse"), tmp_path, resume=True).step == 1

    def test_code_in_a_checkpoint_is_not_run(self, reader, tmp_path):
        run("tiny-coarse", reader, tmp_path, "steps=1")
        torch.save({"step": Evil(tmp_path / "ran")}, tmp_path / "checkpoints" / "step-9.pt")
        with pytest.raises(HyperfocalError, match=r"step-9\.pt: no checkpoint that can be read"):
            Run(recipe("tiny-coarse"), tmp_path, resume=True)
        assert not (tmp_path / "ran").exists()

    def test_a_gradient_that_is_no_number_leaves_the_last_good_checkpoint(self, reader, tmp_path):
        broken = Run(recipe("tiny-coarse", ["save_minutes=0.0", "workers=0"]), tmp_path)
        loss = broken.stage.loss

        def steep(batch, generator):
            found = loss(batch, generator)
            return found + (0 * found).sqrt() if broken.step == 2 else found

        broken.stage.loss = steep
        with pytest.raises(HyperfocalError, match="gradient is nan in step 2 on 00000/"):
            broken.train(reader, lambda _: None)
        resumed = Run(recipe("tiny-coarse"), tmp_path, resume=True)
        assert resumed.step == 2
        assert all(v.isfinite().all() for v in resumed.networks.state_dict().values())


class Evil:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def test_unknown_precisions_are_refused(tmp_path):
    with pytest.raises(HyperfocalError, match="one of fp32, bf16, fp16"):
        Run(recipe("tiny-coarse", ["precision=fp8"]), tmp_path)


class TestSeeing:
    def test_a_run_leaves_scores_pictures_and_a_report(self, frames, tmp_path, monkeypatch):
        from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

        for package in set(EXTRAS["metrics"]) - set(EXTRAS["train"]):
            monkeypatch.setitem(sys.modules, package, None)  # training does without
        words = "train tiny-coarse steps=4 log_every=2 validate_every=2 panels_every=4 workers=0"
        more = ["--data", str(frames), "--val", f"unrealstereo4k:{frames}", "--out", str(tmp_path)]
        shown = CliRunner().invoke(app, [*words.split(), *more])
        assert shown.exit_code == 0, shown.output
        scores = list(csv.DictReader((tmp_path / "validation.csv").open()))
        assert [row["step"] for row in scores] == ["2", "4"]
        assert 0 < float(scores[-1]["abs_rel"]) < 100
        board = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
        assert {"train/loss", "validation/abs_rel"} <= set(board.Tags()["scalars"])
        (picture,) = board.Images(board.Tags()["images"][0])
        assert picture.width == 4 * CELL + 12, "photo, truth, coarse, error"
        assert "abs_rel" in (tmp_path / "report.md").read_text()
        assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")

    @pytest.mark.parametrize("name", ["tiny-pretrain", "tiny-patches-pretrain"])
    def test_a_pretrained_refiner_is_scored_on_noise(self, name, reader, tmp_path):
        made = Run(recipe(name, ["steps=2", "panels_every=2", "noise=ones", "workers=0"]), tmp_path)
        made.train(reader, lambda _: None, reader)
        assert 0 < read(tmp_path / "validation.csv")["abs_rel"][0] < 1e4
        model, image = made.model(), torch.rand(1, 3, 64, 96)
        refiner = model.coarse.refiner
        sizes = zip(refiner.coarse_channels, refiner.feature_sizes(64, 96), strict=True)
        maps = [torch.ones(1, channels, *size) for channels, size in sizes]
        silent = torch.full((1, 1, 64, 96), 1.0 if made.recipe.refiner["space"] == "log" else 0.0)
        with torch.inference_mode():
            assert torch.equal(model.coarse(image).depth, refiner(image, silent, maps))
        averaged = made.average.state
        assert all(torch.equal(averaged[f"refiner.{k}"], v) for k, v in refiner.state_dict().items())

    def test_noise_is_the_same_in_every_validation(self, reader, tmp_path):
        words = ["refiner.space=metres"]  # in log space an untrained refiner corrects nothing
        made = Run(recipe("tiny-pretrain", words), tmp_path)
        image = reader[0].image
        a, b = (made.model().predict(image).metres for _ in range(2))
        assert np.array_equal(a, b)
        ones = Run(recipe("tiny-pretrain", [*words, "noise=ones"]), tmp_path / "ones").model()
        assert not np.array_equal(a, ones.predict(image).metres)

    @pytest.mark.parametrize("name", ["tiny-coarse", "tiny-pretrain"])
    def test_validation_does_not_change_what_is_learnt(self, name, reader, tmp_path):
        run(name, reader, tmp_path / "plain", "steps=3")
        made = Run(recipe(name, ["steps=3", "validate_every=1", "panels_every=1"]), tmp_path / "seen")
        made.train(reader, lambda _: None, reader)
        assert same(*(load_file(tmp_path / part / "weights.safetensors") for part in ("plain", "seen")))

    def test_0_is_only_at_the_end(self, reader, tmp_path):
        made = Run(recipe("tiny-coarse", ["steps=3", "log_every=0", "validate_every=0"]), tmp_path)
        assert made.train(reader, lambda _: None, reader)
        assert [read(tmp_path / name)["step"] for name in ("log.csv", "validation.csv")] == [[3], [3]]

    def test_a_broken_photo_is_named_and_left_out(self, reader, tmp_path, caplog):
        broken = UnrealStereo4K(write_frames(tmp_path / "frames", 2))
        broken.frames[0].files["image"].write_bytes(b"")
        words = ["steps=1", "validate_every=1", "panels_every=1", "workers=0"]
        assert Run(recipe("tiny-coarse", words), tmp_path / "run").train(reader, print, broken)
        assert [message.count("00000.png") for message in caplog.messages] == [1, 1]
        assert read(tmp_path / "run" / "validation.csv")["images"] == [1]

    def test_a_last_look_that_fails_costs_nothing(self, reader, tmp_path, monkeypatch):
        def fails(*_):
            raise MemoryError

        monkeypatch.setattr("hyperfocal.train.engine.validate", fails)
        made = Run(recipe("tiny-coarse", ["steps=2", "workers=0"]), tmp_path)
        with pytest.raises(MemoryError):
            made.train(reader, lambda _: None, reader)
        assert Run(recipe("tiny-coarse", ["steps=2"]), tmp_path, resume=True).train(reader, print, reader)

    def test_the_model_is_of_the_kind_that_loading_gives(self, reader, tmp_path):
        coarse = run("tiny-coarse", reader, tmp_path / "coarse", "steps=1").folder
        boosting = {"kind": "boosting", "merge_widths": (4, 4, 4, 4, 4)}
        found = replace(recipe("tiny-e2e", [f"coarse_from={coarse}"]), refiner=boosting)
        assert isinstance(Run(found, tmp_path / "boosting").model(), BoostingModel)

    @pytest.mark.parametrize("text", ["", "step,lo", "step,loss\n7,1\n9,1\n", "step,loss\n7,1\n7,"])
    def test_a_journal_that_a_killed_process_left_goes_on(self, text, tmp_path):
        (tmp_path / "log.csv").write_text(text)
        with Journal(tmp_path, 8) as journal:
            journal.log({"step": 9, "loss": 2.0})
        assert read(tmp_path / "log.csv") == (
            {"step": [7, 9], "loss": [1, 2]} if "7" in text else {"step": [9], "loss": [2]}
        )

    def test_a_journal_counts_past_a_million(self, tmp_path):
        for step in (1_234_567, 1_234_568):
            with Journal(tmp_path, step - 1) as journal:
                journal.log({"step": step, "loss": 1 / 3})
        assert (tmp_path / "log.csv").read_text().split() == [
            "step,loss", "1234567,0.333333", "1234568,0.333333"
        ]  # fmt: skip

    def test_a_journal_that_wrote_millions_as_floats_goes_on(self, tmp_path):
        (tmp_path / "log.csv").write_text("step,loss\n1.23457e+06,1\n")
        with Journal(tmp_path, 1_300_000) as journal:
            journal.log({"step": 1_300_001, "loss": 2.0})
        assert read(tmp_path / "log.csv")["step"] == [1_234_570, 1_300_001]

    def test_a_journal_keeps_its_columns(self, tmp_path):
        (tmp_path / "log.csv").write_text("step,old,loss\n1,5,3\n")
        with Journal(tmp_path, 1) as journal:
            journal.log({"step": 2, "loss": 4, "new": 5})
        columns = read(tmp_path / "log.csv")
        assert (columns["step"], columns["loss"]) == ([1, 2], [3, 4])
        assert np.isnan(columns["old"][1])
