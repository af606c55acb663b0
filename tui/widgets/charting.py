"""What every chart panel takes from the scene: window, unit, cursor, smoothing, event marks. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from trainctl.tui.charts.plot import Content, Line
from trainctl.tui.run.scene import Scene
from trainctl.tui.run.view import RunView
from trainctl.tui.widgets.marks import event_marks

INKS = (1, 2, 5, 6, 7)
"""Colours of the parts of a whole; 0 is the whole, 3 and 4 are validation of raw and averaged weights."""


def scened(view: RunView, scene: Scene, lines: Sequence[Line], **more: Any) -> Content:
    """A chart of the run as the scene says; `more` are further fields of `Content`."""
    if "marks" not in more:
        more["marks"] = event_marks(view)
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


def part_ink(k: int) -> int:
    """Colour of the k-th part of a whole; parts beyond the colours share the last."""
    return INKS[min(k, len(INKS) - 1)]
