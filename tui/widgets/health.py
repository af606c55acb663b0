"""Whether the run is healthy: the verdict, what was found, what to do. Gets judgements; judges nothing itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.content import Content
from textual.message import Message

from trainctl.tui.charts.framed import frame_css, write_frame
from trainctl.tui.charts.room import FRAME_ROWS, Demand
from trainctl.tui.plain import printable
from trainctl.tui.run.scene import Scene
from trainctl.tui.run.view import RunView
from trainctl.tui.spoken import said
from trainctl.tui.widgets.findings import FindingList
from trainctl.tui.words.styles import SEVERITIES
from trainctl.tui.words.verdict import Verdict

if TYPE_CHECKING:
    from trainctl.engine.diagnosis.finding import Finding
    from trainctl.tui.health.health import Health

LEAST_ROWS = 2
"""What to think of the run, and the first reason."""
VERDICT = "verdict"
"""Name of the first line."""


class HealthPanel(FindingList, can_focus=True):
    """Verdict and findings. Enter on a finding explains it, on the verdict says what was checked."""

    heading: ClassVar[str] = "Health"
    DEFAULT_CSS = frame_css("HealthPanel", "padding: 0;")

    class ExplanationAsked(Message):
        """The user wants a finding explained; none: what was checked and what was not."""

        def __init__(self, finding: Finding | None) -> None:
            super().__init__()
            self.finding = finding

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._shown: object = None
        self._counts = ""

    def on_resize(self) -> None:
        """Another width has room for other words below."""
        write_frame(self, self.heading, "", self._counts)

    def on_mount(self) -> None:
        """Show the heading, and that nothing is known yet."""
        self.border_title = Content.styled(said(self.heading), "bold")
        self.show_words("· checking")

    def show(self, view: RunView, scene: Scene) -> None:
        """Nothing: judgements come by `show_health`."""

    def demand(self, width: int) -> Demand:
        """All findings, with what to do."""
        return Demand(LEAST_ROWS + FRAME_ROWS, self.num_rows(width - 2) + FRAME_ROWS)

    def show_words(self, words: str) -> None:
        """Say why there is no judgement."""
        self.show_findings([(VERDICT, Content.styled(said(words), "$chart-label"))], ())

    def show_health(self, health: Health, fate: Verdict | None = None) -> None:
        """Show this judgement; `fate`: what became of the run, where that is a reason to worry."""
        from trainctl.tui.words.health import health_verdict

        self._counts = counts_words(health)
        self.on_resize()
        verdict = health_verdict(health, fate)
        if (health.findings, verdict) == self._shown:
            return
        self._shown = (health.findings, verdict)
        severity = verdict.severity
        words = printable(f"{severity.symbol} {said(severity.value)}  {said(verdict.text)}")
        self.show_findings([(VERDICT, Content.styled(words, f"bold {SEVERITIES[severity]}"))], health.findings)

    def on_option_list_option_selected(self, event: FindingList.OptionSelected) -> None:
        """Ask for the explanation."""
        event.stop()
        self.post_message(self.ExplanationAsked(next((f for f in self.findings if f.code == event.option.id), None)))


def counts_words(health: Health) -> str:
    """How many checks passed, how many could not be made, and when it was."""
    if health.problem:
        return ""
    codes = {finding.code for finding in health.findings}
    passed = sum(code not in codes for code in health.checked)
    return f"{passed} passed, {len(health.not_checked)} not checked, as of step {health.step}"
