"""What a diagnosis consists of: findings, what could not be checked, and the report that holds both.

Plain data. Knows no rule, no model and no terminal.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

SCHEMA = 1
"""Version of the JSON report."""

Figures = Mapping[str, float | int | str]


class Severity(StrEnum):
    """How bad it is."""

    ERROR = "error"
    """The training cannot work like this, or its result cannot be trusted."""
    WARNING = "warning"
    """It probably costs quality or time."""
    INFO = "info"
    """Worth knowing."""


class Verdict(StrEnum):
    """What a diagnosis comes to. Information makes no difference to it."""

    WRONG = "wrong"
    """There are errors."""
    LOOK = "look"
    """There are warnings."""
    NOTHING = "nothing wrong in what was looked at"
    UNDECIDED = "not enough to judge"
    """Nothing was found, where too little of what matters could be looked at."""


class Confidence(StrEnum):
    """How sure it is."""

    PROVEN = "proven"
    """An identity, or a closed form and a second witness."""
    LIKELY = "likely"
    """Several witnesses of which not all must agree."""
    HINT = "hint"
    """A starting point for a person; not shown unless asked for."""


@dataclass(frozen=True)
class Fix:
    """What to do about a finding."""

    text: str
    set: Mapping[str, Any] | None = None
    """Configuration values by dotted path that bring it about; none: no setting can."""


@dataclass(frozen=True)
class Hit:
    """What a rule saw. The catalogue makes a `Finding` of it."""

    severity: Severity
    confidence: Confidence
    summary: str
    """The evidence in one short clause: `97 of 100 batches hold one class`."""
    where: str
    """Which data, module or steps."""
    why: str
    """What follows from it, with the formula where there is one."""
    fix: Fix
    figures: Figures = field(default_factory=dict[str, "float | int | str"])
    ruled_out: tuple[str, ...] = ()
    """Other causes of the same symptom that were tested and are not it, with their figures."""
    because: tuple[str, ...] = ()
    """Codes of which this is a mere consequence if one of them was found too; the first found counts."""
    explains: bool = True
    """Whether others may follow from it; what passed by itself is the reason of nothing else."""


@dataclass(frozen=True)
class Unchecked:
    """A rule's answer when its evidence does not allow one."""

    why: str


@dataclass(frozen=True)
class NotChecked:
    """A rule that could not be asked, and why."""

    code: str
    why: str


@dataclass(frozen=True)
class Finding:
    """A fault that was found, and its place in the differential."""

    code: str
    name: str
    section: str
    """Part of the training it belongs to, one of `catalog.SECTIONS`."""
    severity: Severity
    confidence: Confidence
    summary: str
    where: str
    why: str
    fix: Fix
    figures: Figures
    ruled_out: tuple[str, ...]
    because: tuple[str, ...] = ()
    explains: bool = True
    primary: bool = False
    """The one cause to deal with first."""
    consequence_of: str | None = None
    """Code of the finding that explains this one."""

    def to_json(self) -> dict[str, Any]:
        """Plain data for `--json`, where a figure that is not finite is null, as everywhere."""
        return {
            "code": self.code,
            "name": self.name,
            "severity": str(self.severity),
            "confidence": str(self.confidence),
            "primary": self.primary,
            "consequence_of": self.consequence_of,
            "where": self.where,
            "why": f"{self.summary}: {self.why}",
            "figures": {name: value if _is_finite(value) else None for name, value in self.figures.items()},
            "ruled_out": list(self.ruled_out),
            "fix": {"text": self.fix.text, "set": None if self.fix.set is None else dict(self.fix.set)},
        }

    def to_plain(self) -> dict[str, Any]:
        """Plain data from which `from_plain` makes an equal finding, but for what orders causes.

        Figures that are not finite are words: whoever shows the finding tells NaN from infinity.
        """
        figures = {name: value if _is_finite(value) else str(value) for name, value in self.figures.items()}
        return {**self.to_json(), "figures": figures, "section": self.section, "summary": self.summary}

    @classmethod
    def from_plain(cls, data: Mapping[str, Any]) -> Finding:
        """Read back what `to_plain` gave.

        Raises:
            KeyError, ValueError: not a finding.
        """
        summary = str(data["summary"])
        return cls(
            code=str(data["code"]),
            name=str(data["name"]),
            section=str(data["section"]),
            severity=Severity(data["severity"]),
            confidence=Confidence(data["confidence"]),
            summary=summary,
            where=str(data["where"]),
            why=str(data["why"]).removeprefix(f"{summary}: "),
            fix=Fix(str(data["fix"]["text"]), data["fix"]["set"]),
            figures=dict(data["figures"]),
            ruled_out=tuple(data["ruled_out"]),
            primary=bool(data["primary"]),
            consequence_of=data["consequence_of"],
        )


