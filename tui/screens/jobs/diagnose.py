"""A diagnosis on a page of its own: its sections as they are judged, then the findings in full.

The diagnosis runs as a `trainctl` command in a process of its own, which ends with the page. Judges nothing itself.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.events import Resize
from textual.screen import Screen
from textual.widgets import OptionList, Static

from trainctl.engine.diagnosis.finding import Finding, Report
from trainctl.engine.errors import UserError
from trainctl.engine.runs.layout import RunPaths
from trainctl.tui.health.health import Health, health_of
from trainctl.tui.processes.jobs import Job
from trainctl.tui.screens.dialogs.explanation import FIX, ExplanationScreen, checks, explanation
from trainctl.tui.widgets.findings import STYLES, FindingList, ReportLine, hanging
from trainctl.tui.widgets.key_bar import KeyBar

TICK_S = 0.5
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


class DiagnoseScreen(Screen["Finding | None"]):
    """Runs a diagnosis and shows it. Answers with the finding whose fix is wanted.

    Args:
        order: what to diagnose.
        environ: environment of the process.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "close", "back"),
        Binding("f", "fix", "fix"),
        Binding("r", "again", "again"),
    ]
    DEFAULT_CSS = """
    DiagnoseScreen { background: $background; }
    DiagnoseScreen > #title { height: 1; background: $panel; padding: 0 1; text-wrap: nowrap; text-overflow: ellipsis; }
    DiagnoseScreen > #sections { height: auto; padding: 0 1; text-wrap: nowrap; text-overflow: ellipsis; }
    DiagnoseScreen > FindingList { height: 1fr; border: round $chart-border; border-title-color: $foreground; }
    DiagnoseScreen > FindingList:focus { border: round $accent; }
    """

    def __init__(self, order: Order, environ: Mapping[str, str]) -> None:
        super().__init__()
        self._order, self._environ = order, environ
        self._lines: dict[str, ReportLine] = {}
        self._work, self._title = "starting", order.title
        self._started = time.monotonic()
        self._report: Report | None = None
        self._failure = ""
        self._job: Job | None = None

    def compose(self) -> ComposeResult:
        """What is diagnosed, the sections, the findings."""
        yield Static(id="title", markup=False)
        yield Static(id="sections", markup=False)
        findings = FindingList(id="findings")
        findings.border_title = Content.styled("Findings", "bold")
        yield findings
        yield KeyBar()

    def on_mount(self) -> None:
        """Begin."""
        self.query_one(FindingList).focus()
        self.set_interval(TICK_S, self._show_title)
        self.action_again()

    def on_unmount(self) -> None:
        """End what is under way."""
        if self._job is not None:
            self._job.close()

    def on_resize(self, event: Resize) -> None:
        """Wrap the findings anew."""
        self._show_findings(event.size.width - 6)

    # --- the job ------------------------------------------------------------------------------------------

    def action_again(self) -> None:
        """Begin anew."""
        if self._job is not None:
            self._job.close()
        self._lines, self._report, self._failure = {}, None, ""
        self._work, self._started = "starting", time.monotonic()
        self._job = Job(self, self._order.words, self._environ)
        try:
            self._job.start()
        except UserError as err:
            self._failure = str(err)
        self._show()

    def on_job_said(self, message: Job.Said) -> None:
        """A part begins, a section is judged, or the report is there."""
        data = message.data
        if message.job is not self._job or message.stream != "err" or data is None:
            return
        if data.get("event") == "work":
            self._work = str(data["part"])
        elif data.get("event") == "section":
            self._lines[str(data["section"])] = [(str(text), str(style)) for text, style in data["line"]]
        elif data.get("event") == "report":
            self._report = Report.from_plain(data["report"])
            self._title = str(data["title"]).replace(str(self._order.run.root), self._order.run.root.name)
        self._show()

    def on_job_ended(self, message: Job.Ended) -> None:
        """Say why there is no report, where there is none."""
        if message.job is self._job and self._report is None:
            complaint = message.complaint.removeprefix("trainctl: error: ")
            self._failure = complaint or f"the diagnosis ended with code {message.code}"
            self._show()

    # --- what is seen ---------------------------------------------------------------------------------------

    def _show(self) -> None:
        self._show_title()
        self._show_sections()
        self._show_findings(self.size.width - 6)

    def _show_title(self) -> None:
        is_done = self._report is not None or bool(self._failure)
        doing = "" if is_done else f"{self._work}… {time.monotonic() - self._started:.0f} s  "
        words = [Content("Diagnosis  "), Content.styled(doing, "$warning"), Content.styled(self._title, "bold")]
        self.query_one("#title", Static).update(Content("").join(words))

    def _show_sections(self) -> None:
        from trainctl.engine.diagnosis.catalogue import SECTIONS

        rows = [self._lines.get(name, (("· ", "dim"), (f"{name}  …", "dim"))) for name in SECTIONS]
        lines = [Content("").join([Content.styled(text, STYLES.get(style, "")) for text, style in row]) for row in rows]
        self.query_one("#sections", Static).update(Content("\n").join(lines))

    def _show_findings(self, width: int) -> None:
        found = self.query_one(FindingList)
        report = self._report
        if report is None:
            words = self._failure and f"! {self._failure}"
            style = "$error" if words else "$chart-label"
            found.show_findings([(REST, Content.styled(words or "not known yet", style))], ())
            return
        from trainctl.engine.diagnosis.report import consequences, finding_lines, verdict_line

        health = self._health(report)
        causes = [finding for finding in health.findings if finding.consequence_of is None]

        def in_full(finding: Finding) -> Content:
            return hanging([*finding_lines(finding, consequences(finding, health.findings)), ()], width)

        found.show_findings([(REST, hanging([verdict_line(report)], width))], causes, in_full)
        counts = f"{len(report.checked)} checked, {len(report.not_checked)} not checked: enter on the first line"
        found.border_subtitle = Content(counts)

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

    def action_close(self) -> None:
        """Back to the run; a diagnosis under way ends."""
        self.dismiss(None)
