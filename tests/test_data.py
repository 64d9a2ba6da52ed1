"""Reader, crops, looks and batches: metric truth survives, and a batch depends on (seed, step) alone."""

import logging
import math
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from frames import boxes, write_frame, write_frames
from hyperfocal.data import augment, batches, crops
from hyperfocal.data.sample import Sample
from hyperfocal.data.unrealstereo4k import UnrealStereo4K
from hyperfocal.errors import HyperfocalError
from hyperfocal.refine.roi import crop_maps
from hyperfocal.tiles.plan import Box


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return write_frames(tmp_path_factory.mktemp("frames"), 3)


def ramp(height: int = 60, width: int = 90) -> Sample:
    """A slanted plane z = 5 / (1 − x/2 + y/4) of normalised camera coordinates, and a sky."""
    k = np.array([[70.0, 0, 44.5], [0, 70.0, 29.5], [0, 0, 1]])
    x, y = (np.arange(width) - k[0, 2]) / k[0, 0], (np.arange(height)[:, None] - k[1, 2]) / k[1, 1]
    metres = (5 / (1 - x / 2 + y / 4)).astype(np.float32)
    metres[:5] = np.inf
    image = np.broadcast_to(np.uint8(np.arange(width))[None, :, None], (height, width, 3))
    return Sample(np.ascontiguousarray(image), metres, k, "ramp")


def points(sample: Sample) -> np.ndarray:
    """(N, 3) of the surface, in the camera's frame."""
    v, u = np.nonzero(np.isfinite(sample.metres))
    z = sample.metres[v, u].astype(np.float64)
    return (np.linalg.inv(sample.intrinsics) @ np.stack([u, v, np.ones_like(u)])).T * z[:, None]


def plane_error(sample: Sample, mirrored: bool) -> float:
    """Largest distance of the points from the ramp's plane, z − x/2 + y/4 = 5."""
    x, y, z = points(sample).T
    return float(np.abs(z - (-x if mirrored else x) / 2 + y / 4 - 5).max())


class TestReader:
    def test_depth_is_metric(self, folder):
        sample = UnrealStereo4K(folder)[1]
        image, metres, focal = boxes(np.random.default_rng(1), 96, 128)
        np.testing.assert_array_equal(sample.image, image)
        np.testing.assert_allclose(sample.metres, metres, rtol=1e-5)
        assert np.isinf(sample.metres).any()
        assert sample.metres.dtype == np.float32
        assert sample.focal_px == pytest.approx(focal)
        assert sample.name == "00000/00001"

    def test_an_epoch_has_every_frame_once_in_an_order_of_its_own(self, tmp_path):
        reader = UnrealStereo4K(write_frames(tmp_path, 7))
        drawn = [reader.draw(3, position) for position in range(70)]
        epochs = [tuple(drawn[start : start + 7]) for start in range(0, 70, 7)]
        assert all(set(epoch) == set(range(7)) for epoch in epochs)
        assert len(set(epochs)) > 5
        assert [reader.draw(3, position) for position in reversed(range(70))] == drawn[::-1]
        assert [reader.draw(4, position) for position in range(70)] != drawn

    def test_jpeg_images(self, tmp_path):
        write_frames(tmp_path, 1)
        png = tmp_path / "00000/Image0/00000.png"
        cv2.imwrite(str(png.with_suffix(".jpg")), cv2.imread(str(png)))
        png.unlink()
        assert UnrealStereo4K(tmp_path)[0].image.shape == (96, 128, 3)

    def test_incomplete_frames_wait_for_a_refresh(self, tmp_path):
        write_frames(tmp_path, 2)
        write_frames(tmp_path, 1, scene="00007")
        late = tmp_path / "00000/Extrinsics1/00001.txt"
        text = late.read_text()
        late.unlink()
        reader = UnrealStereo4K(tmp_path)
        assert [reader[i].name for i in range(len(reader))] == ["00000/00000", "00007/00000"]
        late.write_text(text)
        reader.refresh()
        assert len(reader) == 3

    def test_an_empty_folder_is_refused(self, tmp_path):
        with pytest.raises(HyperfocalError, match="no frames"):
            UnrealStereo4K(tmp_path)

    @pytest.mark.parametrize(
        ("kind", "name", "content"),
        [
            ("Image0", "00000.png", b"no picture"),
            ("Disp0", "00000.npy", b"\x93NUMPY cut off"),
            ("Extrinsics0", "00000.txt", b"700 0\n1 0 0 0"),
            ("Extrinsics1", "00000.txt", b""),
        ],
    )
    def test_broken_files_are_named(self, tmp_path, kind, name, content):
        write_frames(tmp_path, 1)
        path = tmp_path / "00000" / kind / name
        path.write_bytes(content)
        with pytest.raises(HyperfocalError, match=f"{kind}/{name}"):
            UnrealStereo4K(tmp_path)[0]

    def test_a_disparity_of_another_size_is_refused(self, tmp_path):
        write_frames(tmp_path, 1)
        np.save(tmp_path / "00000/Disp0/00000.npy", np.ones((4, 4), np.float32))
        with pytest.raises(HyperfocalError, match="does not fit"):
            UnrealStereo4K(tmp_path)[0]


