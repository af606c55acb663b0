"""A diagnosis as SARIF 2.1.0, the format in which tools of continuous integration read what other tools found.

Builds plain data. Source: OASIS Static Analysis Results Interchange Format, version 2.1.0 (sections are named in the
text). Where a finding has no place in a file, it has no location: none is invented.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from trainctl.engine.diagnosis.explanation import explain_one
from trainctl.engine.diagnosis.finding import Finding, Report, Severity
from trainctl.engine.languages.phrasebook import Phrasebook, phrasebook

VERSION = "2.1.0"
SCHEMA_URI = "https://json.schemastore.org/sarif-2.1.0.json"
LEVELS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "note"}
"""§3.27.10."""
TAGS = {"en": "en-US", "zh": "zh-CN"}
"""Of languages, as RFC 5646 names them."""


@dataclass(frozen=True)
class Place:
    """Where a finding can be looked at."""

    uri: str
    """Of the file; relative ones are relative to the folder in which the diagnosis was asked for."""
    line: int | None = None
    """From 1; None: not known."""


def to_sarif(
    report: Report,
    *,
    title: str,
    version: str,
    places: Mapping[str, Place],
    of_log: bool = False,
    book: Phrasebook | None = None,
) -> dict[str, Any]:
    """One run of the tool `trainctl`.

    Args:
        report: what was found.
        title: what was diagnosed, in words.
        version: of trainctl.
        places: by code of a finding; a code may be missing.
        of_log: whether a log was judged, and by the rules for logs.
        book: of the language in which it is said; None: English.
    """
    book = book or phrasebook("en")
    missed = {entry.code for entry in report.not_checked}
    found = [*report.findings, *(entry.finding for entry in report.ignored)]
    codes = sorted({*report.checked, *missed, *(finding.code for finding in found)})
    indices = {code: index for index, code in enumerate(codes)}
    results = [_result(finding, indices, places, book) for finding in report.findings]
    for entry in report.ignored:
        suppression = {"kind": "external", "status": "accepted", "justification": entry.reason}
        results.append({**_result(entry.finding, indices, places, book), "suppressions": [suppression]})
    rules = [_rule(code, book, of_log=of_log) for code in codes]
    driver = {"name": "trainctl", "version": version, "rules": rules}
    run = {
        "tool": {"driver": driver},
        "language": TAGS[book.language],  # §3.14.7
        "invocations": [_invocation(report, indices, book)],
        "results": results,
        "properties": {"about": book.say(title), "verdict": str(report.verdict), "seconds": round(report.seconds, 3)},
    }
    return {"$schema": SCHEMA_URI, "version": VERSION, "runs": [run]}


def _rule(code: str, book: Phrasebook, *, of_log: bool) -> dict[str, Any]:
    """§3.49: what a rule is."""
    one = explain_one(code, of_log=of_log)
    return {
        "id": code,
        "name": one.rule.name,
        "shortDescription": {"text": book.say(one.rule.name)},
        "fullDescription": {"text": " ".join(map(book.say, one.test))},
        "help": {"text": one.in_words(book.say)},
        "defaultConfiguration": {"level": LEVELS[one.rule.severity]},
        "properties": {"section": one.rule.section},
    }


def _invocation(report: Report, indices: Mapping[str, int], book: Phrasebook) -> dict[str, Any]:
    """§3.20: what could not be checked stands here, as it is no result."""
    notes = [
        {
            "level": "note",
            "message": {"text": book.fill("{1} not checked: {2}", entry.code, book.say(entry.why))},
            "associatedRule": {"id": entry.code, "index": indices[entry.code]},
        }
        for entry in report.not_checked
    ]
    return {"executionSuccessful": True, "toolExecutionNotifications": notes}


def _result(
    finding: Finding, indices: Mapping[str, int], places: Mapping[str, Place], book: Phrasebook
) -> dict[str, Any]:
    """§3.27: one finding. Everything of `--json` that SARIF has no word for is a property."""
    said = finding.to_plain()
    parts = (finding.name, finding.summary, finding.why, finding.where, finding.fix.text)
    text = book.fill("{1}: {2}: {3}. Where: {4}. Fix: {5}.", *map(book.say, parts))
    place = places.get(finding.code)
    own = ("confidence", "primary", "consequence_of", "figures")
    words = {
        "where": book.say(finding.where),
        "ruled_out": [book.say(one) for one in finding.ruled_out],
        "fix": {**said["fix"], "text": book.say(finding.fix.text)},
    }
    return {
        "ruleId": finding.code,
        "ruleIndex": indices[finding.code],
        "level": LEVELS[finding.severity],
        "kind": "fail",
        "message": {"text": text},
        "locations": [] if place is None else [_location(place)],
        "properties": {"section": finding.section, **{name: said[name] for name in own}, **words},
    }


def _location(place: Place) -> dict[str, Any]:
    """§3.28."""
    region = {} if place.line is None else {"region": {"startLine": place.line}}
    return {"physicalLocation": {"artifactLocation": {"uri": place.uri}, **region}}
