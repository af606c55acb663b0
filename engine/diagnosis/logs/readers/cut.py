"""The last figure of a log that is still being written may be cut short. Knows no format."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np

from trainctl.engine.diagnosis.logs.numbers import NUMBER
from trainctl.engine.diagnosis.logs.table import Column, LogTable

_LAST = re.compile(rf"(?<![\w.])({NUMBER})\Z")
LONGEST = 64
"""Characters at the end in which the last figure is sought."""


def without_cut_figure(table: LogTable, text: str) -> LogTable:
    """The table without the figure at the end of the text, where it has fewer decimals than all before it.

    So too where a counter falls back at the end. A text that ends with a line break is whole.
    """
    found = _LAST.search(text[-LONGEST:])
    if found is None:
        return table
    last_line = text.count("\n") + 1
    columns = [one.only(slice(-1)) if _is_cut(one, last_line, float(found[1])) else one for one in table.columns]
    return replace(table, columns=tuple(columns))


def _is_cut(column: Column, last_line: int, value: float) -> bool:
    units = column.half_units
    if len(units) < 2 or column.lines[-1] != last_line or column.values[-1] != value:
        return False
    has_fewer_decimals = units[-1] > units[:-1].max()
    counts = (units == 0.5).all() and (np.diff(column.values[:-1]) >= 0).all()
    return bool(has_fewer_decimals) or bool(counts and value < column.values[-2])
