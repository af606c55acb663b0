"""Gradient norms: total and per module group, the clip norm, and what is frozen. Reads no files."""

from __future__ import annotations

import math
from typing import ClassVar

from trainctl.tui.charts.chart import FAINT_INK, Chart
from trainctl.tui.charts.plot import Content, Line
from trainctl.tui.scene import Scene
from trainctl.tui.view import RunView
from trainctl.tui.widgets.marks import event_marks


class GradientPanel(Chart):
    """Norms before clipping. The total is drawn last, over its parts."""

    heading: ClassVar[str] = "Gradient norm"
    starts_log: ClassVar[bool] = True  # norms of early and late layers lie decades apart

    def show(self, view: RunView, scene: Scene) -> None:
        """Draw the present state."""
        groups = view.layout.groups if view.layout else ()
        lines = [
            Line(name, view.series[f"grad_norm.{name}"], k + 1 if k < 7 else FAINT_INK)
            for k, name in enumerate(groups)
            if f"grad_norm.{name}" in view.series and len(groups) > 1
        ]
        if "grad_norm" in view.series:
            lines.append(Line("total", view.series["grad_norm"], 0))
        clip = float(view.last["clip"]) if view.last is not None else math.nan
        content = Content(
            lines=tuple(lines),
            marks=event_marks(view),
            rules=() if math.isnan(clip) else (clip,),
        )
        self.show_content(content, note=notes(view, clip))


def notes(view: RunView, clip: float) -> str:
    """Clip norm in force and frozen groups, in words."""
    frozen = view.layout.frozen if view.layout else ()
    parts = [f"clip at {clip:g}"] if not math.isnan(clip) else []
    if frozen:
        parts.append(f"frozen: {', '.join(frozen)}")
    return " · ".join(parts)
