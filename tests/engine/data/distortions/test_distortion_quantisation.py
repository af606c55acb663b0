"""Thresholds against an exhaustive search, and the picture against a loop over its values."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from trainctl.engine.data.distortions.quantisation import BINS, otsu_thresholds, quantisation


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def between_class_variance(counts: np.ndarray, lasts: tuple[int, ...]) -> float:
    """Otsu's criterion from its definition; empty classes add nothing."""
    bins, mean, total = np.arange(len(counts)), np.average(np.arange(len(counts)), weights=counts), 0.0
    for first, last in zip((-1, *lasts), (*lasts, len(counts) - 1), strict=True):
        weight = counts[first + 1 : last + 1].sum()
        if weight:
            class_mean = (counts * bins)[first + 1 : last + 1].sum() / weight
            total += weight * (class_mean - mean) ** 2
    return total / counts.sum()


counts_of_bins = st.lists(st.integers(0, 9), min_size=5, max_size=10).filter(any)


@given(counts_of_bins, st.integers(1, 4))
def test_no_other_thresholds_separate_the_classes_better(counts: list[int], thresholds: int) -> None:
    histogram = np.array(counts, dtype=float)
    found = otsu_thresholds(torch.tensor(histogram)[None], thresholds)[0].tolist()
    best = max(between_class_variance(histogram, lasts) for lasts in combinations(range(len(counts) - 1), thresholds))
    assert found == sorted(set(found)) and found[0] >= 0 and found[-1] < len(counts) - 1
    assert between_class_variance(histogram, tuple(found)) == pytest.approx(best, abs=1e-4)


@pytest.mark.parametrize("thresholds", [7, 20])
def test_moving_one_threshold_of_a_full_histogram_gains_nothing(thresholds: int) -> None:
    histogram = torch.randint(0, 100, (2, BINS), generator=generator()).double()
    for counts, lasts in zip(histogram.numpy(), otsu_thresholds(histogram, thresholds).tolist(), strict=True):
        found = between_class_variance(counts, tuple(lasts))
        for at in range(thresholds):
            for step in (-2, -1, 1, 2):
                moved = (*lasts[:at], lasts[at] + step, *lasts[at + 1 :])
                assert between_class_variance(counts, tuple(sorted(moved))) <= found * (1 + 1e-6)


def test_a_value_becomes_its_upper_threshold_and_the_ends_those_of_the_picture() -> None:
    images = 0.2 + 0.7 * torch.rand(2, 3, 20, 24, generator=generator()) ** 2
    ours = quantisation(images, 7, generator())
    for image, result in zip(images.numpy(), ours.numpy(), strict=True):
        low, high = float(image.min()), float(image.max())
        bins = np.minimum(((image - low) / (high - low) * BINS).astype(int), BINS - 1)
        counts = np.bincount(bins.ravel(), minlength=BINS).astype(float)
        lasts = otsu_thresholds(torch.tensor(counts)[None], 7)[0].tolist()
        for value_bin, value in zip(bins.ravel(), result.ravel(), strict=True):
            above = [last for last in lasts if last >= value_bin]
            share = 0 if len(above) == 7 else (above[0] + 1) / BINS if above else 1
            assert value == pytest.approx(low + share * (high - low), abs=1e-5)


@pytest.mark.parametrize("strength", [20, 16, 13, 10, 7])
def test_at_most_one_level_more_than_thresholds_is_left(strength: int) -> None:
    images = torch.rand(3, 3, 32, 32, generator=generator())
    assert [len(image.unique()) for image in quantisation(images, strength, generator())] == [strength + 1] * 3


def test_a_flat_picture_stays_as_it_is() -> None:
    images = torch.tensor([0.0, 0.4, 1.0])[:, None, None, None].expand(3, 3, 16, 16)
    torch.testing.assert_close(quantisation(images, 7, generator()), images)


def test_as_many_thresholds_as_bins_are_refused() -> None:
    with pytest.raises(ValueError, match="thresholds must be"):
        otsu_thresholds(torch.ones(1, 8, dtype=torch.float64), 8)
