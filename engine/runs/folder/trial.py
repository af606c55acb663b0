"""Which study a run is a trial of, as `trial.json` in its directory says. Written by whoever runs the study."""

from __future__ import annotations

from dataclasses import dataclass

from trainctl.engine.errors import UserError
from trainctl.engine.runs.atomic import read_json
from trainctl.engine.runs.layout import RunPaths

TRIAL_NAME = "trial.json"


@dataclass(frozen=True)
class Trial:
    """Content of `trial.json`."""

    study: str
    number: int | None = None
    state: str = ""
    """What became of it in the study, in the study's own word."""


def read_trial(paths: RunPaths) -> Trial | None:
    """Content of `trial.json`; None where the run is no trial. What makes no sense is left out: nothing rests on it."""
    try:
        data = read_json(paths.root / TRIAL_NAME) or {}
    except UserError:
        return None
    study, number, state = data.get("study"), data.get("number"), data.get("state")
    if not isinstance(study, str) or not study:
        return None
    is_number = isinstance(number, int) and not isinstance(number, bool)
    return Trial(study, number if is_number else None, state if isinstance(state, str) else "")
