"""How a run went so far, in the form of a log: what was recorded at each step, thinned, and every validation.

So the rules that judge the course of any tool's log judge a run too, while it goes on. Gets records and events; knows
no file and no rule. Time and memory are bounded on a run of any length.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainctl.engine.diagnosis.logs.course import LEAST_EPOCHS, LEAST_STEPS
from trainctl.engine.diagnosis.logs.facts import LogFacts, Series
from trainctl.engine.diagnosis.logs.names import TRAIN, VAL, Kind, Meaning, meaning_of, words_of
from trainctl.engine.diagnosis.logs.table import Column, Ints, LogTable
from trainctl.engine.runs.blocks import BLOCK, Blocks
from trainctl.engine.runs.events import Event
from trainctl.engine.runs.record import RecordLayout, Records

MOST = 512
"""Values of the training loss that are kept: each is the mean of equally many steps."""
MOST_VALIDATIONS = 4096
MAY_BE_ABSENT = ("update_ratio", "amp_scale")
"""Of which NaN says that there was nothing to measure."""
SETTLED = 2
"""Epochs, and warmups, after which a loss that stands still is worth a word."""

Doubles = NDArray[np.float64]


@dataclass(frozen=True)
class Extent:
    """What the plan of a run says of its beginning; 0: unknown."""

    warmup_steps: int = 0
    steps_per_epoch: int = 0

    def too_early(self, step: int) -> str:
        """Why nothing can be said yet of a loss that stands still; empty: it can."""
        settled = SETTLED * max(self.warmup_steps, self.steps_per_epoch)
        return f"too early to say that it stands still: step {step} of {settled}" if step < settled else ""


class LossCourse:
    """Means of what is recorded at each step over blocks of steps, at most `MOST` of them."""

    def __init__(self) -> None:
        self.size = 1
        """Steps of a block."""
        self._blocks = np.empty((0, 0))
        self._rest: list[Doubles] = []
        self._num_rest = 0
        self._weights: Doubles = np.empty(0)

    def leap(self, blocks: Blocks, names: Sequence[str], layout: RecordLayout) -> None:
        """Begin with the blocks of an overview."""
        wanted = ["loss", "lr", "epoch", *(f"raw.{term}" for term in layout.terms), *_further(layout)]
        if not set(wanted) <= set(names):
            return
        means = blocks["mean"][:, [names.index(name) for name in wanted]].astype(np.float64)
        self.size, self._blocks = BLOCK, np.column_stack([blocks["step"].astype(np.float64), means])
        self._halve()

    def add(self, records: Records, layout: RecordLayout) -> None:
        """Take in records, shape (n,)."""
        columns = [records["step"], records["loss"], records["lr"][:, 0], records["epoch"]]
        columns += [records[name] for name in (*(f"term.{term}" for term in layout.terms), *_further(layout))]
        self._rest.append(np.column_stack(columns).astype(np.float64))
        self._num_rest += len(records)
        self._weights = np.array([records[f"weight.{term}"][-1] for term in layout.terms], np.float64)
        if self._num_rest >= self.size:
            self._settle()

    def rows(self) -> tuple[Doubles, Doubles, Doubles, Doubles]:
        """Last step, epoch, loss and learning rate of each block, shape (n,).

        The loss is the sum of the terms under the newest weights: what a weight that changes does to the total
        is no progress.
        """
        table = self._table()
        loss = table[:, 1]
        counted = np.flatnonzero(self._weights)
        if len(counted) and np.isfinite(self._weights).all():
            loss = table[:, 4 + counted] @ self._weights[counted]
        return table[:, 0], np.rint(table[:, 3]), loss, table[:, 2]

    def weights(self, terms: Sequence[str]) -> dict[str, float] | None:
        """Newest weight of each term; None where there are no records, or one is no number."""
        is_known = len(self._weights) == len(terms) and bool(np.isfinite(self._weights).all())
        return dict(zip(terms, self._weights.tolist(), strict=True)) if is_known else None

    def beside(self, layout: RecordLayout) -> dict[str, Doubles]:
        """What was recorded beside loss and rate, by the name that it has in an export: terms, norm, ratio, scale."""
        names = [*(f"term.{term}" for term in layout.terms), *_further(layout)]
        table = self._table()
        return {name: table[:, 4 + k] for k, name in enumerate(names)} if table.shape[1] == 4 + len(names) else {}

    @property
    def sole_weight(self) -> float | None:
        """Newest weight of the one term that counts; None where there are several, or none."""
        counted = self._weights[self._weights != 0]
        return float(counted[0]) if len(counted) == 1 and np.isfinite(counted[0]) and counted[0] > 0 else None

    def _table(self) -> Doubles:
        """A row for each block, and one for what has come since: step, loss, rate, epoch, then what is beside them."""
        rest = np.concatenate(self._rest) if self._rest else np.empty((0, self._blocks.shape[1]))
        newest = _means(rest[None]) if len(rest) >= max(self.size // 2, 1) else rest[:0]
        return np.concatenate([self._blocks.reshape(-1, rest.shape[1]), newest])

    def _settle(self) -> None:
        waiting = np.concatenate(self._rest)
        whole = len(waiting) // self.size * self.size
        fresh = _means(waiting[:whole].reshape(-1, self.size, waiting.shape[1]))
        self._blocks = np.concatenate([self._blocks.reshape(-1, waiting.shape[1]), fresh])
        self._rest, self._num_rest = [waiting[whole:]], len(waiting) - whole
        self._halve()

    def _halve(self) -> None:
        while len(self._blocks) > MOST:
            pairs = len(self._blocks) // 2
            odd = self._blocks[2 * pairs :]
            self._blocks = _means(self._blocks[: 2 * pairs].reshape(pairs, 2, -1))
            # One that has no partner waits for it, as often as it has steps.
            self._rest = [np.repeat(odd, self.size, 0), *self._rest]
            self._num_rest += len(odd) * self.size
            self.size *= 2


def _further(layout: RecordLayout) -> tuple[str, ...]:
    """Fields beside loss, rate and terms, as records and overview call them."""
    return ("grad_norm", "update_ratio", "amp_scale", *(f"scalar.{name}" for name in layout.scalars))


def _means(groups: Doubles) -> Doubles:
    """Mean of what is finite in each group, and its last step: (groups, members, columns) to (groups, columns)."""
    is_finite = np.isfinite(groups)
    count = is_finite.sum(1)
    sums = np.where(is_finite, groups, 0.0).sum(1)
    means = np.divide(sums, count, where=count > 0, out=np.full(sums.shape, np.nan))
    means[:, 0] = groups[:, -1, 0]
    return means


def recorded_course(
    course: LossCourse,
    validations: Iterable[Event],
    extent: Extent,
    *,
    num_classes: int | None,
    layout: RecordLayout,
) -> LogFacts:
    """The course as the facts of a log.

    Args:
        course: of the training.
        validations: events in force, oldest first.
        extent: of the run's beginning.
        num_classes: None: unknown.
        layout: of the records. Its terms say what the loss is of, and are no metrics; where groups minimise terms of
            their own, the sum is nobody's loss.
    """
    steps, epochs, _, _ = course.rows()
    held = list(validations)[-MOST_VALIDATIONS:]
    at = np.array([event.step for event in held], np.float64)
    # A validation comes after the steps it is of.
    order = np.argsort(np.concatenate([steps, at]), kind="stable")
    row_of = np.empty(len(order), np.int64)
    row_of[order] = np.arange(len(order))
    of_epochs = np.array([event.whole("epoch") for event in held], np.float64)
    is_opposed = bool(layout.lr_names)
    series = _of_steps(course, row_of[: len(steps)], layout)
    series += _validated(held, row_of[len(steps) :], (*layout.terms, "loss") if is_opposed else layout.terms)
    table = LogTable(
        source="the run",
        format="run",
        num_rows=len(order),
        columns=tuple(one.column for one in series),
        steps=np.concatenate([steps, at])[order],
        epochs=np.concatenate([epochs, of_epochs])[order],
    )
    last = int(steps[-1]) if len(steps) else 0
    return LogFacts(
        table,
        tuple(series),
        weights=course.weights(layout.terms),
        weights_from="the run",
        num_classes=num_classes,
        is_run=True,
        early=extent.too_early(last),
        is_opposed=is_opposed,
        sole_weight=course.sole_weight,
    )


def _of_steps(course: LossCourse, rows: Ints, layout: RecordLayout) -> list[Series]:
    """What was recorded at each step; nothing as long as there are too few."""
    _, epochs, losses, rates = course.rows()
    is_enough = len(losses) * course.size >= LEAST_STEPS or len(np.unique(epochs)) >= LEAST_EPOCHS
    if not is_enough or not len(losses):
        return []
    trained = _trained(rows, None if layout.lr_names else losses, rates, layout.terms)
    return trained + _beside(rows, course.beside(layout), layout.terms)


def _trained(rows: Ints, losses: Doubles | None, rates: Doubles, terms: Sequence[str]) -> list[Series]:
    """The training loss, where there is one, and the learning rate."""
    words = frozenset(word for term in terms for word in words_of(term))
    rate = _series("learning rate", rates, rows, Meaning(Kind.LR, "", frozenset()))
    if losses is None:
        return [rate]
    return [_series("training loss", losses, rows, Meaning(Kind.TOTAL, TRAIN, words)), rate]


def _beside(rows: Ints, recorded: Mapping[str, Doubles], terms: Sequence[str]) -> list[Series]:
    """What was recorded beside loss and rate; a single term is the loss itself, and said once."""
    series: list[Series] = []
    for name, values in recorded.items():
        known = ~np.isnan(values) if name in MAY_BE_ABSENT else np.ones(len(values), bool)
        if not known.any() or (name.startswith("term.") and len(terms) < 2):
            continue
        plain = name.removeprefix("scalar.")
        series.append(_series(plain, values[known], rows[known], meaning_of(plain, TRAIN)))
    return series


def _validated(events: Sequence[Event], rows: Ints, terms: Sequence[str]) -> list[Series]:
    """The validation loss and the metrics of the raw weights, which are those that are trained."""
    cells: dict[str, list[tuple[int, float]]] = {}
    for event, row in zip(events, rows.tolist(), strict=True):
        found: Any = event.data.get("raw")
        for name, value in (found if isinstance(found, Mapping) else {}).items():
            number = float(value) if isinstance(value, int | float) else np.nan
            cells.setdefault(str(name), []).append((row, number))
    known: list[Series] = []
    for name, pairs in cells.items():
        plain = name.rpartition("/")[2]  # of a further validation set
        if plain in terms and plain != "loss":  # a watched loop may have no other name for its total
            continue
        meaning = Meaning(Kind.TOTAL, VAL, frozenset()) if plain == "loss" else meaning_of(name, VAL)
        at, values = np.array(pairs, np.float64).T
        words = "validation loss" if name == "loss" else name
        known.append(_series(words, values, at.astype(np.int64), meaning))
    return known


def _series(name: str, values: Doubles, rows: Ints, meaning: Meaning) -> Series:
    nothing = np.zeros(len(values))
    return Series(Column(name, "", rows, values, nothing.astype(np.int64), nothing), meaning)
