"""Runs to look at, and a home of their own for what the cockpit remembers."""

from __future__ import annotations

from pathlib import Path

import pytest
from synthetic_run import NewRun, SyntheticRun

from trainctl.engine.runs.index import create_run
from trainctl.engine.runs.layout import RunPaths


@pytest.fixture
def runs_dir(tmp_path: Path) -> Path:
    """Folder of runs."""
    return tmp_path / "runs"


@pytest.fixture
def empty_run(runs_dir: Path) -> RunPaths:
    """A run directory that nobody has written to."""
    return create_run(runs_dir, "eyes/balanced")


@pytest.fixture
def new_run(runs_dir: Path) -> NewRun:
    """Makes synthetic runs."""
    return lambda **options: SyntheticRun(runs_dir, **options)


@pytest.fixture
def live_run(runs_dir: Path) -> SyntheticRun:
    """A run at step 100 of 200, with two validations."""
    run = SyntheticRun(runs_dir).begin()
    run.train(50)
    run.validate(1, 0.5, 0.8)
    run.train(50)
    run.validate(2, 0.4, 0.9)
    return run


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reads or writes what a user's cockpit remembers."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
