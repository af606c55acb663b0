"""A training that is started for somebody who waits says from the first moment what it is doing."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import pytest
from pilots import MEDIUM, screen_text, shows

from trainctl.engine.data.progress import report
from trainctl.engine.errors import UserError
from trainctl.engine.runs.layout import RunPaths
from trainctl.engine.runs.states import RunState
from trainctl.engine.runs.status import Status, read_status
from trainctl.tui.app import CockpitApp
from trainctl.tui.cli.live import first_words
from trainctl.tui.cli.live.first_words import FirstWords, speaking_first
from trainctl.tui.processes.launch import TRAINER


def said(paths: RunPaths) -> Status:
    status = read_status(paths)
    assert status is not None
    return status


def test_how_far_it_is_stands_in_the_status(empty_run: RunPaths, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(first_words, "WRITE_S", 0.0)
    with speaking_first(empty_run, "quality/repaired") as words:
        assert words is not None
        assert (said(empty_run).state, said(empty_run).preset) == (RunState.STARTING, "quality/repaired")
        words.say("importing torch")
        assert said(empty_run).message == "importing torch"
        report("drawing pictures", 812, 10_000)
        assert said(empty_run).message == "drawing pictures 812 of 10,000"
        report("drawing pictures", 10_000, 10_000)
        assert said(empty_run).message == first_words.BUILDING
        words.hand_over()
        words.say("too late")
    assert said(empty_run).message == first_words.BUILDING


def test_it_beats_while_something_takes_long(empty_run: RunPaths, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(first_words, "BEAT_S", 0.02)
    words = FirstWords(empty_run, "")
    first, end = said(empty_run).heartbeat, time.monotonic() + 5
    while said(empty_run).heartbeat <= first:
        assert time.monotonic() < end, "no beat"
        time.sleep(0.01)
    words.hand_over()
    last = said(empty_run).heartbeat
    time.sleep(0.1)
    assert said(empty_run).heartbeat == last


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (UserError("no such preset"), "no such preset"),
        (KeyError("x"), "KeyError: 'x'"),
        (KeyboardInterrupt(), "ended before its first step"),
    ],
)
def test_what_goes_wrong_is_said(empty_run: RunPaths, error: BaseException, words: str):
    with pytest.raises(type(error)), speaking_first(empty_run, ""):
        raise error
    assert (said(empty_run).state, said(empty_run).message) == (RunState.FAILED, words)


def test_a_run_that_has_begun_is_left_alone(empty_run: RunPaths):
    empty_run.meta.write_text("{}")
    with speaking_first(empty_run, "") as words:
        assert words is None
    assert not empty_run.status.exists()


async def test_the_cockpit_shows_what_is_waited_for(empty_run: RunPaths):
    words = FirstWords(empty_run, "quality/repaired")
    words.say("drawing pictures 812 of 10,000")
    async with CockpitApp(empty_run).run_test(size=MEDIUM) as pilot:
        await shows(pilot, "drawing pictures 812 of 10,000…")
        assert "STARTING" in screen_text(pilot) and "epoch 0/0" not in screen_text(pilot)
    words.hand_over()


def test_a_slow_task_is_named_while_it_is_imported(empty_run: RunPaths, tmp_path: Path):
    task = tmp_path / "slow.py"
    task.write_text("import time\ntime.sleep(30)\n")
    process = subprocess.Popen(
        [*TRAINER, "--run-dir", str(empty_run.root), "--task", f"{task}:Slow", "--trust"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        end = time.monotonic() + 20
        while (status := read_status(empty_run)) is None or "slow.py" not in status.message:
            assert time.monotonic() < end and process.poll() is None, status
            time.sleep(0.05)
        assert status.state is RunState.STARTING and status.message == f"importing {task}:Slow"
    finally:
        process.kill()
        process.wait()
