"""A page on a `trainctl` command in a process of its own: starts it, ends it with the page, says how it stands.

Knows no command; what one says and how that is shown is the page's own.
"""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any, ClassVar, TypeVar

from textual.app import ComposeResult
from textual.binding import Binding
from textual.content import Content
from textual.css.query import NoMatches
from textual.screen import Screen
from textual.widget import Widget
from textual.widgets import Static

from trainctl.engine.errors import UserError
from trainctl.tui.charts.axis import duration
from trainctl.tui.processes.jobs import Job
from trainctl.tui.spoken import said
from trainctl.tui.widgets.key_bar import KeyBar
from trainctl.tui.widgets.lines import cut_line

ResultT = TypeVar("ResultT")

TICK_S = 0.5
CLOSE, AGAIN = Binding("escape", "close", "back"), Binding("r", "again", "again")
"""Keys of every page; each places them among its own."""


class JobPage(Screen[ResultT]):
    """Runs a command and shows what it says.

    Handlers of messages are called beside those of a subclass, not replaced by them.

    Args:
        words: command line after `trainctl`.
        environ: environment of the process.
    """

    DEFAULT_CSS = """
    JobPage { background: $background; }
    JobPage > #title { height: 1; background: $panel; padding: 0 1; text-wrap: nowrap; }
    """
    job_name: ClassVar[str]
    """What is under way, for the sentence that it ended with an exit code."""

    def __init__(self, words: Sequence[str], environ: Mapping[str, str]) -> None:
        super().__init__()
        self._words, self._environ = tuple(words), environ
        self._job: Job | None = None
        self._failure = ""
        self._began_s = time.monotonic()
        self._took_s: float | None = None

    def compose(self) -> ComposeResult:
        """Title, the page's own, keys."""
        yield Static(id="title", markup=False)
        yield from self.compose_page()
        yield KeyBar()

    def on_mount(self) -> None:
        """Begin."""
        self.set_interval(TICK_S, self.show_title)
        self.action_again()

    def on_resize(self) -> None:
        """Another width has room for other words; a page that is just coming or going has none."""
        with suppress(NoMatches):
            self.show()

    def on_unmount(self) -> None:
        """End what is under way."""
        if self._job is not None:
            self._job.close()

    # --- what a page says of itself -------------------------------------------------------------------------

    @abstractmethod
    def compose_page(self) -> Iterable[Widget]:
        """What stands between title and keys."""

    @abstractmethod
    def forget(self) -> None:
        """Forget what an earlier job said; another one begins."""

    @abstractmethod
    def hear(self, data: dict[str, Any]) -> None:
        """The job said how far it is."""

    @abstractmethod
    def is_complete(self, message: Job.Ended) -> bool:
        """Take what the job printed at its end; whether that is what was wanted of it."""

    @abstractmethod
    def title_parts(self) -> Iterable[Content]:
        """The title, in parts that stand two columns apart."""

    def show(self) -> None:
        """Show what is known now."""
        self.show_title()

    # --- the job ------------------------------------------------------------------------------------------

    def action_again(self) -> None:
        """Begin anew."""
        if self._job is not None:
            self._job.close()
        self._failure, self._took_s, self._began_s = "", None, time.monotonic()
        self.forget()
        self._job = Job(self, self._words, self._environ)
        try:
            self._job.start()
        except UserError as err:
            self._failure = str(err)
        self.show()

    def on_job_said(self, message: Job.Said) -> None:
        """Progress comes on standard error, an object in each line."""
        if message.job is self._job and message.stream == "err" and message.data is not None:
            self.hear(message.data)
            self.show()

    def on_job_ended(self, message: Job.Ended) -> None:
        """Show the result, or say why there is none."""
        if message.job is not self._job:
            return
        self._took_s = self.spent_s
        if not self.is_complete(message):
            complaint = message.complaint.removeprefix("trainctl: error: ")
            self._failure = complaint or f"{self.job_name} ended with code {message.code}"
        self.show()

    def action_close(self) -> None:
        """Back to the cockpit; a job under way ends."""
        self.dismiss(None)

    # --- how it stands --------------------------------------------------------------------------------------

    @property
    def is_done(self) -> bool:
        """Whether it ended well."""
        return self._took_s is not None and not self._failure

    @property
    def spent_s(self) -> float:
        """Seconds it took, or has taken so far."""
        return time.monotonic() - self._began_s if self._took_s is None else self._took_s

    def state(self, words: str) -> Content:
        """Failure, or these words as the outcome, or as what is under way."""
        if self._failure:
            return Content.styled(f"× {said(self._failure)}", "bold $error")
        if self.is_done:
            return Content.styled(f"✓ {said(words)}", "$success")
        return Content(f"{said(words)}, {duration(self.spent_s)}")

    def show_title(self) -> None:
        """How it stands, with the time."""
        self.query_one("#title", Static).update(cut_line(Content("  ").join(self.title_parts()), self.room))

    @property
    def room(self) -> int:
        """Columns of a line; 0 before the first layout."""
        return max(self.size.width - 2, 0)
