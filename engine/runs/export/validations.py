"""Validation results of a run as rows, from its events. Knows no file format."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, cast

from trainctl.engine.runs.events import Event, EventKind, current_events


@dataclass(frozen=True)
class ValidationRow:
    """Metrics of one set of weights at one validation."""

    step: int
    epoch: int
    time: float
    """Seconds since 1970."""
    weights: str
    """`raw` or `ema`."""
    best: bool
    """Whether this validation was the best so far."""
    after: str
    """What changed the network since the validation of the same step (`refit`); empty: nothing."""
    metrics: dict[str, float]
    """NaN where a metric was not finite."""


def validation_rows(events: Iterable[Event]) -> list[ValidationRow]:
    """A row for the raw weights and, where there is one, for the average; nothing a resume took back."""
    rows: list[ValidationRow] = []
    for event in current_events(events):
        if event.kind is not EventKind.VALIDATION:
            continue
        for weights in ("raw", "ema"):
            metrics = event.data.get(weights)
            if isinstance(metrics, dict):
                rows.append(_row(event, weights, cast("dict[str, Any]", metrics)))
    return rows


def metric_names(rows: Iterable[ValidationRow]) -> list[str]:
    """Every metric, in the order of first appearance."""
    return list(dict.fromkeys(name for row in rows for name in row.metrics))


def _row(event: Event, weights: str, metrics: dict[str, Any]) -> ValidationRow:
    return ValidationRow(
        step=event.step,
        epoch=event.whole("epoch"),
        time=event.time,
        weights=weights,
        best=bool(event.data.get("best", False)),
        after=str(event.data.get("after", "")),
        metrics={name: _number(value) for name, value in metrics.items()},
    )


def _number(value: Any) -> float:
    return float(value) if isinstance(value, (int, float)) else math.nan
