"""Packed frames: what any reader reads comes back bit for bit, crops alone, in a fixed order, from an address too."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

import layouts
from frames import write_frames
from hyperfocal.cli import app
from hyperfocal.data import crops
from hyperfocal.data.batches import Canonical, WholeCrops, batches
from hyperfocal.data.kinds import open_data
from hyperfocal.data.pack import pack
from hyperfocal.data.packed import INDEX, MIXED, Packed, shard_order
from hyperfocal.data.unrealstereo4k import UnrealStereo4K
from hyperfocal.errors import HyperfocalError
from hyperfocal.tiles.plan import Box

SIZE = (270, 530)  # more than a tile, and no multiple of one


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> UnrealStereo4K:
    root = tmp_path_factory.mktemp("frames")
    write_frames(root, 4, SIZE)
    return UnrealStereo4K(write_frames(root, 3, SIZE, scene="00007"))


@pytest.fixture(scope="module")
def packed(source, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("packed")
    assert list(pack(source, out, per_shard=3)) == [[], [], []]
    return out


def command(*arguments: object):
    return CliRunner().invoke(app, ["data", *map(str, arguments)])


def same(a, b) -> None:
    np.testing.assert_array_equal(a.image, b.image)
    np.testing.assert_array_equal(a.metres, b.metres)
    np.testing.assert_array_equal(a.intrinsics, b.intrinsics)
    assert (a.name, a.image.dtype, a.metres.dtype) == (b.name, b.image.dtype, b.metres.dtype)


@pytest.mark.parametrize("write", layouts.WRITERS, ids=lambda w: w.__name__)
def test_every_kind_comes_back_bit_for_bit(write, tmp_path):
    tree = write(tmp_path / "data")
    result = command("pack", f"{tree.kind}:{tmp_path / 'data'}", "--out", tmp_path / "packed", "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["frames"] == 1
    data, reader = (
        open_data(f"{kind}:{tmp_path / where}") for kind, where in ((tree.kind, "data"), ("packed", "packed"))
    )
    same(reader[0], data[0])
    assert reader.scope == data.scope
    assert command("check", f"packed:{tmp_path / 'packed'}").exit_code == 0


def test_a_crop_is_that_of_the_whole_and_decodes_its_tiles_only(source, packed, tmp_path):
    box = Box(260, 300, 10, 40)
    for index in (0, 5):
        same(Packed(packed).crop(index, lambda size: box), crops.crop(source[index], box))
        same(source.crop(index, lambda size: box), crops.crop(source[index], box))
    asked = []
    Packed(packed).crop(0, lambda size: asked.append(size) or box)
    assert asked == [SIZE]
    damaged = Packed(shutil.copytree(packed, tmp_path / "damaged"))
    entry = damaged._entries[damaged.frames[0].name]
    content = bytearray((shard := tmp_path / "damaged/000000.tar").read_bytes())
    first = entry["image"] + 300  # inside the first tile, behind the header
    content[first : first + 2000] = bytes(2000)
    shard.write_bytes(content)
    same(damaged.crop(0, lambda size: box), crops.crop(source[0], box))
    with pytest.raises(HyperfocalError, match=r"000000\.tar"):
        damaged[0]


def test_shards_are_webdatasets(source, packed):
    webdataset = pytest.importorskip("webdataset")
    urls = [str(path) for path in sorted(packed.glob("*.tar"))]
    found = list(webdataset.WebDataset(urls, shardshuffle=False))
    assert [json.loads(sample["json"])["name"] for sample in found] == [f.name for f in source.frames]
    assert all({"image.b2nd", "metres.b2nd"} <= sample.keys() for sample in found)


def test_training_reads_them_and_a_bare_folder_and_refuses_unknown_kinds(source, packed, tmp_path):
    def train(data: object, out: str):
        arguments = ["tiny-coarse", "steps=2", "--data", data, "--out", tmp_path / out]
        return CliRunner().invoke(app, ["train", *map(str, arguments)])

    for data, out in ((f"packed:{packed}", "a"), (source.root, "b")):
        result = train(data, out)
        assert result.exit_code == 0, result.output
        assert "done at step 2/2" in result.stdout
    assert train("pack:somewhere", "c").exit_code == 2


class TestPacking:
    def test_a_stopped_run_goes_on_and_ends_the_same(self, source, packed, tmp_path):
        shards = pack(source, tmp_path, per_shard=3)
        next(shards)
        shards.close()
        assert not (tmp_path / INDEX).exists()
        before = (tmp_path / "000000.tar").stat().st_mtime_ns
        list(pack(source, tmp_path, per_shard=3, workers=2))
        assert (tmp_path / "000000.tar").stat().st_mtime_ns == before
        for path in packed.iterdir():
            assert (tmp_path / path.name).read_bytes() == path.read_bytes()

    def test_unreadable_frames_are_named_and_left_out(self, tmp_path):
        scene = write_frames(tmp_path / "data", 3) / "00000"
        (scene / "Image0/00001.png").write_bytes(b"")
        (scene / "Disp0/00002.npy").unlink()
        for again in (False, True):
            result = command("pack", f"unrealstereo4k:{tmp_path / 'data'}", "--out", tmp_path / "packed")
            assert result.exit_code == 1
            incomplete, broken = result.stderr.splitlines()
            assert "00002" in incomplete
            assert str(scene / ("Disp0/00001.npy" if again else "Image0/00001.png")) in broken
        assert [frame.name for frame in Packed(tmp_path / "packed").frames] == ["00000/00000"]

    def test_shards_of_other_frames_are_not_mixed_in(self, source, packed, tmp_path):
        write_frames(tmp_path / "other", 1, scene="00009")
        shutil.copytree(packed, tmp_path / "packed")
        arguments = ["pack", f"unrealstereo4k:{tmp_path / 'other'}", "--out", tmp_path / "packed"]
        for _ in range(2):
            result = command(*arguments)
            assert result.exit_code == 1
            assert "other frames" in result.stderr
            for surplus in ("000001.tar", "000002.tar"):
                (tmp_path / "packed" / surplus).unlink(missing_ok=True)

    def test_a_wrong_kind_is_a_wrong_command(self, tmp_path):
        assert command("pack", "unreal:x", "--out", tmp_path).exit_code == 2


class TestReading:
    def test_splits_are_names(self, source, packed, tmp_path):
        assert len(Packed(packed, "00007")) == 3
        (tmp_path / "list.txt").write_text("00000/00002\n00007/00000\n")
        reader = Packed(packed, str(tmp_path / "list.txt"))
        assert [frame.name for frame in reader.frames] == ["00000/00002", "00007/00000"]
        assert sorted(reader.draw(3, k) for k in range(2)) == [0, 1]

    @pytest.mark.parametrize(
        ("break_it", "message"),
        [
            (lambda out: (out / INDEX).unlink(), "no packed frames"),
            (lambda out: (out / INDEX).write_text("{"), f"{INDEX}: expected"),
            (lambda out: (out / INDEX).write_text('{"version": 9}'), "version 9"),
            (lambda out: (out / "000000.tar").unlink(), r"000000\.tar"),
            (lambda out: (out / "000000.tar").write_bytes(b"cut"), r"000000\.tar: has 3 bytes"),
        ],
    )
    def test_broken_ones_are_named(self, packed, tmp_path, break_it, message):
        out = shutil.copytree(packed, tmp_path / "packed")
        break_it(out)
        with pytest.raises(HyperfocalError, match=message) as caught:
            Packed(out)[0]
        assert "\n" not in str(caught.value)

    def test_no_folder_no_address(self, tmp_path):
        for where in (tmp_path / "nowhere", f"pipe:cat {tmp_path}/nowhere"):
            result = command("check", f"packed:{where}")
            assert result.exit_code == 1
            assert result.stderr.count("\n") == 1


class TestOrder:
    def test_each_frame_once_an_epoch_and_epochs_and_seeds_differ(self):
        shard_of = np.repeat(np.arange(40), 25)
        orders = [shard_order(shard_of, seed, epoch) for seed, epoch in ((0, 0), (0, 1), (1, 0))]
        for order in orders:
            np.testing.assert_array_equal(np.sort(order), np.arange(1000))
        assert all((a != b).mean() > 0.9 for a, b in zip(orders, orders[1:] + orders[:1], strict=True))
        np.testing.assert_array_equal(orders[0], shard_order(shard_of, 0, 0))

    def test_few_shards_are_needed_at_a_time(self):
        shard_of = np.repeat(np.arange(60), 25)[shard_order(np.repeat(np.arange(60), 25), 0, 0)]
        first = [np.flatnonzero(shard_of == shard)[0] for shard in range(60)]
        last = [np.flatnonzero(shard_of == shard)[-1] for shard in range(60)]
        needed = [sum(f <= k <= e for f, e in zip(first, last, strict=True)) for k in range(1500)]
        assert max(needed) <= MIXED + 1
        assert len(set(shard_of[700:725])) >= MIXED // 2  # and neighbours are of many shards

    def test_a_training_run_draws_epochs(self, packed):
        dataset = WholeCrops(
            Packed(packed), batch=2, area=64 * 64, fraction=(0.35, 1.0), canonical=Canonical(), seed=0
        )
        names = [name for step in range(7) for name in dataset[step].names]
        assert len(set(names[:7])) == len(set(names[7:])) == 7
        resumed = dataset[5]
        here, there = (list(batches(dataset, 4, 7, workers=n)) for n in (0, 2))
        assert torch.equal(here[1].image, resumed.image)
        assert all(torch.equal(a.image, b.image) for a, b in zip(here, there, strict=True))

    def test_a_draw_depends_on_the_seed_and_its_place_alone(self, packed):
        """So any number of processes draw together what one would, and a resumed one what it would have."""
        alone = [Packed(packed).draw(5, place) for place in range(21)]
        together = [Packed(packed) for _ in range(3)]
        for place in reversed(range(21)):
            assert together[place % 3].draw(5, place) == alone[place]


class TestStreaming:
    @pytest.fixture
    def address(self, packed, tmp_path) -> str:
        pytest.importorskip("webdataset")
        return f"pipe:cat {shutil.copytree(packed, tmp_path / 'far')}"

    def test_frames_come_from_an_address_and_are_kept(self, source, address, tmp_path):
        reader = Packed(address, cache=tmp_path / "cache")
        assert not list((tmp_path / "cache").glob("**/*.tar"))
        same(reader[0], source[0])
        assert len(list((tmp_path / "cache").glob("**/*.tar"))) == 1
        shutil.rmtree(tmp_path / "far")
        same(reader[1], source[1])  # of the same shard
        reader.refresh()
        with pytest.raises(HyperfocalError, match=r"000002\.tar"):
            reader[6]

    def test_worker_processes_see_the_same_from_afar(self, packed, address, tmp_path):
        far, near = (
            WholeCrops(reader, batch=2, area=4096, fraction=(0.35, 1.0), canonical=Canonical(), seed=0)
            for reader in (Packed(address, cache=tmp_path / "cache"), Packed(packed))
        )
        both = zip(batches(far, 0, 6, workers=2), batches(near, 0, 6, workers=0), strict=True)
        assert all(torch.equal(a.image, b.image) and torch.equal(a.target, b.target) for a, b in both)

    def test_an_address_may_be_a_pattern(self, source, packed, tmp_path):
        pytest.importorskip("webdataset")
        reader = Packed(f"pipe:cat {packed}/{{}} | cat", cache=tmp_path)
        same(reader[4], source[4])

    def test_old_copies_make_room(self, address, tmp_path):
        reader = Packed(address, cache=tmp_path / "cache", cache_gb=1e-6)
        for index in (0, 3, 6, 0):
            reader[index]
            assert len(list((tmp_path / "cache").glob("**/*.tar"))) == 1

    def test_half_a_shard_is_named_and_fetched_anew(self, source, packed, address, tmp_path):
        reader, shard = Packed(address, cache=tmp_path / "cache"), tmp_path / "far/000000.tar"
        shard.write_bytes((packed / "000000.tar").read_bytes()[:5000])
        with pytest.raises(HyperfocalError, match="has 5000 bytes"):
            reader[0]
        shutil.copy(packed / "000000.tar", shard)
        same(reader[0], source[0])

    def test_a_new_packing_behind_the_address_is_not_mixed_with_old_copies(self, address, tmp_path):
        Packed(address, cache=tmp_path / "cache")[0]
        shutil.rmtree(tmp_path / "far")
        other = UnrealStereo4K(write_frames(tmp_path / "other", 2, (40, 60)))
        list(pack(other, tmp_path / "far", per_shard=2))
        same(Packed(address, cache=tmp_path / "cache")[0], other[0])
