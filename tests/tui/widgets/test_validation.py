"""The validation chart: a figure is drawn where it is, and nothing is hidden without a word."""

from __future__ import annotations

import math

import numpy as np
import pytest
from pilots import LARGE, SMALL, cockpit, screen_text, shows, until
from synthetic_run import NewRun, SyntheticRun
from textual.pilot import Pilot

from trainctl.engine.runs.events import EventKind
from trainctl.tui.app import CockpitApp
from trainctl.tui.charts.axis import Axis, fit_axis, row_axis, short
from trainctl.tui.charts.drawing import draw
from trainctl.tui.charts.legend import value_of
from trainctl.tui.charts.plot import Content, EventMark, Line
from trainctl.tui.charts.pyramid import Points
from trainctl.tui.charts.raster import SEVERAL, Glyphs, row_of
from trainctl.tui.run.feed import RunFeed
from trainctl.tui.run.scene import Scene
from trainctl.tui.run.view import RunView
from trainctl.tui.widgets.loss import LossPanel
from trainctl.tui.widgets.validation import ValidationPanel, monitored_lines, other_strips
from trainctl.tui.words.events import event_words


def points(*values: float) -> Points:
    return Points(np.arange(len(values)) * 10.0, np.array(values))


def measured(new_run: NewRun, *f1: float, **others: float) -> RunView:
    """A run with one validation of each value."""
    run = new_run().begin()
    for epoch, value in enumerate(f1, start=1):
        run.train(10)
        raw = {"loss": 0.5, "f1": value} | others
        data = {"epoch": epoch, "raw": raw, "best": value == max(f1), "monitor": "f1", "monitor_mode": "max"}
        run.events.append(EventKind.VALIDATION, run.step, **data)
    view = RunView(run.paths)
    view.apply(RunFeed(run.paths).poll())
    return view


def test_two_points_of_one_cell_are_told_apart():
    raw, ema = Line("raw", points(0.0, 0.5, 1.0), 3, symbol="●"), Line("ema", points(0.0, 0.52, 0.2), 4, symbol="◆")
    text = "\n".join(draw(Content((raw, ema)), 40, 8).lines())
    assert text.count(SEVERAL) == 2 and text.count("●") == 1 and text.count("◆") == 1
    plain = "\n".join(draw(Content((raw, ema)), 40, 8, Glyphs.ASCII).lines())
    assert plain.count("*") == 4, "the same sign, which says no more in plain characters"


def test_joined_points_lie_where_they_are_within_a_cell():
    """Values that share a row of cells differ in their dots."""
    near = [0.10, 0.13, 0.16, 0.19]
    line = Line("f1", points(0.0, *near, 1.0), 3, symbol="●", joins_symbols=True)
    drawing = draw(Content((line,)), 60, 9)
    text = "\n".join(drawing.lines())
    assert text.count("●") == 1, "at the newest alone"
    rows = [row_of(value, 8, row_axis(Axis(0, 1), 8).axis) for value in near]
    assert len(set(rows)) < len(near)
    assert len({char for row in drawing.lines()[:8] for char in row if 0x2800 < ord(char) < 0x2900}) > 4


def test_the_best_is_marked_at_its_value():
    mark = EventMark(10.0, "★", line=False, y=0.1)
    rows = draw(Content((Line("f1", points(1.0, 0.1, 0.9), 3),), marks=(mark,)), 40, 10).lines()
    (row,) = [k for k, text in enumerate(rows) if "★" in text]
    assert row == row_of(0.1, 9, row_axis(fit_axis(float(np.float32(0.1)), 1.0), 9).axis)


@pytest.mark.parametrize("other", [0.7, -1e8, 40.0, math.nan])
def test_another_metric_has_a_row_and_a_scale_of_its_own(new_run: NewRun, other: float):
    view = measured(new_run, 0.6, 0.7, 0.8, mae=other)
    (strip,) = other_strips(view, Scene(), "f1")
    assert strip.name == "mae" and strip.words == short(other, 4)
    rows = draw(Content(tuple(monitored_lines(view, "f1")), strips=(strip,)), 60, 12).lines()
    labels = "".join(text[:6] for text in rows)
    assert "0.7" in labels and "e" not in labels
    assert any(row.strip().startswith(f"mae  {short(other, 4)}") for row in rows)


def test_raw_and_averaged_weights_are_told_apart_by_form(new_run: NewRun):
    run = new_run().begin()
    for epoch in range(1, 5):
        run.train(10)
        run.validate(epoch, 0.5, 0.1 * epoch)
    view = RunView(run.paths)
    view.apply(RunFeed(run.paths).poll())
    raw, ema = monitored_lines(view, "f1")
    drawn = [draw(Content((line,)), 60, 9).inks[:-1] for line in (raw, ema)]
    solid, dashed = [(inks == line.ink).any(axis=0) for inks, line in zip(drawn, (raw, ema), strict=True)]
    assert solid.sum() > 1.7 * dashed.sum() > 0, "every other cell is left out"
    texts = ["".join(draw(Content((line,)), 60, 9).lines()) for line in (raw, ema)]
    assert texts[0].count("●") == texts[1].count("◆") == 1, "each marked at its newest"


def panel(pilot: Pilot[None]) -> ValidationPanel:
    return pilot.app.screen.query_one(ValidationPanel)


async def test_a_metric_of_another_size_is_drawn_below_and_bends_no_axis(live_run: SyntheticRun):
    live_run.validate(3, 0.4, 0.9, mae=-1e8)
    async with CockpitApp(live_run.paths).run_test(size=LARGE) as pilot:
        await shows(pilot, "step 100/200")
        await shows(pilot, "mae  -1e8")
        labels = [row[:6] for row in panel(pilot).as_text().splitlines()[:-1]]
        assert not any("e" in label for label in labels)


async def test_what_is_below_zero_is_not_lost_on_a_logarithmic_axis_without_a_word(new_run: NewRun):
    run = new_run().begin()
    run.train(60, term__aux=-0.3)
    run.validate(1, -0.2, 0.8)
    async with CockpitApp(run.paths).run_test(size=SMALL) as pilot:
        await shows(pilot, "step 60/200")
        await pilot.press("y")
        await shows(pilot, "0 or less, not on a log axis: val")
        await shows(pilot, "aux  0.5 × -0.3 = -0.15")  # a term has a scale of its own
        await pilot.press("y")
        await until(pilot, lambda: "not on a log axis" not in screen_text(pilot))


async def test_an_axis_that_cannot_be_logarithmic_says_so(new_run: NewRun):
    run = new_run().begin()
    run.train(60, term__aux=-0.3, term__bce=-0.2, loss=-0.35)
    async with CockpitApp(run.paths).run_test(size=SMALL) as pilot:
        await shows(pilot, "step 60/200")
        cockpit(pilot).query_one(LossPanel).focus()
        await pilot.press("y")
        await shows(pilot, "nothing above 0: linear axis")


def test_an_infinite_result_is_not_called_unknown(new_run: NewRun):
    view = measured(new_run, 0.6, 0.7, mae=math.inf)
    assert view.validation("raw", "mae").last == math.inf
    event = view.of_kind(EventKind.VALIDATION)[-1]
    assert "mae inf" in event_words(event)[1]
    view = measured(new_run, 0.6, -math.inf)
    (line,) = monitored_lines(view, "f1")
    assert value_of(line, Content((line,))) == "-inf"
    assert "×" in draw(Content((line,)), 40, 8).lines()[0]
