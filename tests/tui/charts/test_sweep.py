"""The chart of a range test: where things stand on the logarithmic axis, and that a divergence hides nothing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainctl.tui.charts.raster import Glyphs
from trainctl.tui.charts.sweep import RateMark, Sweep, as_numbers, decades, draw_sweep, loss_axis

LRS = np.logspace(-7, 1, 100)


def falling(**changes: Any) -> Sweep:
    """A loss that falls about 1e-3 and blows up above 1."""
    loss = 2 - 1.5 / (1 + np.exp(-3 * (np.log10(LRS) + 3))) + np.where(LRS > 1, 40 * LRS, 0)
    values: dict[str, Any] = {"start": 1e-7, "end": 10.0, "lrs": LRS, "losses": loss, "smoothed": loss, "marks": ()}
    return Sweep(**(values | changes))


def test_each_mark_stands_over_its_learning_rate():
    raster = draw_sweep(falling(marks=(RateMark(1e-3, "S", is_main=True), RateMark(1.0, "D"))), 100, 20)
    top, bottom = "".join(raster.chars[0]), "".join(raster.chars[-1])
    assert abs(top.index("S") - bottom.index("1e-3")) <= 1
    assert abs(top.index("D") - bottom.index("1e0")) <= 1


@pytest.mark.parametrize("size", [(76, 12), (116, 28)])
@pytest.mark.parametrize("glyphs", list(Glyphs))
def test_it_fills_its_cells_with_values_on_the_left_and_decades_below(size: tuple[int, int], glyphs: Glyphs):
    raster = draw_sweep(falling(), *size, glyphs)
    assert raster.chars.shape == (size[1], size[0])
    bottom = "".join(raster.chars[-1])
    assert bottom.split()[0] == "1e-7" and bottom.split()[-1] == "1e1"
    assert any("2" in line[:5] for line in raster.lines())


def test_a_divergence_does_not_flatten_the_fall():
    axis = loss_axis(falling())
    assert axis is not None and axis.lo == pytest.approx(0.5, abs=0.05) and axis.hi < 5


def test_what_is_not_finite_leaves_a_cross_and_no_harm():
    losses = np.array(falling().losses)
    losses[90:] = np.nan
    raster = draw_sweep(falling(losses=losses, smoothed=losses), 80, 12)
    assert "×" in "".join(raster.chars[0])
    assert loss_axis(falling(losses=[np.nan], smoothed=[np.nan])) is None


def test_the_axis_stands_before_there_is_a_loss():
    bottom = "".join(draw_sweep(Sweep(1e-7, 10.0), 80, 12).chars[-1])
    assert "1e-7" in bottom and "1e1" in bottom


@given(st.floats(-12, 0), st.floats(0.1, 12), st.integers(1, 20))
def test_decades_are_whole_within_and_not_too_many(start: float, length: float, most: int):
    found = decades(start, start + length, most)
    assert len(found) <= most and all(start - 1e-6 <= k <= start + length + 1e-6 for k in found)


@pytest.mark.parametrize("size", [(0, 0), (5, 2), (11, 30), (80, 2), (12, 3)])
def test_no_room_is_no_error(size: tuple[int, int]):
    assert draw_sweep(falling(), *size).chars.shape == (size[1], size[0])


def test_null_is_not_a_number():
    assert np.isnan(as_numbers([1.0, None])[1])
