"""Which figures of a bar count: Keras prints a bar before a validation and again after it, and one for `evaluate()`.

Knows no other lines than bars and the headings of epochs.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum, auto

import numpy as np

from trainctl.engine.diagnosis.logs.names import VAL, meaning_of
from trainctl.engine.diagnosis.logs.table import Column, LogTable

Keys = Collection[tuple[str, str]]
"""Split and name of figures."""
ENOUGH = 5
"""Epochs from which on only what was said of whole ones counts: what a bar says before is a mean of few steps."""
NEARLY = 0.95
"""Share of a bar from which on it tells the epoch, and the next one tells it again."""


class Bar(Enum):
    """What a bar is."""

    OF_EPOCH = auto()
    AGAIN = auto()
    """Of the epoch, which was told before."""
    TEST = auto()
    """Of other samples."""


@dataclass
class Bars:
    """The bars of the present epoch."""

    is_headed: bool = False
    """Whether the heading of an epoch stands above."""
    steps: float = 0.0
    """Of its bar; 0: there was none yet."""
    share: float = 0.0
    """How much of the last bar was done."""
    keys: set[tuple[str, str]] = field(default_factory=set[tuple[str, str]])
    num_epochs: int = 0
    """Epochs that had a bar under their heading."""
    interim: dict[tuple[str, str], list[int]] = field(default_factory=dict[tuple[str, str], list[int]])
    """Rows of what bars said before they were done."""

    def begin(self) -> None:
        """A heading of an epoch."""
        self.is_headed, self.steps, self.share = True, 0.0, 0.0
        self.keys.clear()

    def take(self, done: float, steps: float, keys: Keys, row: int) -> Bar:
        """What a bar is that has done so many of its steps; `row`: of the figures before it."""
        told = self._told(steps, keys)
        if told is Bar.OF_EPOCH and self.is_headed:
            self.num_epochs += not self.steps
            for key in self.keys if self.share < 1 else ():
                self.interim.setdefault(key, []).append(row)
        if told is not Bar.TEST:
            self.steps, self.share = steps, done / steps if steps else 1.0
            self.keys.clear()
            self.keys.update(keys)
        return told

    def _told(self, steps: float, keys: Keys) -> Bar:
        if not self.is_headed or not self.steps or not keys:
            return Bar.OF_EPOCH
        if steps != self.steps or (_are_validated(self.keys) and not _are_validated(keys)):
            return Bar.TEST
        is_again = self.share >= NEARLY and self.keys <= set(keys) and not _are_validated(self.keys)
        return Bar.AGAIN if is_again else Bar.OF_EPOCH

    def without_interim(self, table: LogTable) -> LogTable:
        """The table, of enough epochs, without what bars said before they were done."""
        if self.num_epochs < ENOUGH or not self.interim:
            return table
        columns = [_without(one, self.interim.get((one.split, one.name), ())) for one in table.columns]
        return replace(table, columns=tuple(one for one in columns if len(one.values)))


def _without(column: Column, rows: Sequence[int]) -> Column:
    if not rows:
        return column
    return column.only(~np.isin(column.rows, np.array(rows, np.int64)))


def _are_validated(keys: Keys) -> bool:
    return any(VAL in (split, meaning_of(name).split) for split, name in keys)
