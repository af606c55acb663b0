"""The legend: what matters most first, values where the user points, nothing cut in the middle of a word."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from trainctl.tui.charts.legend import GAP, Entry, entries, fitting, line_letters, subtitle
from trainctl.tui.charts.plot import Content, Line
from trainctl.tui.charts.positions import XMap
from trainctl.tui.charts.pyramid import Points, Pyramid


def line(name: str, values: list[float], ink: int, **options: Any) -> Line:
    """A line of these samples."""
    series = Pyramid()
    series.extend(np.array(values, np.float32))
    return Line(name, series, ink, **options)


TERMS = (
    line("expected", [9, 8], 0, faint=True),
    line("aux", [1, 2], 1),
    line("plan", [0, 0], 2, legend=False),
    line("total", [3, 4], 0),
)


def texts(content: Content, **options: bool) -> list[str]:
    """What the entries say."""
    return [entry.text for entry in entries(content, **options)]


def test_the_first_colour_comes_first_and_what_is_faint_last():
    assert texts(Content(lines=TERMS)) == ["total 4", "aux 2", "expected 8"]


def test_values_are_those_at_the_cursor_when_there_is_one():
    assert texts(Content(lines=TERMS, cursor=0)) == ["total 3", "aux 1", "expected 9"]
    assert texts(Content(lines=TERMS, cursor=50)) == ["total -", "aux -", "expected -"]


def test_another_run_is_read_where_its_own_time_was_the_same():
    other = line("other", [10, 11, 12, 13], 1, x_map=XMap([0, 4], [0.0, 40.0], "time"))
    content = Content(lines=(other,), x_map=XMap([0, 4], [0.0, 10.0], "time"), cursor=4.1)
    assert texts(content) == ["other 11"]


def test_without_colours_each_line_has_a_letter():
    assert texts(Content(lines=TERMS), plain_ink=True) == ["a total 4", "b aux 2", "c expected 8"]
    assert line_letters(Content(lines=TERMS)) == ["c", "b", "", "a"]


def test_a_symbol_stands_before_its_name():
    points = Line("val", Points(np.array([5.0]), np.array([0.25])), 3, symbol="●")
    assert texts(Content(lines=(points,))) == ["● val 0.25"]


@given(st.lists(st.text("abc 語", min_size=1, max_size=12), max_size=8), st.integers(-5, 90))
def test_what_is_kept_fits_with_the_sign_that_there_is_more(names: list[str], room: int):
    found = [Entry(name, k) for k, name in enumerate(names)]
    kept, left_out = fitting(found, room)
    assert kept == found[: len(kept)] and left_out == len(found) - len(kept)

    def used(count: int) -> int:
        more = f" +{len(found) - count}" if count < len(found) else ""
        return sum(cell_len(GAP + entry.text) for entry in found[:count]) + len(more)

    assert not kept or used(len(kept)) <= room
    assert not left_out or used(len(kept) + 1) > room


@pytest.mark.parametrize(
    ("cursor", "note", "text"),
    [(None, "clip at 5", "clip at 5"), (7, "", "step 7"), (7, "clip at 5", "step 7 · clip at 5"), (None, "", "")],
)
def test_the_lower_border_says_where_the_cursor_is_before_anything_else(cursor: int | None, note: str, text: str):
    assert subtitle(Content(cursor=cursor), note) == text
