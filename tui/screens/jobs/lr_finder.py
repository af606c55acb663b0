"""The learning rate finder: sweeps the rate on a copy of the network, shows the loss, offers what it suggests.

The sweep is a `trainctl lr-find` in a process of its own, which ends with the page; it touches neither the run nor
its files.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.screen import Screen
from textual.widgets import Static

from trainctl.engine.errors import UserError
from trainctl.tui.charts.axis import duration
from trainctl.tui.charts.sweep import RateMark, Sweep, as_numbers
from trainctl.tui.processes.jobs import Job
from trainctl.tui.run.session import Session
from trainctl.tui.widgets.key_bar import KeyBar
from trainctl.tui.widgets.sweep import SweepChart

TICK_S = 0.5
SUGGESTED, STEEPEST, END, DIVERGES, CONFIGURED = "S", "F", "E", "D", "C"


class LrFinderScreen(Screen["float | None"]):
    """Sweeps and shows. Answers with the learning rate that a new run should have.

    Args:
        session: the run, which may be given the rate while it runs.
        words: command line of the sweep after `trainctl`.
        environ: environment of the process.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "close", "back"),
        Binding("enter", "use", "new run with it"),
        Binding("l", "send", "set it now"),
        Binding("r", "again", "again"),
    ]
    DEFAULT_CSS = """
    LrFinderScreen { background: $background; }
    LrFinderScreen > #title { height: 1; background: $panel; padding: 0 1; text-wrap: nowrap; text-overflow: ellipsis; }
    LrFinderScreen > #found { height: auto; padding: 0 1; text-wrap: nowrap; text-overflow: ellipsis; }
    """

    def __init__(self, session: Session, words: Sequence[str], environ: Mapping[str, str]) -> None:
        super().__init__()
        self._session, self._words, self._environ = session, tuple(words), environ
        self._data: dict[str, Any] = {}
        self._job: Job | None = None
        self._failure, self._is_done = "", False
        self._started = time.monotonic()
        self._seconds = 0.0

    def compose(self) -> ComposeResult:
        """Title, chart, what was found."""
        yield Static(id="title", markup=False)
        yield SweepChart(id="sweep")
        yield Static(id="found", markup=False)
        yield KeyBar()

    def on_mount(self) -> None:
        """Begin."""
        self.set_interval(TICK_S, self._show_title)
        self.action_again()

    def on_unmount(self) -> None:
        """End what is under way."""
        if self._job is not None:
            self._job.close()

    @property
    def suggestion(self) -> float | None:
        """The suggested learning rate, in two digits; none before the end, or where the loss never fell."""
        value = self._data.get("suggestion") if self._is_done else None
        return None if value is None else float(f"{value:.2g}")

    # --- the job ------------------------------------------------------------------------------------------

    def on_job_said(self, message: Job.Said) -> None:
        """The sweep has come further."""
        if message.job is self._job and message.stream == "err" and message.data is not None:
            self._data = message.data
            self._show()

    def on_job_ended(self, message: Job.Ended) -> None:
        """Show the result, or say why there is none."""
        if message.job is not self._job:
            return
        self._seconds = time.monotonic() - self._started
        if message.data is not None:
            self._data, self._is_done = message.data, True
        else:
            complaint = message.complaint.removeprefix("trainctl: error: ")
            self._failure = complaint or f"the sweep ended with code {message.code}"
        self._show()

    # --- keys -----------------------------------------------------------------------------------------------

    def action_again(self) -> None:
        """Begin anew."""
        if self._job is not None:
            self._job.close()
        self._data, self._failure, self._is_done = {}, "", False
        self._started = time.monotonic()
        self._job = Job(self, self._words, self._environ)
        try:
            self._job.start()
        except UserError as err:
            self._failure = str(err)
        self._show()

    def action_close(self) -> None:
        """Back to the cockpit."""
        self.dismiss(None)

    def action_use(self) -> None:
        """Answer with the suggestion; what a new run would change is shown before it starts."""
        if (suggestion := self._wanted()) is not None:
            self.dismiss(suggestion)

    def action_send(self) -> None:
        """Set the running training to the suggestion."""
        if (suggestion := self._wanted()) is None:
            return
        try:
            words = self._session.ask_in_words(f"set lr {suggestion:g}")
        except UserError as err:
            self._say(str(err))
        else:
            self.notify(f"asked: {words}", markup=False)

    def _wanted(self) -> float | None:
        """The suggestion, where there is one and it may be used; a refusal is said."""
        try:
            self._session.check_may_change()
        except UserError as err:
            self._say(str(err))
            return None
        if self.suggestion is None:
            self._say("there is no suggestion" if self._is_done or self._failure else "the sweep is not done yet")
        return self.suggestion

    def _say(self, text: str) -> None:
        self.notify(text, severity="warning", markup=False)

    # --- what is seen ---------------------------------------------------------------------------------------

    def _show(self) -> None:
        self._show_title()
        if "start" in self._data:
            self.query_one(SweepChart).show_sweep(sweep_of(self._data, self.suggestion))
        self.query_one("#found", Static).update(Content("\n").join(self._found()))

    def _show_title(self) -> None:
        self.query_one("#title", Static).update(Content("  ").join([Content.styled("Find lr", "bold"), self._state()]))

    def _state(self) -> Content:
        if self._failure:
            return Content.styled(f"× {self._failure}", "bold $error")
        data = self._data
        if self._is_done:
            return Content.styled(
                f"✓ {len(data['lrs'])} steps in {duration(self._seconds)} on {data['device']}", "$success"
            )
        spent = duration(time.monotonic() - self._started)
        if "lrs" not in data:
            return Content(f"loading the data and the network, {spent}")
        words = f"step {len(data['lrs'])} of {data['total']}"
        if data["lrs"]:
            words += f", learning rate {data['lrs'][-1]:.1e}"
        return Content(f"{words}, {spent}")

    def _found(self) -> list[Content]:
        lines = [_line(*row) for row in found_rows(self._data, self.suggestion)] if "lrs" in self._data else []
        if self._is_done and self.suggestion is None:
            lines.append(
                Content.styled("! the loss never fell: no suggestion; d says why it may not learn", "$warning")
            )
        view = self._session.view
        if not view.is_over and not self._is_done and not self._failure:
            where = view.status.device if view.status else "this machine"
            words = f"– it runs beside the training on {where}: both are slower meanwhile; the run is not touched"
            lines.append(Content.styled(words, "$chart-label"))
        return lines


