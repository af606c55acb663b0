"""How much of each gate is shut, open, or in between, now and over time. Reads no files."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from textual.content import Content

from trainctl.tui.charts.plot import Line
from trainctl.tui.charts.sparkline import sparkline
from trainctl.tui.plain import columns, padded
from trainctl.tui.run.scene import Scene
from trainctl.tui.run.view import RunView
from trainctl.tui.spoken import said
from trainctl.tui.widgets.charting import scened
from trainctl.tui.widgets.figures import CHART_ROWS, FiguresPanel, chart_rows, is_plain

CLOSED, OPEN = "scalar.gate.closed.", "scalar.gate.open."
"""Beginnings of the series: shares of a gate's values that are 0 and that are 1."""
LEAST_BAR = 8
"""Columns that a name leaves its bar."""
FIGURES = len("  100.0%  100.0%")
MIN_SPARK = 6
"""Columns below which a course is not drawn beside a bar."""


@dataclass(frozen=True)
class Shares:
    """Of a gate's values, at the newest step."""

    name: str
    closed: float
    open: float

    @property
    def stuck(self) -> float:
        """At 0 or at 1."""
        return self.closed + self.open


class GatePanel(FiguresPanel):
    """A bar for each gate: from the left what is 0, from the right what is 1; below or beside it the same over time."""

    heading: ClassVar[str] = "Gates"

    def num_figures(self, view: RunView) -> int:
        """A row for each gate, and one for its course."""
        return max(2 * len(gate_shares(view)), 1)

    def title(self, view: RunView) -> str:
        """What the signs are."""
        course = "_.-" if is_plain() else "▁▂▃"
        over_time = f"  {course} at 0 over time" if self._has_courses(view) else ""
        return f"{_signs()[0]} at 0  {_signs()[2]} at 1{over_time}"

    def note(self, view: RunView) -> str:
        """How much of all gates is stuck, and which of them most."""
        found = gate_shares(view)
        if not found:
            return ""
        most = max(found, key=lambda shares: shares.stuck)
        mean = sum(shares.stuck for shares in found) / len(found)
        return f"at 0 or 1: {percent(mean)}, most {most.name} {percent(most.stuck)}"

    def nothing(self, view: RunView | None) -> str:
        """There is no step, or no gate."""
        return "no step yet" if view is None or view.layout is None else "this run records no gates"

    def rows(self, view: RunView, scene: Scene, width: int, height: int) -> list[Content]:
        """A row for each gate; its course beside it, in a row of its own, or as charts, by what there is room for."""
        found = gate_shares(view)
        left = height - len(found)
        if left < len(found):
            return list(_bars(view, found, width, height, with_courses=True))
        bars = list(_bars(view, found, width, len(found), with_courses=False))
        if left < CHART_ROWS:
            return [*bars, *_courses(view, found, width)]
        first = left if left < 2 * CHART_ROWS else left - left // 2
        charts = [*_chart(view, scene, CLOSED, "at 0", width, first)]
        if left >= 2 * CHART_ROWS:
            charts += _chart(view, scene, OPEN, "at 1", width, left - first)
        return [*bars, *charts]

    def _has_courses(self, view: RunView) -> bool:
        """Whether a course stands beside each bar, for want of rows."""
        found = gate_shares(view)
        return self.size.height < 2 * len(found) and _course_width(found, self.size.width) > 0


def has_gates(view: RunView) -> bool:
    """Whether the run records them."""
    return view.layout is not None and any(f"scalar.{name}".startswith(CLOSED) for name in view.layout.scalars)


def gate_names(view: RunView) -> list[str]:
    """Gates of which both shares are there, in the order of the records."""
    names = (name.removeprefix(CLOSED) for name in view.series if name.startswith(CLOSED))
    return [name for name in names if OPEN + name in view.series]


def gate_shares(view: RunView) -> list[Shares]:
    """Of each gate; those that have no value yet are not there."""
    found = (Shares(name, view.series[CLOSED + name].last, view.series[OPEN + name].last) for name in gate_names(view))
    return [shares for shares in found if math.isfinite(shares.stuck)]


def percent(share: float) -> str:
    """A share in words: what is not nothing is not called 0.0 %."""
    return "<0.1%" if 0 < share < 0.0005 else f"{100 * share:.1f}%"


def _signs() -> str:
    """Of what is 0, in between, and 1; told apart without colours."""
    return "#.=" if is_plain() else "█·▒"


def _name_width(found: list[Shares], width: int) -> int:
    most = width - FIGURES - LEAST_BAR
    return max(min(max((columns(shares.name) for shares in found), default=0), most), 1)


def _course_width(found: list[Shares], width: int) -> int:
    """Columns of a course beside a bar; 0: there is no room."""
    third = (width - _name_width(found, width) - FIGURES - 1) // 3
    return third if third >= MIN_SPARK else 0


def _bars(view: RunView, found: list[Shares], width: int, height: int, *, with_courses: bool) -> Iterator[Content]:
    """Rows of the gates, the most stuck ones where there is not room for all."""
    shown = found
    if len(found) > height:
        kept = sorted(found, key=lambda shares: -shares.stuck)[: max(height - 1, 1)]
        shown = [shares for shares in found if shares in kept]
    names = _name_width(found, width)
    course = _course_width(found, width) if with_courses else 0
    room = width - names - FIGURES - 1 - course - (course > 0)
    for shares in shown:
        row = _bar(shares, names, max(room, 1))
        if course:
            drawn = sparkline(view.series[CLOSED + shares.name], course, plain=is_plain())
            row = row + Content.styled(f" {drawn}", "$series-1")
        yield row
    if len(shown) < len(found) and height > 1:
        yield Content.styled(said(f"and {len(found) - len(shown)} more, none more at 0 or 1"), "$chart-label")


def _courses(view: RunView, found: list[Shares], width: int) -> Iterator[Content]:
    """Both shares of each gate over time, in a row of blocks each."""
    names = _name_width(found, width)
    room = (width - names - 2 * columns(f"  {said('at 0')} ")) // 2
    for shares in found:
        row = Content.styled(padded(shares.name, names), "$foreground")
        for prefix, label, style in ((CLOSED, "at 0", "$series-0"), (OPEN, "at 1", "$series-2")):
            drawn = sparkline(view.series[prefix + shares.name], room, plain=is_plain())
            row = row + Content.styled(f"  {said(label)} ", "$chart-label") + Content.styled(drawn, style)
        yield row


def _bar(shares: Shares, names: int, width: int) -> Content:
    """Name, bar and figures."""
    shut, between, wide = _signs()
    left = min(round(shares.closed * width), width)
    right = min(round(shares.open * width), width - left)
    return Content("").join(
        [
            Content.styled(padded(shares.name, names) + " ", "$foreground"),
            Content.styled(shut * left, "$series-0"),
            Content.styled(between * (width - left - right), "$chart-label"),
            Content.styled(wide * right, "$series-2"),
            Content.styled(f"  {percent(shares.closed):>6}  {percent(shares.open):>6}", "$foreground"),
        ]
    )


def _chart(view: RunView, scene: Scene, prefix: str, words: str, width: int, height: int) -> list[Content]:
    """One of the shares of every gate over time."""
    lines = [
        Line(name if k else f"{said(words)}: {name}", view.series[prefix + name], k)
        for k, name in enumerate(gate_names(view))
    ]
    return chart_rows(scened(view, scene, lines), width, height)
