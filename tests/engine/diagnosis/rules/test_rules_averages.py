"""Averaged weights that stand still beside trained ones that move."""

from __future__ import annotations

import math
from typing import Any

import pytest

from trainctl.engine.diagnosis.differential import diagnose
from trainctl.engine.diagnosis.facts.evidence import Evidence
from trainctl.engine.diagnosis.facts.run import MonitorFacts, RecordFacts
from trainctl.engine.diagnosis.finding import Report

RECORDS: dict[str, Any] = {
    "num_steps": 300, "state": "finished", "first_nonfinite": None, "groups": ("body",), "frozen": (),
    "max_grad_norm": 2.0, "first_loss": 1.0, "last_loss": 0.5, "last_step": 300, "recent_loss": 0.5,
}  # fmt: skip


def judged(raw: tuple[float, ...], averaged: tuple[float, ...]) -> Report:
    monitor = MonitorFacts("f1", raw, tuple(range(1, len(raw) + 1)), len(raw), len(raw), raw, averaged)
    return diagnose(Evidence(monitor=monitor, records=RecordFacts(**RECORDS)))


def test_an_average_that_is_the_same_in_every_digit_is_not_updated() -> None:
    (finding,) = judged((0.71, 0.74, 0.78), (0.6938, 0.6938, 0.6938)).findings
    assert (finding.code, finding.severity, finding.confidence) == ("S1102", "error", "proven")
    assert "0.6938 in each of 3" in finding.summary and "0.71, 0.74, 0.78" in finding.where


@pytest.mark.parametrize(
    ("raw", "averaged"),
    [
        ((0.71, 0.74, 0.78), (0.69, 0.70, 0.72)),
        ((1.0, 1.0, 1.0), (1.0, 1.0, 1.0)),
        ((0.5, 0.5, 0.5), (0.69, 0.69, 0.69)),
        ((0.71, 0.74, 0.78), (math.nan, math.nan, math.nan)),
    ],
    ids=["moves", "as good as it gets", "nothing moves", "undefined"],
)
def test_an_average_that_may_stand_still_is_left_alone(raw: tuple[float, ...], averaged: tuple[float, ...]) -> None:
    assert "S1102" not in {finding.code for finding in judged(raw, averaged).findings}


def test_without_averaged_weights_or_with_few_validations_it_is_not_asked() -> None:
    assert ("S1102", "no averaged weights were validated") in _reasons(judged((0.7, 0.8, 0.9), ()))
    assert ("S1102", "needs 3 validations of the averaged weights") in _reasons(judged((0.7, 0.8), (0.6, 0.6)))


def _reasons(report: Report) -> set[tuple[str, str]]:
    return {(entry.code, entry.why) for entry in report.not_checked}
