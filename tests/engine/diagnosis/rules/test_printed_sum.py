"""C307 of a log: what tells a loss that was added up over batches, and what must not."""

from __future__ import annotations

import math
from typing import Any

import pytest
from log_files import HEALTHY, as_csv, as_one_line_each

from trainctl.engine.diagnosis.differential import diagnose
from trainctl.engine.diagnosis.facts.evidence import Evidence
from trainctl.engine.diagnosis.finding import Confidence, Finding, Report, Severity
from trainctl.engine.diagnosis.logs.facts import read_facts
from trainctl.engine.diagnosis.logs.reading import parse_log

COURSE = (1.25, 1.1, 0.9, 0.7, 0.5)
"""Means of epochs of a training on four classes: ln 4 = 1.386."""


def judge(text: str, **known: Any) -> Report:
    return diagnose(Evidence(log=read_facts(parse_log(text.encode(), "log"), **known)))


def found(text: str, **known: Any) -> Finding | None:
    return next((finding for finding in judge(text, **known).findings if finding.code == "C307"), None)


def by_epoch(factor: float, batches: int = 4, name: str = "train_loss") -> str:
    rows = [{"epoch": k + 1, "step": (k + 1) * batches, name: factor * mean} for k, mean in enumerate(COURSE)]
    return as_csv(rows)


def printed(factor: float, batches: int = 4) -> str:
    """Progress of each batch without a figure, and a line for each epoch."""
    lines: list[str] = []
    for k, mean in enumerate(COURSE):
        lines += [f"Epoch {k + 1}/5 batch {j + 1}/{batches}" for j in range(batches)]
        lines.append(f"Epoch {k + 1}/5 train loss: {factor * mean:.4f} val loss: {mean:.4f}")
    return "\n".join(lines)


@pytest.mark.parametrize("log", [by_epoch(4), printed(4)])
def test_a_first_loss_of_four_times_ln_c_over_four_batches_is_their_sum(log: str) -> None:
    finding = found(log, num_classes=4)
    assert finding is not None
    assert (finding.severity, finding.confidence) == (Severity.WARNING, Confidence.LIKELY)
    assert finding.figures["batches"] == 4
    assert finding.figures["mean"] == pytest.approx(1.25)
    assert f"4 · ln 4 = {4 * math.log(4):.3g}" in finding.where


@pytest.mark.parametrize(
    "log",
    [
        by_epoch(1),
        printed(1),
        by_epoch(4, batches=40),  # too high, but no sum over 40
        by_epoch(2, batches=2),  # of two batches nothing is said
        by_epoch(4, name="train_mse_loss"),  # not over classes
        by_epoch(4, name="val_loss"),
    ],
)
def test_other_losses_are_no_sum(log: str) -> None:
    assert found(log, num_classes=4) is None


def test_without_classes_or_batches_nothing_is_said() -> None:
    unchecked = {entry.code: entry.why for entry in judge(by_epoch(4)).not_checked}
    assert "--classes K" in unchecked["C307"]
    no_steps = as_csv([{"epoch": k + 1, "train_loss": 4 * mean} for k, mean in enumerate(COURSE)])
    unchecked = {entry.code: entry.why for entry in judge(no_steps, num_classes=4).not_checked}
    assert "how many batches" in unchecked["C307"]


def both(is_sum: bool) -> str:
    """Each step, and each epoch."""
    rows: list[dict[str, float]] = []
    for k, mean in enumerate(COURSE):
        steps = [mean * (1 + 0.1 * j) for j in (-1, 0, 1)]
        rows += [{"epoch": k + 1, "step": 3 * k + j + 1, "train_loss_step": loss} for j, loss in enumerate(steps)]
        rows.append({"epoch": k + 1, "step": 3 * k + 3, "train_loss_epoch": sum(steps) / (1 if is_sum else 3)})
    return as_csv(rows)


def test_an_epoch_that_is_the_sum_of_its_steps_is_proven_and_their_mean_is_healthy() -> None:
    finding = found(both(is_sum=True))
    assert finding is not None and finding.confidence == Confidence.PROVEN
    assert finding.figures["batches"] == 3
    assert found(both(is_sum=False)) is None
    assert found(both(is_sum=False), num_classes=4) is None


@pytest.mark.parametrize("name", sorted(HEALTHY))
@pytest.mark.parametrize("write", [as_csv, as_one_line_each])
@pytest.mark.parametrize("num_classes", [2, 10])
def test_healthy_courses_are_no_sums(name: str, write: Any, num_classes: int) -> None:
    assert found(write(HEALTHY[name]()), num_classes=num_classes) is None
