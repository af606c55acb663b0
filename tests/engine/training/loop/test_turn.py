"""A task may change the network between two epochs: what that did is on record, and a resume does it again."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from same_run import assert_same_run
from toy import NUM_TRAIN, ToyTask, reader_of, resolved, run_toy

from trainctl.engine.runs.events import EventKind
from trainctl.engine.tasks.task import Turn

TRAIN = {"epochs": 4, "batch_size": 16}
STEPS = NUM_TRAIN // 16


class Meddler(ToyTask):
    """Puts the mean input of ten training samples into a bias, every second epoch."""

    def end_epoch(self, turn: Turn) -> Mapping[str, Any] | None:
        if turn.epoch % 2:
            return None
        rows = torch.arange(10) + turn.epoch
        mean = torch.cat([batch["x"] for batch in turn.gather(rows)]).mean()
        torch.testing.assert_close(mean, turn.split.tensors["x"][rows].mean())
        with torch.no_grad():
            bias = list(turn.model.parameters())[-1]
            bias.copy_(mean * torch.tensor([5.0, -5.0, 0.0]))
        return {"mode": "test", "text": "bias set"}


def test_a_change_is_recorded_between_two_validations_of_its_step(tmp_path: Path) -> None:
    run_toy(tmp_path / "run", resolved(train=TRAIN), task_type=Meddler)
    wanted = (EventKind.VALIDATION, EventKind.REFIT)
    found = [event for event in reader_of(tmp_path / "run").events if event.kind in wanted]
    assert [str(event.kind) for event in found] == ["validation"] * 2 + ["refit"] + ["validation"] * 3
    before, change, after = found[1:4]
    assert {event.step for event in (before, change, after)} == {2 * STEPS}
    assert (change.data["epoch"], change.data["text"]) == (2, "bias set")
    assert (after.data["after"], after.data["best"]) == ("refit", False)
    assert "after" not in before.data
    assert before.data["raw"]["loss"] != pytest.approx(after.data["raw"]["loss"], rel=0.01)


@pytest.mark.few(2)
@pytest.mark.parametrize("steps", [STEPS, 2 * STEPS - 1, 2 * STEPS, 2 * STEPS + 1])
def test_a_resumed_run_changes_as_the_uninterrupted_one(tmp_path: Path, steps: int) -> None:
    run_toy(tmp_path / "whole", resolved(train=TRAIN, ema={"decay": 0.9}), task_type=Meddler)
    run_toy(tmp_path / "parts", resolved(train=TRAIN, ema={"decay": 0.9}), task_type=Meddler, signal_at=steps)
    run_toy(tmp_path / "parts", resolved(train=TRAIN, ema={"decay": 0.9}), task_type=Meddler, resume=True)
    assert_same_run(tmp_path / "whole", tmp_path / "parts")
