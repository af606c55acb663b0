"""How far the charts of a run reach: to its planned end, but not while it has hardly begun, nor once it is over."""

from __future__ import annotations

import pytest
from synthetic_run import NewRun

from trainctl.engine.runs.states import RunState
from trainctl.tui.run.feed import RunFeed
from trainctl.tui.run.scene import Scene
from trainctl.tui.run.view import RunView
from trainctl.tui.widgets.charting import EARLY, planned


def reach(new_run: NewRun, steps: int, state: RunState = RunState.RUNNING) -> tuple[tuple[float, float] | None, int]:
    """Range of the charts after so many steps, and the steps that are planned."""
    run = new_run().begin()
    run.train(steps)
    run.status(state)
    view = RunView(run.paths)
    view.apply(RunFeed(run.paths).poll())
    return planned(view, Scene()), run.total


def test_a_run_under_way_is_drawn_to_its_planned_end(new_run: NewRun):
    found, total = reach(new_run, 60)
    assert total / EARLY < 60 and found == (0.0, total + 1.0)


@pytest.mark.parametrize(("steps", "end"), [(1, 4), (2, 8), (3, 8), (4, 16), (7, 16), (8, 32)])
def test_a_run_that_has_just_begun_takes_a_quarter_of_its_charts_or_more(new_run: NewRun, steps: int, end: int):
    found, total = reach(new_run, steps)
    assert steps < total / EARLY
    assert found == (0.0, end + 1.0) and end / 4 <= steps < end / 2


@pytest.mark.parametrize("state", [RunState.STOPPED, RunState.FAILED, RunState.FINISHED])
def test_a_run_that_is_over_takes_all_of_its_charts(new_run: NewRun, state: RunState):
    found, _ = reach(new_run, 7, state)
    assert found == (0.0, 8.0)
