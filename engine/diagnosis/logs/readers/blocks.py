"""Gathers whole blocks of rows of a table whose names are known beforehand. Knows no format."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainctl.engine.diagnosis.logs.table import Column, Floats, Ints, LogTable

Units = NDArray[Any]
"""Half units in single precision: they say how exact a value is, and need not be exact themselves."""
LARGEST = float(np.finfo(np.float32).max)


@dataclass(frozen=True, slots=True)
class _Block:
    """Values of one name in a block of rows."""

    start: int
    """Its first row."""
    at: Ints | None
    """Which of its rows have a value; None: all."""
    values: Floats
    half_units: Units
    """Of one entry where all are the same."""

    @property
    def rows(self) -> Ints:
        """Row of each value."""
        return np.arange(self.start, self.start + len(self.values)) if self.at is None else self.start + self.at


class BlockBuilder:
    """Gathers the blocks.

    Args:
        source: the file.
        format: its format in words.
    """

    def __init__(self, source: str, format: str) -> None:
        self.source, self.format = source, format
        self.num_rows = 0
        self._lines: list[Ints] = []
        self._blocks: dict[str, list[_Block]] = {}
        self._percent: set[str] = set()
        self._labels: dict[str, list[tuple[int, list[str]]]] = {}

    def start_rows(self, lines: Ints) -> None:
        """Begin a block of rows, which stand in these lines."""
        self._lines.append(lines)
        self.num_rows += len(lines)

    def add(self, name: str, at: Ints | None, values: Floats, half_units: Floats, is_percent: bool) -> None:
        """Add a name's values to the block; `at`: their rows within the block, None: all."""
        if len(values):
            is_same = bool((half_units == half_units[0]).all())
            units: Units = half_units[:1].copy() if is_same else np.minimum(half_units, LARGEST).astype(np.float32)
            start = self.num_rows - len(self._lines[-1])
            self._blocks.setdefault(name, []).append(_Block(start, at, values, units))
        if is_percent:
            self._percent.add(name)

    def label(self, name: str, texts: list[str]) -> None:
        """Say of which run each row of the block is."""
        self._labels.setdefault(name, []).append((self.num_rows - len(texts), texts))

    def build(self) -> LogTable:
        """The table of all that was added. Columns without gaps share the arrays of rows and lines."""
        lines = np.concatenate([np.empty(0, np.int64), *self._lines])
        every = np.arange(self.num_rows)
        columns = [self._column(name, every, lines) for name in list(self._blocks)]
        unknown = np.full(self.num_rows, np.nan)
        labels = {name: self._said(blocks) for name, blocks in self._labels.items()}
        return LogTable(self.source, self.format, self.num_rows, tuple(columns), unknown, unknown, labels=labels)

    def _said(self, blocks: list[tuple[int, list[str]]]) -> list[str]:
        said = [""] * self.num_rows
        for start, texts in blocks:
            said[start : start + len(texts)] = texts
        return said

    def _column(self, name: str, every: Ints, lines: Ints) -> Column:
        blocks = self._blocks.pop(name)  # so that at most one column is held twice
        is_full = all(block.at is None for block in blocks) and sum(len(one.values) for one in blocks) == self.num_rows
        rows = every if is_full else np.concatenate([block.rows for block in blocks])
        return Column(
            name=name,
            split="",
            rows=rows,
            values=np.concatenate([block.values for block in blocks]),
            lines=lines if is_full else lines[rows],
            half_units=_joined(blocks, len(rows)),
            is_percent=name in self._percent,
        )


def _joined(blocks: list[_Block], size: int) -> Units:
    """The half units of all blocks, shape (size,)."""
    first = blocks[0].half_units[:1]
    if all(len(block.half_units) == 1 and block.half_units[0] == first[0] for block in blocks):
        return np.broadcast_to(first, (size,))
    return np.concatenate([np.broadcast_to(block.half_units, block.values.shape) for block in blocks], dtype=np.float32)
