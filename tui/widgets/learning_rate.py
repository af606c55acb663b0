"""The learning rate: the whole plan ahead, what was really used, and where we are. Reads no files."""

from __future__ import annotations

from typing import ClassVar

from trainctl.engine.runs.events import EventKind
from trainctl.tui.charts.chart import FAINT_INK, Chart
from trainctl.tui.charts.plot import EventMark, Line
from trainctl.tui.run.scene import Scene
from trainctl.tui.run.view import RunView
from trainctl.tui.widgets.charting import scened
from trainctl.tui.widgets.overlay_lines import overlay_lines
from trainctl.tui.words.events import MARK_LETTERS


class LearningRatePanel(Chart):
    """Plan drawn faint, values so far over it, warmup shaded, cuts and changes marked."""

    heading: ClassVar[str] = "Learning rate"

    def show(self, view: RunView, scene: Scene) -> None:
        """Draw the present state."""
        plan, lines = view.plan, list[Line]()
        if plan is not None and len(plan.points):
            lines.append(Line("plan", plan.points, FAINT_INK, legend=False, smooth=False))
        lines += overlay_lines(scene, "lr", smooth=False)
        named = [name for name in view.series if name.startswith("lr.")]
        for ink, name in enumerate(named or ["lr"] if "lr" in view.series else ()):
            lines.append(Line(name.removeprefix("lr.") if named else "now", view.series[name], ink, smooth=False))
        total, warmup = (plan.total_steps, plan.warmup_steps) if plan else (0, 0)
        content = scened(
            view,
            scene,
            lines,
            x_range=(0.0, float(max(total, view.step) + 1)) if total else None,
            marks=changes(view),
            spans=((0.0, float(warmup)),) if warmup else (),
            here=float(view.step) if view.step else None,
        )
        self.show_content(content, note=f"warmup {warmup} steps" if warmup else "")


def changes(view: RunView) -> tuple[EventMark, ...]:
    """Cuts by the schedule and changes by people."""
    return tuple(
        EventMark(float(event.step), MARK_LETTERS[event.kind])
        for event in view.of_kind(EventKind.LR, EventKind.COMMAND)
        if event.kind is EventKind.LR or (event.data.get("args") or {}).get("name") == "lr"
    )
