"""What every group of the cockpit's actions stands on: the run, the scene, the panels, and how things are said.

Holds no action itself; those are in the `acts_*` modules beside it, one group each.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Literal, cast

from textual.screen import Screen

from trainctl.engine.errors import UserError
from trainctl.tui.charts.chart import Chart, Gutter
from trainctl.tui.memory import Memory
from trainctl.tui.panels import PANELS, PanelEntry, PanelWidget, panels_of
from trainctl.tui.processes.launch import LaunchRequest
from trainctl.tui.run.newest import Newest
from trainctl.tui.run.overlays import Overlays
from trainctl.tui.run.scene import Scene
from trainctl.tui.run.session import Session
from trainctl.tui.screens.arrangement import Panels, num_columns
from trainctl.tui.widgets.header import RunHeader
from trainctl.tui.widgets.log import LogPanel
from trainctl.tui.words.verdict import Severity

ToastLevel = Literal["information", "warning", "error"]
_TOAST_LEVELS: dict[Severity, ToastLevel] = {Severity.WARNING: "warning", Severity.ERROR: "error"}


class CockpitBase(Screen[None]):
    """A run on the screen, without anything that can be done with it.

    Args:
        session: the run.
        request: how new runs are started; its preset is replaced when another one is chosen.
        memory: what is remembered of how the user likes to look.
        keymap: the user's own keys by name of the action.
        overlays: the runs that are laid over.
        newest: whether the newest run is always looked at; none: nobody has wished for that.

    Attributes:
        scene: what the user looks at now.
        panels: every panel by its id, hidden ones included.
        zoomed: id of the panel that has the whole screen to itself; none: none has.
    """

    def __init__(
        self,
        session: Session,
        request: LaunchRequest,
        memory: Memory,
        keymap: Mapping[str, str],
        overlays: Overlays,
        newest: Newest | None = None,
    ) -> None:
        super().__init__()
        self.session, self.request, self.memory, self.keymap = session, request, memory, keymap
        self.overlays, self.newest = overlays, newest or Newest(request.runs_dir)
        self.scene = Scene(unit=memory.unit, smoothing=memory.smoothing, loss_mode=memory.loss_mode)
        self.scene.overlays = overlays.shown(session.paths)
        # Held, not looked up: updates may still arrive while the screen is being taken down.
        self.run_header = RunHeader(is_readonly=session.readonly)
        self.panels: dict[str, PanelWidget] = {entry.id: entry.make() for entry in PANELS}
        self.log_panel = cast(LogPanel, self.panels["log"])
        self._charts = [panel for panel in self.panels.values() if isinstance(panel, Chart)]
        self._gutter = Gutter(self._draw_charts_anew)
        for chart in self._charts:
            chart.share(self._gutter)
        self.panel_area = Panels(*self.panels.values(), id="panels")
        self.zoomed: str | None = None
        self._arranged: tuple[PanelEntry, ...] = ()

    def _draw_charts_anew(self) -> None:
        for chart in self._charts:
            if chart.display:
                chart.draw_anew()

    @property
    def extent(self) -> tuple[float, float]:
        """Steps there are, [first, one past the last)."""
        series = self.session.view.series.get("loss")
        return series.extent if series is not None else (0.0, 0.0)

    @property
    def own_panels(self) -> tuple[PanelEntry, ...]:
        """Panels that the run has, the hidden ones included."""
        return panels_of(self.session.task, self.session.view)

    def redraw(self) -> None:
        """Let every panel that is shown draw the present state."""
        for panel in self.panels.values():
            if panel.display:
                panel.show(self.session.view, self.scene)
        self.panel_area.fit()

    def show_overlays(self) -> None:
        """Runs were laid over or taken away, or have more to show."""
        self.scene.overlays = self.overlays.shown(self.session.paths)
        self.redraw()

    def arrange_panels(self) -> None:
        """Show the panels that belong to the run, fit the terminal and are not hidden; or the one that fills it."""
        self._arranged = self.own_panels
        for entry in PANELS:
            has_room = num_columns(self.app.size.width) > 2 or not entry.wide_only
            is_shown = entry in self._arranged and has_room and entry.id not in self.memory.hidden
            self.panels[entry.id].display = is_shown if self.zoomed is None else self.zoomed == entry.id
        self.panel_area.fit()

    def zoom_to(self, panel: str | None) -> None:
        """Let a panel have all rows between header and keys; none: let all be shown again."""
        self.zoomed = panel
        self.arrange_panels()
        self.redraw()

    def say(self, text: str, severity: Severity = Severity.NOTE) -> None:
        """A line that pops up and goes again."""
        self.notify(text, severity=_TOAST_LEVELS.get(severity, "information"), markup=False)

    def wait_for(self, words: str, make: Callable[[], Callable[[], object]]) -> None:
        """Make something in a thread, then show it; until then keys reach nothing of the cockpit.

        Args:
            words: what is being done.
            make: called in a thread; gives what shows the result. May raise UserError, which is said.
        """
        from trainctl.tui.screens.dialogs.waiting import WaitingScreen

        waiting = WaitingScreen(words)

        def work() -> None:
            try:
                show = make()
            except UserError as err:
                show = partial(self.say, str(err), Severity.WARNING)
            self.app.call_from_thread(waiting.finish, show)

        def shown(show: Callable[[], object] | None) -> None:
            if show is not None:
                show()

        self.app.push_screen(waiting, shown)
        self.run_worker(work, thread=True, group="waiting", exclusive=True)

    def attempt(self, act: Callable[[], object]) -> bool:
        """Do something that may be refused; a refusal is said. Whether it was done."""
        try:
            act()
        except UserError as err:
            self.say(str(err), Severity.WARNING)
            return False
        # The header says what was asked until the run acknowledges it.
        self.run_header.refresh()
        return True
