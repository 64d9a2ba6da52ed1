"""Stages on tiny networks: what learns in each, from which batches, and where networks start."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from safetensors.torch import save_file

import hyperfocal
from frames import write_frames
from hyperfocal import checkpoints
from hyperfocal.coarse import make as make_network
from hyperfocal.coarse.depth_anything import paper
from hyperfocal.coarse.encoder import Encoder
from hyperfocal.data.patches import PaperPatches, PaperPhotos, Patches, partner, rotated
from hyperfocal.data.unrealstereo4k import UnrealStereo4K
from hyperfocal.errors import HyperfocalError
from hyperfocal.tiles.plan import Box
from hyperfocal.train.groups import groups
from hyperfocal.train.recipes import recipe
from hyperfocal.train.stages import WEIGHTS, model_config, networks, resumed, stage
from hyperfocal.train.stages.networks import cropped, slowly
from hyperfocal.train.stages.pseudo_labels import LOSSES, Labelled
from hyperfocal.train.stages.stage import Part
from hyperfocal.train.stages.weights import start_from_imagenet, weights

SMALL = ("patches.image=(96,128)", "batch=2", "patches.split=(2,2)")
PATCHES = Patches(image=(96, 128), split=(2, 2), process=(64, 64))
PAPER_STAGES = (
    "tiny-patches-coarse",
    "tiny-fine",
    pytest.param("tiny-patchfusion", marks=pytest.mark.slow),
    "tiny-patchfusion-cat",
    "tiny-patchrefiner",
    "tiny-patches-pretrain",
    "tiny-patches-e2e",
)


@pytest.fixture(scope="module")
def reader(tmp_path_factory) -> UnrealStereo4K:
    return UnrealStereo4K(write_frames(tmp_path_factory.mktemp("frames"), 3))


@pytest.fixture(scope="module")
def teacher(tmp_path_factory) -> Path:
    """A model directory of a tiny refiner that works on the papers' crops."""
    folder = tmp_path_factory.mktemp("teacher")
    torch.manual_seed(1)
    made = stage(recipe("tiny-patches-e2e", SMALL))
    checkpoints.save(folder, model_config(made.recipe), made.coarse, made.refiner)
    return folder


@pytest.fixture(scope="module")
def noisy(tmp_path_factory) -> Path:
    """A run of noisy pretraining."""
    torch.manual_seed(3)
    return save_run(stage(recipe("tiny-patches-pretrain", SMALL)), tmp_path_factory.mktemp("noisy"))


def make(name: str, *overrides: str):
    torch.manual_seed(0)
    made = stage(recipe(name, [*SMALL, *overrides]))
    made.train()
    return made


def first_losses(made, reader, steps: int = 1, lr: float = 0.0) -> list[float]:
    """The losses of the same batch over a few steps of plain Adam at the parts' rates."""
    batch = made.dataset(reader)[0]
    made.recipe = replace(made.recipe, lr=lr)
    optimizer = torch.optim.Adam([{"params": g["params"], "lr": g["peak"]} for g in groups(made)])
    losses = []
    for _ in range(steps):
        loss = made.loss(batch, torch.Generator().manual_seed(0))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def gradients(made) -> set[str]:
    """Names of parameters that got a gradient."""
    return {name for name, p in made.networks.named_parameters() if p.grad is not None and p.grad.any()}


