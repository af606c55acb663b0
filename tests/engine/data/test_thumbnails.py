"""Small pictures from any batch of images: range, size, channels, and what is no picture."""

from __future__ import annotations

import pytest
import torch

from trainctl.engine.data.thumbnails import MAX_SIDE, thumbnails


def test_stored_bytes_are_shown_as_they_are():
    images = torch.randint(0, 256, (2, 3, 5, 7), dtype=torch.uint8)
    shown = thumbnails({"labels": torch.zeros(2), "images": images})
    assert shown is not None
    assert torch.equal(shown, images.permute(0, 2, 3, 1))


def test_floats_between_0_and_1_keep_their_brightness():
    shown = thumbnails({"x": torch.full((1, 3, 4, 4), 0.25)})
    assert shown is not None and set(shown.flatten().tolist()) == {64}


def test_other_floats_are_stretched_picture_by_picture():
    images = torch.tensor([-1.0, 3.0, 10.0, 30.0]).view(2, 1, 1, 2)
    shown = thumbnails({"image": images})
    assert shown is not None
    assert shown[..., 0].flatten().tolist() == [0, 255, 0, 255]
    assert shown.shape == (2, 1, 2, 3)


def test_one_channel_is_grey_and_channels_may_come_last():
    grey = thumbnails({"x": torch.rand(1, 6, 5, 1)})
    assert grey is not None and grey.shape == (1, 6, 5, 3)
    assert torch.equal(grey[..., 0], grey[..., 2])


@pytest.mark.parametrize(("height", "width"), [(480, 640), (1000, 10), (48, 48), (3, 2000)])
def test_no_side_is_longer_than_a_terminal_can_show(height: int, width: int):
    shown = thumbnails({"images": torch.zeros(1, 3, height, width)})
    assert shown is not None
    assert max(shown.shape[1:3]) <= MAX_SIDE and min(shown.shape[1:3]) >= 1


def test_what_is_not_finite_is_black_and_spoils_nothing():
    images = torch.tensor([0.0, 1.0, torch.nan, torch.inf]).view(1, 1, 2, 2)
    shown = thumbnails({"images": images})
    assert shown is not None and shown[0, ..., 0].flatten().tolist() == [0, 255, 0, 0]
    assert thumbnails({"images": torch.full((1, 1, 2, 2), torch.nan)}) is not None


@pytest.mark.parametrize("tensor", [torch.zeros(4, 8), torch.zeros(4, 7, 8, 9), torch.zeros(4, 3, 0, 2)])
def test_what_is_no_picture_gives_none(tensor: torch.Tensor):
    assert thumbnails({"x": tensor}) is None


def test_a_tensor_called_images_goes_before_others():
    shown = thumbnails({"mask": torch.zeros(1, 1, 2, 2), "images": torch.ones(1, 3, 2, 2)})
    assert shown is not None and int(shown.min()) == 255
