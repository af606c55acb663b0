"""Lines that are cut say how much is left out."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from textual.content import Content

from trainctl.tui.widgets.lines import cut_line


@given(st.text("abc 损失,", max_size=40), st.integers(1, 50))
def test_a_line_fits_and_counts_what_is_left_out(words: str, width: int):
    line = Content.styled(words, "bold")
    shown = cut_line(line, width)
    if line.cell_length <= width:
        assert shown.plain == words
        return
    assert shown.cell_length <= width
    told = re.fullmatch(r"(.*?)\+(\d+)", shown.plain, re.DOTALL)
    if told is not None:
        kept = len(words) - int(told[2])
        assert words[:kept].rstrip() == told[1]
    else:
        assert width < 4  # no room for the number


@pytest.mark.parametrize("width", [0, 100])
def test_a_line_stays_where_there_is_room_or_nobody_knows(width: int):
    line = Content("a line")
    assert cut_line(line, width) is line
