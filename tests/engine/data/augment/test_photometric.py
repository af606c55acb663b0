"""Photometric operations against slow references, pixel by pixel."""

from __future__ import annotations

import colorsys

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from trainctl.engine.data.augment.photometric import (
    adjust_brightness_,
    adjust_contrast_,
    adjust_hue_,
    adjust_saturation_,
    photometric_distort,
)

channel = st.floats(0, 1, width=32)
colours = st.lists(st.tuples(channel, channel, channel), min_size=1, max_size=8)


def image_of(pixels: list[tuple[float, float, float]]) -> Tensor:
    return torch.tensor(pixels).T.reshape(1, 3, 1, len(pixels))


def pixels_of(image: Tensor) -> list[tuple[float, ...]]:
    return [tuple(pixel) for pixel in image[0, :, 0].T.tolist()]


def clip(value: float) -> float:
    return min(max(value, 0.0), 1.0)


def luma(red: float, green: float, blue: float) -> float:
    return 0.299 * red + 0.587 * green + 0.114 * blue


@settings(max_examples=60, deadline=None)
@given(colours, st.floats(0, 2, width=32))
def test_brightness_multiplies(pixels: list[tuple[float, float, float]], factor: float) -> None:
    out = pixels_of(adjust_brightness_(image_of(pixels), torch.tensor([factor])))
    for pixel, result in zip(pixels, out, strict=True):
        assert result == pytest.approx([clip(c * factor) for c in pixel], abs=1e-5)


@settings(max_examples=60, deadline=None)
@given(colours, st.floats(0, 2, width=32))
def test_contrast_moves_from_the_mean_luma(pixels: list[tuple[float, float, float]], factor: float) -> None:
    mean = sum(luma(*pixel) for pixel in pixels) / len(pixels)
    out = pixels_of(adjust_contrast_(image_of(pixels), torch.tensor([factor])))
    for pixel, result in zip(pixels, out, strict=True):
        assert result == pytest.approx([clip(mean + factor * (c - mean)) for c in pixel], abs=1e-5)


@settings(max_examples=60, deadline=None)
@given(colours, st.floats(0, 2, width=32))
def test_saturation_moves_from_the_pixels_luma(pixels: list[tuple[float, float, float]], factor: float) -> None:
    out = pixels_of(adjust_saturation_(image_of(pixels), torch.tensor([factor])))
    for pixel, result in zip(pixels, out, strict=True):
        grey = luma(*pixel)
        assert result == pytest.approx([clip(grey + factor * (c - grey)) for c in pixel], abs=1e-5)


@settings(max_examples=120, deadline=None)
@given(colours, st.floats(-1, 1, width=32))
def test_hue_turns_as_colorsys_does(pixels: list[tuple[float, float, float]], turns: float) -> None:
    out = pixels_of(adjust_hue_(image_of(pixels), torch.tensor([turns])))
    for pixel, result in zip(pixels, out, strict=True):
        hue, saturation, value = colorsys.rgb_to_hsv(*pixel)
        assert result == pytest.approx(colorsys.hsv_to_rgb((hue + turns) % 1, saturation, value), abs=1e-4)


def test_neutral_amounts_change_nothing_at_all() -> None:
    images = torch.rand(4, 3, 8, 8)
    one, zero = torch.ones(4), torch.zeros(4)
    for result in (
        adjust_brightness_(images.clone(), one),
        adjust_contrast_(images.clone(), one),
        adjust_saturation_(images.clone(), one),
        adjust_hue_(images.clone(), zero),
    ):
        assert torch.equal(result, images)


def test_the_mean_luma_is_each_images_own() -> None:
    images = torch.stack([torch.zeros(3, 2, 2), torch.ones(3, 2, 2)])
    assert torch.equal(adjust_contrast_(images.clone(), torch.tensor([0.5, 0.5])), images)


def test_each_operation_has_its_own_chance_per_image() -> None:
    images = torch.rand(4000, 3, 2, 2)
    out = photometric_distort(images, 0.5, torch.Generator().manual_seed(0))
    untouched = (out == images).flatten(1).all(1).float().mean()
    assert float(untouched) == pytest.approx(0.5**4, abs=0.02)


def test_the_range_is_kept_and_the_input_too() -> None:
    images = torch.rand(200, 3, 4, 4)
    before = images.clone()
    out = photometric_distort(images, 1.0, torch.Generator().manual_seed(3))
    assert torch.equal(images, before)
    assert 0.0 <= float(out.min()) <= float(out.max()) <= 1.0
    assert not torch.equal(out, images)
