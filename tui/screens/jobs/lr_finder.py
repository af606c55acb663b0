"""The learning rate finder: sweeps the rate on a copy of the network, shows the loss, offers what it suggests.

The sweep is a `trainctl lr-find` in a process of its own, which ends with the page; it touches neither the run nor
its files.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar

from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static

from trainctl.engine.errors import UserError
from trainctl.tui.charts.axis import duration
from trainctl.tui.charts.sweep import RateMark, Sweep, as_numbers
from trainctl.tui.plain import padded
from trainctl.tui.processes.jobs import Job
from trainctl.tui.run.session import Session
from trainctl.tui.screens.jobs.page import AGAIN, CLOSE, JobPage
from trainctl.tui.spoken import said
from trainctl.tui.widgets.lines import cut_line
from trainctl.tui.widgets.sweep import SweepChart

SUGGESTED, STEEPEST, END, DIVERGES, CONFIGURED = "S", "F", "E", "D", "C"


class LrFinderScreen(JobPage["float | None"]):
    """Sweeps and shows. Answers with the learning rate that a new run should have.

    Args:
        session: the run, which may be given the rate while it runs.
        words: command line of the sweep after `trainctl`.
        environ: environment of the process.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        CLOSE,
        Binding("enter", "use", "new run with it"),
        Binding("l", "send", "set it now"),
        AGAIN,
    ]
    DEFAULT_CSS = """
    LrFinderScreen > #found { height: auto; padding: 0 1; text-wrap: nowrap; }
    """
    job_name = "the sweep"

    def __init__(self, session: Session, words: Sequence[str], environ: Mapping[str, str]) -> None:
        super().__init__(words, environ)
        self._session = session
        self._data: dict[str, Any] = {}

    def compose_page(self) -> Iterable[Widget]:
        """Chart, what was found."""
        yield SweepChart(id="sweep")
        yield Static(id="found", markup=False)

    @property
    def suggestion(self) -> float | None:
        """The suggested learning rate, in two digits; none before the end, or where the loss never fell."""
        value = self._data.get("suggestion") if self.is_done else None
        return None if value is None else float(f"{value:.2g}")

    # --- the job ------------------------------------------------------------------------------------------

    def forget(self) -> None:
        """Nothing is known of the sweep that begins."""
        self._data = {}

    def hear(self, data: dict[str, Any]) -> None:
        """The sweep has come further."""
        self._data = data

    def is_complete(self, message: Job.Ended) -> bool:
        """The sweep as a whole, with what was found in it."""
        self._data = message.data or self._data
        return message.data is not None

    # --- keys -----------------------------------------------------------------------------------------------

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
            self._say("there is no suggestion" if self.is_done or self._failure else "the sweep is not done yet")
        return self.suggestion

    def _say(self, text: str) -> None:
        self.notify(text, severity="warning", markup=False)

    # --- what is seen ---------------------------------------------------------------------------------------

    def show(self) -> None:
        """Title, chart, what was found."""
        self.show_title()
        if "start" in self._data:
            self.query_one(SweepChart).show_sweep(sweep_of(self._data, self.suggestion))
        self.query_one("#found", Static).update(
            Content("\n").join([cut_line(line, self.room) for line in self._found()])
        )

    def title_parts(self) -> Iterable[Content]:
        """How far it is."""
        return Content.styled(said("Find lr"), "bold"), self.state(self._work())

    def _work(self) -> str:
        data = self._data
        if self.is_done:
            return f"{len(data['lrs'])} steps in {duration(self.spent_s)} on {data['device']}"
        if "lrs" not in data:
            return "loading the data and the network"
        words = f"step {len(data['lrs'])} of {data['total']}"
        return words + (f", learning rate {data['lrs'][-1]:.1e}" if data["lrs"] else "")

    def _found(self) -> list[Content]:
        lines = [_line(*row) for row in found_rows(self._data, self.suggestion)] if "lrs" in self._data else []
        if self.is_done and self.suggestion is None:
            words = "! the loss never fell: no suggestion; d says why it may not learn"
            lines.append(Content.styled(said(words), "$warning"))
        view = self._session.view
        if not view.is_over and not self.is_done and not self._failure:
            where = view.status.device if view.status else "this machine"
            words = f"– it runs beside the training on {where}: both are slower meanwhile; the run is not touched"
            lines.append(Content.styled(said(words), "$chart-label"))
        return lines


def _line(letter: str, name: str, value: str, words: str) -> Content:
    name, words = padded(said(name), 11), said(words)
    parts = [(letter, "bold"), (f" {name}", ""), (f"{value:<9}", "bold"), (words, "$chart-label")]
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
