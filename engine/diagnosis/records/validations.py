"""What the validations and refits of a run say together. Gets events; knows no file, no rule and no torch."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from trainctl.engine.diagnosis.facts.mixture import RefitSeen, ScoreFacts
from trainctl.engine.diagnosis.facts.run import MonitorFacts
from trainctl.engine.runs.events import Event, EventKind, is_taken_back

MOST = 4096
"""Events kept, the newest: bounds the memory of a run of any length."""
RANK_METRICS = ("srcc", "spearman")
"""Metrics that are not defined where all predictions are equal."""
ERRORS = ("rmse",)
NEWEST = 3
"""Validations that are judged for constant predictions."""


class ValidationHistory:
    """The validations and refits in force."""

    def __init__(self) -> None:
        self._events: list[Event] = []
        self._constant: dict[str, Any] = {}

    def hear(self, events: Iterable[Event]) -> None:
        """Take in what happened; a resume takes back what came after its checkpoint."""
        for event in events:
            if event.kind is EventKind.RESUME:
                self._events = [earlier for earlier in self._events if not is_taken_back(earlier, event)]
            elif event.kind in (EventKind.VALIDATION, EventKind.REFIT):
                self._events.append(event)
            elif event.kind is EventKind.START and isinstance(event.data.get("constant"), dict):
                self._constant = dict(event.data["constant"])
        self._events = self._events[-MOST:]

    @property
    def last_refit_step(self) -> int | None:
        """Step of the newest refit."""
        return next((event.step for event in reversed(self._events) if event.kind is EventKind.REFIT), None)

    def refits(self) -> tuple[RefitSeen, ...]:
        """Every refit with the validations around it, oldest first."""
        seen = (self._refit(k) for k, event in enumerate(self._events) if event.kind is EventKind.REFIT)
        return tuple(refit for refit in seen if refit is not None)

    def scores(self, *, is_over: bool) -> ScoreFacts | None:
        """The newest validations of predicted scores; None where there is none."""
        validations = [event for event in self._events if event.kind is EventKind.VALIDATION]
        newest = validations[-NEWEST:]
        metric = next((name for name in RANK_METRICS for event in newest if name in _raw(event)), None)
        if metric is None:
            return None
        error = next((name for name in ERRORS if newest and name in _raw(newest[-1])), "")
        return ScoreFacts(
            metric=metric,
            values=tuple(_number(_raw(event).get(metric)) for event in newest),
            errors=tuple(_number(_raw(event).get(error)) for event in newest),
            epochs=tuple(event.whole("epoch") for event in newest),
            constant_error=_number(self._constant.get(error)),
            is_over=is_over,
        )

    def validations(self) -> list[Event]:
        """Those in force, oldest first, each as it was before anything was changed at its step."""
        return [event for event in self._events if _is_ordinary(event)]

    def newest(self, metric: str) -> tuple[float, ...]:
        """A metric of the raw weights at the newest validations, oldest first; NaN: it was not among them."""
        return tuple(_number(_raw(event).get(metric)) for event in self.validations()[-NEWEST:])

    def constant(self, metric: str) -> float:
        """What the best constant answer reaches; NaN: the run does not say."""
        return _number(self._constant.get(metric))

    def monitor(self) -> MonitorFacts | None:
        """The metric that chooses the best checkpoint; None where no validation names it."""
        events = [event for event in self.validations() if isinstance(event.data.get("monitor"), str)]
        if not events:
            return None
        metric = str(events[-1].data["monitor"])
        values = [_defined(event, metric) for event in events]
        both = [event for event in events if metric in _raw(event) and metric in _averaged(event)][-NEWEST:]
        return MonitorFacts(
            metric=metric,
            values=tuple(values[-NEWEST:]),
            epochs=tuple(event.whole("epoch") for event in events[-NEWEST:]),
            num_defined=sum(math.isfinite(value) for value in values),
            num_validations=len(values),
            raw=tuple(_number(_raw(event)[metric]) for event in both),
            averaged=tuple(_number(_averaged(event)[metric]) for event in both),
            is_rising=events[-1].data.get("monitor_mode") != "min",
        )

    def _refit(self, index: int) -> RefitSeen | None:
        """None where it was not validated before and after."""
        refit, before = self._events[index], [e for e in self._events[:index] if _is_ordinary(e)]
        after = next((event for event in self._events[index + 1 :] if event.data.get("after") == "refit"), None)
        if after is None or after.step != refit.step or not before or before[-1].step != refit.step:
            return None
        metric = str(after.data.get("monitor") or next(iter(_raw(after)), ""))
        sign = -1.0 if after.data.get("monitor_mode") == "min" else 1.0
        values = [sign * _number(_raw(event).get(metric)) for event in before]
        finite = [value for value in values if math.isfinite(value)]
        return RefitSeen(
            step=refit.step,
            epoch=refit.whole("epoch"),
            mode=str(refit.data.get("mode", "")),
            metric=metric,
            before=values[-1],
            after=sign * _number(_raw(after).get(metric)),
            best=max(finite, default=math.nan),
            noise=_noise(values),
            agreement=_number(refit.data.get("agreement")),
            matched=_number(refit.data.get("matched_agreement")),
        )


def _defined(event: Event, metric: str) -> float:
    """A metric where one of the weights has it as a finite number, else NaN."""
    found = [_raw(event).get(metric), _averaged(event).get(metric)]
    return next((value for value in map(_number, found) if math.isfinite(value)), math.nan)


def _is_ordinary(event: Event) -> bool:
    return event.kind is EventKind.VALIDATION and not event.data.get("after")


def _noise(values: Sequence[float]) -> float:
    """Median absolute change between neighbours, the first of which may be the rise of the beginning."""
    changes = np.abs(np.diff(np.array(values, np.float64)))
    changes = changes[np.isfinite(changes)]
    return float(np.median(changes)) if len(changes) else math.nan


def _raw(event: Event) -> dict[str, Any]:
    found: Any = event.data.get("raw")
    return found if isinstance(found, dict) else {}


def _averaged(event: Event) -> dict[str, Any]:
    found: Any = event.data.get("ema")
    return found if isinstance(found, dict) else {}


def _number(value: Any) -> float:
    return float(value) if isinstance(value, int | float) else math.nan
