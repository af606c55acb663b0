"""A log as a table: names, values by row, and where each value stands. Knows no format, no meaning of a name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Column:
    """One name of a log. The arrays have one entry for each value that was logged, in the order of the log."""

    name: str
    """As the log has it."""
    split: str
    """`train`, `val` or `test` where a heading above the name says so; empty: only the name itself can tell."""
    rows: Ints
    """Row of each value."""
    values: Floats
    """NaN and infinity are what the log says, never a gap."""
    lines: Ints
    """Line of the file, from 1; 0: the format has no lines."""
    half_units: Floats
    """Half a unit of the last digit that was printed: how far rounding may have moved the value."""
    is_percent: bool = False
    """Whether the log prints a percent sign behind the value."""


@dataclass(frozen=True)
class LogTable:
    """What a log says. A row is what was logged at one time."""

    source: str
    """The file."""
    format: str
    """`CSV`, `JSON lines`, `TensorBoard events`, `text` ..."""
    num_rows: int
    columns: tuple[Column, ...]
    steps: Floats
    """Step of each row, shape (rows,); NaN: unknown."""
    epochs: Floats
    """Epoch of each row, shape (rows,); NaN: unknown."""
    batches: int | None = None
    """Batches of an epoch, where the log says so and always the same; None: unknown."""

    @property
    def num_values(self) -> int:
        """Values of all columns."""
        return sum(len(column.values) for column in self.columns)


class TableBuilder:
    """Gathers values row by row.

    Args:
        source: the file.
        format: its format in words.
    """

    def __init__(self, source: str, format: str) -> None:
        self.source, self.format = source, format
        self.num_rows = 0
        self.batches: set[int] = set()
        """Numbers of batches of an epoch that the log names."""
        self._cells: dict[tuple[str, str], list[tuple[int, float, int, float]]] = {}
        self._percent: set[tuple[str, str]] = set()
        self._steps: list[float] = []
        self._epochs: list[float] = []

    def start_row(self, step: float = np.nan, epoch: float = np.nan) -> None:
        """Begin a row; values go into it until the next one begins."""
        self.num_rows += 1
        self._steps.append(step)
        self._epochs.append(epoch)

    def place(self, step: float | None = None, epoch: float | None = None) -> None:
        """Say the step or the epoch of the row that was begun."""
        if step is not None:
            self._steps[-1] = step
        if epoch is not None:
            self._epochs[-1] = epoch

    def add(
        self, name: str, value: float, *, line: int = 0, half_unit: float = 0.0, split: str = "", percent: bool = False
    ) -> None:
        """Add a value to the row that was begun."""
        assert self.num_rows, "no row was begun"
        self._cells.setdefault((split, name), []).append((self.num_rows - 1, value, line, half_unit))
        if percent:
            self._percent.add((split, name))

    def build(self) -> LogTable:
        """The table of all that was added."""
        return LogTable(
            source=self.source,
            format=self.format,
            num_rows=self.num_rows,
            columns=tuple(self._column(key) for key in self._cells),
            steps=np.array(self._steps, np.float64),
            epochs=np.array(self._epochs, np.float64),
            batches=next(iter(self.batches)) if len(self.batches) == 1 else None,
        )

    def _column(self, key: tuple[str, str]) -> Column:
        split, name = key
        cells: NDArray[Any] = np.array(self._cells[key], np.float64).reshape(-1, 4)
        return Column(
            name=name,
            split=split,
            rows=cells[:, 0].astype(np.int64),
            values=cells[:, 1],
            lines=cells[:, 2].astype(np.int64),
            half_units=cells[:, 3],
            is_percent=key in self._percent,
        )
