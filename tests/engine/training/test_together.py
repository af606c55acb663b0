"""Several processes that train one run: the run of one process, exactly resumed, and ended together."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rank_runs import PlainToy, kill_self, run_ranks
from same_run import same
from toy import ToyTask, reader_of, resolved, run_toy

from trainctl.engine.runs.commands import Verb, send_command
from trainctl.engine.runs.events import EventKind
from trainctl.engine.runs.layout import RunPaths
from trainctl.engine.runs.ranks.side_by_side import read_ranks
from trainctl.engine.runs.states import RunState
from trainctl.engine.runs.summary import read_summary
from trainctl.engine.training.state.checkpoint import load_checkpoint

OPTIONS: dict[str, Any] = {
    "train": {"epochs": 3, "batch_size": 17, "drop_last": False},
    "ema": {"decay": 0.9},
    "clip": {"grad_norm": 1.0},
}
"""Batches that two ranks do not share evenly, the last of an epoch least of all: 5 samples."""


def losses_of(root: Path) -> np.ndarray[Any, np.dtype[Any]]:
    return reader_of(root).steps.all()["loss"]


def events_of(root: Path, kind: EventKind) -> list[dict[str, Any]]:
    return [event.data for event in reader_of(root).events if event.kind is kind]


def state_of(root: Path) -> dict[str, Any]:
    state = load_checkpoint(RunPaths(root).latest)["state"]
    for clock in ("train_s", "elapsed_s"):
        state["progress"].pop(clock)
    return state


def test_two_ranks_take_the_steps_of_one_process(tmp_path: Path) -> None:
    config = resolved(**OPTIONS)
    alone, shared = tmp_path / "alone", tmp_path / "shared"
    run_toy(alone, config, task_type=PlainToy)
    endings = run_ranks(shared, config)
    assert [ending and ending["code"] for ending in endings] == [0, 0]
    one, two = reader_of(alone).steps.all(), reader_of(shared).steps.all()
    for name in ("loss", "term.ce", "term.size", "grad_norm", "scalar.margin"):
        np.testing.assert_allclose(one[name], two[name], rtol=2e-5, err_msg=name)
    for name in ("step", "epoch", "batch_size", "classes", "num_classes"):
        np.testing.assert_array_equal(one[name], two[name], err_msg=name)
    parts = read_ranks(RunPaths(shared))
    assert parts is not None and parts.ranks == (0, 1) and parts.steps.tolist() == one["step"].tolist()
    np.testing.assert_array_equal(parts.column("classes").sum(0), one["classes"])
    whole = (parts.column("loss") * parts.column("batch_size")).sum(0) / parts.column("batch_size").sum(0)
    np.testing.assert_allclose(whole, one["loss"], rtol=2e-5)
    assert (parts.column("scalar.busy_s") < parts.column("step_s")).all()
    for before, after in zip(
        events_of(alone, EventKind.VALIDATION), events_of(shared, EventKind.VALIDATION), strict=True
    ):
        assert after["raw"]["loss"] == pytest.approx(before["raw"]["loss"], rel=1e-5)
        assert after["ema"]["accuracy"] == before["ema"]["accuracy"]


def test_accumulated_batches_are_shared_too(tmp_path: Path) -> None:
    config = resolved(train={"epochs": 2, "batch_size": 16, "accumulation": 2})
    run_toy(tmp_path / "alone", config, task_type=PlainToy)
    run_ranks(tmp_path / "shared", config)
    np.testing.assert_allclose(losses_of(tmp_path / "alone"), losses_of(tmp_path / "shared"), rtol=2e-5)


def test_a_signal_at_any_rank_ends_all_at_one_step_and_the_resume_is_the_uninterrupted_run(tmp_path: Path) -> None:
    config = resolved(train={"epochs": 3, "batch_size": 16})  # with dropout, augmentation and BatchNorm
    whole, parted = tmp_path / "whole", tmp_path / "parted"
    run_ranks(whole, config, task_type=ToyTask)

    def warn(rank: int, step: int) -> None:
        if (rank, step) == (1, 7):
            kill_self(signal.SIGUSR1)

    endings = run_ranks(parted, config, task_type=ToyTask, befall=warn)
    assert [ending and (ending["state"], ending["code"], ending["reason"]) for ending in endings] == [
        ("preempted", 75, "received SIGUSR1")
    ] * 2
    stopped = load_checkpoint(RunPaths(parted).latest)["state"]
    assert 7 <= stopped["progress"]["step"] < 15
    run_ranks(parted, config, task_type=ToyTask, resume=True)
    one, two = state_of(whole), state_of(parted)
    for key in one:
        assert same(one[key], two[key]), key
    np.testing.assert_array_equal(losses_of(whole), losses_of(parted))


def test_a_validation_is_broken_off_by_a_signal_and_due_to_the_resume(tmp_path: Path) -> None:
    config = resolved(train={"epochs": 3, "batch_size": 16, "eval_batch_size": 4})
    whole, parted = tmp_path / "whole", tmp_path / "parted"
    run_ranks(whole, config, task_type=ToyTask)

    def warn(rank: int, step: int) -> None:
        if (rank, step) == (1, 0):
            kill_self(signal.SIGUSR2)

    endings = run_ranks(parted, config, task_type=ToyTask, befall=warn)
    assert [ending and ending["code"] for ending in endings] == [75, 75]
    assert not events_of(parted, EventKind.VALIDATION)
    run_ranks(parted, config, task_type=ToyTask, resume=True)
    one, two = state_of(whole), state_of(parted)
    for key in one:
        assert same(one[key], two[key]), key


@pytest.mark.parametrize("size", [1, pytest.param(3, marks=pytest.mark.slow), pytest.param(4, marks=pytest.mark.slow)])
def test_a_run_goes_on_with_another_number_of_ranks(tmp_path: Path, size: int) -> None:
    config = resolved(**OPTIONS)
    alone, moved = tmp_path / "alone", tmp_path / "moved"
    run_toy(alone, config, task_type=PlainToy)

    def end(rank: int, step: int) -> None:
        if (rank, step) == (0, 4):
            kill_self(signal.SIGTERM)

    endings = run_ranks(moved, config, befall=end)
    assert [ending and ending["code"] for ending in endings] == [143, 143]
    if size == 1:
        run_toy(moved, config, task_type=PlainToy, resume=True)
    else:
        run_ranks(moved, config, size=size, resume=True)
    one, two = reader_of(alone).steps.all(), reader_of(moved).steps.all()
    np.testing.assert_array_equal(one["classes"], two["classes"])
    np.testing.assert_allclose(one["loss"], two["loss"], rtol=2e-5)


def killed(rank: int) -> Callable[[int, int], None]:
    def kill(own: int, step: int) -> None:
        if (own, step) == (rank, 6):
            kill_self(signal.SIGKILL)

    return kill


def test_a_killed_rank_ends_the_others_who_say_which_it_was(tmp_path: Path) -> None:
    endings = run_ranks(tmp_path / "run", resolved(train={"epochs": 9, "batch_size": 16}), befall=killed(1))
    first, second = endings
    assert second is None and first is not None and first["code"] == 1
    assert first["reason"].startswith("rank 1 is gone") and first["seconds"] < 30
    summary = read_summary(RunPaths(tmp_path / "run"))
    assert summary is not None and summary.state is RunState.FAILED and summary.exit_reason.startswith("rank 1 is gone")
    assert load_checkpoint(RunPaths(tmp_path / "run").latest)["state"]["progress"]["step"] == 5, "nothing is lost"


def test_a_rank_that_fails_ends_the_others_who_say_why(tmp_path: Path) -> None:
    def fail(rank: int, step: int) -> None:
        if (rank, step) == (1, 6):
            raise ValueError("a bad sample")

    endings = run_ranks(tmp_path / "run", resolved(train={"epochs": 9, "batch_size": 16}), befall=fail)
    assert [ending and ending["reason"] for ending in endings] == ["rank 1: ValueError: a bad sample"] * 2


def test_an_update_that_is_not_finite_on_one_rank_is_skipped_by_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPOIL", "1:6")
    endings = run_ranks(
        tmp_path / "run", resolved(train={"epochs": 2, "batch_size": 16}, checkpoint={"epoch_every_s": 0})
    )
    assert [ending and ending["state"] for ending in endings] == ["failed", "failed"]
    parts = read_ranks(RunPaths(tmp_path / "run"))
    assert parts is not None and np.isfinite(parts.column("loss")[:, 5]).tolist() == [True, False], "which it was"
    assert endings[0] is not None and "not finite at step 6" in endings[0]["reason"]
    assert load_checkpoint(RunPaths(tmp_path / "run").latest)["state"]["progress"]["step"] < 6


def test_commands_take_effect_everywhere(tmp_path: Path) -> None:
    def ask(paths: RunPaths) -> None:
        send_command(paths, Verb.SET, {"name": "lr", "op": "set", "value": 0.5})
        send_command(paths, Verb.PAUSE, {})
        send_command(paths, Verb.VALIDATE, {})
        send_command(paths, Verb.RESUME, {})
        send_command(paths, Verb.STOP, {})

    endings = run_ranks(tmp_path / "run", resolved(train={"epochs": 400, "batch_size": 16}), on_open=ask)
    assert [ending and ending["code"] for ending in endings] == [75, 75]
    effects = [command["effect"].split(":")[0] for command in events_of(tmp_path / "run", EventKind.COMMAND)]
    assert effects[1:] == ["paused", "validated", "resumed", "stopping after this step"]


def test_what_one_rank_refuses_ends_all_before_there_is_a_run(tmp_path: Path) -> None:
    endings = run_ranks(tmp_path / "run", resolved(train={"epochs": 1, "batch_size": 3}), task_type=ToyTask)
    assert [ending and ending["code"] for ending in endings] == [2, 2]
    assert endings[0] is not None and "train.batch_size=3" in endings[0]["reason"]
    assert not RunPaths(tmp_path / "run").meta.exists()


def test_a_rank_that_may_not_write_its_own_records_says_so_once_and_trains_along(tmp_path: Path) -> None:
    blocked = tmp_path / "run" / "ranks"
    blocked.mkdir(parents=True)
    (blocked / "1").write_text("no folder")
    endings = run_ranks(tmp_path / "run", resolved(train={"epochs": 2, "batch_size": 16}))
    assert [ending and ending["code"] for ending in endings] == [0, 0]
    (warning,) = events_of(tmp_path / "run", EventKind.WARNING)
    assert warning["text"].startswith("rank 1: ") and "not recorded" in warning["text"]
    parts = read_ranks(RunPaths(tmp_path / "run"))
    assert parts is not None and parts.ranks == (0,) and len(parts.steps) == 10
