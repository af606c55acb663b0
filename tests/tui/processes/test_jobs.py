"""A command in a process of its own: what it says arrives, and it ends with its screen."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable

import pytest
from textual.app import App
from textual.pilot import Pilot

from trainctl.engine.errors import UserError
from trainctl.tui.processes import jobs
from trainctl.tui.processes.jobs import Job


class Listener(App[None]):
    """Notes what a job says."""

    def __init__(self) -> None:
        super().__init__()
        self.said: list[Job.Said] = []
        self.ended: list[Job.Ended] = []

    def on_job_said(self, message: Job.Said) -> None:
        self.said.append(message)

    def on_job_ended(self, message: Job.Ended) -> None:
        self.ended.append(message)


@pytest.fixture
def python(monkeypatch: pytest.MonkeyPatch):
    """Jobs run a line of Python instead of trainctl."""
    monkeypatch.setattr(jobs, "COMMAND", (sys.executable, "-c"))


async def wait_for(pilot: Pilot[None], holds: Callable[[], object]):
    end = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < end
        await pilot.pause(0.02)


async def test_lines_of_both_streams_arrive_then_the_end_with_everything_printed(python: None):
    app = Listener()
    code = "import sys; print('{'); print('\"a\": 1}'); print('{\"part\": 2}', file=sys.stderr); sys.exit(3)"
    async with app.run_test() as pilot:
        job = Job(app, [code])
        job.start()
        await wait_for(pilot, lambda: app.ended)
        (end,) = app.ended
        assert end.job is job and end.code == 3 and end.data == {"a": 1} and end.complaint == ""
        assert [said.text for said in app.said if said.stream == "out"] == ["{", '"a": 1}']
        assert [said.data for said in app.said if said.stream == "err"] == [{"part": 2}]
        assert not job.is_running


async def test_the_last_word_of_a_job_that_fails_is_its_complaint(python: None):
    app = Listener()
    code = "import sys; sys.stderr.write('{\"part\": 1}\\ntrainctl: error: no such preset\\n'); sys.exit(2)"
    async with app.run_test() as pilot:
        Job(app, [code]).start()
        await wait_for(pilot, lambda: app.ended)
        assert app.ended[0].complaint == "trainctl: error: no such preset" and app.ended[0].data is None


async def test_closing_ends_the_process_even_one_that_does_not_want_to_and_says_nothing_more(
    python: None, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(jobs, "GRACE_S", 0.1)
    app = Listener()
    code = "import signal, time; signal.signal(15, signal.SIG_IGN); print('ready'); time.sleep(60)"
    async with app.run_test() as pilot:
        job = Job(app, [code])
        job.start()
        await wait_for(pilot, lambda: app.said)
        assert job.is_running
        job.close()
        job.close()
        await wait_for(pilot, lambda: not job.is_running)
        await pilot.pause(0.05)
        assert app.ended == []


async def test_a_job_has_the_environment_it_was_given_and_a_session_of_its_own(python: None):
    app = Listener()
    async with app.run_test() as pilot:
        Job(app, ["import os; print(os.environ.get('WORD'), os.getsid(0))"], {"WORD": "here"}).start()
        await wait_for(pilot, lambda: app.ended)
        word, session = app.ended[0].output.split()
        assert word == "here" and int(session) != os.getsid(0)


async def test_a_job_that_cannot_start_says_so(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(jobs, "COMMAND", ("/no/such/program",))
    with pytest.raises(UserError, match="cannot start trainctl diagnose"):
        Job(Listener(), ["diagnose"]).start()


async def test_a_real_command_answers():
    app = Listener()
    async with app.run_test() as pilot:
        Job(app, ["runs", "--runs-dir", "/no/such/folder", "--json"]).start()
        await wait_for(pilot, lambda: app.ended)
        assert app.ended[0].code in (0, 2) and (app.ended[0].output or app.ended[0].complaint)
