"""What `trainctl send` does, prints and refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from sample_run_directories import NAME, SampleRun

from trainctl.engine.runs.commands import CommandReader
from trainctl.engine.runs.events import EventKind
from trainctl.engine.runs.states import RunState
from trainctl.tui.cli.commands import send as send_module
from trainctl.tui.cli.main import run_command_line


def send(tmp_path: Path, *words: str) -> int:
    return run_command_line(["send", "--runs-dir", str(tmp_path), *words])


def answer_next(monkeypatch: pytest.MonkeyPatch, run: SampleRun, effect: str, end: RunState | None = None) -> None:
    """Let the run read its commands and answer whenever `send` would sleep."""
    reader = CommandReader(run.paths)

    def answer(seconds: float) -> None:
        run.step += 1
        for command in reader.read_new():
            run.events.append(
                EventKind.COMMAND, run.step, id=command.id, verb=command.verb, args=command.args, effect=effect
            )
        if end is not None:
            run.end(end)

    monkeypatch.setattr(send_module.time, "sleep", answer)


def test_the_step_at_which_it_took_effect_is_printed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    answer_next(monkeypatch, SampleRun(tmp_path), "lr 0.001 -> 0.0005")
    assert send(tmp_path, NAME, "set", "lr", "x0.5") == 0
    assert capsys.readouterr().out == "set: lr 0.001 -> 0.0005 (step 21)\n"


def test_json_names_the_command_and_its_effect(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    answer_next(monkeypatch, SampleRun(tmp_path), "clip off")
    assert send(tmp_path, "latest", "set", "clip", "off", "--json") == 0
    answer = json.loads(capsys.readouterr().out)
    assert (answer["verb"], answer["args"]["value"], answer["step"], answer["effect"]) == ("set", None, 21, "clip off")


def test_a_run_that_stops_has_answered(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    answer_next(monkeypatch, SampleRun(tmp_path), "stopping", end=RunState.STOPPED)
    assert send(tmp_path, NAME, "stop") == 0
    assert "stop: stopping (step 21)" in capsys.readouterr().out


def test_without_waiting_it_is_only_sent(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    run = SampleRun(tmp_path)
    assert send(tmp_path, NAME, "pause", "--no-wait") == 0
    assert capsys.readouterr().out == "sent: pause\n"
    assert [command.verb for command in CommandReader(run.paths).read_new()] == ["pause"]


def test_no_answer_in_time_is_an_error_that_says_it_was_sent(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    run = SampleRun(tmp_path)
    assert send(tmp_path, NAME, "pause", "--timeout", "0") == 1
    assert "sent, but the run has not answered within 0 s" in capsys.readouterr().err
    assert len(CommandReader(run.paths).read_new()) == 1


def test_a_refusal_of_the_run_is_a_usage_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    answer_next(monkeypatch, SampleRun(tmp_path), "refused: 3 epochs are already done")
    assert send(tmp_path, NAME, "set", "epochs", "1") == 2
    assert "refused: 3 epochs are already done" in capsys.readouterr().err


def test_a_run_that_dies_before_answering_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    run = SampleRun(tmp_path)
    monkeypatch.setattr(send_module.time, "sleep", lambda seconds: run.end(RunState.FAILED))
    assert send(tmp_path, NAME, "pause") == 2
    assert "ended (failed) before it answered" in capsys.readouterr().err


@pytest.mark.parametrize("state", [state for state in RunState if state.is_over])
def test_a_run_that_is_over_is_not_asked(tmp_path: Path, capsys: pytest.CaptureFixture[str], state: RunState):
    run = SampleRun(tmp_path)
    run.end(state)
    assert send(tmp_path, NAME, "pause") == 2
    assert f"is over ({state})" in capsys.readouterr().err
    assert not run.paths.commands.exists()


def test_a_crashed_run_is_not_asked_and_the_way_back_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    run = SampleRun(tmp_path)
    run.crash()
    assert send(tmp_path, NAME, "pause") == 2
    err = capsys.readouterr().err
    assert "presumed crashed: process" in err
    assert "--resume" in err
    assert not run.paths.commands.exists()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["pasue"], "did you mean pause"),
        (["set", "lr", "0"], "not above 0"),
        (["set", "weight.bec", "1"], "no loss term 'bec' in this run; did you mean bce? it has bce"),
    ],
)
def test_a_mistake_is_refused_before_anything_is_sent(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], says: str
):
    run = SampleRun(tmp_path)
    assert send(tmp_path, NAME, *words) == 2
    assert says in capsys.readouterr().err
    assert not run.paths.commands.exists()
