"""The main screen: lays out the panels and shows them what is new. What the keys do is in the `acts_*` modules."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.events import Resize

from trainctl.engine.runs.events import Event, EventKind
from trainctl.tui.actions import bindings
from trainctl.tui.charts.chart import Chart
from trainctl.tui.messages import AlertDue
from trainctl.tui.run.view import RunUpdate
from trainctl.tui.screens.acts.app import AppActions
from trainctl.tui.screens.acts.data import DataActions
from trainctl.tui.screens.acts.diagnose import DiagnoseActions
from trainctl.tui.screens.acts.leave import LeaveActions
from trainctl.tui.screens.acts.look import LookActions
from trainctl.tui.screens.acts.replay import ReplayActions
from trainctl.tui.screens.acts.run import RunActions
from trainctl.tui.screens.acts.shelf import ShelfActions
from trainctl.tui.widgets.key_bar import KeyBar
from trainctl.tui.words.events import event_words
from trainctl.tui.words.verdict import fate, state_word

POPS_UP = (EventKind.COMMAND, EventKind.WARNING, EventKind.NONFINITE, EventKind.END)


class CockpitScreen(
    RunActions,
    LookActions,
    ShelfActions,
    ReplayActions,
    DiagnoseActions,
    DataActions,
    AppActions,
    LeaveActions,
):
    """Panels of one run."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings()]

    _caught_up = False
    _standing: object = None

    def compose(self) -> ComposeResult:
        """Header, panels, footer."""
        yield self.run_header
        yield self.panel_area
        yield KeyBar()

    def on_mount(self) -> None:
        """The loss is what most keys are about."""
        for name, is_log in self.memory.log_axes.items():
            panel = self.panels.get(name)
            if isinstance(panel, Chart) and panel.log_axis != is_log:
                panel.toggle_log()
        self.panels["loss"].focus()
        self.run_header.show(self.session.view)

    def on_resize(self, event: Resize) -> None:
        """Another width may have room for other panels."""
        del event
        self.arrange_panels()

    def show_update(self, update: RunUpdate) -> None:
        """Take in what is new and redraw what it concerns."""
        view = self.session.view
        was_over = view.is_over
        events = view.apply(update)
        if view.is_over and not was_over and self.judges:
            self.post_message(AlertDue(f"{view.paths.root.name} {state_word(view)[0]}"))
        if self.own_panels != self._arranged:
            self.arrange_panels()
        standing = (view.state, view.is_over)
        if update.meta is not None or standing != self._standing:
            self._standing = standing
            self.refresh_bindings()  # the run says which keys it obeys, and which of them mean something now
        self.log_panel.add(events, update.console, update.events)
        self.run_header.show(view, self.log_panel.last_words)
        if fate(view) is not None:
            self.show_health()
        if self._is_drawn_anew(update, events):
            self.redraw()
        if self._caught_up:
            self._pop_up(events)
        self._caught_up = True

    def _is_drawn_anew(self, update: RunUpdate, events: list[Event]) -> bool:
        steps = update.records is not None and len(update.records) > 0
        parts = (update.restarted, update.glance is not None, update.detail is not None, bool(update.hardware))
        return steps or bool(events) or any(parts)

    def _pop_up(self, events: list[Event]) -> None:
        """Say what happened just now; what was there when we attached is in the log."""
        for event in events:
            if event.kind in POPS_UP:
                severity, words = event_words(event)
                self.say(f"step {event.step}: {words}", severity)
