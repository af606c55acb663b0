"""Changes of colour against pixel loops, the standard library, SciPy and scikit-learn."""

from __future__ import annotations

import colorsys
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from sklearn.cluster import KMeans
from sklearn.datasets import load_sample_image
from torch import Tensor

from trainctl.engine.data.augment.colour import lab_to_rgb, rgb_to_lab
from trainctl.engine.data.distortions.colour import (
    colour_diffusion,
    colour_quantisation,
    colour_shift,
    edge_map,
    quantise,
    saturation_hsv,
    saturation_lab,
    translate,
)

ALL = (colour_diffusion, colour_shift, colour_quantisation, saturation_hsv, saturation_lab)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def pictures(n: int = 2, height: int = 16, width: int = 20) -> Tensor:
    return torch.rand(n, 3, height, width, generator=generator(7))


@pytest.fixture(scope="module")
def photographs() -> Tensor:
    """Four crops of 48x48 from the photograph of a flower."""
    photo = load_sample_image("flower.jpg")
    crops = np.stack([photo[y : y + 48, x : x + 48] for y in (60, 200) for x in (180, 330)])
    return torch.from_numpy(crops).permute(0, 3, 1, 2).contiguous() / 255


def test_diffusion_blurs_and_multiplies_the_colour_and_keeps_the_lightness() -> None:
    # Colours near grey, so that nothing leaves sRGB and the way back to Lab can be taken.
    images = 0.5 + 0.02 * (pictures() - 0.5)
    before, after = (rgb_to_lab(x.double()).numpy() for x in (images, colour_diffusion(images, 3, generator())))
    np.testing.assert_allclose(after[:, 0], before[:, 0], atol=0.02)
    expected = 3 * ndimage.gaussian_filter(before[:, 1:], (0, 0, 6.5, 6.5), mode="nearest", radius=13)
    np.testing.assert_allclose(after[:, 1:], expected, atol=0.02)


def slow_edge_map(picture_CHW: np.ndarray) -> np.ndarray:
    grey = 0.299 * picture_CHW[0] + 0.587 * picture_CHW[1] + 0.114 * picture_CHW[2]
    blurred = ndimage.gaussian_filter(np.hypot(*np.gradient(grey)), 4, mode="nearest", radius=8)
    stretched = (blurred - blurred.min()) / (blurred.max() - blurred.min())
    ordered = np.sort(stretched.ravel())
    tail = max(1, round(ordered.size / 100))
    return np.clip(stretched, ordered[tail - 1], ordered[-tail])


def test_the_edge_map_agrees_with_a_slow_one() -> None:
    images = pictures(2, 24, 32)
    for image, edges in zip(images.double().numpy(), edge_map(images)[:, 0].numpy(), strict=True):
        np.testing.assert_allclose(edges, slow_edge_map(image), atol=1e-4)


def test_a_shift_moves_green_by_its_amount_and_blends_it_by_the_edges() -> None:
    images = pictures(1, 24, 32)
    moved = colour_shift(images, 6, generator(5))
    angle = torch.rand(1, generator=generator(5), dtype=torch.float64).item() * 2 * np.pi
    down, right = round(6 * np.sin(angle)), round(6 * np.cos(angle))
    shown, green = slow_edge_map(images[0].double().numpy()), images[0, 1].numpy()
    for row, column in np.ndindex(24, 32):
        source = green[np.clip(row - down, 0, 23), np.clip(column - right, 0, 31)]
        share = shown[row, column]
        assert moved[0, 1, row, column].item() == pytest.approx(
            share * source + (1 - share) * green[row, column], abs=1e-4
        )
    assert torch.equal(moved[:, ::2], images[:, ::2])


@given(st.integers(-9, 9), st.integers(-9, 9))
@settings(max_examples=20, deadline=None)
def test_translation_agrees_with_scipy(down: int, right: int) -> None:
    planes = torch.rand(2, 7, 6, generator=generator(3))
    moved = translate(planes, torch.tensor([[down, right], [0, 0]]))
    np.testing.assert_array_equal(
        moved[0].numpy(), ndimage.shift(planes[0].numpy(), (down, right), order=0, mode="nearest")
    )
    assert torch.equal(moved[1], planes[1])


