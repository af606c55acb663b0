"""What rules know of a log: its figures by meaning, and what the user said of the training. Plain data, no torch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import numpy as np

from trainctl.engine.diagnosis.logs.batches import told_batch_size
from trainctl.engine.diagnosis.logs.beside import with_counted_epochs
from trainctl.engine.diagnosis.logs.names import TEST, VAL, Kind, Meaning, some_of
from trainctl.engine.diagnosis.logs.roles import Roles, meanings, with_roles
from trainctl.engine.diagnosis.logs.table import Column, Floats, Ints, LogTable
from trainctl.engine.diagnosis.logs.vocabulary import ADVERSARIAL

T = TypeVar("T")
RELATIVE = 1e-5
"""Rounding of single precision and of a mean over batches, relative to the value."""
MOST_OF_A_KIND = 256
"""Names of one kind and part of the training that are judged: the time grows with their square."""


@dataclass(frozen=True)
class Series:
    """One name of a log with what it means."""

    column: Column
    meaning: Meaning

    @property
    def name(self) -> str:
        """As the log has it, with the split of the heading above it."""
        return self.column.full_name

    @property
    def values(self) -> Floats:
        """All values, in order."""
        return self.column.values

    @property
    def rows(self) -> Ints:
        """Row of each value."""
        return self.column.rows

    @property
    def finite(self) -> Floats:
        """The finite values, in order."""
        return self.values[np.isfinite(self.values)]

    @property
    def slack(self) -> Floats:
        """How far each value may be from what was meant: its last digit and single precision."""
        return self.column.half_units + RELATIVE * np.abs(np.where(np.isfinite(self.values), self.values, 0.0))

    def say(self, index: int) -> str:
        """A value as the log prints it, near enough: with as many digits."""
        return say(float(self.values[index]), float(self.column.half_units[index]))


@dataclass(frozen=True)
class LogFacts:
    """A log, and what is known beside it."""

    table: LogTable
    series: tuple[Series, ...]
    weights: Mapping[str, float] | None = None
    """Weight of each loss term by its name in the configuration; None: no configuration was named."""
    weights_from: str = ""
    """The preset or configuration that they are from."""
    num_clusters: int | None = None
    """K of a mixture or clustering; None: unknown."""
    num_classes: int | None = None
    batch_size: int | None = None
    notes: tuple[str, ...] = field(default=())
    is_run: bool = False
    """Whether it is the course of a run of ours, judged unasked: what may as well be healthy is then no finding."""
    early: str = ""
    """Why it is too early to say that a loss stands still; empty: it is not."""
    sole_weight: float | None = None
    """Weight of the one term that the total of a run is made of; None: there are several, or it is no run."""

    is_opposed: bool = False
    """Whether groups of parameters minimise losses of their own, as rivals do: then there is no total."""
    remembered: dict[Hashable, Any] = field(init=False, default_factory=dict[Hashable, Any], compare=False, repr=False)
    """What `once` found, by its key."""

    @property
    def has_rivals(self) -> bool:
        """Whether networks are trained that are judged by each other: each one's loss says nothing of its progress."""
        words = {word for one in self.of(Kind.TERM) for word in one.meaning.words}
        return bool(words & ADVERSARIAL) or ("gen" in words and bool(words & {"dis", "disc"}))

    @property
    def without_loss(self) -> str:
        """Why there is no training loss, in words."""
        if self.is_opposed:
            return "its groups minimise losses of their own, of which the sum says nothing"
        losses = [one.name for one in self.of(Kind.TOTAL, Kind.TERM) if one.meaning.split not in (VAL, TEST)]
        if not losses:
            return "no training loss is named"
        names = some_of(losses)
        if self.has_rivals:
            return f"{names}: losses of networks that are judged by each other say nothing of their progress"
        return f"{names} are several losses, and none is their sum"

    def of(self, *kinds: Kind, split: str | None = None) -> list[Series]:
        """The series of these kinds; `split` None: of every split. Not to be changed: it is remembered."""
        return self.once((kinds, split), lambda log: log.find(kinds, split))

    def find(self, kinds: Collection[Kind], split: str | None) -> list[Series]:
        """As `of`, found anew."""
        wanted = (one for one in self.series if one.meaning.kind in kinds)
        return [one for one in wanted if split is None or one.meaning.split == split]

    def once(self, key: Hashable, find: Callable[[LogFacts], T]) -> T:
        """What `find` says of this log; it is asked once for each key."""
        if key not in self.remembered:
            self.remembered[key] = find(self)
        return self.remembered[key]

    def weight_of(self, series: Series) -> float:
        """What multiplies the one term that a total is made of: what is known of a term is known of its multiple.

        1 for a term itself, and where the total is made of several, or nothing tells.
        """
        if series.meaning.kind is not Kind.TOTAL:
            return 1.0
        if self.sole_weight:
            return self.sole_weight
        counted = [weight for weight in (self.weights or {}).values() if weight]
        is_alone = len(counted) == 1 and len({term.meaning.term for term in self.of(Kind.TERM)}) <= 1
        return counted[0] if is_alone else 1.0

    def where(self, series: Series, index: int) -> str:
        """The place of a value: its line, else its step or row."""
        line, row = int(series.column.lines[index]), int(series.rows[index])
        epoch, step = self.table.epochs[row], self.table.steps[row]
        told = f"epoch {epoch:g}" if np.isfinite(epoch) else f"step {step:g}" if np.isfinite(step) else ""
        if line:
            return f"line {line}" + (f" ({told})" if told else "")
        return told or f"row {row + 1}"

    def step_of(self, series: Series, index: int) -> Mapping[str, int]:
        """The step of a value, as the figure by which charts mark a finding; empty where the log counts none."""
        step = self.table.steps[series.rows[index]]
        is_counted = self.table.step_unit == "step" and np.isfinite(step)
        return {"step": int(step)} if is_counted else {}


def read_facts(
    table: LogTable,
    *,
    weights: Mapping[str, float] | None = None,
    weights_from: str = "",
    num_clusters: int | None = None,
    num_classes: int | None = None,
    batch_size: int | None = None,
    roles: Roles = (),
) -> LogFacts:
    """The facts of a log; the arguments as in `LogFacts`, `roles`: what the user says that its names are.

    Raises:
        UserError: a role of a name that the log does not have.
    """
    table = with_roles(table, roles)
    found = _bounded(meanings(table.columns, roles))
    table = with_counted_epochs(table, found)
    series = tuple(map(Series, table.columns, found))
    size = batch_size or told_batch_size(table)
    return LogFacts(table, series, weights, weights_from, num_clusters, num_classes, size)


def _bounded(found: Sequence[Meaning]) -> list[Meaning]:
    """The meanings; of more than `MOST_OF_A_KIND` figures of one kind and part the others are not judged."""
    counts: Counter[tuple[Kind, str]] = Counter()
    kept: list[Meaning] = []
    for meaning in found:
        counts[meaning.kind, meaning.split] += 1
        is_kept = counts[meaning.kind, meaning.split] <= MOST_OF_A_KIND
        kept.append(meaning if is_kept else replace(meaning, kind=Kind.OTHER))
    return kept


def say(value: float, half_unit: float = 0.0) -> str:
    """A number with the digits that were printed, or four significant ones."""
    if half_unit <= 0 or not np.isfinite(value):
        return f"{value:.4g}"
    decimals = round(-np.log10(2 * half_unit))
    return f"{value:.{decimals}f}" if 0 <= decimals <= 6 else f"{value:.4g}"