@dataclass(frozen=True)
class Ignored:
    """A finding that the user knows of and has left out of the verdict."""

    finding: Finding
    reason: str
    """In the user's words."""

    def to_json(self) -> dict[str, Any]:
        """Plain data for `--json`."""
        return {**self.finding.to_json(), "reason": self.reason}

    def to_plain(self) -> dict[str, Any]:
        """Plain data from which `from_plain` makes an equal one."""
        return {**self.finding.to_plain(), "reason": self.reason}

    @classmethod
    def from_plain(cls, data: Mapping[str, Any]) -> Ignored:
        """Read back what `to_plain` gave."""
        return cls(Finding.from_plain(data), str(data["reason"]))


@dataclass(frozen=True)
class Scope:
    """What a diagnosis looked at."""

    looked_at: tuple[str, ...] = ()
    """Parts of a training that could be judged."""
    not_looked_at: Mapping[str, str] = field(default_factory=dict[str, str])
    """Of the others, what is missing and how to get it."""
    is_enough: bool = True
    """Whether nothing found says something."""


@dataclass(frozen=True)
class Report:
    """The outcome of one diagnosis."""

    findings: tuple[Finding, ...]
    """The primary cause first, each followed by its consequences."""
    not_checked: tuple[NotChecked, ...]
    checked: tuple[str, ...]
    """Codes of the rules that could give an answer."""
    seconds: float
    scope: Scope = Scope()
    """How much was looked at."""
    ignored: tuple[Ignored, ...] = ()
    """Findings that make no difference to the verdict, because the user says so."""

    @property
    def worst(self) -> Severity | None:
        """The most serious severity among the findings; None: there are none."""
        return next((severity for severity in Severity if any(f.severity is severity for f in self.findings)), None)

    @property
    def verdict(self) -> Verdict:
        """What it comes to, in one of four words."""
        return verdict_of((finding.severity for finding in self.findings), is_enough=self.scope.is_enough)

    def to_json(self) -> dict[str, Any]:
        """Plain data for `--json`."""
        return {
            "schema": SCHEMA,
            "verdict": str(self.verdict),
            "looked_at": list(self.scope.looked_at),
            "not_looked_at": dict(self.scope.not_looked_at),
            "is_enough": self.scope.is_enough,
            "findings": [finding.to_json() for finding in self.findings],
            "ignored": [entry.to_json() for entry in self.ignored],
            "not_checked": [{"code": entry.code, "why": entry.why} for entry in self.not_checked],
            "checked": list(self.checked),
            "seconds": round(self.seconds, 3),
        }

    def to_plain(self) -> dict[str, Any]:
        """Plain data from which `from_plain` makes an equal report, but for what orders causes."""
        findings = [finding.to_plain() for finding in self.findings]
        return {**self.to_json(), "findings": findings, "ignored": [entry.to_plain() for entry in self.ignored]}

    @classmethod
    def from_plain(cls, data: Mapping[str, Any]) -> Report:
        """Read back what `to_plain` gave.

        Raises:
            KeyError, ValueError: not a report.
        """
        return cls(
            findings=tuple(Finding.from_plain(entry) for entry in data["findings"]),
            not_checked=tuple(NotChecked(entry["code"], entry["why"]) for entry in data["not_checked"]),
            checked=tuple(data["checked"]),
            seconds=float(data["seconds"]),
            scope=Scope(tuple(data["looked_at"]), dict(data["not_looked_at"]), bool(data["is_enough"])),
            ignored=tuple(Ignored.from_plain(entry) for entry in data["ignored"]),
        )


def verdict_of(severities: Iterable[Severity], *, is_enough: bool) -> Verdict:
    """What findings of these severities come to; `is_enough`: nothing found would say something."""
    present = set(severities)
    if Severity.ERROR in present:
        return Verdict.WRONG
    if Severity.WARNING in present:
        return Verdict.LOOK
    return Verdict.NOTHING if is_enough else Verdict.UNDECIDED


def _is_finite(value: float | int | str) -> bool:
    return not isinstance(value, float) or math.isfinite(value)
