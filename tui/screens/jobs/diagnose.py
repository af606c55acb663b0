"""A diagnosis on a page of its own: its sections as they are judged, then the findings in full.

The diagnosis runs as a `trainctl` command in a process of its own, which ends with the page. Judges nothing itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widget import Widget
from textual.widgets import OptionList, Static

from trainctl.engine.diagnosis.finding import Finding, Report
from trainctl.engine.runs.layout import RunPaths
from trainctl.tui.charts.framed import frame_css
from trainctl.tui.health.health import Health, health_of
from trainctl.tui.processes.jobs import Job
from trainctl.tui.screens.dialogs.explanation import FIX, ExplanationScreen, checks, explanation
from trainctl.tui.screens.jobs.page import AGAIN, CLOSE, JobPage
from trainctl.tui.spoken import said
from trainctl.tui.widgets.findings import FindingList, ReportLine, hanging, styled
from trainctl.tui.widgets.lines import cut_line

REST = "rest"
"""Name of the line that says what was checked."""


@dataclass(frozen=True)
class Order:
    """What to diagnose.

    Args:
        run: whose.
        title: as it stands on the page until the diagnosis names itself.
        words: command line after `trainctl`.
    """

    run: RunPaths
    title: str
    words: tuple[str, ...]


def of_records(run: RunPaths) -> Order:
    """What the run recorded."""
    return Order(run, f"records of {run.root.name}", ("diagnose", str(run.root), "--json", "--progress"))


def of_configuration(run: RunPaths) -> Order:
    """The run's configuration and data, before training: data, batches, labels, network."""
    words = ("diagnose", str(run.root), "--preflight", "--json", "--progress")
    return Order(run, f"preflight of the configuration of {run.root.name}", words)


class DiagnoseScreen(JobPage["Finding | None"]):
    """Runs a diagnosis and shows it. Answers with the finding whose fix is wanted.

    Args:
        order: what to diagnose.
        environ: environment of the process.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        CLOSE,
        Binding("f", "fix", "fix"),
        AGAIN,
    ]
    DEFAULT_CSS = (
        frame_css("DiagnoseScreen > FindingList", "border-subtitle-color: transparent;")  # that is: as the border
        + """
    DiagnoseScreen > #sections { height: auto; padding: 0 1; text-wrap: nowrap; }
    """
    )
    job_name = "the diagnosis"

    def __init__(self, order: Order, environ: Mapping[str, str]) -> None:
        super().__init__(order.words, environ)
        self._order = order
        self._lines: dict[str, ReportLine] = {}
        self._work, self._title = "starting", order.title
        self._report: Report | None = None

    def compose_page(self) -> Iterable[Widget]:
        """The sections, the findings."""
        yield Static(id="sections", markup=False)
        findings = FindingList(id="findings")
        findings.border_title = Content.styled(said("Findings"), "bold")
        yield findings

    def on_mount(self) -> None:
        """Let the findings have the keys."""
        self.query_one(FindingList).focus()

    # --- the job ------------------------------------------------------------------------------------------

    def forget(self) -> None:
        """Nothing is judged yet."""
        self._lines, self._report, self._work = {}, None, "starting"

    def hear(self, data: dict[str, Any]) -> None:
        """A part begins, a section is judged, or the report is there."""
        if data.get("event") == "work":
            self._work = str(data["part"])
        elif data.get("event") == "section":
            self._lines[str(data["section"])] = [(str(text), str(style)) for text, style in data["line"]]
        elif data.get("event") == "report":
            self._report = Report.from_plain(data["report"])
            self._title = str(data["title"]).replace(str(self._order.run.root), self._order.run.root.name)

    def is_complete(self, message: Job.Ended) -> bool:
        """The report came on the way; its exit code says what was found."""
        return self._report is not None

    # --- what is seen ---------------------------------------------------------------------------------------

    def show(self) -> None:
        """Title, sections, findings."""
        self.show_title()
        self._show_sections()
        self._show_findings(self.size.width - 6)

    def title_parts(self) -> Iterable[Content]:
        """What is measured, what is diagnosed."""
        is_over = self._report is not None or bool(self._failure)
        doing = () if is_over else (Content.styled(f"{said(self._work)}… {self.spent_s:.0f} s", "$warning"),)
        return Content(said("Diagnosis")), *doing, Content.styled(said(self._title), "bold")

    def _show_sections(self) -> None:
        from trainctl.engine.diagnosis.catalogue import SECTIONS

        rows = [self._lines.get(name, (("· ", "dim"), (name, "dim"), ("  …", "dim"))) for name in SECTIONS]
        lines = [cut_line(styled(row), self.room) for row in rows]
        self.query_one("#sections", Static).update(Content("\n").join(lines))

    def _show_findings(self, width: int) -> None:
        found = self.query_one(FindingList)
        report = self._report
        if report is None:
            words = self._failure and f"! {self._failure}"
            style = "$error" if words else "$chart-label"
            found.show_findings([(REST, Content.styled(said(words or "not known yet"), style))], ())
            return
        from trainctl.engine.diagnosis.report import consequences, finding_lines, verdict_line

        health = self._health(report)
        causes = [finding for finding in health.findings if finding.consequence_of is None]

        def in_full(finding: Finding) -> Content:
            return hanging([*finding_lines(finding, consequences(finding, health.findings)), ()], width)

        found.show_findings([(REST, hanging([verdict_line(report)], width))], causes, in_full)
        counts = f"{len(report.checked)} checked, {len(report.not_checked)} not checked: enter on the first line"
        found.border_subtitle = Content(said(counts))

    def _health(self, report: Report) -> Health:
        return health_of(report, (), 0)

    # --- what can be done -----------------------------------------------------------------------------------

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Explain a finding, or say what was checked."""
        if self._report is None:
            return
        health = self._health(self._report)
        finding = next((f for f in health.findings if f.code == event.option.id), None)
        if finding is None:
            self.app.push_screen(ExplanationScreen("what was checked", checks(health)))
            return

        def answered(answer: str | None) -> None:
            if answer == FIX:
                self.dismiss(finding)

        lines = explanation(finding, health.findings)
        title = f"{finding.code} {finding.name}"
        self.app.push_screen(ExplanationScreen(title, lines, can_fix=bool(finding.fix.set)), answered)

    def action_fix(self) -> None:
        """Close with the finding whose fix is wanted: the chosen one, else the first that has one."""
        found = self.query_one(FindingList)
        chosen = found.chosen or next((finding for finding in found.findings if finding.fix.set), None)
        if chosen is None:
            self.notify("nothing was found that a setting could fix", markup=False)
        elif not chosen.fix.set:
            words = f"no setting fixes {chosen.code}: {chosen.fix.text}"
            self.notify(words, severity="warning", markup=False)
        else:
            self.dismiss(chosen)
