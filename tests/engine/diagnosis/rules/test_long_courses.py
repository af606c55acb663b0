"""However long a log is, the rules over its course look at it in bounded memory."""

from __future__ import annotations

import numpy as np

from trainctl.engine.diagnosis.catalogue import course_rules
from trainctl.engine.diagnosis.facts.evidence import Evidence
from trainctl.engine.diagnosis.logs.facts import read_facts
from trainctl.engine.diagnosis.logs.table import Column, Floats, LogTable

COUNT = 300_000
"""A window of a tenth of them at each place would take 72 GB."""


def column(name: str, values: Floats) -> Column:
    rows, nothing = np.arange(COUNT), np.zeros(COUNT)
    return Column(name, "", rows, values, nothing.astype(np.int64), nothing)


def test_every_rule_judges_a_log_whose_every_row_has_every_figure() -> None:
    noise = np.random.default_rng(0).normal(0, 1e-3, COUNT)
    falls = np.exp(-np.arange(COUNT) / 50_000) + 0.05
    turns = 0.5 + np.abs(np.arange(COUNT) - COUNT / 3) / COUNT
    values = {
        "loss": falls + noise,
        "val_loss": turns + noise,
        "val_accuracy": 0.9 - 0.3 * turns + noise,
        "grad_norm": 1 + noise,
        "lr": np.full(COUNT, 1e-3),
    }
    steps = np.arange(COUNT, dtype=np.float64)
    columns = tuple(column(name, of) for name, of in values.items())
    table = LogTable("long.csv", "CSV", COUNT, columns, steps, np.floor(steps / 1000))
    answers = {code: rule.apply(Evidence(log=read_facts(table))) for code, rule in course_rules().items()}
    overfitting = answers["R801"]
    assert overfitting is not None
    assert "val_loss rose from" in getattr(overfitting, "summary", "")
