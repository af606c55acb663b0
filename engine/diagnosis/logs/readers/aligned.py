"""Finds the columns of a table by where its cells stand: a row may leave cells blank. Knows no meaning of a name."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise

Span = tuple[int, int]
"""First character and the one behind the last."""
_CELLS = re.compile(r"\S+(?: \S+)*")
"""What two spaces or more, or a tab, separate."""


def spans_of(line: str) -> list[Span]:
    """Where the cells of a line stand that are two spaces or more apart."""
    return [found.span() for found in _CELLS.finditer(line.rstrip().expandtabs())]


def columns_of(cells: Sequence[Span], header: Sequence[Span]) -> list[int] | None:
    """The column of each cell, ascending; None: the cells do not stand in the columns of the header.

    A cell belongs to the name that begins or ends where it does, else to the only one that it overlaps.
    """
    found = [_column(cell, header) for cell in cells]
    told = [column for column in found if column is not None]
    is_ascending = all(before < after for before, after in pairwise(told))
    return told if len(told) == len(found) and is_ascending else None


def _column(cell: Span, header: Sequence[Span]) -> int | None:
    start, end = cell
    flush = [index for index, (first, last) in enumerate(header) if first == start or last == end]
    if len(flush) == 1:
        return flush[0]
    over = [index for index, (first, last) in enumerate(header) if first < end and start < last]
    return over[0] if len(over) == 1 else None


def placed(line: str, header: Sequence[Span]) -> list[str] | None:
    """The cells of a line under a header, empty where it has none; None: they do not stand in its columns."""
    text = line.rstrip().expandtabs()
    spans = spans_of(text)
    columns = columns_of(spans, header)
    if columns is None or len(spans) > len(header):
        return None
    cells = [""] * len(header)
    for column, (start, end) in zip(columns, spans, strict=True):
        cells[column] = text[start:end]
    return cells
