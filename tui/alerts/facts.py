"""What an alert says: a run's facts as environment variables and as JSON. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from trainctl.engine.diagnosis.finding import Finding, verdict_of
from trainctl.tui.charts.axis import short
from trainctl.tui.health.health import Health
from trainctl.tui.plain import printable
from trainctl.tui.run.view import RunView
from trainctl.tui.words.verdict import Severity, fate, state_word

SCHEMA = 1
MOST_LETTERS = 1000
"""Of a value in the environment."""


@dataclass(frozen=True)
class Alert:
    """One thing to tell."""

    alert: str
    """`end` or `finding`."""
    run: str
    path: str
    preset: str
    state: str
    """Where the run stands, in the cockpit's words: finished, failed, presumed crashed ..."""
    verdict: str
    """What the rules' findings come to; empty: it was not judged."""
    code: str
    """Of the finding; at the end, of the one to deal with first; empty: there is none."""
    severity: str
    """`error`, `warning`, `note` or `ok`."""
    summary: str
    """A sentence."""
    step: int
    total_steps: int
    """0 where that is not known."""
    metric: str = ""
    """The monitored metric; empty while there is no best validation."""
    best: float | None = None

    @property
    def text(self) -> str:
        """All of it in a line, under the name by which chat services look for it."""
        return f"{self.run}: {self.summary}"

    def environment(self) -> dict[str, str]:
        """As variables, `TRAINCTL_` before each name."""
        values = {**self._values(), "best": "" if self.best is None else short(self.best, 6)}
        return {f"TRAINCTL_{name.upper()}": printable(str(value))[:MOST_LETTERS] for name, value in values.items()}

    def document(self) -> dict[str, Any]:
        """As plain data."""
        return {"schema": SCHEMA, **self._values(), "text": self.text}

    def _values(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


def of_end(view: RunView, health: Health | None) -> Alert:
    """That a run is over."""
    state, severity = state_word(view)
    bad = fate(view)
    first = next(iter(health.findings), None) if health is not None else None
    if first is not None and str(first.severity) not in (Severity.ERROR, Severity.WARNING):
        first = None
    parts = [*([bad.text] if bad is not None else []), *([_words(first)] if first is not None else [])]
    if not parts and view.summary is not None and view.summary.exit_reason:
        parts = [view.summary.exit_reason]
    worst = [Severity(str(first.severity))] if first is not None else []
    ranks = (Severity.ERROR, Severity.WARNING, Severity.NOTE, Severity.OK)
    return _alert(
        view,
        health,
        alert="end",
        code=first.code if first is not None else "",
        severity=str(min([severity, *worst], key=ranks.index)),
        summary=": ".join([state, *(["; ".join(parts)] if parts else [])]),
    )


def of_finding(view: RunView, health: Health, finding: Finding) -> Alert:
    """That a rule found something."""
    summary = _words(finding)
    return _alert(view, health, alert="finding", code=finding.code, severity=str(finding.severity), summary=summary)


def _words(finding: Finding) -> str:
    return f"{finding.code} {finding.name}{f': {finding.summary}' if finding.summary else ''}"


def _alert(view: RunView, health: Health | None, **more: Any) -> Alert:
    best = view.summary.best if view.summary is not None else None
    meta: Mapping[str, Any] = view.meta or {}
    return Alert(
        run=view.paths.root.name,
        path=str(view.paths.root.absolute()),
        preset=view.preset or str(meta.get("preset", "")),
        state=state_word(view)[0],
        verdict=_verdict(health),
        step=view.step,
        total_steps=view.status.total_steps if view.status is not None else 0,
        metric=best.metric if best is not None else "",
        best=best.value if best is not None else None,
        **more,
    )


def _verdict(health: Health | None) -> str:
    if health is None or health.problem:
        return ""
    return str(verdict_of((one.severity for one in health.findings), is_enough=health.scope.is_enough))
