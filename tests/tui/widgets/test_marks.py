"""Marks in the charts: findings at the step that they name, in words where somebody points, never before their time."""

from __future__ import annotations

import time

import numpy as np
import pytest
from courses import falling, found, steps, with_bad
from pilots import MEDIUM, cockpit, screen_text, session_of, shows, until
from synthetic_run import NewRun

from trainctl.engine.runs.events import EventKind
from trainctl.engine.runs.states import RunState
from trainctl.engine.runs.summary import Summary, write_summary
from trainctl.tui.app import CockpitApp
from trainctl.tui.charts.drawing import draw
from trainctl.tui.charts.plot import Content, EventMark, Line
from trainctl.tui.charts.pyramid import Points
from trainctl.tui.health.health import found_at_steps
from trainctl.tui.run.feed import read_whole
from trainctl.tui.run.view import Found, RunView
from trainctl.tui.widgets.marks import MAX_MARKS, event_marks, finding_marks

LINE = Line("loss", Points(np.arange(100.0), np.linspace(1, 2, 100)), 0)


@pytest.fixture
def view(new_run: NewRun) -> RunView:
    """A run at step 50 that told a finding of its own at step 20."""
    run = new_run().begin()
    run.train(20)
    run.events.append(EventKind.FINDING, 20, code="X100", severity="warning", title="odd batches")
    run.train(30)
    return read_whole(run.paths)


def test_a_finding_is_marked_once_its_step_is_reached(view: RunView):
    view.found = (Found(30, "O601", "diverging"), Found(51, "N901", "not finite"))
    marks = finding_marks(view)
    assert [(mark.x, mark.letter, mark.name) for mark in marks] == [(20, "!", "X100"), (30, "!", "O601")]
    assert {mark.name for mark in event_marks(view)} >= {"X100", "O601"}


def test_what_the_run_told_and_a_rule_found_is_marked_where_the_rule_saw_it(view: RunView):
    view.found = (Found(12, "X100", "odd batches"),)
    assert [mark.x for mark in finding_marks(view)] == [12]


def test_many_findings_are_no_fence(view: RunView):
    view.found = tuple(Found(k % 50, f"X{k}", "") for k in range(500))
    assert len(finding_marks(view)) == MAX_MARKS


def test_the_border_names_findings_in_sight_and_says_the_one_that_is_pointed_at():
    marks = (
        EventMark(10.0, "!", words="O601 diverging", name="O601"),
        EventMark(11.0, "!", words="O601 diverging", name="O601"),
        EventMark(60.0, "!", words="N901 not finite", name="N901"),
        EventMark(80.0, "c"),
    )
    assert draw(Content((LINE,), marks=marks), 60, 8).note == "! O601, N901"
    assert draw(Content((LINE,), marks=marks, window=(0, 40)), 60, 8).note == "! O601"
    assert draw(Content((LINE,), marks=marks, cursor=60.0), 60, 8).note == "! N901 not finite"
    assert draw(Content((LINE,), marks=marks, cursor=30.0), 60, 8).note == ""
    assert draw(Content((LINE,), marks=marks, cursor=80.0), 60, 8).note == "", "without words nothing is said"


def test_a_finding_about_a_place_in_a_log_names_its_step():
    finding = found(steps(loss=with_bad(falling(200), 120)))["N901"]
    assert finding.figures["step"] == 120
    assert [one.step for one in found_at_steps([finding])] == [120]


async def test_the_cockpit_and_its_replay_mark_what_the_monitor_found(new_run: NewRun):
    run = new_run().begin()
    began = time.time()
    run.train(60, time=began + np.arange(60))
    run.train(1, time=began + 60, term__bce=np.nan, loss=np.nan)
    run.train(39, time=began + np.arange(61, 100))
    run.events.append(EventKind.END, run.step, state="failed", exit_reason="not finite")
    run.status(RunState.FAILED)
    write_summary(run.paths, Summary(RunState.FAILED, run.step, 2, 9.0, 64.0, exit_reason="not finite"))
    async with CockpitApp(run.paths).run_test(size=MEDIUM) as pilot:
        await until(pilot, lambda: bool(session_of(pilot).view.found))
        assert session_of(pilot).view.found[0].step == 61
        await shows(pilot, "! N901")
        cockpit(pilot).scene.cursor = 61.0
        cockpit(pilot).redraw()
        await until(pilot, lambda: "! N901 " in screen_text(pilot) and "step 61" in screen_text(pilot))
    async with CockpitApp(run.paths, replay=True).run_test(size=MEDIUM) as pilot:
        await until(pilot, lambda: bool(session_of(pilot).view.found))
        await pilot.press("space", "end")
        await until(pilot, lambda: "N901" in screen_text(pilot))
        await pilot.press("home")
        await until(pilot, lambda: session_of(pilot).view.step < 61 and "N901" not in screen_text(pilot))
