"""Where the panels stand: in one, two or three columns by the width of the terminal, as high as what is in them.

Knows the table of panels and what each asks for; knows no run.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from textual.containers import Container
from textual.geometry import NULL_OFFSET, Region, Size, Spacing
from textual.layout import ArrangeResult, Layout, WidgetPlacement
from textual.widget import Widget

from trainctl.tui.charts.room import Demand, shared_rows
from trainctl.tui.panels import PANELS, PanelWidget

COLUMNS = ((180, 3), (100, 2), (0, 1))
"""Columns of panels from this width of the terminal on."""
PARTS = {1: (1,), 2: (3, 2), 3: (4, 3, 3)}
"""How the columns share the width."""
LEADING_PART = 5
"""In a single column the panel above the curves takes one row of so many: below it comes what one looks at most."""

_CURVES = {entry.id for entry in PANELS if entry.is_curve}
_LEADS = {entry.id for entry in PANELS if entry.leads}


def num_columns(width: int) -> int:
    """How many columns of panels there are in so many columns of cells."""
    return next(columns for least, columns in COLUMNS if width >= least)


class Panels(Container):
    """The panels that are shown; scrolls where they need more rows than there are."""

    DEFAULT_CSS = """
    Panels { height: 1fr; background: $background; overflow-x: hidden; overflow-y: auto; scrollbar-size-vertical: 1; }
    """

    _asked: Sequence[tuple[Demand, int]] = ()

    @property
    def layout(self) -> Layout:
        """By what the panels ask for."""
        return _LAYOUT

    def fit(self) -> None:
        """Arrange the panels anew if one of them asks for more or less than before."""
        shown = [panel for panel in cast("list[PanelWidget]", list(self.children)) if panel.display]
        asked = [(panel.demand(panel.outer_size.width), panel.outer_size.width) for panel in shown]
        if asked != self._asked:
            self._asked = asked
            for panel in shown[:1]:  # of a widget itself the arrangement is remembered, until a child of it asks
                panel.refresh(layout=True)


class _ByContent(Layout):
    """Columns of panels, each as high as its content asks for."""

    name = "by_content"

    def arrange(self, parent: Widget, children: list[Widget], size: Size, greedy: bool = True) -> ArrangeResult:
        """Place the panels."""
        del greedy
        parent.pre_layout(self)
        columns = in_columns(cast("list[PanelWidget]", children), num_columns(parent.app.size.width), size)
        left, placed = 0, list[WidgetPlacement]()
        for column, width in columns:
            demands = [demand_of(panel, width, size.height, is_only=len(columns) == 1) for panel in column]
            top = 0
            for panel, rows in zip(column, shared_rows(demands, size.height), strict=True):
                placed.append(WidgetPlacement(Region(left, top, width, rows), NULL_OFFSET, Spacing(), panel))
                top += rows
            left += width
        return placed


_LAYOUT = _ByContent()


def demand_of(panel: PanelWidget, width: int, height: int, *, is_only: bool) -> Demand:
    """What a panel asks for in a column."""
    asked = panel.demand(width)
    if is_only and panel.id in _LEADS:
        return Demand(asked.least, min(asked.wanted, max(height // LEADING_PART, asked.least)))
    return asked


def in_columns(panels: Sequence[PanelWidget], number: int, size: Size) -> list[tuple[list[PanelWidget], int]]:
    """The panels of each column, in the order from the top, and the column's width; no column is empty."""
    curves = [panel for panel in panels if panel.id in _CURVES]
    others = [panel for panel in panels if panel.id not in _CURVES]
    if number == 1:
        leading = [panel for panel in others if panel.id in _LEADS]
        columns = [[*leading, *curves, *(panel for panel in others if panel not in leading)]]
    elif number == 2:
        columns = [curves, others]
    else:
        columns = [curves, *_halves(others, size)]
    columns = [column for column in columns if column]
    parts = PARTS[max(len(columns), 1)]
    ends = [sum(parts[: k + 1]) * size.width // sum(parts) for k in range(len(parts))]
    return [(column, end - start) for column, start, end in zip(columns, [0, *ends], ends, strict=False)]


def _halves(panels: Sequence[PanelWidget], size: Size) -> tuple[list[PanelWidget], list[PanelWidget]]:
    """Two columns that ask for about the same, in their order."""
    rows = [panel.demand(size.width * 3 // 10).comfortable for panel in panels]
    cut = min(range(1, len(panels) + 1), key=lambda k: max(sum(rows[:k]), sum(rows[k:])), default=0)
    return list(panels[:cut]), list(panels[cut:])
