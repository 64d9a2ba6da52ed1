"""Model directories and published checkpoints: round trips, and one clear line for each thing gone wrong."""

import dataclasses
import json
import re
import resource
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

import hyperfocal
from hyperfocal.checkpoints import ModelConfig, build, load, save
from hyperfocal.checkpoints.published import patchrefiner_v2_state
from hyperfocal.checkpoints.state import Unwritten
from hyperfocal.errors import HyperfocalError
from hyperfocal.machine import release
from hyperfocal.refine.patchrefiner_v2 import PatchRefinerV2, paper

WIDTHS = (12, 10, 8, 8, 6, 4)
COARSE = {"kind": "efficientnet_dpt", "encoder": "test_efficientnet", "widths": WIDTHS}
REFINER = {
    "kind": "patchrefiner_v2",
    "encoder": "test_efficientnet",
    "coarse_channels": WIDTHS,
    "c2f_widths": (8,) * 5,
    "head_widths": (6, 4),
    "f2c_widths": (8, 8, 8, 6, 6, 4),
    "decoder_widths": (8, 8, 6, 6, 4),
    "space": "log",
}


def config(**changes) -> ModelConfig:
    values = {
        "coarse": COARSE,
        "refiner": REFINER,
        "coarse_size": (64, 96),
        "tile_size": (96, 128),
        "keep_aspect": True,
        "canonical_focal": 0.6,
        "sky_from": 300.0,
        "licence": "Apache-2.0",
        "description": "made for a test",
    }
    return ModelConfig(**values | changes)


@pytest.fixture
def saved(tmp_path):
    torch.manual_seed(0)
    save(tmp_path, config(), *build(config()))
    return tmp_path


def edit_config(directory, **changes):
    path = directory / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.mark.parametrize("refiner", [REFINER, None])
def test_round_trip(tmp_path, refiner):
    made = config(refiner=refiner)
    networks = build(made)
    save(tmp_path / "new" / "model", made, *networks)
    files = {p.name: p.stat().st_mode for p in (tmp_path / "new" / "model").iterdir()}
    assert files.keys() == {"config.json", "model.safetensors"}
    assert len(set(files.values())) == 1  # others may read the weights, too
    read, *loaded = load(tmp_path / "new" / "model")
    assert read == made
    for ours, theirs in zip(loaded, networks, strict=True):
        if theirs is None:
            assert ours is None
            continue
        assert not ours.training
        state = theirs.state_dict()
        assert ours.state_dict().keys() == state.keys()
        assert all(torch.equal(v, state[k]) for k, v in ours.state_dict().items())


def test_a_save_that_fails_leaves_the_old_model(saved):
    before = {p.name: p.read_bytes() for p in saved.iterdir()}
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, limits[1]))  # the system refuses the rest of the file
    try:
        with pytest.raises(
            HyperfocalError, match=r"model\.safetensors: cannot be written: .*File too large"
        ) as caught:
            save(saved, config(description="new"), *build(config()))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert "\n" not in str(caught.value)
    assert {p.name: p.read_bytes() for p in saved.iterdir()} == before


linux = pytest.mark.skipif(sys.platform != "linux", reason="asks Linux for what is in memory")


@linux
def test_weights_stay_in_their_file_until_they_are_used(saved):
    _, coarse, _ = load(saved)
    weights = dict(coarse.named_parameters())
    before = {name: weight.detach().clone() for name, weight in weights.items()}
    assert mapped_kib(saved / "model.safetensors") > 0
    release(weights.values())
    assert mapped_kib(saved / "model.safetensors") == 0
    assert all(torch.equal(weight, before[name]) for name, weight in weights.items())
    assert mapped_kib(saved / "model.safetensors") > 0


@linux
def test_changed_weights_are_not_released(saved):
    _, coarse, refiner = load(saved)
    with torch.no_grad():
        coarse.context.weight.fill_(7)
    release(refiner.parameters())  # of the same file
    assert torch.equal(coarse.context.weight, torch.full_like(coarse.context.weight, 7))
    assert mapped_kib(saved / "model.safetensors") > 0


@linux
def test_the_resting_network_is_not_in_memory(tmp_path):
    made = config()
    save(tmp_path / "blob", made, *build(made))
    (tmp_path / "model").mkdir()  # as the hub's cache has it: a link to a file of another name
    (tmp_path / "model" / "config.json").write_bytes((tmp_path / "blob" / "config.json").read_bytes())
    blob = (tmp_path / "blob" / "model.safetensors").rename(tmp_path / "blob" / "0a1b2c")
    (tmp_path / "model" / "model.safetensors").symlink_to(blob)
    model = hyperfocal.load(tmp_path / "model", device="cpu")
    assert mapped_kib(blob) == 0
    model.predict(np.zeros((80, 120, 3), np.uint8))
    assert mapped_kib(blob) == 0
    model.coarse(torch.rand(1, 3, 64, 96))
    assert mapped_kib(blob) > 0


