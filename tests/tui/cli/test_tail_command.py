"""What `trainctl tail` shows, and when it ends."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from sample_run_directories import LAYOUT, NAME, SampleRun, records

from trainctl.engine.runs.events import Event, EventKind
from trainctl.engine.runs.reader import RunReader
from trainctl.engine.runs.states import RunState
from trainctl.engine.runs.store import StepWriter
from trainctl.tui.cli.commands import tail as tail_module
from trainctl.tui.cli.live.history import History
from trainctl.tui.cli.main import run_command_line


def tail(capsys: pytest.CaptureFixture[str], tmp_path: Path, *words: str) -> str:
    assert run_command_line(["tail", "--runs-dir", str(tmp_path), *words]) == 0
    return capsys.readouterr().out


def each_time_it_waits(monkeypatch: pytest.MonkeyPatch, *acts: Callable[[], object]) -> None:
    """Let the run do the next of `acts` whenever `tail` would sleep."""
    plan = iter(acts)
    monkeypatch.setattr(tail_module.time, "sleep", lambda seconds: next(plan)())


def test_the_last_lines_are_shown_without_waiting(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    run = SampleRun(tmp_path)
    run.validate(0.5)
    lines = tail(capsys, tmp_path, NAME, "--no-follow", "-n", "3").splitlines()
    assert len(lines) == 3
    assert lines[0].startswith("step 19  epoch 1  loss 0.05263  bce 0.05263")
    assert lines[1].startswith("step 20")
    assert "closed 30" in lines[1]
    assert "f1 0.5" in lines[2]


@pytest.mark.parametrize(("number", "steps"), [("0", 0), ("5", 5), ("-1", 20), ("100", 20)])
def test_any_number_of_lines_can_be_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], number: str, steps: int
):
    SampleRun(tmp_path)
    assert tail(capsys, tmp_path, "--no-follow", "-n", number).count("step ") == steps


def test_json_has_every_step_and_event_in_order(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    run = SampleRun(tmp_path)
    run.validate(float("nan"))
    lines = tail(capsys, tmp_path, NAME, "--json", "--no-follow", "-n", "-1").splitlines()
    objects = [json.loads(line) for line in lines]
    assert [o["step"] for o in objects] == [*range(1, 21), 20]
    assert objects[3]["kind"] == "step"
    assert objects[3]["data"]["classes"] == {"closed": 30, "open": 34}
    assert objects[-1]["data"]["raw"] == {"f1": None}


def test_following_shows_what_comes_and_ends_with_the_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    run = SampleRun(tmp_path)
    each_time_it_waits(monkeypatch, lambda: run.go(5), lambda: run.validate(0.5), run.end, lambda: None, lambda: None)
    lines = tail(capsys, tmp_path, NAME, "-n", "1").splitlines()
    assert lines[0].startswith("step 20")
    assert lines[1].startswith("step 25")
    assert "f1 0.5" in lines[2]
    assert lines[3] == "finished: all epochs done"
    assert lines[4] == f"{NAME} is over: finished"


def test_following_as_json_misses_no_step_and_repeats_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    run = SampleRun(tmp_path)
    each_time_it_waits(
        monkeypatch, lambda: run.go(5), lambda: run.go(1), lambda: None, run.end, lambda: None, lambda: None
    )
    objects = [json.loads(line) for line in tail(capsys, tmp_path, "-n", "-1", "--json").splitlines()]
    assert [o["step"] for o in objects if o["kind"] == "step"] == list(range(1, 27))
    assert [o["kind"] for o in objects[-2:]] == ["end", "liveness"]
    assert objects[-1]["data"]["liveness"] == "over"


def test_a_run_that_is_over_is_shown_and_not_waited_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    SampleRun(tmp_path).end()
    each_time_it_waits(monkeypatch, lambda: None, lambda: None)
    assert tail(capsys, tmp_path).splitlines()[-1] == f"{NAME} is over: finished"


def test_a_run_that_ended_without_last_words_is_not_waited_for_forever(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    SampleRun(tmp_path).beat(RunState.STOPPED)
    monkeypatch.setattr(tail_module, "LAST_WORDS_S", 0.0)
    assert tail(capsys, tmp_path).splitlines()[-1] == f"{NAME} is over: stopped"


def test_a_crash_is_said_with_its_process_and_where_to_look(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    run = SampleRun(tmp_path)
    each_time_it_waits(monkeypatch, run.crash, lambda: None)
    last = tail(capsys, tmp_path, NAME).splitlines()[-1]
    assert last.startswith(f"× {NAME} presumed crashed after step 20: process ")
    assert "1 min 30 s ago" in last
    assert last.endswith("console.log")
    assert run_command_line(["tail", "--runs-dir", str(tmp_path), "--no-follow"]) == 0
    assert "presumed crashed" in capsys.readouterr().out


def test_silence_is_said_once(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    run = SampleRun(tmp_path)
    run.beat(age_s=60)
    each_time_it_waits(monkeypatch, lambda: None, lambda: None, run.end, lambda: None, lambda: None)
    out = tail(capsys, tmp_path)
    assert out.count("no sign of life for 1 min") == 1


def test_a_folder_that_is_deleted_ends_the_following(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    SampleRun(tmp_path).beat()
    each_time_it_waits(monkeypatch, lambda: shutil.rmtree(tmp_path / NAME), lambda: None)
    assert f"× the folder of {NAME} was deleted" in tail(capsys, tmp_path, NAME).splitlines()[-1]


def test_a_run_that_has_not_started_is_waited_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / NAME).mkdir()

    def start():
        (tmp_path / NAME).rmdir()
        SampleRun(tmp_path, steps=3).end()

    each_time_it_waits(monkeypatch, start, lambda: None, lambda: None)
    assert "step 3" in tail(capsys, tmp_path, NAME)


def test_after_a_resume_only_the_new_steps_are_shown(tmp_path: Path):
    run = SampleRun(tmp_path)
    history = History(RunReader(run.paths))
    assert len(list(history.past())) == 20
    run.events.append(EventKind.RESUME, 15, from_step=15)
    run.writer.close()
    run.writer = StepWriter(run.paths, LAYOUT, keep=15)
    later = records(16, 18)
    later["time"] += 500
    run.writer.append(later)
    items = list(history.new())
    assert sorted(item["step"] for item in items if not isinstance(item, Event)) == [16, 17, 18]
    assert [item.kind for item in items if isinstance(item, Event)] == ["resume"]
    assert list(history.new()) == []


def test_an_unknown_run_is_a_usage_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert run_command_line(["tail", "--runs-dir", str(tmp_path), "nothing"]) == 2
    assert "no run 'nothing'" in capsys.readouterr().err


def test_many_steps_written_meanwhile_arrive_completely(tmp_path: Path):
    run = SampleRun(tmp_path, steps=0)
    history, seen = History(RunReader(run.paths)), []
    writer = threading.Thread(target=lambda: [run.go(7) for _ in range(60)])
    writer.start()
    seen.extend(history.past())
    while writer.is_alive():
        seen.extend(history.new())
    writer.join()
    seen.extend(history.new())
    assert [int(item["step"]) for item in seen] == list(range(1, 421))
