"""A run's folder that goes away for a while costs nothing but time; one that stays away ends the run in one line."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest
from torch import nn
from toy import ToyTask, reader_of, resolved, run_toy

from trainctl.engine.data.batch import Batch
from trainctl.engine.errors import ExitCode, UserError
from trainctl.engine.runs.events import EventKind
from trainctl.engine.runs.layout import RunPaths
from trainctl.engine.tasks.task import StepOutput, Task
from trainctl.engine.training.desk import run_writer
from trainctl.engine.training.state.checkpoint import load_checkpoint

TRAIN = {"epochs": 6, "batch_size": 16}
EVERY_EPOCH = {"epoch_every_s": 0.0}
STEPS = 30


def losing(root: Path, away_s: float) -> type[Task]:
    """A task in whose seventh step the folder is renamed; it comes back after so many seconds, or never."""

    class Losing(ToyTask):
        calls = 0

        def step(self, model: nn.Module, batch: Batch) -> StepOutput:
            Losing.calls += model.training
            if Losing.calls == 7 and model.training:
                root.rename(root.with_name("elsewhere"))
                if away_s < 60:
                    threading.Timer(away_s, lambda: root.with_name("elsewhere").rename(root)).start()
            return super().step(model, batch)

    return Losing


@pytest.mark.few(1)
@pytest.mark.parametrize("away_s", [0.05, 1.0, 2.5])
def test_a_folder_that_comes_back_has_everything(tmp_path: Path, away_s: float) -> None:
    root = tmp_path / "run"
    root.mkdir(mode=0o700)
    ending = run_toy(root, resolved(train=TRAIN, checkpoint=EVERY_EPOCH), task_type=losing(root, away_s))
    assert ending.code == ExitCode.OK
    assert load_checkpoint(RunPaths(root).latest)["about"]["step"] == STEPS
    reader = reader_of(root)
    assert reader.steps.all()["step"].tolist() == list(range(1, STEPS + 1))
    assert [event.data["epoch"] for event in reader.events if event.kind is EventKind.EPOCH] == [1, 2, 3, 4, 5, 6]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run"]


def test_a_folder_that_stays_away_ends_the_run_and_is_not_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_writer, "GONE_S", 0.2)
    root = tmp_path / "run"
    root.mkdir(mode=0o700)
    began = time.monotonic()
    with pytest.raises(UserError, match=r"cannot write .*latest_model\.pth: its folder is gone|best_model\.pth"):
        run_toy(root, resolved(train=TRAIN, checkpoint=EVERY_EPOCH), task_type=losing(root, 1000))
    assert time.monotonic() - began < 60
    assert sorted(path.name for path in tmp_path.iterdir()) == ["elsewhere"]
    kept = tmp_path / "elsewhere"
    assert load_checkpoint(RunPaths(kept).latest)["about"]["step"] == 5