def save_run(made, folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    save_file({k: v.contiguous() for k, v in made.networks.state_dict().items()}, folder / WEIGHTS)
    return folder


class TestPatches:
    def test_a_crop_sees_the_truth_of_its_own_place(self, reader):
        patches = Patches(image=(96, 128), split=(2, 2), process=(96, 128), depth=(1e-3, 1000), rotation=0)
        batch = PaperPatches(reader, batch=2, windows=2, patches=patches, pairs=False, seed=1)[4]
        assert batch.windows.shape == (4, 3, 96, 128)
        assert batch.target.shape == (4, 1, 48, 64)
        assert batch.owner.tolist() == [0, 0, 1, 1]
        for i, (top, left, height, width) in enumerate(batch.boxes.int().tolist()):
            assert (height, width) == (48, 64)
            photo = batch.photo[batch.owner[i]][:, top : top + height, left : left + width]
            seen = torch.nn.functional.interpolate(
                batch.windows[i][None], (height, width), mode="bilinear", align_corners=True
            )[0]
            torch.testing.assert_close(seen, photo, atol=0.15, rtol=0)
            assert (seen - photo).abs().mean() < 0.02

    def test_partners_see_the_same_where_they_overlap(self, reader):
        batch = PaperPatches(reader, batch=3, windows=1, patches=PATCHES, pairs=True, seed=1)[0]
        assert batch.owner.tolist() == [0, 1, 2, 0, 1, 2]
        for i, (y, x) in enumerate(batch.shifts.tolist()):
            assert (abs(y), abs(x)) == (12, 16)
            first, second = batch.target[i, 0], batch.target[i + 3, 0]
            rows, columns = slice(max(y, 0), 48 + min(y, 0)), slice(max(x, 0), 64 + min(x, 0))
            there = slice(max(-y, 0), 48 + min(-y, 0)), slice(max(-x, 0), 64 + min(-x, 0))
            assert torch.equal(first[rows, columns], second[there])

    def test_partners_stay_inside_and_go_everywhere(self):
        rng = np.random.default_rng(0)
        found = {partner(rng, Box(24, 32, 48, 64), (96, 128)) for _ in range(50)}
        assert {(b.top, b.left) for b in found} == {(12, 16), (12, 48), (36, 16), (36, 48)}
        corner = {partner(rng, Box(0, 64, 48, 64), (96, 128)) for _ in range(20)}
        assert {(b.top, b.left) for b in corner} == {(12, 48)}

    def test_truth_out_of_range_is_unknown_and_photos_come_to_one_size(self, reader):
        patches = Patches(image=(48, 64), split=(2, 2), process=(32, 32), depth=(3.0, 20.0))
        batch = PaperPhotos(reader, batch=3, patches=patches, seed=0)[0]
        assert batch.image.shape == (3, 3, 32, 32)
        assert batch.target.shape == (3, 1, 48, 64)
        known = batch.target[batch.target != 0]
        assert known.min() > 3
        assert known.max() < 20
        assert (batch.target == 0).any(), "the sky"

    def test_rotation_moves_image_and_truth_alike(self):
        metres = np.tile(np.arange(1, 65, dtype=np.float32), (48, 1))
        image = np.repeat(metres[..., None], 3, 2).astype(np.uint8)
        turned, depth = rotated(image, metres, 1.0)
        inside = np.s_[4:-4, 4:-4]
        assert np.abs(turned[inside][..., 0] - depth[inside]).max() <= 1
        assert not np.array_equal(depth, metres)

    def test_batches_depend_on_seed_and_step_alone(self, reader):
        make_one = lambda seed: PaperPatches(  # noqa: E731
            reader, batch=1, windows=1, patches=PATCHES, pairs=False, seed=seed
        )
        assert torch.equal(make_one(1)[7].windows, make_one(1)[7].windows)
        assert not torch.equal(make_one(1)[7].windows, make_one(2)[7].windows)


class TestWhatLearns:
    @pytest.mark.parametrize("name", PAPER_STAGES)
    def test_the_loss_falls_on_one_batch(self, name, reader, teacher):
        made = make(name, "patches.process=(32,32)", f"coarse_from={teacher}")
        losses = first_losses(made, reader, steps=4, lr=3e-3)
        assert min(losses[1:]) < losses[0]

    def test_fusion_leaves_both_base_networks_alone(self, reader, teacher):
        made = make("tiny-patchfusion-cat", "batch=1", "patches.process=(32,32)", f"coarse_from={teacher}")
        first_losses(made, reader)
        learnt = gradients(made)
        assert not any(name.startswith(("coarse.", "refiner.base.")) for name in learnt)
        assert {name.split(".")[1] for name in learnt} == {"g2l", "fusion", "bins"}
        assert not made.refiner.base.training

    def test_fusion_is_patchfusions(self):
        with pytest.raises(HyperfocalError, match="for patchrefiner there is e2e"):
            make("tiny-patchfusion", "refiner.kind=patchrefiner")

    def test_consistency_is_what_cat_adds(self, reader, teacher):
        small = ("batch=1", "patches.process=(32,32)", f"coarse_from={teacher}")
        with_it = make("tiny-patchfusion-cat", *small)
        without = make("tiny-patchfusion-cat", *small, "consistency=1e-9")
        batch = with_it.dataset(reader)[0]
        generator = torch.Generator()
        assert with_it.loss(batch, generator) > without.loss(batch, generator)

    def test_patchrefiner_freezes_the_coarse_network(self, reader, teacher):
        made = make("tiny-patchrefiner", "coarse_lr=0.1", "batch=1", f"coarse_from={teacher}")
        first_losses(made, reader)
        assert {name.split(".")[0] for name in gradients(made)} == {"refiner"}

    @pytest.mark.parametrize("coarse_lr", [0.0, 0.1])
    def test_end_to_end_reaches_the_coarse_network(self, coarse_lr, reader, teacher):
        made = make("tiny-patches-e2e", "batch=1", f"coarse_lr={coarse_lr}", f"coarse_from={teacher}")
        first_losses(made, reader, steps=2, lr=1e-3)
        assert any(name.startswith("coarse.") for name in gradients(made)) == (coarse_lr > 0)

    def test_batch_norms_follow_only_where_asked(self, teacher):
        assert not make("tiny-patches-e2e").coarse.training
        asked = make("tiny-patches-e2e", "batch_norm=True", "coarse_lr=0.1")
        assert asked.coarse.training
        assert asked.refiner.encoder.training
        frozen = make("tiny-patches-e2e", "batch_norm=True", "coarse_lr=0", f"coarse_from={teacher}")
        assert not frozen.coarse.training

    @pytest.mark.parametrize("name", ["tiny-patches-e2e", "tiny-patches-pretrain"])
    def test_convnexts_stride_2_map_learns_at_the_full_rate(self, name):
        """It starts random: V2's section on training counts it with the fusion, not with the encoder."""
        made = make(name, "refiner.encoder=convnext_atto", "encoder_lr=0.1")
        encoder, peaks = made.refiner.encoder, {}
        for group in groups(made):
            peaks |= dict.fromkeys(group["params"], group["peak"])
        assert {peaks[p] for p in encoder.to_stride2.parameters()} == {made.recipe.lr}
        assert {peaks[p] for p in encoder.net.parameters()} == {0.1 * made.recipe.lr}
        frozen = make(name, "refiner.encoder=convnext_atto", "encoder_lr=0").refiner.encoder
        assert all(p.requires_grad for p in frozen.to_stride2.parameters())
        assert not any(p.requires_grad for p in frozen.net.parameters())

    def test_metric_heads_learn_at_the_full_rate(self):
        made = make("tiny-fine", "encoder_lr=0.1")
        assert [part.rate for part in made.parts()] == [0.1, 1.0]
        with torch.device("meta"):
            network = make_network({"kind": "depth_anything", **paper("vits")})
        assert slowly(network, 0.1) == [Part(network.bins), Part(network.bottleneck), Part(network, 0.1)]

    def test_the_coarse_network_may_decay_otherwise(self):
        made = make("tiny-patches-e2e", "weight_decay=1e-5", "coarse_decay=0.01")
        coarse = set(made.coarse.parameters())
        for group in groups(made):
            assert group["weight_decay"] == (0.01 if set(group["params"]) <= coarse else 1e-5)

    def test_norms_biases_and_positions_may_not_decay(self, teacher):
        made = make("tiny-patchfusion", "decay_all=False", f"coarse_from={teacher}")
        names = {parameter: name for name, parameter in made.refiner.named_parameters()}
        decays, stays = set(), set()
        for group in groups(made):
            (decays if group["weight_decay"] else stays).update(names[p] for p in group["params"])
        assert decays
        assert all(name.endswith(("weight", "bias", "position", "table")) for name in stays)
        assert not any(name.endswith(("bias", "position", "table")) or ".norm" in name for name in decays)
        assert {"g2l.0.position", "g2l.0.blocks.0.attn.relative_position_bias_table"} <= stays
        decaying = make("tiny-patchfusion", f"coarse_from={teacher}")
        assert all(group["weight_decay"] for group in groups(decaying))

    @pytest.mark.parametrize(
        ("network", "stay"),
        [
            (
                ("kind=zoedepth", "dim=16", "depth=4", "heads=2", "reassemble=(32,32,16,16)", "width=32"),
                {"encoder.start", *(f"encoder.position_bias.{i}" for i in range(4))},
            ),
            (
                ("kind=depth_anything_v2", "reassemble=(8,8,8,8)", "width=8"),
                {"encoder.net.cls_token", "encoder.net.pos_embed"},
            ),
        ],
    )
    def test_nor_may_a_transformers_places_and_start_token(self, network, stay):
        process = "patches.process=(224,224)"
        made = make("tiny-fine", "decay_all=False", process, *(f"coarse.{text}" for text in network))
        names = {parameter: name for name, parameter in made.fine.named_parameters()}
        decays = {names[p] for group in groups(made) if group["weight_decay"] for p in group["params"]}
        assert stay <= set(names.values()) - decays
        assert "encoder.start" not in decays
        assert all(names[p] in decays for p in names if p.ndim > 1 and names[p].endswith("weight"))

    def test_pretraining_in_metres_starts_alive(self, reader):
        made = make("tiny-patches-pretrain")
        assert made.refiner.f2c.final.weight.mean().item() == pytest.approx(1, abs=0.5)
        ones = make("tiny-patches-pretrain", "noise=ones")
        batch = ones.dataset(reader)[0]
        seeds = [torch.Generator().manual_seed(i) for i in (0, 1)]
        assert ones.loss(batch, seeds[0]) == ones.loss(batch, seeds[1])
        assert made.loss(batch, seeds[0]) != made.loss(batch, seeds[1])


class TestStarts:
    """PatchRefiner V2's Table 8: nothing, noisy pretraining whole or encoder only, a given checkpoint; ImageNet."""

    def test_whole(self, noisy):
        made = make("tiny-patches-e2e", f"refiner_from={noisy}")
        given = weights(str(noisy), "refiner")
        own = made.refiner.state_dict()
        stem = "encoder.net.conv_stem.weight"
        assert torch.equal(own[stem][:, :3], given[stem])
        assert not own[stem][:, 3:].any()
        assert all(torch.equal(own[k], v) for k, v in given.items() if k != stem), "the last convolution too"
        dropped = make("tiny-patches-e2e", f"refiner_from={noisy}", "keep_final=False").refiner.state_dict()
        assert not torch.equal(dropped["f2c.final.weight"], given["f2c.final.weight"])

    def test_encoder_only(self, noisy):
        fresh, made = make("tiny-patches-e2e"), make("tiny-patches-e2e", f"encoder_from={noisy}")
        given = weights(str(noisy), "refiner")
        for name, value in made.refiner.state_dict().items():
            if name.startswith("encoder.") and "conv_stem" not in name:
                assert torch.equal(value, given[name])
            elif not name.startswith("encoder."):
                assert torch.equal(value, fresh.refiner.state_dict()[name])

    def test_a_model_directory(self, teacher):
        made = make("tiny-patches-e2e", f"refiner_from={teacher}", f"coarse_from={teacher}")
        _, coarse, refiner = checkpoints.load(teacher)
        for ours, theirs in ((made.coarse, coarse), (made.refiner, refiner)):
            state = ours.state_dict()
            assert all(torch.equal(state[k], v) for k, v in theirs.state_dict().items())

    def test_what_is_frozen_needs_a_start(self, teacher):
        for words in (
            ("tiny-patchrefiner",),
            ("tiny-patchfusion",),
            ("tiny-patches-e2e", "coarse_lr=0"),
            ("tiny-patches-e2e", "coarse_lr=0", f"refiner_from={teacher}"),
            ("tiny-patches-e2e", "refiner.kind=boosting", "refiner.merge_widths=(4,4,4,4,4)"),
        ):
            with pytest.raises(HyperfocalError, match="no start: set coarse_from="):
                make(*words)
        make("tiny-patches-e2e")

    def test_a_resumed_stage_needs_none(self, tmp_path):
        words = (f"coarse_from={tmp_path}", f"refiner_from={tmp_path}", "imagenet=True", "coarse_lr=0")
        found = recipe("tiny-patches-e2e", [*SMALL, *words, "refiner.encoder=resnet18"])
        made = resumed(found)
        assert not any(p.requires_grad for p in made.coarse.parameters())

    @pytest.mark.parametrize("start", ["refiner_from", "encoder_from"])
    def test_imagenet_weights_are_fetched_only_where_they_stay(self, start, teacher, monkeypatch):
        fetched = []
        monkeypatch.setattr(networks, "start_from_imagenet", lambda _, name: fetched.append(name))
        make("tiny-patches-e2e", f"{start}={teacher}", f"coarse_from={teacher}", "imagenet=True")
        assert fetched == []
        make("tiny-patches-e2e", f"coarse_from={teacher}", "imagenet=True")
        assert fetched == ["test_efficientnet"]

    def test_synthetic_to_real_warns_without_a_trained_refiner(self, teacher, caplog):
        make("tiny-dsd", f"pseudo.model={teacher}", f"refiner_from={teacher}")
        assert not caplog.messages
        make("tiny-dsd", f"pseudo.model={teacher}")
        assert "refiner_from=" in caplog.text

    def test_broken_weights_are_refused(self, tmp_path):
        (tmp_path / WEIGHTS).write_bytes(b"no tensors")
        with pytest.raises(HyperfocalError, match="not a readable safetensors file"):
            make("tiny-fine", f"coarse_from={tmp_path}")

    def test_an_encoder_that_is_not_there(self, tmp_path):
        save_file({"refiner.head.weight": torch.zeros(1)}, tmp_path / WEIGHTS)
        with pytest.raises(HyperfocalError, match="no encoder to start from"):
            make("tiny-patches-e2e", f"encoder_from={tmp_path}")

    def test_the_base_network(self, teacher, tmp_path):
        torch.manual_seed(9)
        fine = save_run(stage(recipe("tiny-fine", SMALL)), tmp_path)
        for name in ("tiny-patchfusion", "tiny-patchrefiner"):
            made = make(name, f"coarse_from={teacher}", f"base_from={fine}")
            base = made.refiner.base.state_dict()
            assert all(torch.equal(base[k], v) for k, v in weights(str(fine), "coarse").items())
        alone = make("tiny-patchrefiner", f"coarse_from={teacher}")
        assert torch.equal(alone.refiner.base.to_depth.weight, alone.coarse.to_depth.weight)

    def test_another_design_is_refused(self, noisy):
        with pytest.raises(HyperfocalError, match="one design"):
            make("tiny-patches-e2e", f"refiner_from={noisy}", "refiner.head_widths=(8,6)")

    def test_imagenet_weights_fill_a_four_channel_stem(self, monkeypatch):
        create = timm.create_model
        published = create("resnet18", features_only=True)
        monkeypatch.setattr(timm, "create_model", lambda *_, **__: published)
        monkeypatch.setattr("hyperfocal.coarse.encoder.timm.create_model", create)
        encoder = Encoder("test_efficientnet", extra_channels=1)
        encoder.net = create("resnet18", features_only=True, in_chans=4)
        monkeypatch.setattr(timm, "create_model", lambda *_, **__: published)
        start_from_imagenet(encoder, "resnet18")
        assert torch.equal(encoder.net.conv1.weight[:, :3], published.conv1.weight)
        assert not encoder.net.conv1.weight[:, 3:].any()

    def test_unreachable_imagenet_weights_say_what_to_do(self, monkeypatch):
        def offline(*_, **__):
            raise OSError("no route to the hub\nand a traceback")

        encoder = Encoder("resnet18")
        monkeypatch.setattr(timm, "create_model", offline)
        with pytest.raises(HyperfocalError, match=r"no route to the hub; imagenet=False starts without$"):
            start_from_imagenet(encoder, "resnet18")


class TestSyntheticToReal:
    @pytest.mark.parametrize("loss", LOSSES)
    def test_every_label_loss_reaches_the_refiner(self, loss, reader, teacher):
        made = make("tiny-dsd", f"pseudo.model={teacher}", f"pseudo.loss={loss}", "batch=1")
        [value] = first_losses(made, reader)
        assert np.isfinite(value)
        assert any(name.startswith("refiner.c2f") for name in gradients(made))

    def test_a_student_that_is_its_teacher_has_nothing_to_learn_from_it(self, reader, teacher):
        starts = (f"coarse_from={teacher}", f"refiner_from={teacher}", f"pseudo.model={teacher}")
        made = make("tiny-dsd", *starts, "pseudo.loss=ssi", "batch=1")
        made.networks.eval()
        batch = made.dataset(reader)[0]
        label = made.teacher(batch)
        assert torch.equal(label, made.refiner(batch.windows, *made.crops(batch)))
        assert not any(p.requires_grad for p in [label])
        assert "teacher" not in dict(made.networks.named_modules())

    def test_offline_labels_go_where_the_truth_goes(self, reader, tmp_path):
        for index in range(len(reader)):
            sample = reader[index]
            label = np.where(np.isfinite(sample.metres), sample.metres * 2, 0)
            np.save(tmp_path / f"{sample.name.replace('/', '_')}.npy", label.astype(np.float32))
        assert Labelled(reader, tmp_path, None)[0].metres.shape == (96, 128, 2)
        made = make("tiny-dsd", f"pseudo.folder={tmp_path}", "patches.depth=(0.001,1000)")
        batch = made.dataset(reader)[2]
        known = batch.target > 0
        assert known.any()
        torch.testing.assert_close(batch.label[known], 2 * batch.target[known])
        assert np.isfinite(made.loss(batch, torch.Generator()).item())

    def test_labels_come_from_one_place(self, teacher, tmp_path):
        for sources in ((), (f"pseudo.model={teacher}", f"pseudo.folder={tmp_path}")):
            with pytest.raises(HyperfocalError, match="takes labels from"):
                make("tiny-dsd", *sources)
        with pytest.raises(HyperfocalError, match="one of ranking"):
            make("tiny-dsd", f"pseudo.model={teacher}", "pseudo.loss=l1")
        with pytest.raises(HyperfocalError, match="works at"):
            make("tiny-dsd", f"pseudo.model={teacher}", "patches.process=(96,96)")


class TestNetworks:
    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ("refiner.denoise=gat", "denoise=gat: one of gate, fuse, none"),
            ("refiner.space=meter", "space=meter: one of metres, log"),
            ("refiner.c2f_widths=(8,8)", "c2f_widths must be 5 numbers"),
            ("refiner.encoder=resnt18", "refiner network .*resnt18"),
            ("coarse.encoder=resnt18", "coarse network .*resnt18"),
            ("refiner.coarse_channels=(8,8,8,8,8,8)", "the refiner reads coarse maps of"),
        ],
    )
    @pytest.mark.parametrize("name", ["tiny-patches-e2e", "tiny-patches-pretrain"])
    def test_what_can_not_be_is_refused_in_one_line(self, name, text, said):
        with pytest.raises(HyperfocalError, match=said) as refused:
            make(name, text)
        assert "\n" not in str(refused.value)

    def test_pairs_need_room(self, reader, teacher):
        made = make("tiny-patchfusion-cat", "patches.split=(1,1)", f"coarse_from={teacher}")
        with pytest.raises(HyperfocalError, match=r"patches.split of at least \(2, 2\)"):
            made.dataset(reader)

    @pytest.mark.parametrize("name", ["v2-e2e-u4k-m", "v2-da2-e2e-u4k-m", "tiny-patches-e2e"])
    def test_the_refiner_follows_another_coarse_network(self, name):
        assert "coarse_channels" not in recipe(name).refiner
        config = model_config(recipe(name, ["coarse.kind=dense_depth", "patches.process=(384,512)"]))
        with torch.device("meta"):
            coarse, refiner = checkpoints.build(config)
        assert refiner.coarse_channels == coarse.feature_channels

    @pytest.mark.parametrize(
        ("name", "kind", "size"),
        [
            ("pf-fusion-u4k", "depth_anything", "(392,518)"),
            ("pr-u4k", "depth_anything", "(392,518)"),
            ("v2-e2e-u4k-m", "depth_anything_v2", "(448,448)"),
        ],
    )
    def test_another_kind_takes_photos_of_its_own_size(self, name, kind, size):
        """As docs/training/stages.md says."""
        model_config(recipe(name, [f"coarse.kind={kind}", f"patches.process={size}"]))
        with pytest.raises(HyperfocalError, match="multiples of 14"):
            model_config(recipe(name, [f"coarse.kind={kind}"]))


