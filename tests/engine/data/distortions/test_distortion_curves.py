"""Tone curves against SciPy's PCHIP."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.interpolate import PchipInterpolator

from trainctl.engine.data.distortions.curves import tone_curve

heights = st.lists(st.integers(0, 20).map(lambda value: value / 20), min_size=2, max_size=6)


@given(heights, st.data())
def test_a_tone_curve_is_scipys_pchip(ys: list[float], data: st.DataObject) -> None:
    steps = data.draw(st.lists(st.integers(1, 9), min_size=len(ys), max_size=len(ys)))
    xs = (np.cumsum(steps) / np.sum(steps)).tolist()
    values = np.linspace(xs[0], xs[-1], 101)
    ours = tone_curve(torch.tensor(values), xs, ys).numpy()
    np.testing.assert_allclose(ours, PchipInterpolator(xs, ys)(values).clip(0, 1), atol=1e-9)


def test_values_outside_the_points_count_as_the_nearest_end() -> None:
    ours = tone_curve(torch.tensor([0.0, 0.2, 0.8, 1.0]), (0.2, 0.8), (0.1, 0.9))
    torch.testing.assert_close(ours, torch.tensor([0.1, 0.1, 0.9, 0.9]))


def test_the_result_is_clipped() -> None:
    ours = tone_curve(torch.linspace(0, 1, 50), (0, 0.5, 1), (0, 1.05, 1))
    assert ours.max() == 1 and ours.min() == 0


@pytest.mark.parametrize(("xs", "ys"), [((0.0,), (0.0,)), ((0.0, 0.0), (0.0, 1.0)), ((0.0, 1.0), (0.0, 0.5, 1.0))])
def test_points_that_make_no_curve_are_refused(xs: tuple[float, ...], ys: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="two points or more"):
        tone_curve(torch.zeros(1), xs, ys)
