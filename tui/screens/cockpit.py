"""The main screen: lays out the panels, shows them what is new, and does what the keys say.

Acts through the `Session` only; starting and attaching to other runs is asked of the app by message.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Container
from textual.content import Content
from textual.screen import Screen
from textual.widgets import Footer

from trainctl.engine.errors import UserError
from trainctl.engine.runs.commands import Verb, parse_command
from trainctl.engine.runs.events import Event, EventKind
from trainctl.engine.runs.index import list_runs
from trainctl.engine.runs.layout import RunPaths
from trainctl.tui.actions import bindings
from trainctl.tui.charts.chart import Chart
from trainctl.tui.launch import LaunchRequest
from trainctl.tui.messages import AttachRequested, LaunchRequested
from trainctl.tui.screens.choice import Choice, ChoiceScreen
from trainctl.tui.screens.help import HelpScreen
from trainctl.tui.screens.prompt import PromptScreen
from trainctl.tui.session import Session
from trainctl.tui.verdict import Severity
from trainctl.tui.view import RunUpdate
from trainctl.tui.widgets.classes import ClassPanel
from trainctl.tui.widgets.gradients import GradientPanel
from trainctl.tui.widgets.header import RunHeader
from trainctl.tui.widgets.learning_rate import LearningRatePanel
from trainctl.tui.widgets.log import LogPanel
from trainctl.tui.widgets.loss import LossPanel
from trainctl.tui.wording import event_words

DETACH, STOP, KILL = "detach", "stop", "kill"
POPS_UP = (EventKind.COMMAND, EventKind.WARNING, EventKind.NONFINITE, EventKind.END)
TOAST_SEVERITY = {Severity.WARNING: "warning", Severity.ERROR: "error"}


class CockpitScreen(Screen[None]):
    """Panels of one run.

    Args:
        session: the run.
        request: how new runs are started; its preset is replaced when another one is chosen.
    """

    BINDINGS: ClassVar[list[BindingType]] = [*bindings()]
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (100, "-normal"), (180, "-wide")]  # noqa: RUF012
    CSS_PATH = "cockpit.tcss"

    def __init__(self, session: Session, request: LaunchRequest) -> None:
        super().__init__()
        self.session = session
        self._request = request
        self._caught_up = False
        # Held, not looked up: updates may still arrive while the screen is being taken down.
        self._run_header = RunHeader()
        self._loss_panel = LossPanel(id="loss")
        self._chart_panels = (self._loss_panel, LearningRatePanel(id="lr"), GradientPanel(id="gradients"))
        self._class_panel = ClassPanel(id="classes")
        self._log_panel = LogPanel(id="log")

    def compose(self) -> ComposeResult:
        """Header, panels, footer."""
        yield self._run_header
        yield Container(*self._chart_panels, self._class_panel, self._log_panel, id="panels")
        yield Footer(show_command_palette=False, compact=True)

    def on_mount(self) -> None:
        """The loss is what most keys are about."""
        self._loss_panel.focus()
        self._run_header.show(self.session.view)

    def show_update(self, update: RunUpdate) -> None:
        """Take in what is new and redraw what it concerns."""
        view = self.session.view
        events = view.apply(update)
        self._log_panel.add(events, update.console)
        self._run_header.show(view, self._log_panel.last_words)
        drawn = update.records is not None and len(update.records) > 0
        if drawn or events or update.restarted:
            for panel in self._chart_panels:
                panel.show(view)
            self._class_panel.show(view)
        if self._caught_up:
            self._pop_up(events)
        self._caught_up = True

    def _pop_up(self, events: list[Event]) -> None:
        """Say what happened just now; what was there when we attached is in the log."""
        for event in events:
            if event.kind in POPS_UP:
                severity, words = event_words(event)
                self._toast(f"step {event.step}: {words}", severity)

    def _toast(self, text: str, severity: Severity = Severity.NOTE) -> None:
        level = TOAST_SEVERITY.get(severity, "information")
        self.notify(text, severity=level, markup=False)  # pyright: ignore[reportArgumentType]

    def _try(self, act: Callable[[], object]) -> None:
        """Ask something of the run; a mistake is said."""
        try:
            act()
        except UserError as err:
            self._toast(str(err), Severity.WARNING)
        else:
            # The header says what was asked until the run acknowledges it.
            self._run_header.refresh()

    # --- asking the run -----------------------------------------------------------------------------------

    def action_pause(self) -> None:
        """Pause, or resume when paused."""
        self._try(self.session.pause_or_resume)

    def action_stop(self) -> None:
        """Stop after this step, with a checkpoint."""
        self._try(lambda: self.session.ask(Verb.STOP))

    def action_checkpoint(self) -> None:
        """Write a checkpoint."""
        self._try(lambda: self.session.ask(Verb.CHECKPOINT))

    def action_validate(self) -> None:
        """Validate now."""
        self._try(lambda: self.session.ask(Verb.VALIDATE))

    def action_learning_rate(self) -> None:
        """Ask for a factor or a value, then send it."""
        try:
            self.session.check_may_change()
        except UserError as err:
            self._toast(str(err), Severity.WARNING)
            return

        def send(text: str | None) -> None:
            if text is not None:
                self._try(lambda: self.session.ask(*learning_rate_change(text)))

        self.app.push_screen(
            PromptScreen(
                "learning rate ×",
                "a factor: 0.5 halves it; =3e-4 sets it; enter sends, esc closes",
                learning_rate_change,
                "0.5",
            ),
            send,
        )

    # --- looking ------------------------------------------------------------------------------------------

    def action_log_axis(self) -> None:
        """Switch the axis of the focused chart, else of the loss."""
        chart = self.focused if isinstance(self.focused, Chart) else self._loss_panel
        chart.toggle_log()

    def action_maximize(self) -> None:
        """Let the focused panel fill the screen, or give it back."""
        if self.maximized is not None:
            self.minimize()
        else:
            self.maximize(self.focused or self._loss_panel, container=False)

    def action_theme(self) -> None:
        """Dark to light and back."""
        self.app.theme = "trainctl-light" if self.app.current_theme.dark else "trainctl-dark"

    def action_help(self) -> None:
        """Show the keys."""
        self.app.push_screen(HelpScreen())

    # --- other runs ---------------------------------------------------------------------------------------

    def action_runs(self) -> None:
        """Choose a run to attach to."""
        root = self._request.runs_dir
        try:
            infos = list_runs(root, limit=100)
        except UserError as err:
            self._toast(str(err), Severity.WARNING)
            return
        if not infos:
            self._toast(f"no run in {root}")
            return
        choices = [
            Choice(
                str(info.paths.root),
                f"{'●' if info.paths.root.resolve() == self.session.paths.root.resolve() else ' '} {info.name}",
                info.problem or f"{info.state or 'starting'}, {info.liveness}, step {info.step}/{info.total_steps}",
            )
            for info in infos
        ]

        def attach(answer: str | None) -> None:
            if answer is not None:
                self.post_message(AttachRequested(RunPaths(Path(answer))))

        self.app.push_screen(ChoiceScreen("runs, newest first", choices), attach)

    def action_presets(self) -> None:
        """Choose a preset, look at the difference, start a new run."""
        from trainctl.tui import presets  # the configuration schema takes longer to import than the screen

        present = self.session.view.preset or presets.full_name(self._request.preset or "balanced")

        def compare(answer: str | None) -> None:
            if answer is not None:
                self._confirm_preset(answer)

        try:
            choices = presets.preset_choices(present)
        except UserError as err:
            self._toast(str(err), Severity.WARNING)
            return
        self.app.push_screen(ChoiceScreen("presets", choices, marked=present), compare)

    def _confirm_preset(self, name: str) -> None:
        from trainctl.tui import presets

        request = self._request.with_preset(name)
        try:
            present = presets.present_configuration(self.session.paths.config, self._request)
            changed = presets.changes(present, request)
            self.session.check_may_change()
        except UserError as err:
            self._toast(str(err), Severity.WARNING)
            return
        choices = [Choice("beside", "Start a new run; the present one goes on")]
        if self.session.view.is_over:
            choices = [Choice("beside", "Start a new run")]
        else:
            choices.append(Choice("instead", "Stop the present run with a checkpoint, then start the new one"))
        choices.append(Choice("", "Do nothing"))

        def start(answer: str | None) -> None:
            if answer == "instead":
                self._try(lambda: self.session.ask(Verb.STOP))
            if answer:
                self.post_message(LaunchRequested(request))

        self.app.push_screen(ChoiceScreen(f"new run with {name}", choices, body=difference(changed)), start)

    # --- leaving ------------------------------------------------------------------------------------------

    def action_quit(self) -> None:
        """Ask how to leave; at once when there is nothing left to decide."""
        if self.session.view.is_over or self.session.readonly:
            self.app.exit()
            return
        choices = [
            Choice(DETACH, "Detach: the training goes on without the cockpit"),
            Choice(STOP, "Stop: finish this step, write a checkpoint, end the run (it can be resumed)"),
            Choice(KILL, "Kill: end the process now; what came after the last checkpoint is lost"),
        ]
        self.app.push_screen(ChoiceScreen("leave the cockpit", choices), self._leave)

    def _leave(self, answer: str | None) -> None:
        if answer is None:
            return
        try:
            if answer == STOP:
                self.session.ask(Verb.STOP)
            elif answer == KILL:
                self.session.kill()
        except UserError as err:
            self._toast(str(err), Severity.WARNING)
            return
        self.app.exit()


def difference(changed: list[tuple[str, object, object]]) -> Content:
    """A line per value that changes: name, present value, new value."""
    if not changed:
        return Content("Nothing differs from the present configuration.")
    width = max(len(name) for name, _, _ in changed)
    rows = [
        Content("").join(
            [
                Content(f"{name:<{width}}  "),
                Content.styled(_shown(old), "$chart-label"),
                Content(" -> "),
                Content.styled(_shown(new), "bold"),
            ]
        )
        for name, old, new in changed
    ]
    return Content("\n").join(rows)


def _shown(value: object) -> str:
    return "-" if value is None else str(value)


def learning_rate_change(text: str) -> tuple[Verb, dict[str, Any]]:
    """What is typed at `learning rate ×`: a factor, or `=` and a value. A slip must not set the rate to 0.5.

    Raises:
        UserError: no number, or one that is not allowed.
    """
    text = text.strip()
    return parse_command(["set", "lr", text if text.startswith("=") else f"x{text.lstrip('x×*')}"])
