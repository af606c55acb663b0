"""A run as a line of a list: marks, name, state, best result, loss, steps, age. Pure.

Columns are as wide as what stands in them. Where there is little room whole columns are left out, and their number is
said, before anything is cut.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from textual.content import Content, Span

from trainctl.tui.charts.axis import short
from trainctl.tui.charts.chart import Chart
from trainctl.tui.charts.raster import Glyphs
from trainctl.tui.charts.sparkline import sparkline
from trainctl.tui.listing.listed import Listed
from trainctl.tui.plain import columns, padded
from trainctl.tui.run.names import label_and_id
from trainctl.tui.spoken import said
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
TEXTS = tuple(column for column in COLUMNS if column not in (MARKS, COURSE, AGE))
"""Those that hold a text that depends on neither width nor time."""
FULL_NAMES = "full names"
LEFT_OUT = ("took", "epoch", FULL_NAMES, "preset", "step", LOSS, COURSE, "study", AGE, BEST)
"""What is left out where there is little room, in this order."""
MARK_WIDTH, AGE_WIDTH, MORE_WIDTH = 2, 6, 3
MOST_WIDTHS = {RUN: 48, "study": 24, "preset": 28, BEST: 32}
"""Columns that a text has at most: one name must not leave all others without room."""
COURSE_WIDTHS = 6, 24
"""Columns that a course of the loss has at least, and at most."""
MARK_GAP, GAP = 1, 2
DIM = "$chart-label"
Piece = tuple[str, str]
"""Text and its style."""


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

    def style(self, column: str) -> str:
        """Colour of a column."""
        if column == "state":
            return SEVERITIES.get(SEVERITY_WORDS.get(run_state_word(self.run.info), ""), COCKPIT["dim"])
        if column == BEST:
            return "$accent" if self.run.info.best else DIM
        return {RUN: "", COURSE: "$series-0", "loss": "", "step": "", "epoch": ""}.get(column, DIM)

    def marks(self) -> tuple[Piece, Piece]:
        """What the run is to the user, in two signs."""
        mark = (" ", "") if self.ink is None else (LAID_OVER, f"bold $series-{self.ink}")
        pin = (PINNED if self.run.is_pinned else " ", "$warning")
        return (PRESENT, "bold $series-0") if self.is_present else mark, pin


@dataclass(frozen=True)
class _Texts:
    """What stands in the columns of a run that depend on neither width nor time."""

    of: Mapping[str, str]
    widths: tuple[int, ...]
    short_width: int
    """Of the name without its date."""
    courses: dict[tuple[int, bool], str] = field(default_factory=dict[tuple[int, bool], str])
    """The course of the loss by its width, and whether in plain characters."""


_KEPT: WeakKeyDictionary[Listed, dict[bool, _Texts]] = WeakKeyDictionary()
"""Of runs of which nothing has changed since: a thousand lines are not put into words every other second."""


def _texts(run: Listed, *, is_named: bool) -> _Texts:
    """`is_named`: a result with its metric."""
    kept = _KEPT.setdefault(run, {})
    if is_named not in kept:
        found = _words(run, is_named=is_named)
        widths = tuple(_width(found[column]) for column in TEXTS)
        kept[is_named] = _Texts(found, widths, _width(label_and_id(run.info.name)))
    return kept[is_named]


def _words(run: Listed, *, is_named: bool) -> dict[str, str]:
    info, trial, word = run.info, run.info.trial, run_state_word(run.info)
    found = dict.fromkeys(TEXTS, "")
    found[RUN], found["preset"] = info.name, info.preset
    found["state"] = f"{SYMBOLS[word]} {said(word).removeprefix('presumed ')}"
    if info.problem:
        return found
    if trial is not None:
        found["study"] = trial.study if trial.number is None else f"{trial.study} {trial.number}"
    found[BEST] = best_words(info) if is_named or not info.best else short(info.best.value, 4)
    found[LOSS] = "" if math.isnan(run.last_loss) else short(run.last_loss, 3)
    found["step"], found["epoch"] = progress_words(info), epoch_words(info)
    found["took"] = short_age(info.seconds) if info.seconds > 0 else ""
    return found


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
        texts = [self._texts_of(row) for row in self.rows]
        widest = [max(widths) for widths in zip(*(one.widths for one in texts), strict=True)] or [0] * len(TEXTS)
        for column, width in zip(TEXTS, widest, strict=True):
            if width or column in (RUN, "state"):
                most = MOST_WIDTHS.get(column, width)
                wanted[column] = max(min(width, most), _width(self._heading(column)))
        self._wanted = {column: wanted[column] for column in COLUMNS if column in wanted}
        self._short = max((one.short_width for one in texts), default=0)

    def headings(self, width: int) -> Content:
        """What stands above the columns; `+3` at the end: so many columns are left out."""
        fit = self._fit(width)
        more = f"+{fit.num_left_out}" if fit.num_left_out else ""
        words = {column: self._heading(column) for column in fit.widths}
        if COURSE in words and LOSS in words:
            words[LOSS] = ""  # it belongs to the course on its left
        gaps = {column: MARK_GAP if column == MARKS else GAP for column in words}
        text = "".join(padded(words[column], room) + " " * gaps[column] for column, room in fit.widths.items())
        return Content.styled(padded(text.rstrip(), max(width - len(more) - 1, 0)) + f" {more}", DIM)

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
        parts = [piece for column, room in fit.widths.items() for piece in self._cell(row, column, room, fit)]
        return _line(parts)

    def _cell(self, row: RunRow, column: str, room: int, fit: _Fit) -> Iterator[Piece]:
        """Its pieces, a gap behind them."""
        if column == MARKS:
            yield from row.marks()
            yield " " * MARK_GAP, ""
            return
        if column == COURSE:
            yield _course(row.run, room, self._texts_of(row).courses) + " " * GAP, row.style(column)
            return
        text = self._texts_of(row).of.get(column, "")
        if column == RUN and not fit.has_full_names:
            text = label_and_id(text)
        if column == AGE and not row.run.info.problem:
            text = short_age(self.now - row.run.info.seen)
        yield padded(text, room) + " " * GAP, row.style(column)

    def _texts_of(self, row: RunRow) -> _Texts:
        return _texts(row.run, is_named=not self._metric)

    def _heading(self, column: str) -> str:
        heading = LOSS if column == COURSE else column
        word = f"{said(BEST)} {self._metric}" if column == BEST and self._metric else said(heading)
        if self.order is None or heading != self.order.column:
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


def _line(parts: Sequence[Piece]) -> Content:
    """All pieces, put together at once: joined one by one they take several times as long."""
    spans, end = list[Span](), 0
    for text, style in parts:
        start, end = end, end + len(text)
        if style:
            spans.append(Span(start, end, style))
    return Content("".join(text for text, _ in parts), spans)


def _course(run: Listed, room: int, kept: dict[tuple[int, bool], str]) -> str:
    if run.course is None:
        return " " * room
    is_plain = Chart.glyphs is Glyphs.ASCII
    if (room, is_plain) not in kept:
        kept[room, is_plain] = sparkline(run.course.points, room, plain=is_plain)
    return kept[room, is_plain]


def _width(text: str) -> int:
    return len(text) if text.isascii() and text.isprintable() else columns(text)
