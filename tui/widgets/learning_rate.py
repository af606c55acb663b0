"""The learning rate: the whole plan ahead, what was really used, and where we are. Reads no files."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from trainctl.engine.runs.events import EventKind
from trainctl.tui.charts.axis import short
from trainctl.tui.charts.chart import FAINT_INK, Chart
from trainctl.tui.charts.plot import EventMark, Line
from trainctl.tui.run.scene import Scene
from trainctl.tui.run.view import RunView
from trainctl.tui.spoken import said
from trainctl.tui.widgets.charting import scened
from trainctl.tui.widgets.overlay_lines import overlay_lines
from trainctl.tui.words.events import MARK_LETTERS

SAME = 1e-6
"""Part of a rate by which another one may differ and is still the same: records are of single precision."""


class LearningRatePanel(Chart):
    """Plan drawn faint, values so far over it, warmup shaded, cuts and changes marked."""

    heading: ClassVar[str] = "Learning rate"
    weight: ClassVar[int] = 1

    def show(self, view: RunView, scene: Scene) -> None:
        """Draw the present state; a rate that neither changed nor is planned to is said in a line."""
        rate = constant_rate(view) if not scene.overlays else None
        if rate is not None:
            self.show_line(f"{short(rate)}, constant")
            return
        plan, lines = view.plan, list[Line]()
        if plan is not None and len(plan.points):
            lines.append(Line("plan", plan.points, FAINT_INK, legend=False, smooth=False))
        lines += overlay_lines(scene, "lr", smooth=False)
        named = [name for name in view.series if name.startswith("lr.")]
        for ink, name in enumerate(named or ["lr"] if "lr" in view.series else ()):
            word = name.removeprefix("lr.") if named else said("now")
            lines.append(Line(word, view.series[name], ink, smooth=False))
        warmup = plan.warmup_steps if plan else 0
        content = scened(
            view,
            scene,
            lines,
            marks=changes(view),
            spans=((0.0, float(warmup)),) if warmup else (),
            here=float(view.step) if view.step else None,
        )
        self.show_content(content, note=f"warmup {warmup:d} steps" if warmup else "")


def constant_rate(view: RunView) -> float | None:
    """The learning rate of a run that has but one; None where there are several, or none is known."""
    known = [view.plan.points.y] if view.plan is not None and len(view.plan.points) else []
    for name, series in view.series.items():
        if name == "lr" or name.startswith("lr."):
            envelope = series.envelope(*series.extent, 1)
            known.append(np.concatenate((envelope.lo, envelope.hi)))
    values = np.concatenate(known) if known else np.empty(0, np.float32)
    if not len(values) or not np.isfinite(values).all():
        return None
    low, high = float(values.min()), float(values.max())
    return high if high - low <= abs(high) * SAME else None


def changes(view: RunView) -> tuple[EventMark, ...]:
    """Cuts by the schedule and changes by people."""
    return tuple(
        EventMark(float(event.step), MARK_LETTERS[event.kind])
        for event in view.of_kind(EventKind.LR, EventKind.COMMAND)
        if event.kind is EventKind.LR or (event.data.get("args") or {}).get("name") == "lr"
    )
