"""A finding explained, or what was checked and what was not: the words of the report. Knows nothing of runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.events import Resize
from textual.widgets import Static

from trainctl.engine.diagnosis.finding import Finding, Report
from trainctl.tui.charts.axis import short
from trainctl.tui.health.health import Health
from trainctl.tui.screens.dialogs.dialog import Dialog
from trainctl.tui.spoken import said
from trainctl.tui.widgets.findings import ReportLine, hanging

FIX = "fix"
"""Answer of a dialog in which the user wants the fix."""


class ExplanationScreen(Dialog[str]):
    """Lines of a report, to read and to scroll.

    Args:
        title: in the border.
        lines: of the report.
        can_fix: whether there is a setting that fixes it, so that `f` answers `FIX`.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("f", "fix", "fix"),
        Binding("enter", "close", "close", show=False),
    ]

    def __init__(self, title: str, lines: Sequence[ReportLine], *, can_fix: bool = False) -> None:
        super().__init__()
        self._title, self._lines, self._can_fix = title, lines, can_fix

    def compose(self) -> ComposeResult:
        """The lines and what the keys do."""
        with VerticalScroll() as box:
            box.border_title = Content(said(self._title))
            yield Static(self._wrapped(self.app.size.width), id="words")
            yield Static(said("f applies the fix, esc closes" if self._can_fix else "esc closes"), classes="hint")

    def on_resize(self, event: Resize) -> None:
        """Wrap the lines anew; a dialog that is just coming or going has none."""
        for words in self.query("#words").results(Static):
            words.update(self._wrapped(event.size.width))

    def _wrapped(self, columns: int) -> Content:
        width = min(int(columns * 0.9), 96) - 6  # the box, its border, padding and scroll bar
        return hanging(self._lines, width)

    def action_fix(self) -> None:
        """Answer that the fix is wanted."""
        if self._can_fix:
            self.dismiss(FIX)


def explanation(finding: Finding, findings: Sequence[Finding]) -> list[ReportLine]:
    """All there is to say about a finding; `findings` are all that were made."""
    from trainctl.engine.diagnosis.report import consequences, finding_lines

    lines: list[ReportLine] = []
    for line in finding_lines(finding, consequences(finding, findings)):
        label, text = line[0][0].strip(), line[-1][0].strip()
        if text or len(line) > 2:
            lines.append(line)
        if label == "why" and finding.figures:
            lines.append((("  figures    ", "dim"), (figure_words(finding), "")))
    if finding.consequence_of:
        cause = next((f for f in findings if f.code == finding.consequence_of), None)
        words = f"{finding.consequence_of} {cause.name if cause else ''}".strip()
        lines.append((("  follows    ", "dim"), (f"from {words}: deal with that first", "")))
    return lines + _rule_lines(finding)


def _rule_lines(finding: Finding) -> list[ReportLine]:
    """What the rule itself says, as `trainctl explain` does; nothing of a finding that no rule made."""
    from trainctl.engine.diagnosis.explanation import explain

    rule = next((one for one in explain(finding.code) if one.rule.name == finding.name), None)
    if rule is None:
        return []
    told = [("tests" if index == 0 else "", text) for index, text in enumerate(rule.test)] + [("costs", rule.costs)]
    return [((f"  {label:<11}", "dim"), (text, "")) for label, text in told if text]


def figure_words(finding: Finding) -> str:
    """The figures by name, four digits each."""
    pairs = finding.figures.items()
    return ", ".join(f"{name} {short(value, 4) if isinstance(value, float) else value}" for name, value in pairs)


def checks(health: Health) -> list[ReportLine]:
    """What was checked and what was not, and why."""
    from trainctl.engine.diagnosis.catalogue import every_rule
    from trainctl.engine.diagnosis.report import not_checked_lines, verdict_line

    if health.problem:
        return [((health.problem, "warning"),)]
    rules = every_rule()
    names = ", ".join(f"{code} {rules[code].name}" for code in health.checked)
    report = Report(health.findings, health.not_checked, health.checked, health.seconds)
    head: list[ReportLine] = [verdict_line(report), (), (("checked      ", "ok"), (names or "nothing", ""))]
    when: list[ReportLine] = [(), ((f"as of step {health.step}", "dim"),)] if health.step else []
    return [*head, (), *not_checked_lines(report), *when]
