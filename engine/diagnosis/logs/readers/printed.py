"""Reads what trainings print: `Epoch 3/50 loss 1.23 val_loss=...`, names and values under a heading, tables in text.

A line belongs to the row before it until a name comes again or another step or epoch begins. Lines that are indented
under a heading such as `Train Loss: 0.0234`, or follow one such as `Validation:`, belong to its part of the training.
Knows no meaning of a name but step, epoch and train/validation/test.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from operator import itemgetter
from typing import Any

from trainctl.engine.diagnosis.logs.names import TEST, Kind, meaning_of
from trainctl.engine.diagnosis.logs.numbers import half_unit
from trainctl.engine.diagnosis.logs.readers import patterns
from trainctl.engine.diagnosis.logs.readers.aligned import Span, columns_of, spans_of
from trainctl.engine.diagnosis.logs.readers.bars import Bar, Bars
from trainctl.engine.diagnosis.logs.readers.content import line_blocks
from trainctl.engine.diagnosis.logs.readers.layouts import Lexer
from trainctl.engine.diagnosis.logs.readers.lexing import MARK, Lexed, value_of
from trainctl.engine.diagnosis.logs.readers.scopes import Pair
from trainctl.engine.diagnosis.logs.readers.shapes import NOTHING, Cell, Shape, shape_of
from trainctl.engine.diagnosis.logs.settings import MEASURED, without_settings
from trainctl.engine.diagnosis.logs.table import LogTable, TableBuilder

HEADER_HOLDS = 3
"""Lines below a header without a row after which it is none."""
SAME_LINES = 64
"""Lines among which the same one of another process is looked for."""
_PLACES = frozenset({Kind.STEP, Kind.EPOCH})
_Said = tuple[tuple[str, ...], Any]
"""Names of the figures of a line, and its places and figures as they are written."""


def read_printed(text: str, source: str) -> LogTable:
    """The table of a text; a text without figures gives a table without columns."""
    reader = _Reader(TableBuilder(source, "text"))
    if text.count("\n") <= 2 <= text.count("\r") - text.count("\r\n"):
        # One progress bar is the whole log: each state of it counts.
        text = text.replace("\r", "\n")
    for first, lines in line_blocks(text):
        for number, raw in enumerate(lines, first):
            reader.take(raw, number)
    return reader.table()


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
    header_spans: list[Span] = field(default_factory=list[Span])
    """Where its names stand."""
    bars: Bars = field(default_factory=Bars)
    is_begun: bool = False
    """Whether anything was measured yet."""
    unsure: list[tuple[Shape, Lexed, int]] = field(default_factory=list[tuple[Shape, Lexed, int]])
    """Lines such as `epoch : 30` before that: places, or settings."""
    recent: deque[_Said] = field(default_factory=lambda: deque[_Said](maxlen=SAME_LINES))
    """What processes that say their number wrote last."""

    said: _Said = ((), ())
    """Places and figures of the line before."""
    last: tuple[Shape, list[str]] = field(default_factory=lambda: (NOTHING, list[str]()))
    """The line before."""
    recap_line: int = 0
    """A line that repeats what another said."""
    awaited: str = ""
    """A name whose figure may stand in the next line."""
    lexer: Lexer = field(default_factory=Lexer)

    def take(self, raw: str, number: int) -> None:
        """Take in a line."""
        lexed = self.lexer.lex(raw)
        if self.awaited and lexed.template == MARK:
            lexed = lexed._replace(template=f"{self.awaited} {MARK}")
        shape = shape_of(lexed.template)
        if shape is NOTHING or number == self.recap_line:
            return
        self.awaited = lexed.template if shape.is_awaited else ""
        if shape.is_above_recap:
            self.recap_line = number + 1
        if shape.is_ruler:
            self._rule()
        elif shape.section:
            self.section = shape.section
        elif shape.header and not shape.heading:
            self.header, self.header_line, self.header_spans = shape.header, number, spans_of(raw)
        elif self.header and shape.cells and self._take_cells(self._cells(shape, raw), lexed, number):
            return
        elif (shape.says_something or shape.heading) and not self._is_repeated(shape, lexed.numbers):
            self._take_line(shape, lexed, number)

    def table(self) -> LogTable:
        """What was read."""
        return without_settings(self.bars.without_interim(self.builder.build()))

    def _rule(self) -> None:
        """A ruler ends a table of names and values, which is one row."""
        self.is_at_end = self.is_in_table
        self.is_in_table, self.section = False, ""

    def _is_repeated(self, shape: Shape, numbers: list[str]) -> bool:
        """Whether another process has written the same, or the same was written twice for one step."""
        before, self.last = self.last, (shape, numbers)
        if not shape.pairs or not (shape.is_of_node or shape.step is not None):
            return False
        if not shape.is_of_node and before == self.last:
            return True
        names, figures = _said(shape)
        said = (names, figures(numbers))
        if not shape.is_of_node:  # two loggers write the same line, each with its own words before it
            is_repeated, self.said = shape.step is not None and said == self.said, said
            return is_repeated
        is_repeated = said in self.recent
        if not is_repeated:
            self.recent.append(said)
        return is_repeated

    def _take_line(self, shape: Shape, lexed: Lexed, number: int) -> None:
        numbers = lexed.numbers
        if not self.is_begun and self._is_unsure(shape, lexed, number):
            return
        if shape.batches is not None and numbers[shape.batches].isdecimal():
            self.builder.batches.add(int(numbers[shape.batches]))
        step = None if shape.step is None else value_of(numbers[shape.step])
        epoch = None if shape.epoch is None else value_of(numbers[shape.epoch])
        if epoch is not None and self.epoch is None and not shape.pairs and self.bars.steps:
            # The log begins behind the heading of its first epoch.
            self.builder.place(epoch=epoch - shape.heads_epoch)
            self.epoch = epoch - shape.heads_epoch
        if shape.heads_epoch:
            self.bars.begin()
        self.is_in_table |= shape.is_cell
        above = self._split_above(shape, lexed.indent, _moved(step, self.step) or _moved(epoch, self.epoch))
        if shape.unit:
            self.builder.step_unit = shape.unit
        section = self.section if shape.is_cell else ""
        keys = _keys(shape, above, section) or tuple(_key(pair, above, section, numbers) for pair in shape.pairs)
        if shape.bar is not None:
            keys = self._barred(keys, *(value_of(numbers[at]) for at in shape.bar))
        self._place(step, epoch, keys)
        for key, pair in zip(keys, shape.pairs, strict=True):
            self._add(key, lexed, pair.at, number, pair.is_percent, pair.of)

    def _is_unsure(self, shape: Shape, lexed: Lexed, number: int) -> bool:
        """Whether a line may be a setting; the next figure or heading tells: what is measured has a place."""
        if shape.is_place_alone and value_of(lexed.numbers[0]) > 1:
            self.unsure.append((shape, lexed, number))
            return True
        self.is_begun = any(meaning_of(pair.name, pair.split).kind in MEASURED for pair in shape.pairs)
        is_headed = bool(shape.heading and self.unsure) and number == self.unsure[-1][2] + 1
        if shape.pairs or is_headed:
            unsure, self.unsure = self.unsure, []
            self.is_begun |= is_headed
            for line in unsure if self.is_begun else ():
                self._take_line(*line)
        return False

    def _barred(self, keys: tuple[tuple[str, str], ...], done: float, steps: float) -> tuple[tuple[str, str], ...]:
        """The keys of a bar; where the same epoch was told before, that is taken back."""
        told = self.bars.take(done, steps, keys, self.builder.num_rows - 1)
        if told is Bar.TEST:
            return tuple((split or TEST * (not meaning_of(name).split), name) for split, name in keys)
        if told is Bar.AGAIN:
            for split, name in keys:
                self.builder.take_back(split, name)
            self.seen.difference_update(keys)
        return keys

    def _cells(self, shape: Shape, raw: str) -> tuple[Cell, ...]:
        """The cells of a line under the header above it: where some are blank, by where they stand."""
        if len(shape.cells) >= len(self.header) or len(spans := spans_of(raw)) != len(shape.cells):
            return shape.cells
        columns = columns_of(spans, self.header_spans) if len(self.header_spans) == len(self.header) else None
        if columns is None:
            return shape.cells
        cells = dict(zip(columns, shape.cells, strict=True))
        return tuple(cells.get(column, Cell(None)) for column in range(len(self.header)))

    def _take_cells(self, cells: tuple[Cell, ...], lexed: Lexed, number: int) -> bool:
        """Take a line in as a row under the header above it; False: it is none."""
        if len(cells) != len(self.header) or number - self.header_line > HEADER_HOLDS:
            return False
        told = [(name, cell.at) for name, cell in zip(self.header, cells, strict=True) if cell.at is not None]
        if len(told) < max(2, len(self.header) / 2):
            return False
        self.header_line = number
        if patterns.LABEL.fullmatch(self.header[0]) and cells[0].at is None and not _is_whole(lexed.template):
            return True  # of one class
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

    def _add(
        self, key: tuple[str, str], lexed: Lexed, at: int, line: int, percent: bool, of: int | None = None
    ) -> None:
        text, unit = lexed.numbers[at], lexed.half_units[at]
        value = value_of(text)
        unit = half_unit(text) if unit is None else unit
        if of is not None:
            whole = lexed.numbers[of]
            if not (text.isdecimal() and whole.isdecimal() and 0 < int(whole) >= int(text)):
                return
            value, unit = value / int(whole), 0.0
        self.builder.add(key[1], value, line=line, half_unit=unit, split=key[0], percent=percent)

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


def _is_whole(template: str) -> bool:
    words = re.findall(r"\w+", template)
    return bool(words) and words[0].lower() in patterns.WHOLE


def _moved(new: float | None, old: float | None) -> bool:
    return new is not None and new != old


@lru_cache(maxsize=4096)
def _said(shape: Shape) -> tuple[tuple[str, ...], Callable[[list[str]], Any]]:
    """Names of the figures of a line, and what takes its places and figures out of its numbers."""
    places = [at for at in (shape.step, shape.epoch) if at is not None]
    return tuple(pair.name for pair in shape.pairs), itemgetter(*places, *(pair.at for pair in shape.pairs))


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
