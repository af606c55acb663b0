"""A row of blocks must keep every dip."""

from __future__ import annotations

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from trainctl.tui.charts.pyramid import Pyramid
from trainctl.tui.charts.sparkline import BLOCKS, PLAIN, sparkline


def series_of(values: np.ndarray) -> Pyramid:
    series = Pyramid(1.0)
    series.extend(values.astype(np.float32))
    return series


@given(arrays(np.float64, st.integers(0, 500), elements=st.floats(0, 300)), st.integers(0, 60), st.booleans())
@example(np.array([0.0, 3e-41]), 1, False)  # 1 / 3e-41 is more than a float32 can hold
def test_it_fills_exactly_its_width(values: np.ndarray, width: int, plain: bool):
    row = sparkline(series_of(values), width, plain=plain)
    assert len(row) == width and set(row) <= {*(PLAIN if plain else BLOCKS), " "}


@given(st.integers(10, 5000), st.integers(1, 80), st.data())
def test_a_single_batch_of_few_classes_shows(length: int, width: int, data: st.DataObject):
    values = np.full(length, 8.0)
    values[data.draw(st.integers(0, length - 1))] = 1.0
    assert BLOCKS[1] in sparkline(series_of(values), width)


def test_golden():
    assert sparkline(series_of(np.array([0, 1, 2, 3, 4, 5, 6, 7])), 8) == "▁▂▃▄▅▆▇█"
    assert sparkline(series_of(np.array([7, np.nan])), 4) == "████"
    assert sparkline(series_of(np.array([])), 3) == "   "
