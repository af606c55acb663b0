"""What is shown of a run beside the list: its view, what is special about its configuration, the most important word.

Plain data and words; `reading` fills it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from trainctl.tui.run.view import RunUpdate, RunView
from trainctl.tui.words.verdict import Severity, Verdict, fate, verdict

MOST_WORDS = 40
"""Lines of the console that are kept."""

Change = tuple[str, object, object]
"""A value by its dotted name: of the run that is looked at (None: it has none), and of the one in the list."""


@dataclass
class Preview:
    """What is known of a run in the list. Changed by `take` alone, once it is shown in the thread of the screen."""

    view: RunView
    changes: tuple[Change, ...] | None = None
    """None: its configuration, or the one that it is compared with, cannot be read."""
    is_shown: bool = False
    """Whether it stands on the screen, so that it may be changed in the screen's thread only."""
    words: list[str] = field(default_factory=list[str])
    """The last lines that it printed, without empty ones."""

    def take(self, update: RunUpdate, changes: tuple[Change, ...] | None) -> None:
        """Take in what was read."""
        self.view.apply(update)
        self.words = [*self.words, *(line for line in update.console if line.strip())][-MOST_WORDS:]
        self.changes = changes

    @property
    def headline(self) -> Verdict:
        """What became of the run where that is a reason to worry, else what its rules found, else where it stands."""
        become, summary = fate(self.view, self.words[-1] if self.words else ""), self.view.summary
        found = [_told(finding) for finding in summary.findings] if summary else []
        worst = next((one for one in found if one.severity in (Severity.ERROR, Severity.WARNING)), None)
        if become is not None or worst is not None:
            return become or worst or verdict(self.view)
        if summary is None or not summary.verdict or summary.num_checks is None:
            return verdict(self.view)
        is_well = summary.verdict.startswith("nothing wrong")
        looked = f" ({', '.join(summary.looked_at)})" if summary.looked_at else ""
        severity = Severity.OK if is_well else Severity.NOTE
        return Verdict(severity, f"{summary.verdict}{looked}, {summary.num_checks} checks")

    @property
    def is_in_trouble(self) -> bool:
        """Whether its last words are worth reading."""
        return fate(self.view) is not None


def _told(finding: Mapping[str, Any]) -> Verdict:
    """A finding of a summary, which may hold anything."""
    severity, code = str(finding.get("severity")), finding.get("code")
    title, summary = str(finding.get("title") or ""), str(finding.get("summary") or "")
    text = ": ".join(part for part in (title, summary) if part) or "a finding"
    known = severity in tuple(Severity)
    return Verdict(Severity(severity) if known else Severity.NOTE, f"{text} ({code})" if code else text)
