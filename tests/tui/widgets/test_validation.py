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
from trainctl.tui.charts.axis import Axis
from trainctl.tui.charts.drawing import draw
from trainctl.tui.charts.legend import value_of
from trainctl.tui.charts.plot import Content, EventMark, Line
from trainctl.tui.charts.pyramid import Points
from trainctl.tui.charts.raster import SEVERAL, Glyphs, row_of
from trainctl.tui.run.feed import RunFeed
from trainctl.tui.run.view import RunView
from trainctl.tui.widgets.loss import LossPanel
from trainctl.tui.widgets.validation import ELSEWHERE, ValidationPanel, monitored_lines, other_lines
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
    rows = [row_of(value, 8, Axis(0, 1)) for value in near]
    assert len(set(rows)) < len(near)
    assert len({char for row in drawing.lines()[:8] for char in row if 0x2800 < ord(char) < 0x2900}) > 4


def test_the_best_is_marked_at_its_value():
    mark = EventMark(10.0, "★", line=False, y=0.1)
    rows = draw(Content((Line("f1", points(1.0, 0.1, 0.9), 3),), marks=(mark,)), 40, 10).lines()
    (row,) = [k for k, text in enumerate(rows) if "★" in text]
    assert row == 8


@pytest.mark.parametrize(("other", "fits"), [(0.7, True), (-1e8, False), (40.0, False), (math.nan, False)])
def test_a_metric_of_another_size_does_not_press_the_monitored_one_flat(new_run: NewRun, other: float, fits: bool):
    view = measured(new_run, 0.6, 0.7, 0.8, mae=other)
    (line,) = other_lines(view, "f1")
    assert line.drawn is fits and line.name == ("mae" if fits else f"mae {ELSEWHERE}")
    lines = (line, *monitored_lines(view, "f1"))
    labels = "".join(text[:6] for text in draw(Content(lines), 60, 12).lines())
    assert "0.7" in labels and "e" not in labels


def panel(pilot: Pilot[None]) -> ValidationPanel:
    return pilot.app.screen.query_one(ValidationPanel)


async def test_the_legend_keeps_what_is_not_drawn(live_run: SyntheticRun):
    live_run.validate(3, 0.4, 0.9, mae=-1e8)
    async with CockpitApp(live_run.paths).run_test(size=LARGE) as pilot:
        await shows(pilot, "step 100/200")
        panel(pilot).focus()
        await pilot.press("m")
        await shows(pilot, f"mae {ELSEWHERE} -1e8")
        assert "e8" not in panel(pilot).as_text()


async def test_a_term_below_zero_is_not_lost_on_a_logarithmic_axis_without_a_word(new_run: NewRun):
    run = new_run().begin()
    run.train(60, term__aux=-0.3)
    async with CockpitApp(run.paths).run_test(size=SMALL) as pilot:
        await shows(pilot, "step 60/200")
        await pilot.press("y")
        await shows(pilot, "0 or less, not on a log axis: aux")
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
