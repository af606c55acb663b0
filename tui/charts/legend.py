"""What the border of a chart says: its lines with their values, as many as there is room for. Pure, no Textual."""

from __future__ import annotations

import math
from dataclasses import dataclass

from rich.cells import cell_len

from trainctl.tui.charts.axis import short
from trainctl.tui.charts.labels import Frame
from trainctl.tui.charts.plot import Content, Line
from trainctl.tui.charts.positions import position_words
from trainctl.tui.plain import printable

GAP = "  "
LETTERS = "abcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True)
class Entry:
    """One line of the legend: what it says, in whose colour."""

    text: str
    ink: int
    faint: bool = False


def line_letters(content: Content) -> list[str]:
    """The letter of each line of a chart without colours, in the order of `content.lines`; empty for no letter."""
    order = {id(line): k for k, line in enumerate(content.by_importance())}
    places = [order.get(id(line), len(LETTERS)) for line in content.lines]
    return [LETTERS[k] if k < len(LETTERS) else "" for k in places]


def entries(content: Content, *, plain_ink: bool = False) -> list[Entry]:
    """Each line with its value at the cursor, else its newest one; what matters most first.

    Args:
        plain_ink: there are no colours: a letter stands for each line.
    """
    letters = {id(line): letter for line, letter in zip(content.lines, line_letters(content), strict=True)}
    found: list[Entry] = []
    for line in content.by_importance():
        words = (letters[id(line)] if plain_ink else "", line.symbol, line.name, value_of(line, content))
        found.append(Entry(printable(" ".join(word for word in words if word)), line.ink, line.faint))
    return found


def value_of(line: Line, content: Content) -> str:
    """A line's value where the user points, `-` where it has none there; else its newest value."""
    if content.cursor is None:
        return short(line.series.last)
    step = content.cursor
    if line.x_map is not None:
        step = line.x_map.step_of(content.x_of(step))
    value = line.series.at(step)
    return "-" if math.isnan(value) else short(value)


def fitting(found: list[Entry], room: int) -> tuple[list[Entry], int]:
    """The first entries that fit into `room` cells, each with a gap before it, and how many others there are; what
    says so fits too."""
    ends = [0]
    for entry in found:
        ends.append(ends[-1] + cell_len(GAP + entry.text))
    kept = len(found)
    while kept > 0 and ends[kept] + (cell_len(f" +{len(found) - kept}") if kept < len(found) else 0) > room:
        kept -= 1
    return found[:kept], len(found) - kept


def mark_words(content: Content, frame: Frame) -> str:
    """What the marks say at the column that the user points at; where nobody points, the names of those in sight."""
    shown = [mark for mark in content.marks if frame.line_at_step(mark.x) is not None]
    if content.cursor is not None:
        at = frame.line_at_step(content.cursor)
        pointed = [mark for mark in shown if mark.words and frame.line_at_step(mark.x) == at]
        return " · ".join(dict.fromkeys(" ".join(f"{mark.letter} {mark.words}".split()) for mark in pointed))
    names: dict[str, dict[str, None]] = {}
    for mark in shown:
        if mark.name:
            names.setdefault(mark.letter, {})[mark.name] = None
    return " · ".join(f"{letter} {', '.join(found)}" for letter, found in names.items())


def subtitle(content: Content, note: str) -> str:
    """Where the user points, in words, and what else is to be said."""
    where = "" if content.cursor is None else position_words(content.cursor, content.x_map)
    return " · ".join(part for part in (where, note) if part)
