"""A folder with a space, a trainer that plays trainings, and `trainctl sweep` to type."""

from __future__ import annotations

from pathlib import Path

import pytest
from fake_trials import FakeTrainer, Sweep, space_file

from trainctl.tui.cli.main import run_command_line
from trainctl.tui.cli.sweep import trial as trial_module
from trainctl.tui.processes import trainings


@pytest.fixture
def trainer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeTrainer:
    found = FakeTrainer()
    monkeypatch.setattr(trial_module, "launch", found.launch)
    monkeypatch.setattr(trial_module, "go_on", found.go_on)
    monkeypatch.setattr(trial_module, "FOLLOW_S", 0)
    monkeypatch.setattr(trainings, "LOOK_S", 0)
    monkeypatch.setattr(trainings, "PATIENCE_S", 0)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TRAINCTL_RUNS_DIR", raising=False)
    space_file(tmp_path)
    return found


@pytest.fixture
def sweep(trainer: FakeTrainer, capsys: pytest.CaptureFixture[str]) -> Sweep:
    """Types `trainctl sweep`; exit code and what was printed."""

    def typed(*words: str) -> tuple[int, str, str]:
        code = run_command_line(["sweep", *words])
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return typed
