"""What every chart panel takes from the scene: window, unit, cursor, smoothing, event marks. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from trainctl.tui.charts.plot import Content, Line
from trainctl.tui.run.scene import Scene
from trainctl.tui.run.view import RunView
from trainctl.tui.widgets.marks import event_marks

EARLY = 16
"""A run that has come less far than this part of its plan would be a line of a few dots."""
INKS = (1, 2, 5, 6, 7)
"""Colours of the parts of a whole; 0 is the whole, 3 and 4 are validation of raw and averaged weights."""


def scened(view: RunView, scene: Scene, lines: Sequence[Line], **more: Any) -> Content:
    """A chart of the run as the scene says; `more` are further fields of `Content`."""
    if "x_range" not in more:
        more["x_range"] = planned(view, scene)
    if "marks" not in more:
        more["marks"] = event_marks(view, is_read=scene.cursor is not None)
    if "empty" not in more and view.last is not None:
        more["empty"] = "not recorded"
    return Content(
        lines=tuple(lines),
        window=scene.window,
        x_map=view.x_map(scene.unit),
        cursor=scene.cursor,
        smoothing=scene.smoothing,
        growing=not view.is_over,
        **more,
    )


def planned(view: RunView, scene: Scene) -> tuple[float, float] | None:
    """Steps from the start of the run to its planned end, [start, stop), and as far as runs laid over it go.

    At first to a nearer end, which moves on whenever the run has doubled its steps; and of a run that is over, as far
    as it came. The same for all charts of a run, so that what stands in one column of them happened at one time. None
    while the end is not known.
    """
    total = view.plan.total_steps if view.plan else 0
    if not total:
        return None
    begun = max(_first_step(view) - 1, 0.0)
    taken = max(int(view.step - begun), 1)
    if view.is_over:
        total = max(view.step, 1)
    elif EARLY * taken < total - begun:
        total = int(begun) + (4 << (taken.bit_length() - 1))
    start, stop = begun, float(max(total, view.step) + 1)
    own = view.x_map(scene.unit)
    for overlay in scene.overlays:
        series, other = overlay.view.series.get("loss"), overlay.view.x_map(scene.unit)
        if series is None or (other is None) is not (own is None):
            continue
        first, end = series.extent
        if own is not None and other is not None:
            first, end = own.step_of(other.x_of(float(first))), own.step_of(other.x_of(float(end)))
        start, stop = min(start, max(first - 1, 0.0)), max(stop, end)
    return start, stop


def _first_step(view: RunView) -> float:
    """Of the records; a fork begins in the middle."""
    return min((series.extent[0] for series in view.series.values()), default=0.0)


def part_ink(k: int) -> int:
    """Colour of the k-th part of a whole; parts beyond the colours share the last."""
    return INKS[min(k, len(INKS) - 1)]
