"""Reads what trainings print: `Epoch 3/50 loss 1.23 val_loss=...`, names and values under a heading, tables in text.

A line belongs to the row before it until a name comes again or another step or epoch begins. Lines that are indented
under a heading such as `Train Loss: 0.0234`, or follow one such as `Validation:`, belong to its part of the training.
Knows no meaning of a name but step, epoch and train/validation/test.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from trainctl.engine.diagnosis.logs.names import Kind, meaning_of
from trainctl.engine.diagnosis.logs.numbers import half_unit
from trainctl.engine.diagnosis.logs.readers.content import line_blocks
from trainctl.engine.diagnosis.logs.readers.layouts import Lexer
from trainctl.engine.diagnosis.logs.readers.lexing import MARK, Lexed, value_of
from trainctl.engine.diagnosis.logs.readers.pairs import Pair
from trainctl.engine.diagnosis.logs.readers.shapes import NOTHING, Shape, shape_of
from trainctl.engine.diagnosis.logs.table import LogTable, TableBuilder

HEADER_HOLDS = 3
"""Lines below a header without a row after which it is none."""
SAME_LINES = 64
"""Lines among which the same one of another process is looked for."""
_PLACES = frozenset({Kind.STEP, Kind.EPOCH})


def read_printed(text: str, source: str) -> LogTable:
    """The table of a text; a text without figures gives a table without columns."""
    reader = _Reader(TableBuilder(source, "text"))
    if text.count("\n") <= 2 <= text.count("\r") - text.count("\r\n"):
        # One progress bar is the whole log: each state of it counts.
        text = text.replace("\r", "\n")
    for first, lines in line_blocks(text):
        for number, raw in enumerate(lines, first):
            reader.take(raw, number)
    return reader.builder.build()


@dataclass
class _Reader:
    """Where the reader is."""

    builder: TableBuilder
    seen: set[tuple[str, str]] = field(default_factory=set[tuple[str, str]])
    """Split and name of the values in the present row."""
    step: float | None = None
    epoch: float | None = None
    headings: list[tuple[int, str]] = field(default_factory=list[tuple[int, str]])
    """Indent and split of the headings above."""
    heading: str = ""
    """Split of the last heading without a figure, where no other step or epoch has begun since."""
    section: str = ""
    """Of a table of names and values."""
    is_in_table: bool = False
    is_at_end: bool = False
    """Whether such a table has just ended."""
    header: tuple[str, ...] = ()
    """Of a table in columns."""
    header_line: int = 0
    """The line of the header, or of its last row."""
    recent: deque[tuple[str, ...]] = field(default_factory=lambda: deque[tuple[str, ...]](maxlen=SAME_LINES))
    """What processes that say their number wrote last."""

    last: tuple[Shape, list[str]] = field(default_factory=lambda: (NOTHING, list[str]()))
    """The line before."""
    lexer: Lexer = field(default_factory=Lexer)

    def take(self, raw: str, number: int) -> None:
        """Take in a line."""
        lexed = self.lexer.lex(raw)
        shape = shape_of(lexed.template)
        if shape is NOTHING:
            return
        if shape.is_ruler:
            self._rule()
        elif shape.section:
            self.section = shape.section
        elif shape.header and not shape.heading:
            self.header, self.header_line = shape.header, number
        elif self.header and shape.cells and self._take_cells(shape, lexed, number):
            return
        elif (shape.says_something or shape.heading) and not self._is_repeated(shape, lexed.numbers):
            self._take_line(shape, lexed, number)

    def _rule(self) -> None:
        """A ruler ends a table of names and values, which is one row."""
        self.is_at_end = self.is_in_table
        self.is_in_table, self.section = False, ""

    def _is_repeated(self, shape: Shape, numbers: list[str]) -> bool:
        """Whether another process has written the same, or the same was written twice for one step."""
        before, self.last = self.last, (shape, numbers)
        if not shape.pairs or not (shape.is_of_node or shape.step is not None):
            return False
        if not shape.is_of_node:
            return before == self.last
        places = [numbers[at] for at in (shape.step, shape.epoch) if at is not None]
        said = (*places, *(f"{pair.name} {numbers[pair.at]}" for pair in shape.pairs))
        is_repeated = said in self.recent
        if not is_repeated:
            self.recent.append(said)
        return is_repeated

    def _take_line(self, shape: Shape, lexed: Lexed, number: int) -> None:
        numbers = lexed.numbers
        if shape.batches is not None and numbers[shape.batches].isdecimal():
            self.builder.batches.add(int(numbers[shape.batches]))
        step = None if shape.step is None else value_of(numbers[shape.step])
        epoch = None if shape.epoch is None else value_of(numbers[shape.epoch])
        self.is_in_table |= shape.is_cell
        above = self._split_above(shape, lexed.indent, _moved(step, self.step) or _moved(epoch, self.epoch))
        if shape.unit:
            self.builder.step_unit = shape.unit
        section = self.section if shape.is_cell else ""
        keys = _keys(shape, above, section) or tuple(_key(pair, above, section, numbers) for pair in shape.pairs)
        self._place(step, epoch, keys)
        for key, pair in zip(keys, shape.pairs, strict=True):
            self._add(key, lexed, pair.at, number, pair.is_percent)

    def _take_cells(self, shape: Shape, lexed: Lexed, number: int) -> bool:
        """Take a line in as a row under the header above it; False: it is none."""
        if len(shape.cells) != len(self.header) or number - self.header_line > HEADER_HOLDS:
            return False
        cells = zip(self.header, shape.cells, strict=True)
        told = [(name, cell.at) for name, cell in cells if cell.at is not None]
        if len(told) < max(2, len(self.header) / 2):
            return False
        self.header_line = number
        kinds = {name: meaning_of(name).kind for name, _ in told}
        places = {kinds[name]: value_of(lexed.numbers[at]) for name, at in told if kinds[name] in _PLACES}
        figures = [(("", name), at) for name, at in told if kinds[name] not in _PLACES]
        self._place(places.get(Kind.STEP), places.get(Kind.EPOCH), [key for key, _ in figures])
        for key, at in figures:
            self._add(key, lexed, at, number, False)
        return True

    def _place(self, step: float | None, epoch: float | None, keys: Sequence[tuple[str, str]]) -> None:
        """Go to the step and epoch that a line names, and begin a row where these or a name that comes again say so."""
        moved = _moved(step, self.step) or _moved(epoch, self.epoch)
        if _moved(epoch, self.epoch):
            self.step = None
        self.step = self.step if step is None else step
        self.epoch = self.epoch if epoch is None else epoch
        if moved or self.is_at_end or not self.builder.num_rows or any(key in self.seen for key in keys):
            if not self.builder.num_rows or self.seen:
                self.builder.start_row()
            self.seen, self.is_at_end = set(), False
        self.builder.place(step=self.step, epoch=self.epoch)
        self.seen.update(keys)

    def _add(self, key: tuple[str, str], lexed: Lexed, at: int, line: int, percent: bool) -> None:
        text, unit = lexed.numbers[at], lexed.half_units[at]
        unit = half_unit(text) if unit is None else unit
        self.builder.add(key[1], value_of(text), line=line, half_unit=unit, split=key[0], percent=percent)

    def _split_above(self, shape: Shape, indent: int, moved: bool) -> str:
        """The split of the heading that the line stands under; the line may be a heading itself."""
        while self.headings and self.headings[-1][0] >= indent:
            self.headings.pop()
        if moved:
            self.heading = ""
        above = self.headings[-1][1] if self.headings else self.heading
        if shape.heading:
            self.headings.append((indent, shape.heading))
            self.heading = self.heading if shape.has_figures else shape.heading
        return above


def _moved(new: float | None, old: float | None) -> bool:
    return new is not None and new != old


@lru_cache(maxsize=4096)
def _keys(shape: Shape, above: str, section: str) -> tuple[tuple[str, str], ...]:
    """Split and name of each figure of a line; empty: a name has a number in it."""
    if any(MARK in pair.name for pair in shape.pairs):
        return ()
    return tuple(_key(pair, above, section, []) for pair in shape.pairs)


def _key(pair: Pair, above: str, section: str, numbers: list[str]) -> tuple[str, str]:
    """Split and name of a figure: as the log has it, in a table with the section that it stands in."""
    name = section + (pair.name.replace(MARK, numbers[pair.inner]) if MARK in pair.name else pair.name)
    return ("" if meaning_of(name).split else pair.split or above), name
