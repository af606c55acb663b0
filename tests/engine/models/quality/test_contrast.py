"""Local contrast: against a slow reference, blind to brightness and contrast, exact under autocast, with a gradient."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from trainctl.engine.models.quality.contrast import FLOOR, REACH, SIGMA, LocalContrast
from trainctl.engine.models.quality.net import QualityNet
from trainctl.engine.models.quality.options import QualityModel


def pictures(num: int = 2, height: int = 9, width: int = 11) -> Tensor:
    return torch.rand(num, 3, height, width, generator=torch.Generator().manual_seed(0))


def reference(plane_HW: Tensor, row: int, column: int) -> float:
    """Of one pixel, from the definition."""
    padded = F.pad(plane_HW[None, None].double(), (REACH,) * 4, mode="reflect")[0, 0]
    weights, values = [], []
    for down in range(-REACH, REACH + 1):
        for across in range(-REACH, REACH + 1):
            weights.append(math.exp(-(down**2 + across**2) / (2 * SIGMA**2)))
            values.append(float(padded[row + REACH + down, column + REACH + across]))
    total = sum(weights)
    mean = sum(w * v for w, v in zip(weights, values, strict=True)) / total
    variance = sum(w * (v - mean) ** 2 for w, v in zip(weights, values, strict=True)) / total
    return (float(plane_HW[row, column]) - mean) / (math.sqrt(variance) + FLOOR)


@pytest.mark.parametrize(("row", "column"), [(0, 0), (4, 5), (8, 10)])
def test_a_pixel_is_measured_in_the_deviation_of_its_window(row: int, column: int) -> None:
    images = pictures()
    found = LocalContrast().contrast(images)
    assert found.shape == images.shape
    assert float(found[1, 2, row, column]) == pytest.approx(reference(images[1, 2], row, column), abs=1e-4)


def test_brightness_and_contrast_of_a_photograph_hardly_show() -> None:
    images, contrast = pictures(), LocalContrast()
    assert (contrast.contrast(images) - contrast.contrast(0.5 * images + 0.25)).abs().mean() < 0.1
    assert contrast.contrast(torch.full((1, 3, 8, 8), 0.3)).abs().max() < 1e-2


def test_the_colours_are_there_as_well() -> None:
    images = pictures()
    seen = LocalContrast()(images)
    assert seen.shape == (2, LocalContrast.channels, 9, 11)
    torch.testing.assert_close(seen[:, :3], 2 * images - 1)


def test_half_precision_of_the_network_does_not_reach_it() -> None:
    images, contrast = pictures(), LocalContrast()
    exact = contrast.contrast(images)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(contrast.contrast(images), exact)


def test_a_flat_picture_has_a_finite_gradient() -> None:
    flat = torch.full((1, 3, 8, 8), 0.3, requires_grad=True)
    LocalContrast()(flat).sum().backward()
    assert flat.grad is not None and flat.grad.isfinite().all()


def test_a_network_reads_it_where_asked_for_and_keeps_nothing_of_it() -> None:
    net = QualityNet(QualityModel(width=4, stem="small", features=24, clusters=3, hidden=(8,), mscn=True), 32)
    assert not [name for name in net.state_dict() if "contrast" in name]
    assert next(net.backbone.parameters()).shape[1] == LocalContrast.channels
    assert net(pictures(4, 32, 32)).score_B.shape == (4,)
