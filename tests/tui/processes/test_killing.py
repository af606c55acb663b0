"""A run that somebody killed from the cockpit says so, everywhere, and goes on when it is resumed."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest
from pilots import MEDIUM, shows
from synthetic_run import SyntheticRun
from typer.testing import CliRunner

from trainctl.engine.diagnosis.records.evidence import read_evidence
from trainctl.engine.errors import UserError
from trainctl.engine.runs.events import EventKind
from trainctl.engine.runs.index import run_info
from trainctl.engine.runs.layout import RunPaths
from trainctl.engine.runs.reader import RunReader
from trainctl.engine.runs.states import RunState
from trainctl.engine.runs.status import Liveness, read_status
from trainctl.tui.app import CockpitApp
from trainctl.tui.cli.group import app as command_line
from trainctl.tui.processes.killing import kill
from trainctl.tui.run.session import Session
from trainctl.tui.words.runs import run_state_word


@pytest.fixture
def child() -> Iterator[subprocess.Popen[bytes]]:
    """A process that waits, as the leader of its session."""
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=True)
    yield process
    if process.poll() is None:
        process.kill()
        process.wait()


def test_a_killed_run_says_so_everywhere(live_run: SyntheticRun, child: subprocess.Popen[bytes]):
    live_run.status(RunState.RUNNING, pid=child.pid)
    with live_run.paths.events.open("ab") as file:
        file.write(b'{"kind": "note", "st')  # it was writing when it was ended
    session = Session(live_run.paths)
    session.kill()
    assert child.wait(5) == -9
    assert session.view.state is RunState.KILLED and session.view.is_over
    said = session.farewell()
    assert (
        "is killed at step 100" in said and "goes on" not in said and "killed from the cockpit after step 100" in said
    )
    reader = RunReader(live_run.paths)
    reader.poll()
    assert reader.liveness()[0] is Liveness.OVER and reader.state is RunState.KILLED
    end = reader.events[-1]
    assert (end.kind, end.step, end.data["state"]) == (EventKind.END, 100, "killed")
    assert run_state_word(run_info(live_run.paths, 0.0)) == "killed"
    facts = read_evidence(live_run.paths).records
    assert facts is not None and facts.state == "killed"
    told = CliRunner().invoke(command_line, ["diagnose", str(live_run.paths.root)])
    assert ", killed, 100 steps" in told.output


async def test_the_cockpit_shows_a_killed_run_as_killed(live_run: SyntheticRun, child: subprocess.Popen[bytes]):
    live_run.status(RunState.RUNNING, pid=child.pid)
    Session(live_run.paths).kill()
    async with CockpitApp(live_run.paths).run_test(size=MEDIUM) as pilot:
        await shows(pilot, " KILLED ")
        await shows(pilot, "killed from the cockpit after step 100")


def test_a_run_of_ours_that_has_said_nothing_yet_is_recorded_as_killed(
    empty_run: RunPaths, child: subprocess.Popen[bytes]
):
    said = kill(empty_run, None, child, 0)
    assert said is not None and child.wait(5) == -9
    status = read_status(empty_run)
    assert status is not None and (status.state, status.pid) == (RunState.KILLED, child.pid)
    assert status.message == "killed from the cockpit before its first step"


def test_a_run_that_ended_by_itself_is_not_called_killed(live_run: SyntheticRun, child: subprocess.Popen[bytes]):
    child.kill()
    child.wait()
    live_run.status(RunState.FINISHED, pid=child.pid)
    assert kill(live_run.paths, read_status(live_run.paths), child, 100) is None
    status = read_status(live_run.paths)
    assert status is not None and status.state is RunState.FINISHED


def test_a_run_on_another_host_is_not_killed_from_here(live_run: SyntheticRun):
    live_run.status(RunState.RUNNING, host="elsewhere")
    with pytest.raises(UserError, match="elsewhere"):
        kill(live_run.paths, read_status(live_run.paths), None, 100)


def test_whoever_stops_the_run_is_not_told_that_it_goes_on(live_run: SyntheticRun):
    session = Session(live_run.paths)
    assert "remain, and it goes on without the cockpit" in session.farewell()
    session.ask_in_words("stop")
    said = session.farewell()
    assert "goes on without" not in said and "It was asked to stop: it finishes its step" in said


def test_whoever_leaves_a_paused_run_is_told_that_it_stays_so(live_run: SyntheticRun):
    live_run.status(RunState.PAUSED)
    said = Session(live_run.paths).farewell()
    assert "goes on without" not in said and "It stays paused" in said