@pytest.mark.parametrize("name", ["tiny-patchfusion", "tiny-patchrefiner", "tiny-patches-e2e", "tiny-fine"])
def test_exports_predict(name, teacher, tmp_path):
    made = make(name, f"coarse_from={teacher}")
    config = model_config(made.recipe)
    refiner = made.networks["refiner"] if config.refiner else None
    checkpoints.save(tmp_path, config, made.networks["coarse"], refiner)
    again, _, loaded = checkpoints.load(tmp_path)
    assert (again.coarse_size, again.keep_aspect, again.canonical_focal) == ((64, 64), False, None)
    assert (loaded is None) == (refiner is None)
    photo = np.random.default_rng(0).integers(0, 256, (96, 128, 3), np.uint8)
    depth = hyperfocal.load(str(tmp_path)).predict(photo, tiling="none" if refiner is None else "p16")
    assert depth.metres.shape == (96, 128)
    assert np.isfinite(depth.metres).all()


@pytest.mark.slow
def test_any_refiner_goes_with_any_coarse_network(reader):
    made = make(
        "tiny-patches-e2e",
        "batch=1",
        "patches.process=(224,224)",
        "coarse.kind=depth_anything",
        "coarse.width=16",
        "coarse.reassemble=(32,32,16,16)",
        "refiner.kind=patchrefiner_v2",
        "refiner.encoder=test_efficientnet",
        "refiner.c2f_widths=(8,8,8,8,8)",
    )
    assert made.refiner.coarse_channels == (16, 16, 16, 16, 16, 32)
    batch = made.dataset(reader)[0]
    depth, features = cropped(made.coarse(batch.photo), made.refiner, batch)
    assert made.refiner(batch.windows, depth, features).shape == (1, 1, 224, 224)
