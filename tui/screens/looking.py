"""What the keys and the mouse do to a scene: unit, smoothing, window, cursor. For every screen that has charts.

Knows neither the charts nor the run; changes nothing but the scene and what is remembered of it.
"""

from __future__ import annotations

from textual.screen import Screen

from trainctl.tui.charts.chart import Chart
from trainctl.tui.memory import Memory
from trainctl.tui.run.scene import MAX_SMOOTHING, Scene, following

ZOOM, PAN, CURSOR = 0.5, 0.25, 0.02
"""Factor of one zoom; parts of the window of one pan and of one cursor step."""


class LookingScreen(Screen[None]):
    """A screen whose charts share one scene. A subclass says what there is to see and how it is drawn.

    Attributes:
        scene: what the user looks at.
        memory: what is remembered of how the user likes to look.
    """

    scene: Scene
    memory: Memory

    @property
    def extent(self) -> tuple[float, float]:
        """Steps there are, [first, one past the last)."""
        return 0.0, 0.0

    def redraw(self) -> None:
        """Draw the scene anew."""

    def window_changed(self) -> None:
        """Other steps are looked at."""
        self.redraw()

    def action_unit(self) -> None:
        """Steps, epochs, time, round and round."""
        self.scene.unit = self.memory.unit = following(self.scene.unit)
        self.redraw()
        self.notify(f"x axis: {self.scene.unit}", markup=False)

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
        self.notify(f"smoothing {level} of {MAX_SMOOTHING}" if level else "no smoothing", markup=False)

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
        self.window_changed()

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
        self.window_changed()

    def _pan(self, fraction: float) -> None:
        self.scene.pan(fraction, self.extent)
        self.window_changed()
