"""Courses of trainings made of arrays, as logs, and what the rules find in them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from log_files import Row, as_csv

from trainctl.engine.diagnosis.differential import diagnose
from trainctl.engine.diagnosis.facts.evidence import Evidence
from trainctl.engine.diagnosis.finding import Finding, Severity
from trainctl.engine.diagnosis.logs.facts import read_facts
from trainctl.engine.diagnosis.logs.reading import parse_log

NAN, INF = math.nan, math.inf


def found(rows: Sequence[Row] | str, **known: Any) -> dict[str, Finding]:
    text = rows if isinstance(rows, str) else as_csv(rows)
    facts = read_facts(parse_log(text.encode(), "log"), **known)
    return {finding.code: finding for finding in diagnose(Evidence(log=facts)).findings}


def grave(rows: Sequence[Row] | str, **known: Any) -> set[str]:
    return {code for code, one in found(rows, **known).items() if one.severity is not Severity.INFO}


def noise(count: int, deviation: float = 0.02, seed: int = 0) -> Any:
    return np.random.default_rng(seed).normal(0, deviation, count)


def steps(**columns: Any) -> list[Row]:
    """Rows of columns of one length, by step."""
    return [
        {"step": k, **dict(zip(columns, map(float, row), strict=True))}
        for k, row in enumerate(zip(*columns.values(), strict=True))
    ]


def epochs(**columns: Any) -> list[Row]:
    """Rows of columns of one length, by epoch."""
    return [{"epoch": row["step"], **{k: v for k, v in row.items() if k != "step"}} for row in steps(**columns)]


def falling(count: int, scale: float = 30.0) -> Any:
    return 2 * np.exp(-np.arange(count) / scale) + 0.3


def with_bad(values: Any, start: int, stop: int | None = None) -> list[float]:
    out = [float(value) for value in values]
    out[start:stop] = [NAN] * len(out[start:stop])
    return out
