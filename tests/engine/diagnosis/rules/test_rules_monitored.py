"""A monitored metric whose mode is the other one, beside courses in which loss and metric part for good reason."""

from __future__ import annotations

from typing import Any

import numpy as np
from courses import epochs, falling, noise
from log_files import as_csv

from trainctl.engine.diagnosis.differential import diagnose
from trainctl.engine.diagnosis.facts.evidence import Evidence
from trainctl.engine.diagnosis.facts.run import MonitorFacts
from trainctl.engine.diagnosis.finding import Finding
from trainctl.engine.diagnosis.logs.facts import read_facts
from trainctl.engine.diagnosis.logs.reading import parse_log

NUM = 16
RISING = 0.95 - 0.6 * np.exp(-np.arange(NUM) / 3)


def judged(metric: Any, loss: Any, *, is_rising: bool = True) -> dict[str, Finding]:
    rows = epochs(loss=falling(NUM, 3), val_loss=loss, val_accuracy=metric)
    course = read_facts(parse_log(as_csv(rows).encode(), "log"))
    newest = tuple(float(value) for value in metric[-3:])
    monitor = MonitorFacts("val_accuracy", newest, (14, 15, 16), NUM, NUM, is_rising=is_rising)
    findings = diagnose(Evidence(course=course, monitor=monitor)).findings
    return {one.code: one for one in findings}


def test_a_metric_that_worsens_as_the_loss_improves_is_found_and_comes_first() -> None:
    found = judged(1 - RISING, falling(NUM, 3))
    assert next(iter(found)) == "E1006" and found["E1006"].primary
    assert float(found["E1006"].figures["correlation"]) < -0.9
    assert "E1006" in judged(RISING, falling(NUM, 3), is_rising=False)


def test_a_metric_of_the_right_mode_is_left_alone() -> None:
    assert "E1006" not in judged(RISING, falling(NUM, 3))
    assert "E1006" not in judged(1 - RISING, falling(NUM, 3), is_rising=False)


def test_where_the_loss_rises_or_the_metric_jumps_about_nothing_is_said() -> None:
    assert "E1006" not in judged(RISING, 0.5 + np.linspace(0, 1, NUM)), "overconfident"
    assert "E1006" not in judged(1 - RISING, 0.5 + np.linspace(0, 1, NUM)), "overfitting"
    assert "E1006" not in judged(0.9 + noise(NUM, 0.01), falling(NUM, 3))
