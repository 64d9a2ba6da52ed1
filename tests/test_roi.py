"""crop_maps: bilinear samples at pixel centres, each axis with its own scale."""

import resource

import numpy as np
import pytest
import torch
from torchvision.ops import roi_align

from hyperfocal.refine.roi import crop_maps, extents_of


def bilinear(image: np.ndarray, y: float, x: float) -> float:
    """Sample with pixel centres at integers and the border repeated."""
    y, x = np.clip(y, 0, image.shape[0] - 1), np.clip(x, 0, image.shape[1] - 1)
    top, left = int(y), int(x)
    bottom, right = min(top + 1, image.shape[0] - 1), min(left + 1, image.shape[1] - 1)
    fy, fx = y - top, x - left
    upper = image[top, left] * (1 - fx) + image[top, right] * fx
    return upper * (1 - fy) + (image[bottom, left] * (1 - fx) + image[bottom, right] * fx) * fy


@pytest.mark.parametrize("box", [(0, 0, 30, 40), (3.5, 7.25, 11, 9), (25, 31, 5, 9)])
def test_is_bilinear_sampling_at_bin_centres(box):
    image = np.random.default_rng(0).random((14, 19))
    (crop,) = crop_maps([torch.from_numpy(image)[None, None]], torch.tensor([box]), (30, 40), [(6, 5)])
    top, left, height, width = box
    expected = [
        [
            bilinear(
                image,
                (top + (i + 0.5) / 6 * height) * 14 / 30 - 0.5,
                (left + (j + 0.5) / 5 * width) * 19 / 40 - 0.5,
            )
            for j in range(5)
        ]
        for i in range(6)
    ]
    np.testing.assert_allclose(crop[0, 0].numpy(), expected, atol=1e-5)


def test_agrees_with_roi_align_where_it_magnifies():
    torch.manual_seed(0)
    image = torch.randn(1, 4, 48, 64)
    start, size = torch.rand(8, 2) * 24, torch.rand(8, 2) * 20 + 4  # of 48 × 64
    boxes = torch.cat((start, size), 1)
    (crop,) = crop_maps([image], boxes * 10, (480, 640), [(32, 48)])
    corners = torch.stack((start[:, 1], start[:, 0], *(start + size).flip(1).unbind(1)), 1)
    rois = torch.cat((torch.zeros(8, 1), corners), 1)
    torch.testing.assert_close(crop, roi_align(image, rois, (32, 48), aligned=True), rtol=0, atol=1e-4)


def test_whole_photo_at_the_same_size_is_the_map():
    image = torch.rand(1, 2, 13, 17)
    (crop,) = crop_maps([image], torch.tensor([[0, 0, 130, 171]]), (130, 171), [(13, 17)])
    torch.testing.assert_close(crop, image, rtol=0, atol=1e-5)


@pytest.mark.parametrize("size", [(28, 38), (7, 9), (5, 31)])
def test_ramps_stay_ramps_inside(size):
    height, width = 392, 500  # the two axes of the map have different scales: 1/28 and 1/25
    rows = (torch.arange(14) + 0.5) * 28
    columns = (torch.arange(20) + 0.5) * 25
    image = torch.stack((rows[:, None].expand(14, 20), columns[None].expand(14, 20)))[None]
    top, left, h, w = 45.0, 61.0, 200.0, 300.0
    (crop,) = crop_maps([image], torch.tensor([[top, left, h, w]]), (height, width), [size])
    y = top + (torch.arange(size[0]) + 0.5) / size[0] * h
    x = left + (torch.arange(size[1]) + 0.5) / size[1] * w
    torch.testing.assert_close(crop[0, 0], y[:, None].expand(size), rtol=0, atol=1e-2)
    torch.testing.assert_close(crop[0, 1], x[None].expand(size), rtol=0, atol=1e-2)


def test_extents_are_the_photo_unless_a_stride_left_a_remainder():
    maps = [torch.zeros(1, 1, *size) for size in ((14, 19), (28, 37), (392, 518))]
    np.testing.assert_allclose(extents_of(maps, (784, 1036)), [(784, 1064), (784, 1036), (784, 1036)])
    np.testing.assert_allclose(extents_of(maps[1:], (100, 300)), [(100, 300)] * 2)


def test_a_map_of_every_second_column_is_not_stretched():
    patches = ((torch.arange(37) + 0.5) * 14).expand(1, 1, 28, 37)  # each patch knows where it is
    maps = [
        patches[..., ::2, ::2],
        torch.zeros(1, 1, 392, 518),
    ]  # ... and half of them do, as after a stride of 2
    box, sizes = torch.tensor([[100, 50, 98, 400]]), [(8, 40), (1, 1)]
    shown = crop_maps(maps, box, (392, 518), sizes, extents=extents_of(maps, (392, 518)))[0][0, 0, 0]
    true = 50 + (torch.arange(40) + 0.5) * 10
    torch.testing.assert_close(shown - true, torch.full((40,), -7.0), rtol=0, atol=1e-2)


def test_batch_index_picks_the_image():
    images = torch.arange(3.0).view(3, 1, 1, 1).expand(3, 2, 8, 8)
    (crop,) = crop_maps(
        [images], torch.tensor([[0, 0, 4, 4]]).expand(4, 4), (8, 8), [(2, 2)], torch.tensor([2, 0, 1, 2])
    )
    assert crop.shape == (4, 2, 2, 2)
    assert crop.mean((1, 2, 3)).tolist() == [2, 0, 1, 2]


def test_every_map_gets_its_own_size():
    maps = [torch.rand(1, c, s, 2 * s) for c, s in ((5, 2), (3, 7))]
    crops = crop_maps(maps, torch.tensor([[0, 0, 5, 5], [5, 5, 5, 5]]), (10, 20), [(3, 4), (6, 8)])
    assert [tuple(c.shape) for c in crops] == [(2, 5, 3, 4), (2, 3, 6, 8)]


def test_gradient_stays_inside_the_box():
    image = torch.rand(1, 1, 10, 10, requires_grad=True)
    (crop,) = crop_maps([image], torch.tensor([[40, 40, 40, 40]]), (100, 100), [(8, 8)])
    crop.sum().backward()
    assert image.grad[0, 0, 4:8, 4:8].min() > 0
    assert image.grad[0, 0, :3].abs().max() == 0
    assert image.grad.sum() == pytest.approx(64, rel=1e-4)


def test_half_precision_keeps_its_type_and_exact_places():
    image = torch.arange(512.0).expand(1, 1, 4, 512).bfloat16()  # exact up to 256
    (crop,) = crop_maps([image], torch.tensor([[0, 2000, 40, 40]]), (40, 5120), [(4, 4)])
    assert crop.dtype == torch.bfloat16
    assert crop[0, 0, 0].tolist() == [200, 201, 202, 203]


def test_many_boxes_do_not_repeat_the_map():
    image = torch.rand(1, 4, 1024, 1024)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with torch.inference_mode():
        crop_maps([image], torch.tensor([[0, 0, 64, 64]]).expand(100, 4), (1024, 1024), [(4, 4)])
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 400e3  # kB; a hundred copies: 1.6 GB
