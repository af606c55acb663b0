"""Whatever a run records and whatever the user looks at, there is a picture of exactly the right size."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from trainctl.tui.charts.axis import fit_axis, row_axis
from trainctl.tui.charts.drawing import draw
from trainctl.tui.charts.inks import CURSOR_INK, DIM_INK, HERE_INK, LABEL_INK, RULE_INK
from trainctl.tui.charts.labels import Frame
from trainctl.tui.charts.plot import Content, EventMark, Line
from trainctl.tui.charts.positions import XMap
from trainctl.tui.charts.pyramid import Points, Pyramid
from trainctl.tui.charts.raster import Glyphs, row_of

anything = st.floats(width=32, allow_nan=True, allow_infinity=True)
extremes = st.sampled_from([0.0, 1.0, -1.0, 1e38, -3e38, 1e-38, 1e-45, np.nan, np.inf, -np.inf, 1e-8, 7.0])
values = st.one_of(
    arrays(np.float32, st.integers(0, 200), elements=anything),
    arrays(np.float32, st.integers(0, 200), elements=extremes),
    st.builds(lambda n, v: np.full(n, v, np.float32), st.integers(0, 50), extremes),
)
steps = st.floats(-100, 5000)
windows = st.one_of(st.none(), st.tuples(steps, steps))


def x_map_of(rises: list[tuple[int, float]], unit: str) -> XMap:
    """A map through the sums of the rises."""
    steps, places = np.cumsum(np.array([(0, 0.0), *rises]), axis=0).T
    return XMap(steps, places, unit)


x_maps = st.one_of(
    st.none(),
    st.builds(
        x_map_of,
        st.lists(st.tuples(st.integers(1, 300), st.floats(0.0, 1e5)), max_size=8),
        st.sampled_from(["epoch", "time"]),
    ),
)
contents = st.builds(
    Content,
    window=windows,
    x_range=windows,
    x_map=x_maps,
    log=st.booleans(),
    marks=st.lists(st.builds(EventMark, steps, st.sampled_from(["c", "", "LR"]), st.booleans()), max_size=3).map(tuple),
    rules=st.lists(st.one_of(anything, st.tuples(anything, st.sampled_from(["clip", "", "x" * 90]))), max_size=3).map(
        tuple
    ),
    bands=st.lists(st.tuples(anything, anything), max_size=2).map(tuple),
    spans=st.lists(st.tuples(steps, steps), max_size=2).map(tuple),
    here=st.one_of(st.none(), steps),
    cursor=st.one_of(st.none(), steps),
    smoothing=st.integers(0, 9),
)


def pyramid(samples: np.ndarray, **options: int) -> Pyramid:
    """A series of these samples."""
    made = Pyramid(**options)
    made.extend(np.asarray(samples, np.float32))
    return made


@given(
    st.lists(st.tuples(values, st.booleans(), st.booleans(), st.sampled_from(["", "●"])), max_size=3),
    contents,
    st.integers(0, 70),
    st.integers(0, 12),
    st.sampled_from(list(Glyphs)),
    st.booleans(),
)
def test_anything_draws_into_exactly_its_cells(
    lines: list[tuple[np.ndarray, bool, bool, str]],
    content: Content,
    width: int,
    height: int,
    glyphs: Glyphs,
    plain_ink: bool,
):
    made = tuple(
        Line(str(k), Points(np.arange(len(v)) * 3.0, v) if symbol else pyramid(v), k, join, symbol=symbol, faint=faint)
        for k, (v, join, faint, symbol) in enumerate(lines)
    )
    with np.errstate(all="raise", under="ignore"):
        drawing = draw(dataclasses.replace(content, lines=made), width, height, glyphs, plain_ink=plain_ink)
    assert drawing.chars.shape == drawing.inks.shape == (height, width)
    assert all(len(char) == 1 for char in drawing.chars.flat)


@given(
    st.integers(2, 3000),
    st.integers(0, 10**6),
    st.integers(12, 60),
    st.sampled_from(list(Glyphs)),
    st.sampled_from([16, 1 << 16]),
    x_maps,
    st.integers(0, 9),
    st.booleans(),
)
def test_a_spike_of_one_sample_is_drawn_at_its_height_however_it_is_looked_at(
    n: int, where: int, width: int, glyphs: Glyphs, capacity: int, x_map: XMap | None, smoothing: int, log: bool
):
    samples = np.random.default_rng(n).random(n) + 0.1
    samples[where % n] = 100.0
    lines = (Line("total", pyramid(samples, capacity=capacity), 0),)
    drawing = draw(Content(lines=lines, x_map=x_map, smoothing=smoothing, log=log), width, 7, glyphs)
    top = row_of(100.0, 6, row_axis(fit_axis(float(np.float32(samples.min())), 100.0, log=log), 6, glyphs.dots[0]).axis)
    assert top is not None and top <= 2 and np.isin(drawing.inks[top], (0, DIM_INK)).any()


def test_smoothing_draws_the_trend_over_a_faint_range():
    noise = np.random.default_rng(0).random(5000)
    drawing = draw(Content(lines=(Line("total", pyramid(noise), 0),), smoothing=9), 60, 12)
    trend = [np.flatnonzero(column == 0) for column in drawing.inks.T[5:]]
    assert all(1 <= len(rows) <= 2 and 4 <= rows.mean() <= 7 for rows in trend)
    assert (drawing.inks == DIM_INK).sum() > 300


def test_a_faint_line_gives_way_to_the_others():
    ahead = Line("expected", pyramid(np.linspace(1, 0, 100)), 0, faint=True)
    flat = Line("total", pyramid(np.full(100, 0.5)), 0)
    both, alone = (draw(Content(lines=lines), 40, 9) for lines in ((ahead, flat), (ahead,)))
    middle = both.inks[4, 5:]
    assert (middle == 0).all() and (alone.inks[4, 5:] == DIM_INK).any()
    assert len(set(both.chars[4, 5:])) == 1, "dots of the faint line would blur the other"


@pytest.mark.parametrize("glyphs", list(Glyphs))
def test_the_cursor_stands_at_its_step_and_names_it(glyphs: Glyphs):
    content = Content(lines=(Line("total", pyramid(np.zeros(1000)), 0),), cursor=500)
    drawing = draw(content, 60, 10, glyphs)
    assert drawing.frame
    column = drawing.frame.gutter + drawing.frame.column_of_step(500)
    assert (drawing.inks[:-1, column] == CURSOR_INK).sum() >= 8
    assert "^500" in drawing.lines()[-1]


@pytest.mark.parametrize(("here", "shown"), [(99, True), (100, True), (150, False), (900, False), (5, False)])
def test_where_we_are_is_marked_only_when_it_is_in_the_window(here: int, shown: bool):
    lines = (Line("total", pyramid(np.zeros(1000)), 0),)
    drawing = draw(Content(lines=lines, window=(10, 100), here=here, cursor=here), 60, 10)
    assert bool((drawing.inks == CURSOR_INK).any()) == shown
    drawing = draw(Content(lines=lines, window=(10, 100), here=here), 60, 10)
    assert bool((drawing.inks == HERE_INK).any()) == shown


@given(st.floats(0, 900), st.floats(1, 5000), st.integers(10, 120), x_maps)
def test_a_step_read_under_the_mouse_lies_in_its_column(start: float, length: float, width: int, x_map: XMap | None):
    content = Content(lines=(Line("total", pyramid(np.zeros(1000)), 0),), window=(start, start + length), x_map=x_map)
    frame = draw(content, width, 8).frame
    if frame is None:
        return
    assert frame.step_at(frame.gutter - 1) is None and frame.step_at(frame.gutter + frame.room) is None
    for column in (0, frame.room // 2, frame.room - 1):
        step = frame.step_at(frame.gutter + column)
        assert step is not None
        assert frame.column_of_step(step) <= column <= frame.column_of_step(step + 1 + 1e-3)


def test_an_overlay_with_a_map_of_its_own_lies_where_its_own_time_was():
    mine, other = pyramid(np.zeros(100)), pyramid(np.ones(100))
    twice_as_fast = XMap([0, 100], [0.0, 50.0], "time")
    lines = (Line("other", other, 1, x_map=twice_as_fast), Line("mine", mine, 0))
    drawing = draw(Content(lines=lines, x_map=XMap([0, 100], [0.0, 100.0], "time")), 60, 8)
    assert drawing.frame
    last = np.flatnonzero((drawing.inks == 1).any(axis=0))[-1] - drawing.frame.gutter
    assert last == pytest.approx(drawing.frame.room / 2, abs=1)


def test_the_name_of_a_rule_stands_at_its_right_end_and_never_on_a_line():
    flat = (Line("total", pyramid(np.linspace(0, 0.2, 100)), 0),)
    drawing = draw(Content(lines=flat, rules=((0.4, "clip 0.4"),)), 60, 11)
    row = next(row for row in drawing.lines() if "clip 0.4" in row)
    assert row.endswith("╌clip 0.4")
    busy = (Line("total", pyramid(np.tile([0.0, 1.0], 5000)), 0),)
    drawing = draw(Content(lines=busy, rules=((0.4, "clip 0.4"),)), 60, 11)
    assert not (drawing.inks == RULE_INK).any(), "there is no room that no line needs"


def test_round_positions_stand_under_their_columns():
    drawing = draw(Content(lines=(Line("total", pyramid(np.zeros(12_001)), 0),)), 100, 8)
    assert drawing.frame
    row = drawing.lines()[-1]
    for text, step in (("2500", 2500), ("5000", 5000), ("7500", 7500), ("10k", 10_000)):
        at = row.index(f" {text} ") + 1 + len(text) // 2
        assert at == drawing.frame.gutter + drawing.frame.column_of_step(step)
    assert (drawing.inks[-1][[k for k, char in enumerate(row) if char != " "]] == LABEL_INK).all()
    assert row.endswith("12k step")


def test_without_colours_each_line_ends_in_its_letter():
    lines = (Line("aux", pyramid(np.full(10, 0.1)), 1), Line("total", pyramid(np.ones(10)), 0))
    drawing = draw(Content(lines=lines), 40, 8, plain_ink=True)
    rows = drawing.lines()
    assert "a" in rows[0] and any("b" in row for row in rows[-3:-1])


def test_a_frame_far_zoomed_in_keeps_columns_within_reach():
    frame = Frame(4, 50, 10.0, 10.001)
    assert frame.column_of(1e12) == 50 and frame.column_of(-1e12) == -1


def test_where_nothing_was_measured_words_stand_and_no_empty_axis():
    nothing = Line("f1", Points(np.array([]), np.array([])), 0)
    for content in (Content(x_range=(0, 200), empty="no validation yet"), Content((nothing,), x_range=(0, 200))):
        text = "\n".join(draw(content, 40, 8).lines())
        assert content.empty in text and "200" not in text
