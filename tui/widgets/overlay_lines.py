"""The same series of the runs that are laid over, as lines behind those of the run itself. Pure."""

from __future__ import annotations

from collections.abc import Callable

from trainctl.tui.charts.plot import Line
from trainctl.tui.charts.pyramid import Series
from trainctl.tui.run.scene import Scene, Unit
from trainctl.tui.run.view import RunView

Source = str | Callable[[RunView], Series | None]
"""Name of a series of the view, or what finds it there."""


def overlay_lines(scene: Scene, source: Source, *, symbol: str = "", smooth: bool = True) -> list[Line]:
    """A faint line for each run laid over that has the series, each along its own epochs or its own time.

    Args:
        scene: the runs, and what stands on the x axis.
        source: the series.
        symbol: a character for each point of a sparse series.
        smooth: whether the chart's smoothing is meant for it.
    """
    lines: list[Line] = []
    for overlay in scene.overlays:
        series = overlay.view.series.get(source) if isinstance(source, str) else source(overlay.view)
        x_map = overlay.view.x_map(scene.unit)
        if series is None or (x_map is None and scene.unit is not Unit.STEP):
            continue
        lines.append(Line(overlay.name, series, overlay.ink, symbol=symbol, faint=True, x_map=x_map, smooth=smooth))
    return lines
