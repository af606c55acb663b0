"""A run as a line of a list: mark, identity, preset, state, steps, best result, age. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from textual.content import Content

from trainctl.engine.runs.index import RunInfo
from trainctl.tui.plain import padded
from trainctl.tui.words.runs import SEVERITY_WORDS, SYMBOLS, best_words, progress_words, run_state_word, short_age
from trainctl.tui.words.styles import COCKPIT, SEVERITIES

PRESENT, LAID_OVER = "●", "◆"
"""Marks of the run that is looked at and of one that is laid over it."""
HEADINGS = ("", "preset", "state", "step", "best", "age", "id")
_WIDTHS = (2, 0, 12, 13, 12, 7, 4)
_NARROW = (2, 0, 12, 0, 11, 6, 4)
NARROW = 70
"""Columns below which the steps are left out."""


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

    def draw(self, width: int) -> Content:
        """The line in `width` columns."""
        info, word = self.info, run_state_word(self.info)
        mark = ("", "")
        if self.ink is not None:
            mark = (LAID_OVER, f"bold $series-{self.ink}")
        if self.is_present:
            mark = (PRESENT, "bold $series-0")
        colour = SEVERITIES.get(SEVERITY_WORDS.get(word, ""), COCKPIT["dim"])
        state = (f"{SYMBOLS[word]} {word.removeprefix('presumed ')}", colour)
        name = info.preset or info.name
        if info.problem:
            return _line([mark, (name, ""), state], width, (2, 0, 14))
        cells = [
            mark,
            (name, ""),
            state,
            (progress_words(info), ""),
            (best_words(info), "$accent" if info.best else "$chart-label"),
            (short_age(info.age_s), "$chart-label"),
            (info.name[-4:], "$chart-label"),
        ]
        return _line(cells, width, _widths(width))


def headings(width: int) -> Content:
    """What stands above the columns."""
    return _line([(word, "$chart-label") for word in HEADINGS], width, _widths(width))


def matches(info: RunInfo, words: Sequence[str]) -> bool:
    """Whether every word occurs in the run's name, preset, state or best metric."""
    text = f"{info.name} {info.preset} {run_state_word(info)} {best_words(info)}".lower()
    return all(word in text for word in words)


def _widths(width: int) -> Sequence[int]:
    return _NARROW if width < NARROW else _WIDTHS


def _line(cells: Sequence[tuple[str, str]], width: int, widths: Sequence[int]) -> Content:
    """Cells in columns; the second takes what the others leave, a column of no width (but that) is left out."""
    shown = [k for k in range(len(cells)) if widths[k] or k == 1]
    room = max(width - sum(widths) - (len(shown) - 2), 6)  # a space behind each but the mark and the last
    parts: list[Content] = []
    for k in shown:
        text, style = cells[k]
        columns = room if k == 1 else widths[k]
        parts.append(Content.styled(padded(text, columns) + ("" if k in (0, shown[-1]) else " "), style))
    return Content("").join(parts)
