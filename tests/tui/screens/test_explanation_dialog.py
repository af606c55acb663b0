"""What the cockpit says of a finding: its own words, then those of its rule."""

from __future__ import annotations

from typing import Any

from trainctl.engine.diagnosis.explanation import explain
from trainctl.engine.diagnosis.finding import Confidence, Finding, Fix, Severity
from trainctl.tui.screens.dialogs.explanation import explanation


def lines_of(code: str, name: str) -> list[str]:
    more: dict[str, Any] = dict.fromkeys(("section", "summary", "where", "why"), "w")
    more |= {"severity": Severity.INFO, "confidence": Confidence.PROVEN, "figures": {}, "ruled_out": ()}
    finding = Finding(code, name, fix=Fix("f"), **more)
    return ["".join(text for text, _ in line) for line in explanation(finding, [finding])]


def test_a_finding_is_explained_with_the_words_of_its_rule() -> None:
    lines = lines_of("D112", "too few steps")
    assert any(line.startswith("  tests      No whole step in an epoch (error)") for line in lines)
    assert lines[-1] == f"  costs      {explain('D112')[0].costs}"


def test_of_one_code_it_is_the_rule_that_spoke() -> None:
    of_run, of_log = explain("C307")
    assert lines_of("C307", of_run.rule.name)[-1].endswith(of_run.costs)
    assert lines_of("C307", of_log.rule.name)[-1].endswith(of_log.costs)


def test_a_finding_that_a_task_made_has_its_own_words_alone() -> None:
    assert not any(line.startswith(("  tests", "  costs")) for line in lines_of("X1", "odd"))
