"""Whatever lies in `commands.jsonl`, a training goes on, and obeys each command once."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from torch import nn
from toy import ToyTask, reader_of, resolved, run_toy

from trainctl.engine.data.batch import Batch
from trainctl.engine.errors import ExitCode
from trainctl.engine.runs.commands import send_command
from trainctl.engine.runs.events import EventKind
from trainctl.engine.runs.layout import RunPaths
from trainctl.engine.tasks.task import StepOutput
from trainctl.engine.training.desk.control import Inbox

TRAIN = {"epochs": 2, "batch_size": 16}


def inbox_of(root: Path, said: list[str], *, skip_existing: bool = False) -> Inbox:
    return Inbox(RunPaths(root), skip_existing=skip_existing, complain=said.append)


def taken(inbox: Inbox) -> list[str]:
    inbox.poll()
    found: list[str] = []
    while inbox:
        found.append(inbox.take().id)
    return found


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo, lambda path: path.symlink_to("/dev/zero")])
def test_what_is_no_file_is_said_once_and_ends_nothing(tmp_path: Path, make: Callable[[Path], object]) -> None:
    root = tmp_path / "run"
    root.mkdir()
    make(root / "commands.jsonl")
    ending = run_toy(root, resolved(train=TRAIN))
    assert ending.code == ExitCode.OK
    warnings = [event.data["text"] for event in reader_of(root).events if event.kind is EventKind.WARNING]
    assert len(warnings) == 1 and "not a file: this run cannot be asked for anything" in warnings[0]


@pytest.mark.parametrize(
    "line",
    [
        '{"id": "a", "verb": "set", "args": {"name": "epochs", "op": "set", "value": 1' + "0" * 400 + '}, "time": 1}',
        '{"id": "a", "verb": "set", "args": {"name": "lr", "op": "set", "value": Infinity}, "time": 1}',
        '{"id": "a", "verb": "set", "args": {"name": "weight", "op": "set", "term": [], "value": 1}, "time": 1}',
        "[" * 100_000,
        "x" * 5_000_000,
    ],
)
def test_a_line_that_is_no_command_is_answered_and_passed_over(tmp_path: Path, line: str) -> None:
    said: list[str] = []
    inbox = inbox_of(tmp_path, said)
    (tmp_path / "commands.jsonl").write_text(line + "\n")
    first = taken(inbox)
    identity = send_command(RunPaths(tmp_path), "validate", {})
    assert (first, taken(inbox) + taken(inbox) + taken(inbox)) == ([], [identity])
    assert said == ["1 lines that are no command were passed over"]


def test_half_a_surrogate_pair_can_be_acknowledged(tmp_path: Path) -> None:
    inbox = inbox_of(tmp_path, [])
    line = {"id": "a", "verb": "set", "args": {"name": "weight", "op": "set", "term": "\ud800", "value": 1}, "time": 1}
    (tmp_path / "commands.jsonl").write_text(json.dumps(line) + "\n")
    inbox.poll()
    assert inbox.take().args["term"].encode()


def test_a_file_that_is_written_anew_repeats_nothing(tmp_path: Path) -> None:
    paths = RunPaths(tmp_path)
    inbox = inbox_of(tmp_path, [])
    first = send_command(paths, "validate", {})
    assert taken(inbox) == [first]
    held = paths.commands.read_text()
    paths.commands.write_text("")
    assert taken(inbox) == []
    paths.commands.write_text(held)
    second = send_command(paths, "checkpoint", {})
    assert taken(inbox) == [second]


def test_a_resume_obeys_nothing_of_before_however_much_there_is(tmp_path: Path) -> None:
    paths = RunPaths(tmp_path)
    lines = (
        json.dumps({"id": f"{k:06}", "verb": "validate", "args": {}, "time": 1.0, "sender": "x"}) for k in range(20_000)
    )
    paths.commands.write_text("\n".join(lines) + "\n")
    inbox = inbox_of(tmp_path, [], skip_existing=True)
    assert taken(inbox) == []
    fresh = send_command(paths, "stop", {})
    assert taken(inbox) == [fresh]


@pytest.mark.parametrize(
    ("settings", "effects"),
    [
        ([("lr", "set", 1e308)], ["refused: lr 0.001 would become inf"]),
        ([("lr", "mul", 1e-200)] * 2, ["lr 0.001 -> 1e-203", "refused: lr 1e-203 would become 0"]),
        ([("weight", "set", 1e-300), ("weight", "mul", 1e300)], ["weight.ce 1 -> 1e-300", "weight.ce 1e-300 -> 1"]),
        (
            [("weight", "set", 1e10), ("weight", "mul", 1e300)],
            ["weight.ce 1 -> 1e+10", "refused: weight.ce"],
        ),
        (
            [("epochs", "set", 10**9)],
            ["refused: schedule: LinearLR is computed ahead"],
        ),
    ],
)
def test_a_setting_that_no_training_survives_is_refused(
    tmp_path: Path, settings: list[tuple[str, str, float]], effects: list[str]
) -> None:
    term = {"term": "ce"}
    asked = [
        ("set", {"name": name, "op": op, "value": value} | (term if name == "weight" else {}))
        for name, op, value in settings
    ]
    schedule = {"name": "linearlr", "arguments": {"start_factor": 1.0}}
    ending = run_toy(tmp_path / "run", resolved(train=TRAIN, schedule=schedule), commands=asked)
    said = [event.data["effect"] for event in reader_of(tmp_path / "run").events if event.kind is EventKind.COMMAND]
    assert len(said) == len(effects) and all(map(str.startswith, said, effects)), said
    assert ending.code == ExitCode.OK


def test_a_rate_that_the_plan_has_brought_to_nothing_cannot_be_set(tmp_path: Path) -> None:
    schedule = {"name": "cosine", "eta_min": 0.0}

    class Asking(ToyTask):
        """Asks in its last step, so that the plan is at its end when it is obeyed."""

        calls = 0

        def step(self, model: nn.Module, batch: Batch) -> StepOutput:
            Asking.calls += model.training
            if Asking.calls == 10 and model.training:
                send_command(RunPaths(tmp_path / "run"), "set", {"name": "lr", "op": "set", "value": 1.0})
                time.sleep(1)  # until it is heard
            return super().step(model, batch)

    ending = run_toy(tmp_path / "run", resolved(train=TRAIN, schedule=schedule), task_type=Asking)
    said = [event.data["effect"] for event in reader_of(tmp_path / "run").events if event.kind is EventKind.COMMAND]
    assert ending.code == ExitCode.OK
    assert said == ["refused: the plan's lr is 0 at this step, whatever it is multiplied by"]


def test_a_heap_of_commands_does_not_stop_the_training(tmp_path: Path) -> None:
    root = tmp_path / "run"
    root.mkdir()
    lines = (
        json.dumps({"id": f"{k:06}", "verb": "resume", "args": {}, "time": 1.0, "sender": "x"}) for k in range(5_000)
    )
    (root / "commands.jsonl").write_text("\n".join(lines) + "\n")
    ending = run_toy(root, resolved(train=TRAIN))
    assert ending.code == ExitCode.OK
    reader = reader_of(root)
    steps = len(reader.steps.all())
    acknowledged = sum(event.kind is EventKind.COMMAND for event in reader.events)
    assert steps == 10 and 0 < acknowledged <= 8 * steps


def test_a_resume_says_nothing_of_lines_that_an_earlier_sitting_has_passed_over(tmp_path: Path) -> None:
    (tmp_path / "commands.jsonl").write_text("no command\n")
    said: list[str] = []
    inbox = inbox_of(tmp_path, said, skip_existing=True)
    assert (taken(inbox), said) == ([], [])