class TestCrops:
    @pytest.mark.parametrize("mirrored", [False, True])
    def test_geometry_survives(self, mirrored):
        sample = crops.flip(ramp()) if mirrored else ramp()
        assert plane_error(sample, mirrored) < 1e-4
        sample = crops.crop(sample, Box(7, 12, 40, 60))
        assert plane_error(sample, mirrored) < 1e-4
        # Nearest sampling shifts a depth by up to half a source pixel, here of about 0.05 m.
        assert plane_error(crops.resize(sample, (30, 45)), mirrored) < 0.15
        assert plane_error(crops.resize(sample, (120, 180)), mirrored) < 0.15

    def test_flip_undoes_itself_and_moves_depth_with_the_image(self):
        sample = ramp()
        once, twice = crops.flip(sample), crops.flip(crops.flip(sample))
        np.testing.assert_array_equal(once.metres[:, 0], sample.metres[:, -1])
        np.testing.assert_array_equal(once.image[:, 0], sample.image[:, -1])
        np.testing.assert_array_equal(twice.metres, sample.metres)
        np.testing.assert_array_equal(twice.intrinsics, sample.intrinsics)

    def test_resized_depth_is_measured_depth_at_the_same_place(self):
        sample = ramp(60, 90)
        third = crops.resize(sample, (20, 30))
        np.testing.assert_array_equal(third.metres, sample.metres[1::3, 1::3])
        np.testing.assert_array_equal(third.image, sample.image[1::3, 1::3])
        assert set(np.unique(crops.resize(sample, (50, 37)).metres)) <= set(np.unique(sample.metres))

    def test_canonical_depth_of_a_resized_photo_is_the_same(self):
        sample = ramp()
        scales = [crops.canonical_scale(s, 0.65) for s in (sample, crops.resize(sample, (120, 180)))]
        assert scales[0] == pytest.approx(scales[1])
        assert scales[0] == pytest.approx(0.65 * math.sqrt(60 * 90) / 70)

    def test_a_crop_is_a_photo_of_a_longer_lens(self):
        sample = ramp()
        part = crops.crop(sample, Box(10, 10, 30, 45))
        assert part.focal_px == sample.focal_px
        whole, half = (crops.canonical_scale(s, 0.65) for s in (sample, part))
        assert half == pytest.approx(whole / 2)
        # metres = canonical / scale gives the truth back, whatever the crop.
        target = crops.canonical_target(part.metres, half, limit=250, far=500)
        np.testing.assert_allclose(target / half, part.metres, rtol=1e-6)

    def test_canonical_targets_of_sky_far_and_unknown(self):
        metres = np.array([np.inf, 400, 10, 0, np.nan, -1], np.float32)
        target = crops.canonical_target(metres, 2.0, limit=250, far=500)
        np.testing.assert_array_equal(target, np.float32([500, 250, 20, 0, 0, 0]))

    def test_valid_pixels_are_those_that_say_something(self):
        sample = Sample(np.zeros((1, 4, 3), np.uint8), np.float32([[np.inf, 3, 0, np.nan]]), np.eye(3), "x")
        assert sample.valid.tolist() == [[True, True, False, False]]

    def test_sizes_have_the_area_and_both_orientations(self):
        rng = np.random.default_rng(0)
        sizes = [crops.draw_size(rng, 288 * 384) for _ in range(50)]
        assert all(side % 32 == 0 for size in sizes for side in size)
        assert all(0.85 < h * w / (288 * 384) < 1.15 for h, w in sizes)
        assert min(w / h for h, w in sizes) < 0.8
        assert max(w / h for h, w in sizes) > 1.5

    @pytest.mark.parametrize("inside", [(1080, 1920), (360, 640), (500, 300)])
    @pytest.mark.parametrize("size", [(288, 384), (448, 256)])
    def test_boxes_lie_inside_with_the_aspect_asked_for(self, inside, size):
        rng = np.random.default_rng(0)
        for _ in range(30):
            box = crops.draw_box(rng, inside, size, (0.35, 1))
            assert 0 <= box.top <= box.top + box.height <= inside[0]
            assert 0 <= box.left <= box.left + box.width <= inside[1]
            assert box.width / box.height == pytest.approx(size[1] / size[0], rel=0.01)


