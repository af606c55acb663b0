"""A run ends after the steps or the minutes that it may take, with a last validation, and says which it was."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from toy import NUM_TRAIN, reader_of, resolved, run_toy

from trainctl.engine.errors import ExitCode, UserError
from trainctl.engine.runs.events import EventKind
from trainctl.engine.runs.layout import RunPaths
from trainctl.engine.runs.states import RunState
from trainctl.engine.training.loop import orders
from trainctl.engine.training.state.checkpoint import load_checkpoint

STEPS = NUM_TRAIN // 16
"""Of an epoch."""
TRAIN = {"epochs": 9, "batch_size": 16}


@pytest.fixture(autouse=True)
def each_look_at_the_clock_takes_ten_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = itertools.count(0.0, 10.0)
    monkeypatch.setattr(orders, "now_s", lambda: next(clock))


def elapsed_s(root: Path) -> float:
    return load_checkpoint(RunPaths(root).latest)["state"]["progress"]["elapsed_s"]


def test_a_run_ends_after_its_minutes_and_is_validated(tmp_path: Path) -> None:
    ending = run_toy(tmp_path / "run", resolved(train=TRAIN | {"max_minutes": 0.5}))
    assert (ending.state, ending.code, ending.reason) == (RunState.FINISHED, ExitCode.OK, "max_minutes=0.5 reached")
    reader = reader_of(tmp_path / "run")
    validations = [event for event in reader.events if event.kind is EventKind.VALIDATION]
    assert (len(reader.steps.all()), [event.step for event in validations]) == (3, [3])


def test_the_time_of_a_validation_counts(tmp_path: Path) -> None:
    # ten seconds for each step, and ten for the end of the epoch: over within the first validation
    minutes = 10 * (STEPS + 1) / 60
    run_toy(tmp_path / "run", resolved(train=TRAIN | {"max_minutes": minutes}))
    reader = reader_of(tmp_path / "run")
    assert len(reader.steps.all()) == STEPS, "no step into the next epoch"
    assert len([event for event in reader.events if event.kind is EventKind.VALIDATION]) == 1


def test_earlier_sittings_count_and_a_resume_takes_what_is_left(tmp_path: Path) -> None:
    run_toy(tmp_path / "run", resolved(train=TRAIN), signal_at=1)
    before = elapsed_s(tmp_path / "run")
    limited = resolved(train=TRAIN | {"max_minutes": (before + 20) / 60})
    ending = run_toy(tmp_path / "run", limited, resume=True)
    assert ending.reason.startswith("max_minutes=")
    assert elapsed_s(tmp_path / "run") == before + 20
    assert len(reader_of(tmp_path / "run").steps.all()) == 1 + 2
    with pytest.raises(UserError, match=r"has taken its .* minutes; to go on, raise them: train\.max_minutes=2"):
        run_toy(tmp_path / "run", limited, resume=True)


def test_a_pause_does_not_count(tmp_path: Path) -> None:
    run_toy(tmp_path / "plain", resolved(train=TRAIN | {"epochs": 1}))
    run_toy(tmp_path / "paused", resolved(train=TRAIN | {"epochs": 1}), commands=[("pause", {}), ("resume", {})])
    # one look more at the clock, when the pause begins; none of what was between
    assert elapsed_s(tmp_path / "paused") == elapsed_s(tmp_path / "plain") + 10


def test_the_limit_that_comes_first_is_the_one_that_is_said(tmp_path: Path) -> None:
    limits = {"max_steps": 2, "max_minutes": 5.0}
    assert run_toy(tmp_path / "run", resolved(train=TRAIN | limits)).reason == "max_steps=2 reached"
    assert elapsed_s(tmp_path / "run") == 20


def test_a_checkpoint_of_before_there_was_a_clock_is_resumed(tmp_path: Path) -> None:
    from trainctl.engine.training.state.checkpoint import save_checkpoint

    run_toy(tmp_path / "run", resolved(train=TRAIN), signal_at=2)
    path = RunPaths(tmp_path / "run").latest
    content = load_checkpoint(path)
    content["state"]["progress"].pop("elapsed_s")
    save_checkpoint(path, content["state"], content["about"])
    run_toy(tmp_path / "run", resolved(train=TRAIN | {"max_steps": 3}), resume=True)
    assert elapsed_s(tmp_path / "run") == 10
