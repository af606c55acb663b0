"""The cockpit on a run as it was: the same panels, a bar to play and seek with, and no way to change anything."""

from __future__ import annotations

from typing import Any, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content

from trainctl.engine.runs.events import Event
from trainctl.tui.messages import AttachRequested
from trainctl.tui.replay.feed import FRAME_S, ReplaySession
from trainctl.tui.run.view import RunUpdate
from trainctl.tui.screens.acts.run import ASKS
from trainctl.tui.screens.cockpit import CockpitScreen
from trainctl.tui.spoken import said
from trainctl.tui.widgets.header import RunHeader
from trainctl.tui.widgets.key_bar import KeyBar
from trainctl.tui.widgets.replay_bar import ReplayBar

SEEK = 0.05
"""Part of the recording that an arrow key goes."""
MAX_NEWS = 3
"""With more news than this at once the replay has jumped, and nothing pops up."""


class ReplayHeader(RunHeader):
    """The header with a badge, so that nobody takes the past for the present."""

    def render(self) -> Content:
        """The badge takes the place of the sign of life."""
        badge = Content.styled(f" {said('replay').upper()} ", "bold $background on $accent")
        lines = super().render().split("\n")
        first = lines[0].truncate(max(self.size.width - badge.cell_length - 1, 0))
        gap = Content(" " * max(self.size.width - first.cell_length - badge.cell_length, 0))
        return Content("\n").join([Content("").join([first, gap, badge]), *lines[1:]])


class ReplayScreen(CockpitScreen):
    """A recorded run.

    Args:
        session: the recording.
        cockpit: what the cockpit takes beside its session.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("less_than_sign", "slower", "slower", show=False),
        Binding("greater_than_sign", "faster", "faster", show=False),
        # Before the panels, of which the log has uses of its own for these keys.
        Binding("left", f"seek_by({-SEEK})", "back", show=False, priority=True),
        Binding("right", f"seek_by({SEEK})", "forth", show=False, priority=True),
        Binding("home", "seek(0.0)", "beginning", show=False, priority=True),
        Binding("end", "seek(1.0)", "end", show=False, priority=True),
        Binding("escape", "leave_replay", "back to the run", show=False),
    ]
    judges = False

    def __init__(self, session: ReplaySession, *cockpit: Any) -> None:
        super().__init__(session, *cockpit)
        self.clock = session.clock
        self.run_header = ReplayHeader()
        self.bar = ReplayBar(session.clock)

    def compose(self) -> ComposeResult:
        """Header, panels, bar, footer."""
        yield self.run_header
        yield self.panel_area
        yield self.bar
        yield KeyBar()

    def on_mount(self) -> None:
        """Let the bar follow the clock, and say how to go about it."""
        self.set_interval(FRAME_S, self._show_position)
        self.say("space plays and pauses, < > change the speed, ← → seek, o goes back to the run")

    def show_update(self, update: RunUpdate) -> None:
        """As in the cockpit; a step back empties the log."""
        if update.events_restarted:
            self.log_panel.forget()
        super().show_update(update)
        self._show_position()

    def _pop_up(self, events: list[Event]) -> None:
        if len(events) <= MAX_NEWS:
            super()._pop_up(events)

    def _show_position(self) -> None:
        status = self.session.view.status
        self.bar.show(self.session.view.step, status.total_steps if status else 0)

    def key_label(self, action: str, label: str) -> str:
        """The training of a recording is asked nothing; the recording can be played."""
        if action == "pause":
            return "play"
        return "" if action in ASKS else label

    # --- keys and mouse -----------------------------------------------------------------------------------

    def action_pause(self) -> None:
        """Pause the replay, or play on; the training is not asked."""
        self.clock.toggle()
        self._show_position()

    def action_faster(self) -> None:
        """The next speed."""
        self.clock.faster()
        self._show_position()

    def action_slower(self) -> None:
        """The speed before."""
        self.clock.slower()
        self._show_position()

    def action_seek(self, fraction: float) -> None:
        """Go to a part of the recording."""
        self.clock.seek(fraction)
        self._show_position()

    def action_seek_by(self, fraction: float) -> None:
        """Go on or back by a part of the recording."""
        self.clock.seek_by(fraction)
        self._show_position()

    def on_replay_bar_sought(self, message: ReplayBar.Sought) -> None:
        """The mouse is on the line."""
        self.action_seek(message.fraction)

    def action_replay(self) -> None:
        """Back to the run as it is."""
        self.post_message(AttachRequested(self.session.paths))

    def action_leave_replay(self) -> None:
        """First the panel that fills the screen, then the replay."""
        if self.zoomed is not None:
            self.zoom_to(None)
        else:
            self.action_replay()
