"""How a run ended, in one small file for scripts. Written once, at the end."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from trainctl.engine.runs.atomic import read_json, to_plain, understanding, write_json_atomic
from trainctl.engine.runs.layout import RunPaths
from trainctl.engine.runs.states import SCHEMA, RunState


@dataclass(frozen=True)
class Best:
    """The best validation of the monitored metric."""

    metric: str
    value: float
    epoch: int


@dataclass(frozen=True)
class Judgement:
    """What the rules said of the run at its end."""

    findings: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    """Code, severity, title, summary and step of each, as plain data."""
    num_checks: int | None = None
    """Rules that could give an answer; None: the run was not judged."""
    not_judged: str = ""
    """Why it was not."""
    verdict: str = ""
    """What it comes to in one of four words (`trainctl.engine.diagnosis.finding.Verdict`); empty: not judged."""
    looked_at: tuple[str, ...] = ()
    """Parts of the training that could be judged."""


@dataclass(frozen=True)
class Summary:
    """Content of `summary.json`."""

    state: RunState
    steps: int
    epochs: int
    """Finished epochs."""
    seconds: float
    """Time spent in training and validation; NaN: a log of another tool does not tell."""
    samples_per_s: float
    metrics: dict[str, float] = field(default_factory=dict[str, float])
    """Last validation, by name."""
    best: Best | None = None
    findings: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    """What the rules found, as plain data, see `Judgement`."""
    num_checks: int | None = None
    """Rules that could give an answer; None: the run was not judged."""
    not_judged: str = ""
    """Why it was not; empty where an older version wrote this."""
    verdict: str = ""
    """What the rules' findings come to, see `Judgement`."""
    looked_at: tuple[str, ...] = ()
    checkpoint: str | None = None
    """File name of the checkpoint to use, in the run directory."""
    exit_reason: str = ""
    schema: int = SCHEMA


def write_summary(paths: RunPaths, summary: Summary) -> None:
    """Write `summary.json`. NaN becomes null.

    Raises:
        UserError: the disk refuses.
    """
    write_json_atomic(paths.summary, to_plain(summary), sync=True)


def read_summary(paths: RunPaths) -> Summary | None:
    """Content of `summary.json`; None while the run is not over.

    Raises:
        UserError: damaged, or written by a newer version.
    """
    data = read_json(paths.summary)
    if data is None:
        return None
    with understanding(paths.summary):
        return _from_json(data)


def _from_json(data: dict[str, Any]) -> Summary:
    checkpoint = data.get("checkpoint")
    return Summary(
        state=RunState(data["state"]),
        steps=int(data["steps"]),
        epochs=int(data["epochs"]),
        seconds=_number(data["seconds"]),
        samples_per_s=_number(data.get("samples_per_s")),
        metrics={name: _number(value) for name, value in data.get("metrics", {}).items()},
        best=_best(data.get("best")),
        findings=[found for found in data.get("findings", []) if isinstance(found, dict)],
        num_checks=None if data.get("num_checks") is None else int(data["num_checks"]),
        not_judged=str(data.get("not_judged", "")),
        verdict=str(data.get("verdict", "")),
        looked_at=tuple(map(str, data.get("looked_at", []))),
        checkpoint=None if checkpoint is None else str(checkpoint),
        exit_reason=str(data.get("exit_reason", "")),
        schema=int(data["schema"]),
    )


def _best(data: dict[str, Any] | None) -> Best | None:
    return None if data is None else Best(str(data["metric"]), _number(data["value"]), int(data["epoch"]))


def _number(value: Any) -> float:
    return math.nan if value is None else float(value)
