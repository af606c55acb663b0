"""k steps, a resume, and k more give bit for bit what 2k steps give."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from same_run import OPTIONS, SCHEDULES, assert_same_run
from torch import Tensor
from toy import NUM_TRAIN, ToyTask, reader_of, resolved, run_toy

from trainctl.engine.errors import ExitCode, UserError
from trainctl.engine.runs.events import EventKind
from trainctl.engine.runs.layout import RunPaths
from trainctl.engine.training.state.checkpoint import load_checkpoint


@pytest.mark.few(4)
@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize(
    ("accumulation", "steps"),
    [(1, 5), (2, 3), *(pytest.param(*one, marks=pytest.mark.slow) for one in ((1, 3), (1, 8), (2, 5), (2, 8)))],
)
def test_a_resumed_run_is_the_uninterrupted_run(tmp_path: Path, schedule: str, accumulation: int, steps: int) -> None:
    train = {"epochs": 4, "batch_size": 16, "accumulation": accumulation}
    sections = {**OPTIONS, "schedule": SCHEDULES[schedule], "train": train}
    run_toy(tmp_path / "whole", resolved(**sections))
    assert run_toy(tmp_path / "parts", resolved(**sections), signal_at=steps).code == ExitCode.TERMINATED
    run_toy(tmp_path / "parts", resolved(**sections), resume=True)
    assert_same_run(tmp_path / "whole", tmp_path / "parts")


@pytest.mark.few(2)
@pytest.mark.parametrize("steps", [1, 3, 5, 7])
def test_the_means_of_an_epoch_that_was_interrupted_are_of_all_its_steps(tmp_path: Path, steps: int) -> None:
    def means(root: Path) -> list[dict[str, float]]:
        return [event.data["train"] for event in reader_of(root).current_events() if event.kind is EventKind.EPOCH]

    run_toy(tmp_path / "whole", resolved(**OPTIONS))
    run_toy(tmp_path / "parts", resolved(**OPTIONS), signal_at=steps)
    run_toy(tmp_path / "parts", resolved(**OPTIONS), resume=True)
    assert len(means(tmp_path / "whole")) == 4
    assert means(tmp_path / "parts") == means(tmp_path / "whole")


class Disturbed(ToyTask):
    """Its `at`-th measurement comes to nothing: a signal, or a mistake of its own."""

    at, calls, is_mistake = 0, 0, False

    def metrics(self, columns: Mapping[str, Tensor]) -> dict[str, float]:
        type(self).calls += 1
        if self.calls == self.at:
            if self.is_mistake:
                raise ZeroDivisionError
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(60)  # a validation that takes long
        return super().metrics(columns)


@pytest.mark.few(3)
@pytest.mark.parametrize("is_mistake", [False, True])
@pytest.mark.parametrize("at", [1, 2, 5, 8])  # of raw and averaged weights in turn, at the end of each of four epochs
def test_a_validation_that_comes_to_nothing_is_made_by_the_resume(tmp_path: Path, at: int, is_mistake: bool) -> None:
    sections = {**OPTIONS, "schedule": SCHEDULES["plateau"], "weighting": {"adaptive": True}}
    run_toy(tmp_path / "whole", resolved(**sections))
    disturbed = type("Mine", (Disturbed,), {"at": at, "is_mistake": is_mistake})
    began = time.monotonic()
    ending = run_toy(tmp_path / "parts", resolved(**sections), task_type=disturbed)
    assert time.monotonic() - began < 30
    assert ending.code == (ExitCode.RUN_FAILED if is_mistake else ExitCode.TERMINATED)
    assert load_checkpoint(RunPaths(tmp_path / "parts").latest)["about"]["step"] == (at + 1) // 2 * (NUM_TRAIN // 16)
    assert run_toy(tmp_path / "parts", resolved(**sections), resume=True).code == ExitCode.OK
    assert_same_run(tmp_path / "whole", tmp_path / "parts")
    for kind in (EventKind.EPOCH, EventKind.VALIDATION):
        one, other = (
            [event.data for event in reader_of(tmp_path / name).current_events() if event.kind is kind]
            for name in ("whole", "parts")
        )
        assert [data["epoch"] for data in other] == [data["epoch"] for data in one] == [1, 2, 3, 4]
        assert [data.get("raw") for data in other] == [data.get("raw") for data in one]


@pytest.mark.parametrize("train", [{"max_steps": 9}, {"epochs": 3, "eval_every": 2}, {"epochs": 1, "max_steps": 4}])
def test_the_last_validation_of_all_is_made_by_the_resume_which_takes_no_step(
    tmp_path: Path, train: dict[str, int]
) -> None:
    sections = {"train": {"epochs": 4, "batch_size": 16} | train}

    def last(name: str) -> tuple[int, object, object]:
        reader = reader_of(tmp_path / name)
        found = [event for event in reader.current_events() if event.kind is EventKind.VALIDATION]
        assert reader.summary is not None
        return len(reader.steps.all()), found[-1].data["raw"], reader.summary.state

    counting = type("Counting", (Disturbed,), {"at": 0})
    run_toy(tmp_path / "whole", resolved(**sections), task_type=counting)
    disturbed = type("Mine", (Disturbed,), {"at": counting.calls})
    ending = run_toy(tmp_path / "parts", resolved(**sections), task_type=disturbed)
    assert ending.code == ExitCode.TERMINATED
    assert run_toy(tmp_path / "parts", resolved(**sections), resume=True).code == ExitCode.OK
    assert last("parts") == last("whole")
    assert_same_run(tmp_path / "whole", tmp_path / "parts")
    with pytest.raises(UserError, match="to go on, raise them"):
        run_toy(tmp_path / "parts", resolved(**sections), resume=True)


def test_a_validation_that_was_asked_for_gives_way_to_a_signal(tmp_path: Path) -> None:
    sections = {**OPTIONS, "train": {"epochs": 2, "batch_size": 16}}
    run_toy(tmp_path / "whole", resolved(**sections))
    disturbed = type("Mine", (Disturbed,), {"at": 1})
    asked = [("validate", {})]
    ending = run_toy(tmp_path / "parts", resolved(**sections), task_type=disturbed, commands=asked)
    assert ending.code == ExitCode.TERMINATED
    answers = [
        event.data["effect"] for event in reader_of(tmp_path / "parts").events if event.kind is EventKind.COMMAND
    ]
    assert answers == ["refused: the run ends"]
    run_toy(tmp_path / "parts", resolved(**sections), resume=True)
    assert_same_run(tmp_path / "whole", tmp_path / "parts")


def test_live_changes_survive_a_resume(tmp_path: Path) -> None:
    changes = [
        ("set", {"name": "lr", "op": "mul", "value": 0.5}),
        ("set", {"name": "clip", "op": "set", "value": 0.3}),
        ("checkpoint", {}),
        ("stop", {}),
    ]
    sections = {**OPTIONS, "schedule": {"name": "cosine"}, "train": {"epochs": 40, "batch_size": 16}}
    ending = run_toy(tmp_path / "run", resolved(**sections), commands=changes)
    assert ending.code == ExitCode.STOPPED
    stopped_at = reader_of(tmp_path / "run").events[-1].step
    run_toy(tmp_path / "run", resolved(**sections), resume=True)
    records = reader_of(tmp_path / "run").steps.all()
    after = records[records["step"] == stopped_at + 1][0]
    epoch_lr = 1e-6 + (0.01 - 1e-6) * (1 + np.cos(np.pi * (int(after["epoch"]) - 1) / 40)) / 2
    assert after["lr"][0] == pytest.approx(0.5 * epoch_lr)
    assert after["clip"] == pytest.approx(0.3)


def test_a_live_change_of_a_weight_is_part_of_the_exact_resume(tmp_path: Path) -> None:
    """Stopped twice after a change against stopped once: everything after the change must agree."""
    change = [("set", {"name": "weight", "term": "size", "op": "set", "value": 0.25}), ("stop", {})]
    sections = {**OPTIONS, "train": {"epochs": 6, "batch_size": 16}}
    run_toy(tmp_path / "one", resolved(**sections), commands=change)
    stopped_at = reader_of(tmp_path / "one").events[-1].step
    copy = tmp_path / "two"
    copy.mkdir()
    for file in (tmp_path / "one").iterdir():
        (copy / file.name).write_bytes(file.read_bytes())
    run_toy(tmp_path / "one", resolved(**sections), resume=True)
    run_toy(copy, resolved(**sections), resume=True, signal_at=stopped_at + 4)
    run_toy(copy, resolved(**sections), resume=True)
    assert_same_run(tmp_path / "one", copy)
    records = reader_of(copy).steps.all()
    assert set(records["weight.size"][records["step"] > stopped_at]) == {np.float32(0.25)}


def test_a_run_killed_before_its_first_checkpoint_starts_over(tmp_path: Path) -> None:
    sections = {**OPTIONS, "train": {"epochs": 2, "batch_size": 16}}
    run_toy(tmp_path / "whole", resolved(**sections))
    run_toy(tmp_path / "killed", resolved(**sections), signal_at=4)
    for checkpoint in (RunPaths(tmp_path / "killed").latest, RunPaths(tmp_path / "killed").best):
        checkpoint.unlink(missing_ok=True)
    run_toy(tmp_path / "killed", resolved(**sections), resume=True)
    assert_same_run(tmp_path / "whole", tmp_path / "killed")


def test_a_finished_run_says_how_to_go_on(tmp_path: Path) -> None:
    run_toy(tmp_path / "run", resolved(train={"epochs": 1, "batch_size": 16}))
    with pytest.raises(UserError, match=r"finished its 1 epochs.*train.epochs=2"):
        run_toy(tmp_path / "run", resolved(train={"epochs": 1, "batch_size": 16}), resume=True)
    run_toy(tmp_path / "run", resolved(train={"epochs": 2, "batch_size": 16}), resume=True)
    assert len(reader_of(tmp_path / "run").steps.all()) == 2 * (NUM_TRAIN // 16)


def test_a_checkpoint_of_another_network_is_refused(tmp_path: Path) -> None:
    run_toy(tmp_path / "run", resolved(train={"epochs": 1, "batch_size": 16}))
    latest = RunPaths(tmp_path / "run").latest
    content = load_checkpoint(latest)
    content["state"]["model"]["0.weight"] = torch.zeros(16, 9)
    torch.save(content, latest)
    before = latest.read_bytes()
    with pytest.raises(UserError, match=r"is of another network: 0\.weight is 16x9 in it"):
        run_toy(tmp_path / "run", resolved(train={"epochs": 2, "batch_size": 16}), resume=True)
    assert latest.read_bytes() == before
