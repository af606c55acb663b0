"""The run that the cockpit is attached to: what is known of it and what may be asked of it. Knows no widget."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING, Any

from trainctl.engine.errors import UserError
from trainctl.engine.runs.commands import Verb, parse_command, send_command
from trainctl.engine.runs.layout import RunPaths
from trainctl.engine.runs.states import RunState
from trainctl.engine.runs.status import Liveness
from trainctl.tui.charts.axis import duration
from trainctl.tui.processes.killing import kill
from trainctl.tui.run.feed import RunFeed, glimpse
from trainctl.tui.run.view import RunView
from trainctl.tui.spoken import said
from trainctl.tui.words.events import command_words
from trainctl.tui.words.verdict import state_word, verdict

if TYPE_CHECKING:
    from trainctl.tui.health.health import Health


class Session:
    """One run under observation.

    Args:
        paths: the run.
        process: its process, where we started it.
        readonly: refuse everything that would change a run.
        feed: what reads the run; none: a new one.
    """

    def __init__(
        self,
        paths: RunPaths,
        process: subprocess.Popen[bytes] | None = None,
        *,
        readonly: bool = False,
        feed: RunFeed | None = None,
    ) -> None:
        self.paths = paths
        self.process = process
        self.readonly = readonly
        self.view = RunView(paths)
        self.view.apply(glimpse(paths))
        self.feed = feed or RunFeed(paths, process)
        self.health: Health | None = None
        self._is_asked_to_stop = False

    @property
    def task(self) -> str:
        """Name of the run's task; empty while unknown."""
        named = (self.view.meta or {}).get("task")  # a preset of one's own says nothing of the task by its name
        return named if isinstance(named, str) else self.view.preset.partition("/")[0]

    def look_at(self, window: tuple[float, float] | None) -> None:
        """The user looks at these steps, [start, stop), or at the whole run: exact samples where blocks are wide."""
        if window is None or self.view.stride <= 1:
            self.feed.request_detail(None)
        else:
            self.feed.request_detail(*window)

    def check_may_change(self) -> None:
        """Raises UserError when the cockpit is read only."""
        if self.readonly:
            raise UserError("read only: nothing is sent to the run", "open the cockpit without --readonly")

    def check_may_ask(self) -> None:
        """Raises UserError when the cockpit is read only, or nobody would hear."""
        self.check_may_change()
        if self.view.is_over:
            word, _ = state_word(self.view)
            raise UserError(f"the run is over ({word})", "p starts a new one")

    def ask(self, verb: Verb, args: dict[str, Any] | None = None) -> str:
        """Send a command; returns it in words.

        Raises:
            UserError: read only, the run is over, or the command is not allowed.
        """
        self.check_may_ask()
        if self.view.obeys is not None and verb not in self.view.obeys:
            raise UserError(f"{verb}: this loop is not trainctl's own and does not know that", "see docs/watch.md")
        identity = send_command(self.paths, verb, args or {}, sender="cockpit")
        words = command_words(verb, args or {})
        self.view.asked[identity] = words
        self._is_asked_to_stop = self._is_asked_to_stop or verb is Verb.STOP
        return words

    def ask_in_words(self, text: str) -> str:
        """Send a command as a person writes it, e.g. `lr x0.5`.

        Raises:
            UserError: as `ask`, or it cannot be understood.
        """
        return self.ask(*parse_command(text.split()))

    def pause_or_resume(self) -> str:
        """Pause when it runs, resume when it is paused.

        Raises:
            UserError: as `ask`.
        """
        paused = self.view.state is RunState.PAUSED
        return self.ask(Verb.RESUME if paused else Verb.PAUSE)

    def kill(self) -> None:
        """End the training at once.

        Raises:
            UserError: read only, or it cannot be reached.
        """
        self.check_may_change()
        left = kill(self.paths, self.view.status, self.process, self.view.step)
        if left is not None:
            self.view.status, self.view.liveness, self.view.age_s = left, Liveness.OVER, 0.0

    def farewell(self) -> str:
        """What to print after the screen is given back: run, state, step, where, how to come back."""
        view = self.view
        word, _ = state_word(view)
        total = f"/{view.status.total_steps}" if view.status and view.status.total_steps else ""
        where = f"{self.paths.root.name} ({view.preset or 'preset unknown'}) is {word} at step {view.step}{total}"
        again = f"Open it again with: trainctl ui {self.paths.root}"
        told = (
            f"{said(where)}: {said(self._verdict())}.",
            self._goes_on(),
            f"Records are in {self.paths.root}.",
            again,
        )
        return " ".join(said(sentence) for sentence in told if sentence)

    def _verdict(self) -> str:
        if self.health is None:
            return verdict(self.view).text
        from trainctl.tui.words.health import health_verdict

        return verdict(self.view, findings=self.health.findings, judged=health_verdict(self.health)).text

    def _goes_on(self) -> str:
        """What becomes of the run when nobody looks, in a sentence; empty where it is over."""
        view = self.view
        if view.is_over:
            return ""
        if self._is_asked_to_stop:
            return "It was asked to stop: it finishes its step, writes a checkpoint and ends."
        if view.state is RunState.PAUSED:
            return f"It stays paused until it is told to go on: trainctl send {self.paths.root} resume."
        if view.liveness is Liveness.SILENT:
            return "Nobody knows whether it goes on."
        eta_s = view.status.eta_s if view.status else None
        if eta_s:
            return f"About {duration(eta_s)} remain, and it goes on without the cockpit."
        return "It goes on without the cockpit."
