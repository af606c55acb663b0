"""The SARIF of a diagnosis: held against what the schema of version 2.1.0 requires, by hand."""

from __future__ import annotations

import json
from typing import Any

import pytest

from trainctl.engine.diagnosis.catalogue import all_rules
from trainctl.engine.diagnosis.finding import Confidence, Finding, Fix, Ignored, NotChecked, Report, Severity
from trainctl.engine.diagnosis.sarif import Place, to_sarif

LEVELS = {"none", "note", "warning", "error"}


def found(code: str, severity: Severity, *, of_log: bool = False, **more: Any) -> Finding:
    rule = all_rules(of_log=of_log)[code]
    known: dict[str, Any] = {
        "summary": "97 of 100",
        "where": "train",
        "why": "so it is",
        "fix": Fix("shuffle", {"train.epochs": 3}),
        "figures": {"share": float("nan")},
        "ruled_out": ("D103 class imbalance",),
    }
    return Finding(code, rule.name, rule.section, severity, Confidence.PROVEN, **(known | more))


REPORT = Report(
    findings=(found("D101", Severity.ERROR, primary=True), found("D102", Severity.WARNING, consequence_of="D101")),
    not_checked=(NotChecked("D105", "the data names no groups"),),
    checked=("D101", "D102", "D103", "D111"),
    seconds=1.5,
    ignored=(Ignored(found("D111", Severity.INFO), "small data"),),
)


@pytest.fixture
def run() -> dict[str, Any]:
    document = to_sarif(REPORT, title="weld/stuck", version="0.1.0", places={"D101": Place("my%20log.csv", 12)})
    document = json.loads(json.dumps(document, allow_nan=False))
    # sarifLog requires version and runs, §3.13.
    assert document["version"] == "2.1.0" and document["$schema"].endswith("sarif-2.1.0.json")
    (run,) = document["runs"]
    return run


def test_the_tool_and_its_rules_have_what_the_schema_requires(run: dict[str, Any]) -> None:
    driver = run["tool"]["driver"]  # run requires tool, tool driver, driver name
    assert (driver["name"], driver["version"]) == ("trainctl", "0.1.0")
    assert [rule["id"] for rule in driver["rules"]] == ["D101", "D102", "D103", "D105", "D111"]
    for rule in driver["rules"]:
        for message in (rule["shortDescription"], rule["fullDescription"], rule["help"]):
            assert isinstance(message["text"], str) and message["text"]
        assert "What to do: " in rule["help"]["text"]
        assert rule["defaultConfiguration"]["level"] in LEVELS


def test_every_result_points_at_its_rule_and_says_what_json_says(run: dict[str, Any]) -> None:
    ids = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    for result in run["results"]:
        assert result["message"]["text"]  # result requires message
        assert ids[result["ruleIndex"]] == result["ruleId"]
        assert result["level"] in LEVELS and result["kind"] == "fail"
    first, second, ignored = run["results"]
    assert [first["level"], second["level"], ignored["level"]] == ["error", "warning", "note"]
    assert "97 of 100: so it is" in first["message"]["text"]
    told = first["properties"]
    assert (told["confidence"], told["primary"], told["fix"]["set"]) == ("proven", True, {"train.epochs": 3})
    assert told["figures"] == {"share": "nan"}
    assert second["properties"]["consequence_of"] == "D101"
    assert ignored["suppressions"] == [{"kind": "external", "status": "accepted", "justification": "small data"}]
    assert "suppressions" not in first


def test_a_location_stands_only_where_a_place_is_known(run: dict[str, Any]) -> None:
    first, second, _ = run["results"]
    (place,) = first["locations"]
    assert place["physicalLocation"] == {"artifactLocation": {"uri": "my%20log.csv"}, "region": {"startLine": 12}}
    assert second["locations"] == []


def test_what_was_not_checked_is_told_by_the_invocation(run: dict[str, Any]) -> None:
    (invocation,) = run["invocations"]
    assert invocation["executionSuccessful"] is True  # the one field that invocation requires
    (note,) = invocation["toolExecutionNotifications"]
    assert note["message"]["text"] == "D105 not checked: the data names no groups"
    assert note["associatedRule"] == {"id": "D105", "index": 3}


def test_of_a_log_the_rules_are_those_for_logs() -> None:
    report = Report((found("C307", Severity.WARNING, of_log=True),), (), ("C307",), 0.0)
    rules = [
        to_sarif(report, title="log", version="1", places={}, of_log=of_log)["runs"][0]["tool"]["driver"]["rules"][0]
        for of_log in (True, False)
    ]
    assert [rule["name"] for rule in rules] == [
        "loss is printed as a sum over batches",
        "loss is a sum over the batch",
    ]
