"""What the rules say of a run: findings in the order in which to read them, and what was checked. Pure data.

Findings come from the diagnosis of the records and from events of the run; a rule that spoke in both is shown once.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from trainctl.engine.diagnosis.finding import Confidence, Figures, Finding, Fix, NotChecked, Report, Scope
from trainctl.engine.diagnosis.finding import Severity as Level
from trainctl.engine.runs.events import Event, EventKind
from trainctl.tui.run.view import Found
from trainctl.tui.words.verdict import Severity

SEVERITY = {Level.ERROR: Severity.ERROR, Level.WARNING: Severity.WARNING, Level.INFO: Severity.NOTE}
"""What the cockpit calls the severities of the rules."""
OWN_WORDS = ("code", "severity", "title", "summary", "where", "why", "fix")
"""Parts of a `finding` event that are not figures."""


@dataclass(frozen=True)
class Health:
    """One judgement of a run."""

    findings: tuple[Finding, ...] = ()
    """The most serious cause first, each followed by its consequences. Hints are left out."""
    checked: tuple[str, ...] = ()
    """Codes of the rules that could give an answer."""
    not_checked: tuple[NotChecked, ...] = field(default=())
    step: int = 0
    """Last step that was judged."""
    seconds: float = 0.0
    """What the judgement took."""
    scope: Scope = field(default=Scope())
    """How much of what matters was looked at."""
    is_over: bool = False
    """Whether the run said it was over when it was judged."""
    warnings: tuple[str, ...] = ()
    """What the run itself warned of and has not taken back, oldest first."""
    problem: str = ""
    """Why the records could not be judged; empty where they were."""

    @property
    def causes(self) -> list[Finding]:
        """The findings that no other explains."""
        return [finding for finding in self.findings if finding.consequence_of is None]

    @property
    def worst(self) -> Severity:
        """The most serious severity; ok where nothing was found."""
        return SEVERITY[self.findings[0].severity] if self.findings else Severity.OK


def health_of(report: Report, events: Iterable[Event], step: int) -> Health:
    """The findings of a report and of `finding` events in force, once per code.

    The report's words are kept where both have a code: they are of the newest records. Of several events of one code
    the newest counts.
    """
    reported = [finding for finding in report.findings if finding.confidence is not Confidence.HINT]
    codes = {finding.code for finding in reported}
    spoken = {event.data.get("code"): finding_of(event) for event in events if event.kind is EventKind.FINDING}
    own = [finding for code, finding in spoken.items() if code not in codes]
    found = _by_severity([*reported, *own])
    return Health(found, report.checked, report.not_checked, step, report.seconds, report.scope)


def finding_of(event: Event) -> Finding:
    """A `finding` event as a finding; what the rule did not say is left empty."""
    data = event.data
    fix: Any = data.get("fix")
    settings = fix.get("set") if isinstance(fix, dict) else None
    words = fix.get("text", "") if isinstance(fix, dict) else fix
    title, summary = str(data.get("title", "")), data.get("summary")
    level, figures = data.get("severity"), data.get("figures")
    return Finding(
        code=str(data.get("code", "finding")),
        name=title,
        section="",
        severity=Level(level) if level in tuple(Level) else Level.INFO,
        confidence=Confidence.LIKELY,
        summary=str(summary or ""),
        where=str(data.get("where") or f"said by the run at step {event.step}"),
        why=str(data.get("why") or ""),
        fix=Fix(str(words or ""), settings if isinstance(settings, dict) else None),
        figures=_figures(figures if isinstance(figures, dict) else data),
        ruled_out=(),
    )


def found_at_steps(findings: Iterable[Finding]) -> tuple[Found, ...]:
    """Those that name the step at which it was seen, for the charts."""
    steps = ((finding, finding.figures.get("step")) for finding in findings)
    return tuple(Found(step, finding.code, finding.name) for finding, step in steps if isinstance(step, int))


def _figures(data: dict[str, Any]) -> Figures:
    return {
        name: value for name, value in data.items() if name not in OWN_WORDS and isinstance(value, (int, float, str))
    }


def _by_severity(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """Causes by severity in their order, each still followed by its consequences."""
    groups: list[list[Finding]] = []
    for finding in findings:
        if finding.consequence_of is None or not groups:
            groups.append([finding])
        else:
            groups[-1].append(finding)
    ranks = tuple(Level)
    return tuple(finding for group in sorted(groups, key=lambda g: ranks.index(g[0].severity)) for finding in group)
