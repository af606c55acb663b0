"""A log as a table: names, values by row, and where each value stands. Knows no format, no meaning of a name."""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

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

    @property
    def full_name(self) -> str:
        """As the log has it, with the split of the heading above it."""
        return f"{self.name} ({self.split})" if self.split else self.name

    def only(self, kept: slice | NDArray[np.bool_]) -> Column:
        """The column with some of its values."""
        return replace(
            self,
            rows=self.rows[kept],
            values=self.values[kept],
            lines=self.lines[kept],
            half_units=self.half_units[kept],
        )

    def at_rows(self, num_rows: int) -> Floats:
        """The values at their rows, shape (rows,); NaN: none."""
        placed = np.full(num_rows, np.nan)
        placed[self.rows] = self.values
        return placed


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
    step_unit: str = "step"
    """What `steps` counts: `step`, `iteration`, `round` (of boosting), `episode`, `timestep` (of an environment),
    `sample` or `second`."""
    step_name: str = ""
    """The name in the log that `steps` is read from; empty: it is a part of the text, or unknown."""
    epoch_name: str = ""
    times: Floats | None = None
    """When each row was written, seconds since 1970, shape (rows,); NaN: unknown. None: the format does not tell."""
    labels: Mapping[str, Sequence[str]] = field(default_factory=dict[str, Sequence[str]], repr=False)
    """What stands in each row under the names that say of which run it is; empty: nothing."""
    notes: tuple[str, ...] = ()
    """What was left out, and why, in words."""

    @property
    def num_values(self) -> int:
        """Values of all columns."""
        return sum(len(column.values) for column in self.columns)


@dataclass
class _Cells:
    """Values of one name, growing: 32 bytes each and no object."""

    rows: array[int] = field(default_factory=lambda: array("q"))
    values: array[float] = field(default_factory=lambda: array("d"))
    lines: array[int] = field(default_factory=lambda: array("q"))
    half_units: array[float] = field(default_factory=lambda: array("d"))
    is_percent: bool = False


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
        self.step_unit, self.step_name, self.epoch_name = "step", "", ""
        self._cells: dict[tuple[str, str], _Cells] = {}
        self._labels: dict[str, dict[int, str]] = {}
        self._steps = array("d")
        self._epochs = array("d")

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
        cells = self._cells.get((split, name))
        if cells is None:
            cells = self._cells[split, name] = _Cells()
        cells.rows.append(self.num_rows - 1)
        cells.values.append(value)
        cells.lines.append(line)
        cells.half_units.append(half_unit)
        cells.is_percent |= percent

    def label(self, name: str, text: str) -> None:
        """Say of which run the row is that was begun."""
        self._labels.setdefault(name, {})[self.num_rows - 1] = text

    def take_back(self, split: str, name: str) -> None:
        """Take a name's value out of the row that was begun, if it has one."""
        cells = self._cells.get((split, name))
        if cells is not None and cells.rows and cells.rows[-1] == self.num_rows - 1:
            for values in (cells.rows, cells.values, cells.lines, cells.half_units):
                values.pop()

    def build(self) -> LogTable:
        """The table of all that was added."""
        return LogTable(
            source=self.source,
            format=self.format,
            num_rows=self.num_rows,
            columns=tuple(_column(split, name, cells) for (split, name), cells in self._cells.items()),
            steps=np.array(self._steps, np.float64),
            epochs=np.array(self._epochs, np.float64),
            batches=next(iter(self.batches)) if len(self.batches) == 1 else None,
            step_unit=self.step_unit,
            step_name=self.step_name,
            epoch_name=self.epoch_name,
            labels={name: [said.get(row, "") for row in range(self.num_rows)] for name, said in self._labels.items()},
        )


def _column(split: str, name: str, cells: _Cells) -> Column:
    return Column(
        name=name,
        split=split,
        rows=np.array(cells.rows, np.int64),
        values=np.array(cells.values, np.float64),
        lines=np.array(cells.lines, np.int64),
        half_units=np.array(cells.half_units, np.float64),
        is_percent=cells.is_percent,
    )