def test_each_picture_is_shifted_in_its_own_direction_and_a_flat_one_stays() -> None:
    twins = pictures(1, 24, 24).repeat(2, 1, 1, 1)
    first, second = colour_shift(twins, 12, generator(1))
    assert (first - second).abs().max() > 0.05
    flat = torch.full((1, 3, 16, 16), 0.3)
    assert torch.equal(colour_shift(flat, 12, generator()), flat)


def number_of_colours(image_CHW: Tensor) -> int:
    return len((image_CHW * 255).round().flatten(1).unique(dim=1).T)


def test_no_picture_has_more_colours_than_its_palette_and_fewer_lose_more(photographs: Tensor) -> None:
    losses: list[float] = []
    for colours in (64, 16, 4):
        quantised = colour_quantisation(photographs, colours, generator())
        assert all(number_of_colours(image) <= colours for image in quantised)
        losses.append((quantised - photographs).square().mean().item())
    assert losses == sorted(losses)


def test_the_palette_is_nearly_as_good_as_the_one_of_k_means(photographs: Tensor) -> None:
    pixels = (photographs[0] * 255).round().flatten(1).T.numpy()
    picture = pixels.reshape(48, 48, 3).astype(np.uint8)
    palette = np.unique(quantise(picture, 8).reshape(-1, 3), axis=0).astype(float)
    nearest = ((pixels[:, None] - palette[None]) ** 2).sum(2).min(1).sum()
    best = -KMeans(8, n_init="auto", random_state=0).fit(pixels).score(pixels)
    assert nearest < 1.25 * best


def test_dither_keeps_the_mean_colour_of_a_surface_between_two_colours() -> None:
    # Black, grey and white with a palette of two: without dither the grey would turn into one of them.
    picture = np.full((48, 48, 3), 110, np.uint8)
    picture[:16], picture[32:] = 0, 255
    surface = quantise(picture, 2)[18:30]
    assert len(np.unique(surface)) == 2
    assert abs(surface.mean() - 110) < 12


def test_a_picture_of_few_colours_is_kept() -> None:
    palette = torch.tensor([[10, 200, 30], [250, 0, 90], [0, 0, 0], [128, 128, 128]]) / 255
    image = palette[torch.arange(256).reshape(1, 16, 16) % 4].permute(0, 3, 1, 2)
    torch.testing.assert_close(colour_quantisation(image, 8, generator()), image, atol=2 / 255, rtol=0)


@pytest.mark.parametrize("factor", [0.4, 0.2, 0.1, 0.0, -0.4])
def test_saturation_agrees_with_hue_saturation_and_value_pixel_by_pixel(factor: float) -> None:
    images = pictures(1, 6, 8)
    actual = saturation_hsv(images, factor, generator())
    for row, column in np.ndindex(6, 8):
        hue, saturation, value = colorsys.rgb_to_hsv(*images[0, :, row, column].tolist())
        expected = np.clip(colorsys.hsv_to_rgb(hue, saturation * factor, value), 0, 1)
        np.testing.assert_allclose(actual[0, :, row, column].numpy(), expected, atol=1e-5)


def test_a_negative_saturation_turns_colours_into_their_complements() -> None:
    red = torch.tensor([0.6, 0.2, 0.2]).reshape(1, 3, 1, 1)
    turned = saturation_hsv(red, -0.4, generator()).flatten()
    torch.testing.assert_close(turned, torch.tensor([0.6, 0.76, 0.76]))


def test_saturation_in_lab_multiplies_the_chroma_and_one_keeps_the_picture() -> None:
    images = 0.5 + 0.04 * (pictures() - 0.5)
    lab = rgb_to_lab(images.double())
    lab[:, 1:] *= 3
    torch.testing.assert_close(saturation_lab(images, 3, generator()), lab_to_rgb(lab).float(), atol=1e-4, rtol=0)
    torch.testing.assert_close(saturation_lab(pictures(), 1, generator()), pictures(), atol=1e-3, rtol=0)


@pytest.mark.parametrize("distortion", ALL)
def test_pictures_come_back_in_range_new_and_by_the_seed(distortion: Callable[..., Tensor]) -> None:
    images = pictures(3)
    original = images.clone()
    distorted = distortion(images, 8, generator(2))
    assert distorted.shape == images.shape
    assert distorted.dtype == torch.float32
    assert 0 <= distorted.min() <= distorted.max() <= 1
    assert torch.equal(images, original)
    assert torch.equal(distortion(images, 8, generator(2)), distorted)
    torch.testing.assert_close(distortion(images[:1], 8, generator(2)), distorted[:1])
