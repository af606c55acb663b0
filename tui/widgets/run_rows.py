"""A run as a line of a list: marks, name, state, best result, loss, steps, age. Pure.

Columns are as wide as what stands in them. Where there is little room whole columns are left out, and their number is
said, before anything is cut.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from textual.content import Content

from trainctl.tui.charts.axis import short
from trainctl.tui.charts.chart import Chart
from trainctl.tui.charts.raster import Glyphs
from trainctl.tui.charts.sparkline import sparkline
from trainctl.tui.listing.listed import Listed
from trainctl.tui.plain import columns, padded
from trainctl.tui.run.names import label_and_id
from trainctl.tui.words.runs import (
    SEVERITY_WORDS,
    SYMBOLS,
    best_words,
    epoch_words,
    progress_words,
    run_state_word,
    short_age,
)
from trainctl.tui.words.styles import COCKPIT, SEVERITIES

if TYPE_CHECKING:
    from trainctl.tui.listing.orders import Order

PRESENT, LAID_OVER, PINNED = "●", "◆", "▴"
"""Marks of the run that is looked at, of one that is laid over it, and of one that stays on top."""
MARKS, RUN, BEST, COURSE, LOSS, AGE = "", "run", "best", "course", "loss", "age"
COLUMNS = (MARKS, RUN, "state", "study", "preset", BEST, COURSE, LOSS, "step", "epoch", "took", AGE)
"""What stands in the columns, from left to right."""
FULL_NAMES = "full names"
LEFT_OUT = ("took", "epoch", FULL_NAMES, "preset", "step", LOSS, COURSE, "study", AGE, BEST)
"""What is left out where there is little room, in this order."""
MARK_WIDTH, AGE_WIDTH, MORE_WIDTH = 2, 6, 3
COURSE_WIDTHS = 6, 24
"""Columns that a course of the loss has at least, and at most."""
MARK_GAP, GAP = 1, 2
DIM = "$chart-label"


@dataclass(frozen=True)
class RunRow:
    """What a line says of a run.

    Args:
        run: the run.
        is_present: it is the one that is looked at.
        ink: colour in which it is laid over; none: it is not.
    """

    run: Listed
    is_present: bool = False
    ink: int | None = None

    def text(self, column: str, *, is_named: bool) -> str:
        """What stands in a column that depends on neither width nor time; `is_named`: a result with its metric."""
        info = self.run.info
        if info.problem and column not in (RUN, "state", "preset"):
            return ""
        match column:
            case "run":
                return info.name
            case "state":
                word = run_state_word(info)
                return f"{SYMBOLS[word]} {word.removeprefix('presumed ')}"
            case "study":
                trial = info.trial
                return "" if trial is None else trial.study if trial.number is None else f"{trial.study} {trial.number}"
            case "preset":
                return info.preset
            case "best":
                return best_words(info) if is_named or not info.best else short(info.best.value, 4)
            case "loss":
                return "" if math.isnan(self.run.last_loss) else short(self.run.last_loss, 3)
            case "step":
                return progress_words(info)
            case "epoch":
                return epoch_words(info)
            case "took":
                return short_age(info.seconds) if info.seconds > 0 else ""
            case _:
                return ""

    def style(self, column: str) -> str:
        """Colour of a column."""
        if column == "state":
            return SEVERITIES.get(SEVERITY_WORDS.get(run_state_word(self.run.info), ""), COCKPIT["dim"])
        if column == BEST:
            return "$accent" if self.run.info.best else DIM
        return {RUN: "", COURSE: "$series-0", "loss": "", "step": "", "epoch": ""}.get(column, DIM)

    def marks(self) -> Content:
        """What the run is to the user, in two signs."""
        mark = Content(" ")
        if self.ink is not None:
            mark = Content.styled(LAID_OVER, f"bold $series-{self.ink}")
        if self.is_present:
            mark = Content.styled(PRESENT, "bold $series-0")
        return Content("").join([mark, Content.styled(PINNED if self.run.is_pinned else " ", "$warning")])


@dataclass(frozen=True)
class _Fit:
    """How the columns fit into a width."""

    widths: Mapping[str, int]
    has_full_names: bool
    num_left_out: int = 0


@dataclass
class RunTable:
    """Lines whose columns are as wide as what stands in them.

    Args:
        rows: of the list.
        now: seconds since 1970, from which ages are counted.
        order: by which they are sorted, which the headings show; none: there are no headings.
    """

    rows: Sequence[RunRow] = ()
    now: float = 0.0
    order: Order | None = None
    _wanted: dict[str, int] = field(default_factory=dict[str, int], init=False)
    _fits: dict[int, _Fit] = field(default_factory=dict[int, _Fit], init=False)
    _metric: str = field(default="", init=False)

    def __post_init__(self) -> None:
        metrics = {row.run.info.best.metric for row in self.rows if row.run.info.best}
        if self.order is not None and len(metrics) == 1:
            (self._metric,) = metrics  # said once, above
        wanted = {MARKS: MARK_WIDTH, AGE: max(AGE_WIDTH, len(self._heading(AGE)))}
        if self.order is not None:
            wanted[COURSE] = max(COURSE_WIDTHS[0], len(self._heading(COURSE)))
        for column in COLUMNS:
            if column not in wanted and column != COURSE:
                widest = max((_width(row.text(column, is_named=not self._metric)) for row in self.rows), default=0)
                if widest or column in (RUN, "state"):
                    wanted[column] = max(widest, _width(self._heading(column)))
        self._wanted = {column: wanted[column] for column in COLUMNS if column in wanted}
        self._short = max((_width(label_and_id(row.run.info.name)) for row in self.rows), default=0)

    def headings(self, width: int) -> Content:
        """What stands above the columns; `+3` at the end: so many columns are left out."""
        fit = self._fit(width)
        more = f"+{fit.num_left_out}" if fit.num_left_out else ""
        words = {column: self._heading(column) for column in fit.widths}
        if COURSE in words and LOSS in words:
            words[LOSS] = ""  # it belongs to the course on its left
        parts = [Content.styled(padded(words[column], room), DIM) for column, room in fit.widths.items()]
        line = _line(parts)
        return Content("").join(
            [line.truncate(max(width - len(more) - 1, 0), pad=True), Content.styled(f" {more}", DIM)]
        )

    def column_at(self, x: int, width: int) -> str:
        """The column below a place of the headings; empty: none that can be sorted by."""
        end = 0
        for column, room in self._fit(width).widths.items():
            end += room + (MARK_GAP if column == MARKS else GAP)
            if x < end:
                return LOSS if column == COURSE else column
        return ""

    def draw(self, row: RunRow, width: int) -> Content:
        """The line of a run in `width` columns."""
        fit = self._fit(width)
        parts = [self._cell(row, column, room, fit) for column, room in fit.widths.items()]
        return _line(parts)

    def _cell(self, row: RunRow, column: str, room: int, fit: _Fit) -> Content:
        if column == MARKS:
            return row.marks()
        if column == COURSE:
            return Content.styled(_course(row.run, room), row.style(column))
        text = row.text(column, is_named=not self._metric)
        if column == RUN and not fit.has_full_names:
            text = label_and_id(text)
        if column == AGE and not row.run.info.problem:
            text = short_age(self.now - row.run.info.seen)
        return Content.styled(padded(text, room), row.style(column))

    def _heading(self, column: str) -> str:
        word = f"best {self._metric}" if column == BEST and self._metric else LOSS if column == COURSE else column
        if self.order is None or word.split(" ")[0] != self.order.column:
            return word
        return f"{word} {'▴' if self.order.is_inverted else '▾'}"

    def _fit(self, width: int) -> _Fit:
        if width not in self._fits:
            self._fits[width] = self._fitted(width)
        return self._fits[width]

    def _fitted(self, width: int) -> _Fit:
        widths, is_full, num_left_out = dict(self._wanted), True, 0
        for column in (*LEFT_OUT, None):
            gaps = MARK_GAP + GAP * (len(widths) - 2)
            room = width - sum(widths.values()) - gaps - (MORE_WIDTH if num_left_out else 0)
            if room >= 0:
                if COURSE in widths:
                    widths[COURSE] = min(widths[COURSE] + room, COURSE_WIDTHS[1])
                return _Fit(widths, is_full, num_left_out)
            if column == FULL_NAMES:
                is_full = False
                widths[RUN] = max(min(widths[RUN], self._short), _width(self._heading(RUN)))
            elif column is None:
                widths[RUN] = max(widths[RUN] + room, 1)
            elif column in widths:
                del widths[column]
                num_left_out += column != COURSE
        return _Fit(widths, is_full, num_left_out)


def _line(parts: Sequence[Content]) -> Content:
    return Content("").join([parts[0], Content(" " * MARK_GAP), Content(" " * GAP).join(parts[1:])])


def _course(run: Listed, room: int) -> str:
    if run.course is None:
        return " " * room
    return sparkline(run.course.points, room, plain=Chart.glyphs is Glyphs.ASCII)


def _width(text: str) -> int:
    return len(text) if text.isascii() and text.isprintable() else columns(text)
