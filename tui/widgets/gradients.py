"""Gradient norms: total and per module group, healthy band, clip norm, size of the updates, what is frozen.

Reads no files.
"""

from __future__ import annotations

import math
from typing import ClassVar

from trainctl.tui.charts.axis import short
from trainctl.tui.charts.chart import Chart
from trainctl.tui.charts.plot import Line
from trainctl.tui.run.scene import Scene
from trainctl.tui.run.view import RunView
from trainctl.tui.spoken import said
from trainctl.tui.widgets.charting import part_ink, scened
from trainctl.tui.widgets.overlay_lines import overlay_lines

HEALTHY = (1.0, 10.0)
"""Total norm that the weld training document calls healthy (seed document 001, "gradient norm 1-10")."""


class GradientPanel(Chart):
    """Norms before clipping. The total is drawn last, over its parts."""

    heading: ClassVar[str] = "Gradient norm"
    starts_log: ClassVar[bool] = True  # norms of early and late layers lie decades apart

    def show(self, view: RunView, scene: Scene) -> None:
        """Draw the present state."""
        groups = [name for name in (view.layout.groups if view.layout else ()) if f"grad_norm.{name}" in view.series]
        lines = [Line(name, view.series[f"grad_norm.{name}"], part_ink(k), faint=True) for k, name in enumerate(groups)]
        if len(lines) < 2:
            lines = []
        lines += overlay_lines(scene, "grad_norm")
        if "grad_norm" in view.series:
            lines.append(Line(said("total"), view.series["grad_norm"], 0))
        clip = float(view.last["clip"]) if view.last is not None else math.nan
        rules = () if math.isnan(clip) else ((clip, "clip"),)
        self.show_content(scened(view, scene, lines, rules=rules, bands=(HEALTHY,)), note=notes(view, clip))


def notes(view: RunView, clip: float) -> str:
    """Clip norm in force, size of the updates and frozen groups, in words."""
    parts = [f"clip at {clip:g}"] if not math.isnan(clip) else []
    ratio = view.series.get("update_ratio")
    if ratio is not None and not math.isnan(ratio.last):
        parts.append(f"update/weight {short(ratio.last, 2)}")
    frozen = view.layout.frozen if view.layout else ()
    if frozen:
        parts.append(f"frozen: {', '.join(frozen)}")
    return " · ".join(parts)
