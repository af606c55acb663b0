"""Which trial of a study a run is: the small file in its folder that says so, and the trials of a folder of runs.

Written by who runs the study, never by the training. Knows no sampler.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from trainctl.engine.errors import UserError
from trainctl.engine.runs.atomic import DamagedFileError, read_json, to_plain, understanding, write_json_atomic
from trainctl.engine.runs.folder.trial import TRIAL_NAME
from trainctl.engine.runs.index import run_names
from trainctl.engine.runs.layout import RunPaths
from trainctl.engine.runs.states import SCHEMA


class TrialState(StrEnum):
    """How far a trial has come."""

    RUNNING = "running"
    COMPLETE = "complete"
    PRUNED = "pruned"
    """Stopped before its end, because others were better."""
    FAILED = "failed"


@dataclass(frozen=True)
class RunTrial:
    """Whole content of `trial.json`; `engine.runs.folder.trial` reads what a list of runs shows of it."""

    study: str
    number: int
    """From 0."""
    params: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Value of each option that the study varies, by dotted name."""
    state: TrialState = TrialState.RUNNING
    metric: str = ""
    """By which the trials are ranked."""
    direction: str = ""
    """`max` or `min`."""
    value: float | None = None
    """Best value of the metric so far; of a trial that is not complete it does not count."""
    epoch: int = 0
    """At which it was reached; 0: unknown."""
    reason: str = ""
    """Why it is not complete."""


def write_trial(run: RunPaths, trial: RunTrial) -> None:
    """Replace the file.

    Raises:
        DiskError: the disk refuses.
    """
    write_json_atomic(run.root / TRIAL_NAME, {"schema": SCHEMA} | to_plain(trial))


def read_trial(run: RunPaths) -> RunTrial | None:
    """Content of the file; None where the run is no trial.

    Raises:
        UserError: damaged, or written by a newer version.
    """
    path = run.root / TRIAL_NAME
    data = read_json(path)
    if data is None:
        return None
    with understanding(path):
        value = data.get("value")
        return RunTrial(
            study=str(data["study"]),
            number=int(data["number"]),
            params=dict(data["params"]),
            state=TrialState(data["state"]),
            metric=str(data.get("metric", "")),
            direction=str(data.get("direction", "")),
            value=None if value is None else float(value),
            epoch=int(data.get("epoch", 0)),
            reason=str(data.get("reason", "")),
        )


def trials_of(runs_dir: Path, study: str) -> Sequence[tuple[RunPaths, RunTrial]]:
    """The runs that are trials of a study, by number; those whose file cannot be read are left out.

    Raises:
        UserError: the folder cannot be read, or holds no trial of that study; names those it has.
    """
    found: list[tuple[RunPaths, RunTrial]] = []
    others: dict[str, None] = {}
    for name in run_names(runs_dir):
        run = RunPaths(runs_dir / name)
        try:
            trial = read_trial(run)
        except DamagedFileError:
            continue
        if trial is not None and trial.study == study:
            found.append((run, trial))
        elif trial is not None:
            others[trial.study] = None
    if not found:
        known = f"there is: {', '.join(others)}" if others else "start one with: trainctl sweep"
        raise UserError(f"no run in {runs_dir} is a trial of the study {study!r}", known)
    return sorted(found, key=lambda pair: pair[1].number)