class TestLooks:
    def test_a_window_looks_as_its_part_of_the_photo(self):
        image = np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)
        for seed in range(20):
            look = augment.Look.draw(np.random.default_rng(seed))
            part = look(image[10:30, 12:42], (10 / 40, 12 / 60, 30 / 40, 42 / 60))
            np.testing.assert_allclose(part, look(image)[10:30, 12:42], atol=1e-5)

    def test_images_stay_in_range_and_change(self):
        image = np.random.default_rng(0).integers(0, 256, (32, 48, 3), np.uint8)
        plain, changed = np.float32(image) / 255, 0
        for seed in range(30):
            rng = np.random.default_rng(seed)
            seen = augment.degrade(augment.Look.draw(rng)(image), rng)
            assert seen.dtype == np.float32
            assert seen.shape == image.shape
            assert seen.min() >= 0
            assert seen.max() <= 1
            changed += np.abs(seen - plain).mean() > 0.02
        assert changed > 15

    def test_a_vignette_darkens_corners_only(self):
        grey = np.full((41, 61, 3), 200, np.uint8)
        look = augment.Look(np.float32(np.arange(256) / 255).repeat(3).reshape(256, 1, 3), 1.0, 0.5)
        lit = look(grey) / np.float32(200 / 255)
        assert lit[20, 30].mean() == pytest.approx(1, abs=1e-3)
        assert lit[0, 0].mean() == pytest.approx(0.5, abs=0.03)
        assert (np.diff(lit[20, 30:, 0]) <= 0).all()

    def test_sensors_and_files_leave_their_marks_and_depend_on_the_generator_alone(self):
        """Of a flat field and an edge: noise grows with light, blur and JPEG spread the edge."""
        image = np.full((64, 96, 3), 0.2, np.float32)
        image[:, 50:] = 0.8
        noisy = blurred = untouched = 0
        for seed in range(80):
            seen = augment.degrade(image.copy(), np.random.default_rng(seed))
            np.testing.assert_array_equal(seen, augment.degrade(image.copy(), np.random.default_rng(seed)))
            untouched += np.array_equal(seen, image)
            noisy += seen[:, 70:].std() > 1.2 * seen[:, :30].std() > 1e-3
            blurred += abs(seen[:, 50].mean() - seen[:, 60:80].mean()) > 0.03
        assert 10 < noisy < 60
        assert 5 < blurred < 40
        assert 5 < untouched < 40


def whole_crops(folder: Path, seed: int = 0) -> batches.WholeCrops:
    reader = UnrealStereo4K(folder)
    return batches.WholeCrops(
        reader, batch=2, area=64 * 64, fraction=(0.35, 1.0), canonical=batches.Canonical(), seed=seed
    )


def window_crops(folder: Path) -> batches.WindowCrops:
    return batches.WindowCrops(
        UnrealStereo4K(folder),
        batch=2,
        windows=3,
        area=96 * 96,
        tile_size=(64, 96),
        window=(32, 64),
        fraction=(0.7, 1.0),
        canonical=batches.Canonical(),
        seed=0,
    )


