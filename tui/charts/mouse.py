"""The mouse over a chart, as wishes in steps: read here, zoom, move the window. What comes of them is the screen's."""

from __future__ import annotations

from textual import events
from textual.message import Message
from textual.widget import Widget

from trainctl.tui.charts.labels import Frame

CLOSER = 0.8
FARTHER = 1.25
LEFT_BUTTON = 1


class Pointable(Widget):
    """A widget with a plot that is read, zoomed and moved with the mouse."""

    class CursorMoved(Message, namespace="chart"):
        """The mouse points at a step; at none when it left the plot."""

        def __init__(self, step: int | None) -> None:
            super().__init__()
            self.step = step

    class ZoomRequested(Message, namespace="chart"):
        """The wheel asks for a window `factor` times as wide, with the step `around` staying where it is."""

        def __init__(self, factor: float, around: int | None) -> None:
            super().__init__()
            self.factor = factor
            self.around = around

    class PanRequested(Message, namespace="chart"):
        """A drag asks for a window later by `fraction` of its width."""

        def __init__(self, fraction: float) -> None:
            super().__init__()
            self.fraction = fraction

    class WindowReset(Message, namespace="chart"):
        """A double click asks for the whole run."""

    _pointed_at: int | None = None
    _grip: int | None = None
    """Column of the screen at which the plot is held while it is dragged."""

    def plot_frame(self) -> Frame | None:
        """Where the plot lies; none while there is nothing to draw."""
        raise AssertionError("a chart knows where its plot lies")

    def on_mouse_move(self, event: events.MouseMove) -> None:
        """Read at the mouse, or drag."""
        frame = self.plot_frame()
        if self._grip is None:
            self._point_at(self._step_under(event))
        elif frame is not None and event.screen_x != self._grip:
            self.post_message(self.PanRequested((self._grip - event.screen_x) / frame.room))
            self._grip = event.screen_x

    def on_leave(self, event: events.Leave) -> None:
        """Nothing is pointed at any more."""
        self._point_at(None)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        """Look closer."""
        self._zoom(CLOSER, event)

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        """Step back."""
        self._zoom(FARTHER, event)

    def on_mouse_down(self, event: events.MouseDown) -> None:
        """Take hold of the plot."""
        if event.button == LEFT_BUTTON and self.plot_frame() is not None:
            self._grip = event.screen_x
            self.capture_mouse()

    def on_mouse_up(self, event: events.MouseUp) -> None:
        """Let go of it."""
        if self._grip is not None:
            self._grip = None
            self.release_mouse()

    def on_mouse_release(self, event: events.MouseRelease) -> None:
        """Somebody else took the mouse."""
        self._grip = None

    def on_click(self, event: events.Click) -> None:
        """Twice: show everything again."""
        if event.chain == 2 and event.button == LEFT_BUTTON:
            self.post_message(self.WindowReset())

    def _zoom(self, factor: float, event: events.MouseEvent) -> None:
        if self.plot_frame() is not None:
            event.stop()
            event.prevent_default()
            self.post_message(self.ZoomRequested(factor, self._step_under(event)))

    def _step_under(self, event: events.MouseEvent) -> int | None:
        frame, offset = self.plot_frame(), event.get_content_offset(self)
        return frame.step_at(offset.x) if frame and offset else None

    def _point_at(self, step: int | None) -> None:
        if step != self._pointed_at:
            self._pointed_at = step
            self.post_message(self.CursorMoved(step))
