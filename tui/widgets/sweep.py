"""The chart of a range test of the learning rate. Draws the sweep it is given; knows no run and no process."""

from __future__ import annotations

from typing import ClassVar

from textual.content import Content

from trainctl.tui.charts.chart import Chart
from trainctl.tui.charts.drawing import Drawing
from trainctl.tui.charts.sweep import Sweep, draw_sweep
from trainctl.tui.spoken import said


class SweepChart(Chart):
    """Loss over learning rate: raw faint, smoothed over it."""

    heading: ClassVar[str] = "Loss over learning rate"

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._sweep: Sweep | None = None
        self._sweep_drawing: tuple[object, Drawing] | None = None

    def show_sweep(self, sweep: Sweep) -> None:
        """Draw this from now on."""
        self._sweep, self._sweep_drawing = sweep, None
        self.border_title = Content("").join(
            [
                Content.styled(said(self.heading), "bold"),
                Content.styled(f"  {said('smoothed')}", "$series-0"),
                Content.styled(f"  {said('raw')}", "$chart-label"),
            ]
        )
        self.refresh()

    def _current_drawing(self) -> Drawing:
        """No frame: the mouse moves nothing here."""
        key = (self.size, self.glyphs)
        if self._sweep_drawing is None or self._sweep_drawing[0] != key:
            sweep = self._sweep or Sweep(1e-7, 10.0)
            raster = draw_sweep(sweep, self.size.width, self.size.height, self.glyphs)
            self._sweep_drawing = key, Drawing(raster.chars, raster.inks)
        return self._sweep_drawing[1]

    def _write_legend(self) -> None:
        """The legend goes with the sweep."""
