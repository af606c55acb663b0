"""What the keys and the mouse do to the view: axes, smoothing, window, cursor, panels. Changes no run."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import Binding, BindingType

from trainctl.tui.charts.chart import Chart
from trainctl.tui.panels import PANELS
from trainctl.tui.scene import MAX_SMOOTHING, following
from trainctl.tui.screens.base import CockpitBase
from trainctl.tui.screens.choice import Choice, ChoiceScreen
from trainctl.tui.screens.prompt import PromptScreen
from trainctl.tui.widgets.log import compiled_filter

ZOOM, PAN, CURSOR = 0.5, 0.25, 0.02
"""Factor of one zoom; parts of the window of one pan and of one cursor step."""


class LookActions(CockpitBase):
    """How the run is looked at; all charts share one scene."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(str(number), f"panel({number})", show=False) for number in range(1, 10)
    ]

    # --- axes ---------------------------------------------------------------------------------------------

    def action_log_axis(self) -> None:
        """Switch the axis of the focused chart, else of the loss."""
        chart = self.chosen_chart()
        self.memory.log_axes[str(chart.id)] = chart.toggle_log()

    def action_unit(self) -> None:
        """Steps, epochs, time, round and round."""
        self.scene.unit = self.memory.unit = following(self.scene.unit)
        self.redraw()
        self.say(f"x axis: {self.scene.unit}")

    def action_loss_mode(self) -> None:
        """Weighted, raw, share, round and round."""
        self.scene.loss_mode = self.memory.loss_mode = following(self.scene.loss_mode)
        self.redraw()

    def action_smoother(self) -> None:
        """One level more."""
        self._smooth(+1)

    def action_rougher(self) -> None:
        """One level less."""
        self._smooth(-1)

    def _smooth(self, by: int) -> None:
        level = min(max(self.scene.smoothing + by, 0), MAX_SMOOTHING)
        self.scene.smoothing = self.memory.smoothing = level
        self.redraw()
        self.say(f"smoothing {level} of {MAX_SMOOTHING}" if level else "no smoothing")

    # --- window and cursor ----------------------------------------------------------------------------------

    def action_zoom_in(self) -> None:
        """Half as many steps, about the cursor."""
        self._zoom(ZOOM, self.scene.cursor)

    def action_zoom_out(self) -> None:
        """Twice as many steps."""
        self._zoom(1 / ZOOM, self.scene.cursor)

    def action_pan_left(self) -> None:
        """A quarter of the window earlier."""
        self._pan(-PAN)

    def action_pan_right(self) -> None:
        """A quarter of the window later."""
        self._pan(PAN)

    def action_whole_run(self) -> None:
        """Everything, following the run."""
        self.scene.window = self.scene.cursor = None
        self._window_changed()

    def action_cursor_left(self) -> None:
        """A little earlier."""
        self.scene.move_cursor(-CURSOR, self.extent)
        self.redraw()

    def action_cursor_right(self) -> None:
        """A little later."""
        self.scene.move_cursor(CURSOR, self.extent)
        self.redraw()

    def on_chart_cursor_moved(self, message: Chart.CursorMoved) -> None:
        """The mouse is over a chart: every chart reads at its step."""
        self.scene.cursor = message.step
        self.redraw()

    def on_chart_zoom_requested(self, message: Chart.ZoomRequested) -> None:
        """The wheel turned over a chart."""
        self._zoom(message.factor, message.around)

    def on_chart_pan_requested(self, message: Chart.PanRequested) -> None:
        """A chart was dragged."""
        self._pan(message.fraction)

    def on_chart_window_reset(self) -> None:
        """A chart was double-clicked."""
        self.action_whole_run()

    def _zoom(self, factor: float, around: float | None) -> None:
        self.scene.zoom(factor, around, self.extent)
        self._window_changed()

    def _pan(self, fraction: float) -> None:
        self.scene.pan(fraction, self.extent)
        self._window_changed()

    def _window_changed(self) -> None:
        self.session.look_at(self.scene.window)
        self.redraw()

    # --- panels -------------------------------------------------------------------------------------------

    def chosen_chart(self) -> Chart:
        """The focused chart, else the loss."""
        loss = self.panels["loss"]
        assert isinstance(loss, Chart), "the loss panel is a chart"
        return self.focused if isinstance(self.focused, Chart) else loss

    def action_panel(self, number: int) -> None:
        """Choose a panel by its number."""
        shown = [panel for panel in self.panels.values() if panel.display]
        if number <= len(shown):
            shown[number - 1].focus()

    def action_maximize(self) -> None:
        """Let the focused panel fill the screen, or give it back."""
        if self.maximized is not None:
            self.minimize()
        else:
            focused = self.focused if self.focused in self.panels.values() else None
            self.maximize(focused or self.panels["loss"], container=False)

    def action_hide(self) -> None:
        """A list of the panels: the chosen one is hidden, or shown again."""
        marked = self.focused.id if self.focused in self.panels.values() and self.focused else None
        task = self.session.task
        choices = [
            Choice(entry.id, f"{' ' if entry.id in self.memory.hidden else '✓'} {entry.heading}")
            for entry in PANELS
            if entry.belongs_to(task)
        ]
        self.app.push_screen(ChoiceScreen("panels: enter shows or hides", choices, marked=marked), self._toggle_panel)

    def _toggle_panel(self, panel: str | None) -> None:
        if panel is None:
            return
        self.memory.hidden ^= {panel}
        self.arrange_panels()
        if not any(panel.display for panel in self.panels.values()):
            self.memory.hidden ^= {panel}
            self.arrange_panels()
            self.say("the last panel stays")
        self.redraw()

    def action_filter(self) -> None:
        """Ask for a pattern; only matching lines of the log stay."""

        def apply(text: str | None) -> None:
            if text is not None:
                self.log_panel.set_filter(text)

        hint = "words or a regular expression; empty: every line; enter filters, esc closes"
        self.app.push_screen(PromptScreen("filter the log", hint, compiled_filter, self.log_panel.filter), apply)
