"""What an export of a run shows to the rules over logs, the run itself shows them too: one table, one set of rules."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from course_runs import records, validate, write

from trainctl.engine.diagnosis.differential import diagnose
from trainctl.engine.diagnosis.finding import Severity
from trainctl.engine.diagnosis.logs.evidence import read_log_evidence
from trainctl.engine.diagnosis.logs.names import TRAIN, VAL, Kind
from trainctl.engine.diagnosis.records.evidence import read_evidence
from trainctl.engine.runs.export.export import export_run
from trainctl.engine.runs.layout import RunPaths
from trainctl.engine.runs.record import RecordLayout

TWO = RecordLayout(terms=("ce", "kl"), groups=("body",), scalars=("entropy",))
Make = Callable[[Path], RunPaths]


def with_two_terms(folder: Path) -> RunPaths:
    rows = np.zeros(400, TWO.dtype)
    plain = records(400, falls)
    for name in plain.dtype.names or ():
        rows[name] = plain[name]
    rows["term.kl"], rows["weight.kl"], rows["scalar.entropy"] = 0.5, 0.1, 1.0
    rows["loss"] = rows["term.ce"] + 0.05
    rows["update_ratio"][::20] = 1e-3
    return write(folder, rows, TWO)


def falls(step: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return 1.2 * np.exp(-step / 150) + 0.05


def overfitted(folder: Path) -> RunPaths:
    paths = write(folder, records(400, lambda step: np.exp(-step / 50) + 0.0007))
    validate(paths, [0.9, 0.6, 0.5, *np.linspace(0.5, 1.4, 17).tolist()], np.linspace(0.8, 0.6, 20).tolist())
    return paths


def diverged(folder: Path) -> RunPaths:
    return write(folder, records(400, lambda step: 0.7 * np.exp(np.maximum(step - 100, 0) / 60)))


def at_chance(folder: Path) -> RunPaths:
    return write(folder, records(400, lambda step: np.full(len(step), np.log(2)), noise=1e-4))


def healthy(folder: Path) -> RunPaths:
    paths = write(folder, records(400, falls))
    validate(paths, np.linspace(1.0, 0.3, 20).tolist(), np.linspace(0.4, 0.9, 20).tolist())
    return paths


def test_the_course_of_a_run_holds_what_was_recorded_at_each_step(tmp_path: Path) -> None:
    course = read_evidence(with_two_terms(tmp_path)).course
    assert course is not None
    kinds = {series.name: (series.meaning.kind, series.meaning.split) for series in course.series}
    assert kinds["training loss"] == (Kind.TOTAL, TRAIN)
    assert kinds["grad_norm"] == (Kind.GRAD_NORM, TRAIN)
    assert {name for name, (kind, _) in kinds.items() if kind is Kind.TERM} == {"term.ce", "term.kl"}
    assert {"update_ratio", "entropy"} <= set(kinds)
    assert "amp_scale" not in kinds, "nothing was scaled"
    assert course.weights == {"ce": 1.0, "kl": pytest.approx(0.1)}
    ratio = next(series for series in course.series if series.name == "update_ratio")
    assert len(ratio.finite) == len(ratio.values) > 0


def test_a_single_term_is_the_loss_and_not_said_twice(tmp_path: Path) -> None:
    course = read_evidence(healthy(tmp_path)).course
    assert course is not None
    assert not course.of(Kind.TERM)
    assert {series.meaning.split for series in course.of(Kind.TOTAL)} == {TRAIN, VAL}


@pytest.mark.parametrize("make", [healthy, with_two_terms, overfitted, diverged, at_chance])
def test_what_an_export_finds_the_run_finds(tmp_path: Path, make: Make) -> None:
    paths = make(tmp_path / "run")
    export_run(paths, "csv", tmp_path / "run.csv")
    of_log = diagnose(read_log_evidence(str(tmp_path / "run.csv")))
    of_run = diagnose(read_evidence(paths))

    def worrying(report: Any) -> set[str]:
        return {finding.code for finding in report.findings if finding.severity is not Severity.INFO}

    assert worrying(of_log) <= worrying(of_run)
    assert bool(worrying(of_run)) == (make not in (healthy, with_two_terms))


def test_the_only_term_of_a_run_has_its_name_where_its_sign_is_wrong(tmp_path: Path) -> None:
    paths = write(tmp_path, records(400, lambda step: -1.2 - 0.3 * (1 - np.exp(-step / 150))))
    ours = {one.code: one for one in diagnose(read_evidence(paths)).findings}
    assert ours["C305"].severity is Severity.ERROR and "ce:" in ours["C305"].why
    csv = tmp_path / "run.csv"
    export_run(paths, "csv", csv)
    assert "C305" in {one.code for one in diagnose(read_log_evidence(str(csv))).findings}
