"""Checkpoints at ends of epochs take no more than a hundredth of the time, and the last is always written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from torch import nn
from toy import ToyTask, reader_of, resolved, run_toy

from trainctl.engine.data.batch import Batch
from trainctl.engine.runs.events import EventKind
from trainctl.engine.runs.layout import RunPaths
from trainctl.engine.tasks.task import StepOutput
from trainctl.engine.training.desk.run_writer import RunWriter
from trainctl.engine.training.loop import keeping
from trainctl.engine.training.loop.save_times import SaveTimes
from trainctl.engine.training.state.checkpoint import load_checkpoint


class Clock:
    """Stands still unless it is moved."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def save(times: SaveTimes, clock: Clock, seconds: float) -> None:
    with times.saving():
        clock.now += seconds


def test_the_configured_time_holds_where_saving_is_quick():
    clock = Clock()
    times = SaveTimes(clock)
    assert not times.is_due_at_end(5.0)
    clock.now += 5.0
    assert times.is_due_at_end(5.0)
    save(times, clock, 0.01)
    clock.now += 4.98
    assert not times.is_due_at_end(5.0)
    clock.now += 0.02
    assert times.is_due_at_end(5.0)


@pytest.mark.parametrize("took_s", [0.6, 6.0, 0.06])
def test_a_slow_save_puts_the_next_end_off_until_it_was_a_hundredth(took_s: float):
    clock = Clock()
    times = SaveTimes(clock)
    save(times, clock, took_s)
    clock.now += 99 * took_s - 1e-6
    assert not times.is_due_at_end(5.0)
    clock.now += 2e-6
    assert times.is_due_at_end(5.0)
    save(times, clock, 0.001)  # quick again: the last one counts
    clock.now += 5.0
    assert times.is_due_at_end(5.0)


def test_zero_is_every_epoch_and_never_within_one():
    clock = Clock()
    times = SaveTimes(clock)
    save(times, clock, 9.0)
    assert times.is_due_at_end(0.0)
    clock.now += 1e6
    assert not times.is_due(0.0)


def test_within_an_epoch_what_is_asked_for_is_done():
    clock = Clock()
    times = SaveTimes(clock)
    save(times, clock, 9.0)
    clock.now += 52.0
    assert times.is_due(60.0) and not times.is_due_at_end(60.0)


def test_a_save_that_fails_is_due_again_as_late_as_one_that_does_not():
    clock = Clock()
    times = SaveTimes(clock)
    save(times, clock, 0.01)
    clock.now += 5.0
    with pytest.raises(OSError, match="disk"), times.saving():
        clock.now += 2.0
        raise OSError("disk")
    assert not times.is_due_at_end(5.0)
    clock.now += 3.0
    assert times.is_due_at_end(5.0)


@pytest.mark.few(1)
@pytest.mark.parametrize(
    ("every_s", "took_s", "wanted"), [(5.0, 0.0, 29), (5.0, 0.2, 8), (5.0, 5.0, 1), (0.0, 5.0, 29)]
)
def test_a_run_saves_as_seldom_as_its_saving_is_slow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, every_s: float, took_s: float, wanted: int
) -> None:
    clock, write = Clock(), RunWriter.checkpoint

    class Timed(ToyTask):
        def step(self, model: nn.Module, batch: Batch) -> StepOutput:
            clock.now += model.training
            return super().step(model, batch)

    def slow(self: RunWriter, which: str, *args: Any) -> None:
        clock.now += took_s if which == "latest" else 0.0
        write(self, which, *args)

    monkeypatch.setattr(RunWriter, "checkpoint", slow)
    monkeypatch.setattr(keeping, "SaveTimes", lambda: SaveTimes(clock))
    sections = {
        "train": {"epochs": 30, "batch_size": 16, "eval_every": 30},
        "checkpoint": {"every_s": 0.0, "epoch_every_s": every_s},
    }
    run_toy(tmp_path / "run", resolved(**sections), task_type=Timed)  # 30 epochs of 5 steps of a second
    events = [event for event in reader_of(tmp_path / "run").events if event.kind is EventKind.CHECKPOINT]
    saved = [event.step for event in events if event.data["which"] == "latest"]
    assert saved[-1] == 150 == load_checkpoint(RunPaths(tmp_path / "run").latest)["about"]["step"]
    assert len(saved) - 1 == wanted
