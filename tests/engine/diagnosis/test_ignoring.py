"""Findings that the user knows of: out of the verdict, never out of sight."""

from __future__ import annotations

import json

import pytest
import torch
from toy_task import ToyTask, make_split, make_splits

from trainctl.engine.diagnosis.differential import diagnose
from trainctl.engine.diagnosis.facts.evidence import Evidence
from trainctl.engine.diagnosis.finding import Report, Severity
from trainctl.engine.diagnosis.probes.preflight import gather
from trainctl.engine.diagnosis.report import report_lines

WHY = "one class on purpose"


@pytest.fixture(scope="module")
def one_class() -> Evidence:
    return gather(ToyTask(splits=make_splits(make_split(400, 1, torch.zeros(400, dtype=torch.long)))))


def test_an_ignored_finding_is_out_of_the_verdict_and_listed_with_its_reason(one_class: Evidence) -> None:
    heard, ignored = diagnose(one_class), diagnose(one_class, ignore={"D103": WHY})
    assert heard.findings[0].code == "D103" and heard.worst is Severity.ERROR
    assert "D103" not in {finding.code for finding in ignored.findings}
    assert [(entry.finding.code, entry.reason) for entry in ignored.ignored] == [("D103", WHY)]
    assert ignored.checked == heard.checked
    lines = ["".join(text for text, _ in line) for line in report_lines(ignored, one_class)]
    assert any(line.startswith("– ignored  D103 class imbalance: ") and line.endswith(f"({WHY})") for line in lines)


def test_it_explains_nothing_and_is_not_said_to_be_ruled_out(one_class: Evidence) -> None:
    follows = {f.code for f in diagnose(one_class).findings if f.consequence_of == "D103"}
    assert follows
    for finding in diagnose(one_class, ignore={"D103": WHY}).findings:
        assert finding.consequence_of != "D103"
        assert not any(cause.startswith("D103") for cause in finding.ruled_out)


def test_a_reason_for_what_was_not_found_changes_nothing(one_class: Evidence) -> None:
    assert diagnose(one_class, ignore={"L207": WHY}) == diagnose(one_class)


def test_a_report_with_ignored_findings_is_read_back(one_class: Evidence) -> None:
    plain = json.loads(json.dumps(diagnose(one_class, ignore={"D103": WHY}).to_plain()))
    assert plain["ignored"][0]["reason"] == WHY
    assert Report.from_plain(plain).to_plain() == plain