class TestBatches:
    def test_a_batch_depends_on_seed_and_step_alone(self, folder):
        first = whole_crops(folder)
        first[0]
        again, other_step, other_seed = whole_crops(folder)[5], first[6], whole_crops(folder, 1)[5]
        assert torch.equal(first[5].image, again.image)
        assert torch.equal(first[5].target, again.target)
        for other in (other_step, other_seed):
            assert other.image.shape != again.image.shape or not torch.equal(other.image, again.image)

    def test_worker_processes_change_nothing(self, folder):
        here, there = (list(batches.batches(whole_crops(folder), 2, 5, workers=n)) for n in (0, 2))
        assert len(here) == len(there) == 3
        assert all(torch.equal(a.image, b.image) for a, b in zip(here, there, strict=True))

    def test_whole_batches(self, folder):
        batch = whole_crops(folder)[0]
        n, channels, height, width = batch.image.shape
        assert (n, channels) == (2, 3)
        assert batch.target.shape == (2, 1, height, width)
        assert height % 32 == width % 32 == 0
        assert set(batch.target[batch.target > 250].unique().tolist()) <= {500.0}
        assert len(batch.names) == 2

    def test_windows_show_their_boxes(self, folder, monkeypatch):
        """Without augmentation of looks, a window is its box of the photo, only sharper."""
        plain = augment.Look(np.float32(np.arange(256) / 255).repeat(3).reshape(256, 1, 3), 1.0, 0.0)
        monkeypatch.setattr(batches.Look, "draw", lambda rng: plain)
        monkeypatch.setattr(batches, "degrade", lambda image, rng: image)
        batch = window_crops(folder)[0]
        size = (batch.photo.shape[2], batch.photo.shape[3])
        assert batch.owner.tolist() == [0, 0, 0, 1, 1, 1]
        assert (batch.boxes[:, :2] >= 0).all()
        assert (batch.boxes[:, :2] + batch.boxes[:, 2:] <= torch.tensor(size) + 1e-3).all()
        seen = crop_maps([batch.photo], batch.boxes, size, [batch.windows.shape[-2:]], batch.owner)[0]
        assert (seen - batch.windows).abs().mean() < 0.03
        shuffled = crop_maps(
            [batch.photo], batch.boxes.roll(1, 0), size, [batch.windows.shape[-2:]], batch.owner
        )
        assert (shuffled[0] - batch.windows).abs().mean() > 0.06

    def test_windows_have_the_canonical_depth_of_their_photo(self, tmp_path):
        """A window's own field of view is smaller than its photo's, but the photo's camera is what counts."""
        image, metres, focal = boxes(np.random.default_rng(0), 96, 128)
        write_frame(tmp_path, image, np.full_like(metres, 10), focal, "00000")
        dataset = window_crops(tmp_path)
        dataset.fraction = (1.0, 1.0)
        for step in range(4):
            batch = dataset[step]
            aspect = batch.photo.shape[3] / batch.photo.shape[2]
            width = min(128, 96 * aspect)
            expected = 10 * 0.65 * math.sqrt(width * width / aspect) / focal
            torch.testing.assert_close(
                batch.target, torch.full_like(batch.target, expected), rtol=0.01, atol=0
            )

    def test_unreadable_frames_are_named_and_passed_over(self, tmp_path, caplog):
        write_frames(tmp_path, 4)
        (tmp_path / "00000/Image0/00002.png").write_bytes(b"")
        dataset = whole_crops(tmp_path)
        with caplog.at_level(logging.WARNING):
            names = {name for step in range(12) for name in dataset[step].names}
        assert names == {"00000/00000", "00000/00001", "00000/00003"}
        assert "00002.png" in caplog.text

    @pytest.mark.parametrize("workers", [0, 1])
    def test_a_folder_without_a_readable_frame_ends_in_one_line(self, tmp_path, workers):
        write_frames(tmp_path, 1)
        (tmp_path / "00000/Image0/00000.png").write_bytes(b"")
        with pytest.raises(HyperfocalError, match="could not be read") as caught:
            next(batches.batches(whole_crops(tmp_path), 0, 1, workers=workers))
        assert "\n" not in str(caught.value)

    def test_new_frames_join_later(self, tmp_path):
        write_frames(tmp_path, 1)
        dataset = whole_crops(tmp_path)
        dataset[0]
        write_frame(tmp_path, *boxes(np.random.default_rng(9), 96, 128), "00009")
        assert {name for step in range(8) for name in dataset[step].names} == {"00000/00000"}
        later = range(batches.RELIST_EVERY, batches.RELIST_EVERY + 8)
        assert {name for step in later for name in dataset[step].names} == {"00000/00000", "00000/00009"}
