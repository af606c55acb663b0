"""What a diagnosis has looked at decides whether nothing found is nothing wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from trainctl.engine.diagnosis.differential import diagnose
from trainctl.engine.diagnosis.facts.evidence import Evidence
from trainctl.engine.diagnosis.finding import Report, Severity, Verdict, verdict_of
from trainctl.engine.diagnosis.logs.evidence import read_log_evidence
from trainctl.engine.diagnosis.report import report_lines


def judged(folder: Path, rows: list[dict[str, Any]]) -> tuple[Report, Evidence]:
    log = folder / "log.jsonl"
    log.write_text("".join(json.dumps(row) + "\n" for row in rows))
    evidence = read_log_evidence(str(log))
    return diagnose(evidence), evidence


def course(count: int, **more: Any) -> list[dict[str, Any]]:
    return [{"epoch": k + 1, "train_loss": 1 / (k + 1), **more} for k in range(count)]


def test_a_loss_that_falls_and_a_validation_are_enough(tmp_path: Path) -> None:
    rows = [row | {"val_loss": 1.1 * row["train_loss"], "lr": 1e-3} for row in course(12)]
    report, _ = judged(tmp_path, rows)
    assert report.verdict is Verdict.NOTHING
    assert report.scope.looked_at == ("course", "validation", "rate")
    assert set(report.scope.not_looked_at) == {"metrics", "gradients"}


@pytest.mark.parametrize(
    ("rows", "lacks"),
    [
        (course(12), {"validation": "no loss of validation data is named; log it once an epoch"}),
        (course(3, val_loss=0.5), {"course": "3 values of train_loss of 5 that are needed"}),
        ([{"epoch": k, "val_loss": 1 / k, "acc": 0.5} for k in range(1, 12)], {"course": "no training loss is named"}),
    ],
)
def test_what_is_missing_is_named_with_how_to_get_it(
    tmp_path: Path, rows: list[dict[str, Any]], lacks: dict[str, str]
) -> None:
    report, evidence = judged(tmp_path, rows)
    assert report.verdict in (Verdict.UNDECIDED, Verdict.LOOK)
    for name, words in lacks.items():
        assert report.scope.not_looked_at[name].startswith(words)
    shown = ["".join(text for text, _ in line) for line in report_lines(report, evidence)]
    assert any(line.startswith("– not looked at") for line in shown)
    assert not any("not checked  " in line for line in shown), "one by one they say nothing of somebody else's log"


def test_a_validation_that_never_improved_is_no_sign_that_all_is_well(tmp_path: Path) -> None:
    flat = [row | {"val_loss": 1.8, "val_accuracy": 0.2 + 0.001 * (k % 3)} for k, row in enumerate(course(9))]
    report, _ = judged(tmp_path, flat)
    assert report.verdict is not Verdict.NOTHING
    assert report.scope.not_looked_at["validation"].startswith("never better than at its beginning")
    good = [row | {"val_accuracy": 0.95 + 0.001 * (k % 3)} for k, row in enumerate(course(9))]
    assert judged(tmp_path, good)[0].verdict is Verdict.NOTHING


def test_the_verdict_is_said_in_json_and_read_back(tmp_path: Path) -> None:
    report, _ = judged(tmp_path, course(12))
    document = report.to_json()
    assert document["verdict"] == "not enough to judge"
    assert document["looked_at"] == ["course"]
    again = Report.from_plain(json.loads(json.dumps(report.to_plain())))
    assert (again.verdict, again.scope) == (report.verdict, report.scope)


def test_what_was_found_comes_before_how_much_was_looked_at() -> None:
    assert verdict_of([Severity.INFO, Severity.ERROR], is_enough=False) is Verdict.WRONG
    assert verdict_of([Severity.WARNING], is_enough=False) is Verdict.LOOK
    assert verdict_of([Severity.INFO], is_enough=False) is Verdict.UNDECIDED
    assert verdict_of([Severity.INFO], is_enough=True) is Verdict.NOTHING


def test_before_training_the_data_and_a_batch_are_needed_of_what_was_asked() -> None:
    report = diagnose(Evidence(), sections=("data", "loss"))
    assert report.verdict is Verdict.UNDECIDED
    assert dict(report.scope.not_looked_at) == dict.fromkeys(("data", "loss"), "none of its checks could be made")
