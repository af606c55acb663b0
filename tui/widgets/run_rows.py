"""A run as a line of a list: mark, identity, preset, state, steps, best result, age. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from textual.content import Content

from trainctl.engine.runs.index import RunInfo
from trainctl.tui.plain import columns, padded
from trainctl.tui.words.runs import SEVERITY_WORDS, SYMBOLS, best_words, progress_words, run_state_word, short_age
from trainctl.tui.words.styles import COCKPIT, SEVERITIES

PRESENT, LAID_OVER = "●", "◆"
"""Marks of the run that is looked at and of one that is laid over it."""
HEADINGS = ("", "preset", "state", "step", "best", "age", "id")
MARK_WIDTH = 2
GAPS = (1, 2, 2, 2, 2, 2, 2)
"""Columns behind each column."""
LEFT_OUT = (6, 3, 5)
"""Columns in the order in which they are left out where there is little room: the end of the name, steps, age."""


@dataclass(frozen=True)
class RunRow:
    """What a line says of a run besides `info`.

    Args:
        is_present: it is the run that is looked at.
        ink: colour in which it is laid over; none: it is not.
    """

    info: RunInfo
    is_present: bool = False
    ink: int | None = None

    @property
    def cells(self) -> list[tuple[str, str]]:
        """Text and style of each column; of a run that cannot be read only the first three."""
        info, word = self.info, run_state_word(self.info)
        mark = ("", "")
        if self.ink is not None:
            mark = (LAID_OVER, f"bold $series-{self.ink}")
        if self.is_present:
            mark = (PRESENT, "bold $series-0")
        colour = SEVERITIES.get(SEVERITY_WORDS.get(word, ""), COCKPIT["dim"])
        first = [mark, (info.preset or info.name, ""), (f"{SYMBOLS[word]} {word.removeprefix('presumed ')}", colour)]
        if info.problem:
            return first
        return [
            *first,
            (progress_words(info), ""),
            (best_words(info), "$accent" if info.best else "$chart-label"),
            (short_age(info.age_s), "$chart-label"),
            (info.name[-4:], "$chart-label"),
        ]


class RunTable:
    """Lines whose columns are as wide as what stands in them.

    Args:
        rows: of the list.
    """

    def __init__(self, rows: Sequence[RunRow] = ()) -> None:
        self._wanted = [columns(word) for word in HEADINGS]
        self._wanted[0] = MARK_WIDTH - 1
        for row in rows:
            for k, (text, _) in enumerate(row.cells):
                self._wanted[k] = max(self._wanted[k], len(text) if text.isascii() else columns(text))

    def headings(self, width: int) -> Content:
        """What stands above the columns."""
        return self._line([(word, "$chart-label") for word in HEADINGS], width)

    def draw(self, row: RunRow, width: int) -> Content:
        """The line of a run in `width` columns."""
        return self._line(row.cells, width)

    def _line(self, cells: Sequence[tuple[str, str]], width: int) -> Content:
        widths = self._widths(width)
        last = max(widths)
        parts = [
            Content.styled(padded(text, widths[k]) + ("" if k == last else " " * GAPS[k]), style)
            for k, (text, style) in enumerate(cells)
            if k in widths
        ]
        return Content("").join(parts)

    def _widths(self, width: int) -> dict[int, int]:
        """Of each column that there is room for: whole columns go before a name is cut."""
        widths = dict(enumerate(self._wanted))
        for k in (*LEFT_OUT, None):
            room = width - sum(widths.values()) - sum(GAPS[k] for k in widths if k != max(widths))
            if room >= 0:
                return widths
            if k is None:
                return widths | {1: max(widths[1] + room, 1)}
            del widths[k]
        return widths


def matches(info: RunInfo, words: Sequence[str]) -> bool:
    """Whether every word occurs in the run's name, preset, state or best metric."""
    text = f"{info.name} {info.preset} {run_state_word(info)} {best_words(info)}".lower()
    return all(word in text for word in words)