@linux
def test_files_in_half_precision_are_not_kept(tmp_path):
    made = config()
    save(tmp_path, made, *build(made), torch.float16)
    networks = load(tmp_path)
    assert str(tmp_path) not in Path("/proc/self/maps").read_text()
    assert networks


def mapped_kib(path: Path) -> int:
    """How much of a file that is mapped is in this process's memory."""
    maps = Path("/proc/self/smaps").read_text()
    found = re.search(rf" {re.escape(str(path))}\n(?:\w+:.*\n)*?Rss: +(\d+)", maps)
    assert found, "not mapped"
    return int(found[1])


ZOEDEPTH = {"kind": "zoedepth", "dim": 64, "depth": 4, "heads": 2}  # whose blocks have buffers of their own


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {
            "coarse": ZOEDEPTH,
            "refiner": {"kind": "patchfusion", "base": ZOEDEPTH, "size": (64, 96)},
            "keep_aspect": False,
        },
        {"coarse": ZOEDEPTH, "refiner": {"kind": "boosting", "base": ZOEDEPTH}},  # whose base is frozen
    ],
)
def test_unwritten_networks_differ_in_weights_alone(changes):
    made = config(**changes)
    before = torch.get_rng_state()
    with Unwritten():
        networks = build(made)
    assert torch.equal(torch.get_rng_state(), before)  # nothing was drawn
    for ours, theirs in zip(networks, build(made), strict=True):
        torch.testing.assert_close(dict(ours.named_buffers()), dict(theirs.named_buffers()))
        shapes = [[(p.shape, p.requires_grad) for p in network.parameters()] for network in (ours, theirs)]
        assert shapes[0] == shapes[1]


def test_two_networks_with_the_same_weights_are_two_in_the_file(tmp_path):
    made = config(coarse=ZOEDEPTH, refiner={"kind": "patchrefiner", "base": ZOEDEPTH})
    coarse, refiner = build(made)
    refiner.base.load_state_dict(coarse.state_dict(), assign=True)
    save(tmp_path, made, coarse, refiner)
    torch.testing.assert_close(load(tmp_path)[2].base.state_dict(), coarse.state_dict())


def test_keys_are_prefixed_by_their_network(saved):
    assert {key.split(".")[0] for key in load_file(saved / "model.safetensors")} == {"coarse", "refiner"}


def test_half_precision_file_loads_as_float32(tmp_path):
    made = config()
    coarse, refiner = build(made)
    save(tmp_path, made, coarse, refiner, torch.float16)
    assert load_file(tmp_path / "model.safetensors")["coarse.context.weight"].dtype == torch.float16
    assert coarse.context.weight.dtype == torch.float32
    loaded = load(tmp_path)[1]
    assert loaded.context.weight.dtype == torch.float32
    torch.testing.assert_close(loaded.context.weight, coarse.context.weight, rtol=1e-3, atol=1e-6)


def test_saves_networks_in_channels_last(tmp_path):
    made = config()
    coarse, refiner = build(made)
    save(tmp_path, made, coarse.to(memory_format=torch.channels_last), refiner)
    torch.testing.assert_close(load(tmp_path)[1].state_dict(), coarse.state_dict())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"coarse": {**COARSE, "kind": "eficientnet_dpt"}}, "did you mean 'efficientnet_dpt'"),
        (
            {"refiner": {**REFINER, "kind": "zoe"}},
            "unknown refiner kind 'zoe'; known: .*patchfusion, patchfusion_cvpr, patchrefiner",
        ),
        ({"coarse": {**COARSE, "width": 3}}, "did you mean 'widths'"),
        ({"coarse": {}}, "no kind"),
        ({"coarse": "efficientnet_dpt"}, "must be an object with a kind, not 'efficientnet_dpt'"),
        ({"refiner": {"kind": "patchrefiner", "base": "vits"}}, "base network must be an object"),
        (
            {
                "coarse": {"kind": "depth_anything"},
                "refiner": None,
                "coarse_size": (56, 70),
                "tile_size": (56, 70),
            },
            "keep_aspect makes sides of multiples of 32, not 14",
        ),
        ({"tile_size": (100, 128)}, "tile_size must be two positive multiples of 32"),
        ({"coarse_size": (64,)}, "coarse_size must be"),
        ({"sky_from": -1.0}, "sky_from must be a positive number"),
    ],
)
def test_wrong_config_is_refused(changes, message):
    with pytest.raises(HyperfocalError, match=message) as caught:
        config(**changes)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"coarse": {**COARSE, "encoder": "no_such_net"}}, "cannot build the coarse network"),
        ({"refiner": {**REFINER, "coarse_channels": (1, 2, 3, 4, 5, 6)}}, "the refiner reads coarse maps"),
        ({"refiner": {**REFINER, "denoise": "often"}}, "cannot build the refiner network .*often"),
    ],
)
def test_networks_that_cannot_be_built_are_refused(changes, message):
    with pytest.raises(HyperfocalError, match=message):
        build(config(**changes))


