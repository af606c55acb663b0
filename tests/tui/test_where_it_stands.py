"""Where a run stands: the word in the first line is true from the first picture on, whatever happens to the run."""

from __future__ import annotations

import shutil
import time

import pytest
from pilots import MEDIUM, cockpit, screen_text, shows
from synthetic_run import SyntheticRun

from trainctl.engine.runs.reader import RunReader
from trainctl.engine.runs.states import RunState
from trainctl.engine.runs.status import Liveness
from trainctl.engine.runs.summary import Summary, write_summary
from trainctl.tui.app import CockpitApp
from trainctl.tui.run.feed import RunFeed
from trainctl.tui.run.session import Session
from trainctl.tui.run.view import RunView
from trainctl.tui.words.verdict import alive_words, state_word, verdict


def finished(run: SyntheticRun) -> None:
    run.status(RunState.FINISHED)
    write_summary(run.paths, Summary(RunState.FINISHED, run.step, 2, 10.0, 64.0, exit_reason="all epochs done"))


async def test_a_folder_that_is_deleted_under_a_live_run_is_said_to_be_gone(live_run: SyntheticRun):
    async with CockpitApp(live_run.paths).run_test(size=MEDIUM) as pilot:
        await shows(pilot, "step 100/200")
        shutil.rmtree(live_run.paths.root)
        await shows(pilot, " DELETED ")
        text = screen_text(pilot)
        assert "its folder was deleted" in text and "STARTING" not in text
        assert "step 100/200" in text, "what was known stays known"
        assert cockpit(pilot).session.view.is_over


def test_a_status_that_somebody_removed_does_not_make_a_run_start_again(live_run: SyntheticRun):
    feed, view = RunFeed(live_run.paths), RunView(live_run.paths)
    view.apply(feed.poll())
    for path in (live_run.paths.status, live_run.paths.meta):
        path.unlink()
    view.apply(feed.poll())
    assert state_word(view)[0] == "running" and view.step == 100 and view.meta is not None


def test_a_folder_that_was_never_there_is_not_called_deleted(live_run: SyntheticRun):
    shutil.rmtree(live_run.paths.root)
    view = RunView(live_run.paths)
    view.apply(RunFeed(live_run.paths).poll())
    assert state_word(view)[0] == "starting"


def test_the_first_picture_of_a_run_that_is_over_says_so(live_run: SyntheticRun):
    finished(live_run)
    view = Session(live_run.paths).view  # before anything else was read
    assert state_word(view)[0] == "finished" and view.is_over
    live_run.paths.summary.unlink()
    live_run.status(RunState.RUNNING, process_start=1)
    assert state_word(Session(live_run.paths).view)[0] == "presumed crashed"


def test_a_damaged_status_is_no_reason_not_to_open(live_run: SyntheticRun):
    live_run.paths.status.write_text("{")
    assert Session(live_run.paths).view.status is None


@pytest.mark.parametrize(("state", "word"), [(RunState.RUNNING, "silent"), (RunState.PAUSED, "paused")])
def test_a_run_that_is_silent_is_not_called_running(live_run: SyntheticRun, state: RunState, word: str):
    live_run.status(state, heartbeat=time.time() - 37)
    view = Session(live_run.paths).view
    shown, severity = state_word(view)
    assert (shown, severity.value) == (word, "warning")
    assert alive_words(view)[0].startswith("silent 3")


def test_a_start_that_takes_long_says_since_when_nothing_was_heard(live_run: SyntheticRun):
    live_run.status(RunState.STARTING, heartbeat=time.time() - 50)
    words, severity = alive_words(Session(live_run.paths).view)
    assert words.startswith("starting, silent 5") and severity.value == "warning"


def test_a_clock_that_was_set_back_does_not_make_a_dead_silence_look_alive(
    live_run: SyntheticRun, monkeypatch: pytest.MonkeyPatch
):
    live_run.status(RunState.RUNNING, heartbeat=time.time() + 3600)
    reader, began = RunReader(live_run.paths), time.monotonic()
    reader.poll()
    assert reader.liveness()[0] is Liveness.LIVE
    monkeypatch.setattr(time, "monotonic", lambda: began + 40)
    alive, age_s = reader.liveness()
    assert alive is Liveness.SILENT and 39 < age_s < 41
    live_run.status(RunState.RUNNING, heartbeat=time.time() + 3601)
    reader.poll()
    assert reader.liveness()[0] is Liveness.LIVE, "a new heartbeat is a sign of life, whatever its clock says"


def test_a_run_that_was_killed_is_never_called_well(live_run: SyntheticRun):
    live_run.status(RunState.KILLED)
    found = verdict(Session(live_run.paths).view)
    assert found.severity.value == "warning" and "killed" in found.text