def _line(letter: str, name: str, value: str, words: str) -> Content:
    parts = [(letter, "bold"), (f" {name:<11}", ""), (f"{value:<9}", "bold"), (words, "$chart-label")]
    return Content("").join([Content.styled(text, style) for text, style in parts])


def found_rows(data: Mapping[str, Any], suggestion: float | None) -> list[tuple[str, str, str, str]]:
    """Letter, name, learning rate and words of everything that is marked."""
    configured = float(data["configured"])
    rows: list[tuple[str, str, str, str]] = []
    marked = (
        (SUGGESTED, "suggested", suggestion, "half way down the fall, in orders of magnitude"),
        (STEEPEST, "falls", data.get("steepest"), "the loss falls most steeply"),
        (END, "fall ends", data.get("bottom"), "a higher rate gains nothing"),
        (DIVERGES, "diverges", data.get("diverged_at"), "the sweep was broken off"),
    )
    rows += [(letter, name, f"{lr:.2g}", words) for letter, name, lr, words in marked if lr is not None]
    words = "in the configuration" if suggestion is None else f"in the configuration, {_ratio(configured, suggestion)}"
    rows.append((CONFIGURED, "configured", f"{configured:.2g}", words))
    return rows


def sweep_of(data: Mapping[str, Any], suggestion: float | None) -> Sweep:
    """What the chart draws of the sweep's own words."""
    marked = (
        (data["configured"], CONFIGURED),
        (data.get("steepest"), STEEPEST),
        (data.get("bottom"), END),
        (data.get("diverged_at"), DIVERGES),
        (suggestion, SUGGESTED),
    )
    return Sweep(
        start=data["start"],
        end=data["end"],
        lrs=data.get("lrs", ()),
        losses=as_numbers(data.get("losses", ())).tolist(),
        smoothed=as_numbers(data.get("smoothed", ())).tolist(),
        marks=tuple(RateMark(lr, letter, letter == SUGGESTED) for lr, letter in marked if lr is not None),
    )


def _ratio(configured: float, suggestion: float) -> str:
    factor = suggestion / configured
    if 0.8 < factor < 1.25:
        return "about the suggestion"
    return f"{factor:.2g} times below it" if factor > 1 else f"{1 / factor:.2g} times above it"
