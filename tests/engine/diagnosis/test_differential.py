"""Which of several findings is the cause, and what a rule without evidence answers."""

from __future__ import annotations

import inspect
import subprocess
import sys

from trainctl.engine.diagnosis.catalogue import SECTIONS, all_rules
from trainctl.engine.diagnosis.differential import diagnose, order_causes
from trainctl.engine.diagnosis.facts.evidence import Evidence
from trainctl.engine.diagnosis.finding import Confidence, Finding, Fix, Severity
from trainctl.engine.diagnosis.summaries import SUMMARIES

FIRST_CODES = {
    *("D101", "D102", "D103", "D104", "D105", "D107", "D111", "D112", "D113", "L203"),
    *("C306", "C310", "G701", "G702", "G703", "N901"),
}


def finding(code: str, severity: Severity = Severity.ERROR, because: tuple[str, ...] = ()) -> Finding:
    rule = all_rules()[code]
    return Finding(
        code=code,
        name=rule.name,
        section=rule.section,
        severity=severity,
        confidence=Confidence.PROVEN,
        summary="s",
        where="w",
        why="y",
        fix=Fix("f"),
        figures={},
        ruled_out=(),
        because=because,
    )


def ordered(*found: Finding) -> list[tuple[str, bool, str | None]]:
    placed = order_causes(found, all_rules(), [f.code for f in found])
    return [(f.code, f.primary, f.consequence_of) for f in placed]


def test_the_catalogue_holds_the_first_codes_with_their_place_and_a_docstring() -> None:
    rules = all_rules()
    assert set(rules) >= FIRST_CODES
    assert all(rule.section in SECTIONS and inspect.getdoc(rule.judge) for rule in rules.values())
    assert set(SUMMARIES) == set(SECTIONS)


def test_every_rule_whose_rival_is_named_can_be_asked_about_it() -> None:
    rules = all_rules()
    assert {rival for rule in rules.values() for rival in rule.rivals} <= set(rules)


def test_without_any_evidence_nothing_is_checked_and_nothing_is_called_fine() -> None:
    report = diagnose(Evidence())
    assert report.checked == ()
    assert {entry.code for entry in report.not_checked} == set(all_rules())


def test_an_earlier_class_of_causes_comes_first_within_a_severity() -> None:
    assert ordered(finding("C306"), finding("D101"), finding("D107")) == [
        ("D107", True, None),
        ("D101", False, None),
        ("C306", False, None),
    ]


def test_an_error_comes_before_the_warning_of_an_earlier_class() -> None:
    assert ordered(finding("D104", Severity.WARNING), finding("C310"))[0] == ("C310", True, None)


def test_a_chain_of_consequences_stands_under_its_cause() -> None:
    chain = ordered(
        finding("D102", because=("D101",)), finding("L203"), finding("D101", because=("D103",)), finding("D103")
    )
    codes = [code for code, _, _ in chain]
    assert (codes[0], codes[-1], set(codes[1:3])) == ("D103", "L203", {"D101", "D102"})
    assert {code: cause for code, _, cause in chain} == {
        "D103": None,
        "D101": "D103",
        "D102": "D101",
        "L203": None,
    }


def test_a_cause_is_as_grave_as_what_follows_from_it() -> None:
    found = [
        finding("D103", Severity.WARNING),
        finding("D101", because=("D103",)),
        finding("L203"),
        finding("C306", Severity.WARNING),
    ]
    placed = order_causes(found, all_rules(), [f.code for f in found])
    assert [(f.code, f.severity) for f in placed] == [
        ("D103", Severity.ERROR),
        ("D101", Severity.ERROR),
        ("L203", Severity.ERROR),
        ("C306", Severity.WARNING),
    ]
    assert placed[0].primary


def test_two_that_follow_from_each_other_are_a_cause_and_its_consequence() -> None:
    assert ordered(finding("N901", because=("G701",)), finding("G701", because=("N901",))) == [
        ("N901", True, None),
        ("G701", False, "N901"),
    ]
    three = ordered(
        finding("D101", because=("D103",)), finding("D102", because=("D101",)), finding("D103", because=("D102",))
    )
    assert [code for code, _, cause in three if cause is None] == ["D103"] and len(three) == 3


def test_information_is_never_the_primary_cause() -> None:
    assert ordered(finding("D111", Severity.INFO)) == [("D111", False, None)]


def test_a_consequence_whose_cause_was_not_found_stands_for_itself() -> None:
    assert ordered(finding("N901", because=("D107",))) == [("N901", True, None)]


def test_rules_records_and_reports_work_without_torch() -> None:
    modules = ["differential", "records.evidence", "report", "sampler_check"]
    imports = ", ".join(f"trainctl.engine.diagnosis.{name}" for name in modules)
    code = f"import sys, {imports}; from trainctl.engine.diagnosis.catalogue import all_rules; all_rules()"
    code += "; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
