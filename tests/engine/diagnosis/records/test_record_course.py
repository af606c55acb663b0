"""A run that goes on is judged by its course: what its losses and metrics did, not only by its batches."""

from __future__ import annotations

import dataclasses
import math
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from course_runs import LAYOUT, PER_EPOCH, Curve, records, validate, write
from hypothesis import given
from hypothesis import strategies as st
from sample_runs import STATUS

from trainctl.engine.diagnosis.differential import diagnose
from trainctl.engine.diagnosis.finding import Finding, Severity
from trainctl.engine.diagnosis.records.course import MOST, LossCourse
from trainctl.engine.diagnosis.records.evidence import RunEvidence, read_evidence
from trainctl.engine.runs.events import EventKind, EventWriter
from trainctl.engine.runs.layout import RunPaths
from trainctl.engine.runs.overview import OverviewWriter
from trainctl.engine.runs.record import RecordLayout
from trainctl.engine.runs.status import write_status


def falls(step: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return 1.2 * np.exp(-step / 150) + 0.05


def found(paths: RunPaths) -> dict[str, Finding]:
    return {finding.code: finding for finding in diagnose(read_evidence(paths)).findings}


def test_a_run_that_learns_has_no_finding_and_its_course_was_judged(tmp_path: Path) -> None:
    paths = write(tmp_path, records(400, falls))
    validate(paths, np.linspace(1.0, 0.3, 20).tolist(), np.linspace(0.4, 0.9, 20).tolist())
    report = diagnose(read_evidence(paths))
    assert report.findings == ()
    assert {"O601", "O602", "O603", "O604", "O607", "R801", "E1011", "E1014"} <= set(report.checked)


def test_validation_that_rises_while_training_falls_is_overfitting(tmp_path: Path) -> None:
    paths = write(tmp_path, records(400, lambda step: np.exp(-step / 50) + 0.0007))
    losses = [1.0, 0.8, 0.6, 0.5, *np.linspace(0.5, 0.78, 16).tolist()]
    validate(paths, losses, np.linspace(0.9, 0.6, 20).tolist())
    assert found(paths)["R801"].severity is Severity.WARNING


def test_a_monitored_metric_that_is_never_a_number_is_an_error_and_lately_a_warning(tmp_path: Path) -> None:
    never = write(tmp_path / "never", records(100, falls))
    validate(never, [1.0, 0.9, 0.8, 0.7, 0.6], [math.nan] * 5)
    finding = found(never)["E1014"]
    assert (finding.severity, finding.summary) == (Severity.ERROR, "f1 is no finite number in 5 of 5 validations")
    lately = write(tmp_path / "lately", records(100, falls))
    validate(lately, [1.0, 0.9, 0.8, 0.7, 0.6], [0.5, 0.6, 0.7, math.nan, None])
    assert found(lately)["E1014"].severity is Severity.WARNING
    averaged = write(tmp_path / "averaged", records(100, falls))
    validate(averaged, [1.0, 0.9, 0.8], [math.nan] * 3, ema={"f1": 0.5})
    assert "E1014" not in found(averaged), "the averaged weights have it, and they may be the best"
    once = write(tmp_path / "once", records(20, falls))
    validate(once, [1.0], [math.nan])
    assert "E1014" not in found(once), "one validation is little to go by"


@pytest.mark.parametrize(
    ("loss", "severity"),
    [(lambda step: 1e29 + 0.0 * step, "error"), (lambda step: 1e12 + 0.0 * step, "warning")],
)
def test_a_loss_beyond_all_measure_is_found_from_the_first_steps(tmp_path: Path, loss: Curve, severity: str) -> None:
    assert str(found(write(tmp_path, records(12, loss)))["O607"].severity) == severity


def test_a_loss_that_blows_up_is_found_early_and_late(tmp_path: Path) -> None:
    early = found(write(tmp_path / "early", records(20, lambda step: 0.7 * 10.0 ** (step / 2))))
    assert early["O607"].severity is Severity.ERROR and "O601" not in early
    late = found(write(tmp_path / "late", records(600, lambda step: 0.7 * 10.0 ** (step / 100))))
    assert late["O601"].severity is Severity.ERROR and late["O607"].consequence_of in ("O601", None)


def test_a_regression_on_large_targets_is_no_blow_up(tmp_path: Path) -> None:
    assert "O607" not in found(write(tmp_path, records(200, lambda step: 4e8 * falls(step))))


def test_standing_still_is_not_held_against_a_run_that_has_only_begun(tmp_path: Path) -> None:
    rows = records(4 * PER_EPOCH, lambda step: math.log(2) + 0.0 * step, noise=0.001)
    at_once = write(tmp_path / "begun", rows)
    EventWriter(at_once).append(EventKind.PLAN, 0, steps_per_epoch=1000, warmup_steps=100, points=[])
    assert "O604" not in found(at_once)
    later = write(tmp_path / "later", records(1000, lambda step: math.log(2) + 0.0 * step, noise=0.001))
    assert found(later)["O604"].severity is Severity.WARNING


@pytest.mark.parametrize(
    "weights", [(0.5, 0.5), (1.0, 1.0), (2.0, 2.0), (0.1, 2.0)], ids=["half", "one", "two", "ramp"]
)
def test_standing_where_knowing_nothing_stands_is_seen_under_any_weight(
    weights: tuple[float, float], tmp_path: Path
) -> None:
    def weighed(folder: str, level: float) -> dict[str, Finding]:
        rows = records(1000, lambda step: level + 0.0 * step, noise=0.001)
        rows["weight.ce"] = np.linspace(*weights, len(rows))
        rows["loss"] = rows["weight.ce"] * rows["term.ce"]
        return found(write(tmp_path / folder, rows))

    finding = weighed("stuck", math.log(2))["O604"]
    assert finding.severity is Severity.WARNING and "ln 2" in finding.why
    assert ("its weight" in finding.why) == (weights[1] != 1)
    # A total of ln 2 is not that of the term.
    elsewhere = weighed("elsewhere", math.log(2) / weights[1]).get("O604")
    assert (elsewhere is not None and "ln 2 " in elsewhere.why) == (weights[1] == 1)


@pytest.mark.parametrize("weight", [0.0, math.nan, math.inf, -1.0])
def test_a_weight_that_is_none_leaves_the_total_as_it_is(weight: float, tmp_path: Path) -> None:
    rows = records(1000, lambda step: math.log(2) + 0.0 * step, noise=0.001)
    rows["weight.ce"] = weight
    facts = read_evidence(write(tmp_path, rows))
    assert diagnose(facts).checked
    assert weight == -1.0 or "times its weight" not in found(write(tmp_path / "b", rows))["O604"].why


def test_a_weight_that_grows_is_no_divergence(tmp_path: Path) -> None:
    layout = RecordLayout(terms=("ce", "aux"), groups=("body",))
    rows = records(400, falls, layout)
    rows["term.aux"], rows["weight.aux"] = 1.0, np.linspace(0, 10, 400)
    rows["loss"] = rows["term.ce"] + rows["term.aux"] * rows["weight.aux"]
    assert rows["loss"][-1] > 5 * rows["loss"][0]
    assert "O601" not in found(write(tmp_path, rows, layout))


@given(pieces=st.lists(st.integers(1, 900), min_size=1, max_size=12))
def test_the_course_is_the_mean_of_equal_blocks_however_it_came(pieces: list[int]) -> None:
    rows = records(sum(pieces), falls, noise=0.3)
    course, at = LossCourse(), 0
    for piece in pieces:
        course.add(rows[at : at + piece], LAYOUT)
        at += piece
    steps, epochs, losses, _ = course.rows()
    whole = len(rows) // course.size
    assert whole <= len(losses) <= min(whole + 1, MOST + 1)
    expected = rows["loss"][: whole * course.size].astype(np.float64).reshape(whole, course.size).mean(1)
    assert np.allclose(losses[:whole], expected, rtol=1e-9)
    assert steps[:whole].tolist() == rows["step"][course.size - 1 :: course.size][:whole].tolist()
    assert (np.diff(epochs) >= 0).all()


def test_a_long_run_is_opened_from_its_overview_with_the_same_course(tmp_path: Path) -> None:
    rows = records(50_000, lambda step: falls(step / 10), noise=0.2)
    plain, summed = write(tmp_path / "plain", rows), write(tmp_path / "summed", rows)
    for path in (plain.overview, plain.overview_layout):
        path.unlink(missing_ok=True)
    writer = OverviewWriter(summed, LAYOUT, LAYOUT.dtype)
    writer.finish(50_000)
    writer.close()
    courses = [read_evidence(paths).course for paths in (plain, summed)]
    ends = []
    for course in courses:
        assert course is not None
        (loss,) = [series for series in course.series if series.name == "training loss"]
        assert 15 <= len(loss.values) <= MOST
        ends.append([float(loss.values[: len(loss.values) // 4].mean()), float(loss.values[-2:].mean())])
    assert np.allclose(ends[0], ends[1], rtol=0.05)


def test_a_crashed_run_is_not_said_to_be_running(tmp_path: Path) -> None:
    paths, now = write(tmp_path, records(100, falls)), time.time()
    status = dataclasses.replace(STATUS, step=100, started=now, heartbeat=now, process_start=1)
    write_status(paths, status)
    facts = read_evidence(paths).records
    assert facts is not None and facts.stands == "presumed crashed" and facts.is_over
    write_status(paths, dataclasses.replace(status, process_start=None))
    alive = read_evidence(paths).records
    assert alive is not None and alive.stands == "running" and not alive.is_over


def test_what_was_written_since_is_added_and_the_cost_does_not_grow_with_the_run(tmp_path: Path) -> None:
    paths = write(tmp_path, records(200_000, falls))
    evidence = RunEvidence(paths)
    evidence.read()
    validate(paths, [1.0, 0.9], [0.5, 0.6])
    course = evidence.read().course
    assert course is not None and {series.name for series in course.series} >= {"validation loss", "f1"}
    (loss,) = [series for series in course.series if series.name == "training loss"]
    assert len(loss.values) <= MOST + 1