def test_not_a_model_directory(tmp_path):
    with pytest.raises(HyperfocalError, match="is not a model directory"):
        load(tmp_path)


def test_broken_json(saved):
    (saved / "config.json").write_text("{")
    with pytest.raises(HyperfocalError, match="is not JSON"):
        load(saved)


def test_unknown_and_missing_entries(saved):
    edit_config(saved, tilesize=[1, 2])
    with pytest.raises(HyperfocalError, match="did you mean 'tile_size'"):
        load(saved)
    values = dataclasses.asdict(config())
    del values["sky_from"]
    (saved / "config.json").write_text(json.dumps(values))
    with pytest.raises(HyperfocalError, match="has no sky_from"):
        load(saved)


def test_pickles_are_not_read(saved):
    (saved / "model.safetensors").rename(saved / "pytorch_model.bin")
    with pytest.raises(HyperfocalError, match=r"pytorch_model\.bin is a pickle"):
        load(saved)


def test_pickle_under_the_right_name_is_not_read(saved):
    torch.save({"a": torch.ones(3)}, saved / "model.safetensors")
    with pytest.raises(HyperfocalError, match="not a readable safetensors file"):
        load(saved)


def test_cut_off_weights(saved):
    data = (saved / "model.safetensors").read_bytes()
    (saved / "model.safetensors").write_bytes(data[: len(data) // 2])
    with pytest.raises(HyperfocalError, match="not a readable safetensors file"):
        load(saved)


def test_mismatch_is_one_line_with_the_first_keys(saved):
    state = load_file(saved / "model.safetensors")
    state["coarse.extra"] = state.pop("coarse.context.bias")
    state["refiner.f2c.final.weight"] = torch.zeros(1, 9, 3, 3)
    save_file(state, saved / "model.safetensors")
    with pytest.raises(HyperfocalError) as caught:
        load(saved)
    text = str(caught.value)
    assert "1 missing (coarse.context.bias)" in text
    assert "1 unexpected (coarse.extra)" in text
    assert "1 of another shape (refiner.f2c.final.weight [1, 9, 3, 3] instead of [1, 4, 3, 3])" in text
    assert "\n" not in text


def test_weights_of_a_refiner_that_the_config_lacks(saved):
    edit_config(saved, refiner=None)
    with pytest.raises(HyperfocalError, match=r"unexpected \(refiner\."):
        load(saved)


@pytest.fixture
def published():
    """The entries of a published checkpoint, without their values, and the refiner that they fill."""
    keys = json.loads((Path(__file__).parent / "data/parity/networks/PRV2_M/keys.json").read_text())
    with torch.device("meta"):
        return {name: torch.empty(shape) for name, shape in keys.items()}, PatchRefinerV2(**paper("M"))


FINAL = "refiner_fusion_model.final_conv.weight"


def test_published_entries_are_all_used_once(published):
    state, refiner = published
    ours = patchrefiner_v2_state(state, refiner)
    assert ours.keys() == refiner.state_dict().keys()
    used = [v for k, v in ours.items() if not k.endswith("num_batches_tracked")]
    unused = [
        v for k, v in state.items() if "refinenet5.GateresConfUnit1" in k or "2_fusion.GateresConfUnit1" in k
    ]
    assert len(unused) == 14
    assert {id(v) for v in used + unused} == {id(v) for v in state.values()}


def test_published_base_networks_are_left_out(published):
    state, refiner = published
    extra = {"coarse_branch.core.x": torch.ones(1), "fine_branch.core.x": torch.ones(1)}
    assert patchrefiner_v2_state(state | extra, refiner).keys() == refiner.state_dict().keys()


def test_published_entry_that_nobody_knows(published):
    state, refiner = published
    with pytest.raises(HyperfocalError, match=r"nobody knows: refiner_fusion_model\.mystery"):
        patchrefiner_v2_state(state | {"refiner_fusion_model.mystery": torch.ones(1)}, refiner)


def test_published_entry_missing_or_of_another_shape(published):
    state, refiner = published
    with pytest.raises(HyperfocalError, match=r"1 missing \(f2c\.final\.weight\)"):
        patchrefiner_v2_state({k: v for k, v in state.items() if k != FINAL}, refiner)
    with pytest.raises(HyperfocalError, match="1 of another shape"):
        patchrefiner_v2_state(state | {FINAL: torch.ones(1, 5, 3, 3)}, refiner)


def test_published_checkpoint_of_another_variant(published):
    state, _ = published
    with torch.device("meta"):
        refiner = PatchRefinerV2(**paper("M"), c2f_widths=None)
    with pytest.raises(HyperfocalError, match="unexpected"):
        patchrefiner_v2_state(state, refiner)
