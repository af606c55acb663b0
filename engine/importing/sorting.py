"""What becomes of each series of a log: the loss and its terms, what is recorded beside them, results of validations.

Goes by what the names mean (`engine.diagnosis.logs`), and by how often a series has a value where the loss has one.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np

from trainctl.engine.diagnosis.logs.course import is_by_epoch, training_loss
from trainctl.engine.diagnosis.logs.facts import LogFacts, Series
from trainctl.engine.diagnosis.logs.names import SPLITS, TEST, TRAIN, VAL, Kind
from trainctl.engine.diagnosis.logs.sums import Sum
from trainctl.engine.diagnosis.logs.table import Ints
from trainctl.engine.importing.foreign import clean_name

DENSE = 0.5
"""Share of the training rows in which a series must have a value to be recorded at each of them."""
MOST_RESULTS = 4096
"""Values of a series that are told as results; one with more is recorded at each training row."""
MOST_SCALARS = 200
"""Further columns of a record: a log may name thousands."""
QUALITY = (Kind.RATE, Kind.CORRELATION, Kind.SCORE, Kind.ERROR)
PLACES = (Kind.STEP, Kind.EPOCH)
_WORDS = "|".join(sorted(SPLITS[VAL], key=len, reverse=True))
_BEFORE = re.compile(rf"^(?:{_WORDS})(?:[_/.\s:-]+|(?=[A-Z]))", re.IGNORECASE)
_AFTER = re.compile(rf"[_/.\s:-]+(?:{_WORDS})$", re.IGNORECASE)


@dataclass(frozen=True)
class Named:
    """A series and what it is called in the run."""

    name: str
    series: Series


@dataclass(frozen=True)
class Parts:
    """The series of a log, by what becomes of them."""

    rows: Ints
    """Training rows, ascending: those of the loss, or of what stands for it."""
    loss: Series | None
    """None: no total is known."""
    terms: tuple[Named, ...]
    weights: tuple[float, ...] | None
    """Of the terms, as the rows of the log themselves tell; None: they do not."""
    rates: tuple[Series, ...]
    norm: Series | None
    groups: tuple[Named, ...]
    """Norms of parts of the network."""
    scale: Series | None
    """Loss scale."""
    ratio: Series | None
    """Update ratio."""
    scalars: tuple[Named, ...]
    results: tuple[Named, ...]
    """What is measured now and then: validations, and metrics that most training rows lack."""
    left_out: tuple[str, ...]
    """Names of columns beyond `MOST_SCALARS`."""


def sort_series(log: LogFacts) -> Parts:
    """Decide for each series of a log."""
    return _Sorter(log).parts()


class _Sorter:
    def __init__(self, log: LogFacts) -> None:
        self.log = log
        self.loss = training_loss(log)
        leading = self.loss or _leading(log)
        self.rows: Ints = np.unique(leading.rows) if leading is not None else np.empty(0, np.int64)
        self.by_epoch = leading is not None and is_by_epoch(log, leading)
        self.taken: set[int] = set()

    def parts(self) -> Parts:
        terms = self._terms()
        norm, groups = self._norms()
        rates = self._of_training(Kind.LR)
        scale, ratio = self._one(Kind.LOSS_SCALE), self._one(Kind.UPDATE_RATIO)
        self._take(*([self.loss] if self.loss else []), *rates)
        results, scalars = self._rest()
        named = _unique(scalars, {"loss"})
        return Parts(
            rows=self.rows,
            loss=self.loss,
            terms=terms,
            weights=_weights(self.loss, terms),
            rates=rates,
            norm=norm,
            groups=groups,
            scale=scale,
            ratio=ratio,
            scalars=named[:MOST_SCALARS],
            results=_results(results),
            left_out=tuple(one.name for one in named[MOST_SCALARS:]),
        )

    def _take(self, *series: Series) -> None:
        self.taken |= set(map(id, series))

    def _is_dense(self, series: Series) -> bool:
        return len(self.rows) > 0 and np.isin(self.rows, series.rows).mean() >= DENSE

    def _of_training(self, *kinds: Kind) -> tuple[Series, ...]:
        return tuple(one for one in self.log.of(*kinds) if one.meaning.split in (TRAIN, ""))

    def _terms(self) -> tuple[Named, ...]:
        found = [one for one in self._of_training(Kind.TERM) if self._is_dense(one)]
        self._take(*found)
        return _unique([(one.meaning.term or one.name, one) for one in found], set())

    def _norms(self) -> tuple[Series | None, tuple[Named, ...]]:
        """The norm of the whole gradient, the one with the shortest name, and those of parts."""
        found = sorted(
            (one for one in self._of_training(Kind.GRAD_NORM) if self._is_dense(one)), key=lambda one: len(one.name)
        )
        self._take(*found)
        if not found:
            return None, ()
        return found[0], _unique([(one.name, one) for one in found[1:]], set())

    def _one(self, kind: Kind) -> Series | None:
        """The series of a kind that has the most values."""
        found = max(self._of_training(kind), key=lambda one: len(one.values), default=None)
        self._take(*([found] if found else []))
        return found

    def _rest(self) -> tuple[list[Series], list[tuple[str, Series]]]:
        """What is told now and then, and what is recorded at each training row."""
        results: list[Series] = []
        scalars: list[tuple[str, Series]] = []
        for one in self.log.series:
            if id(one) in self.taken or not len(one.values):
                continue
            if self._is_result(one):
                results.append(one)
            elif self._is_dense(one) or (len(one.values) > MOST_RESULTS and one.meaning.kind not in PLACES):
                scalars.append((one.name, one))
        return results, scalars

    def _is_result(self, series: Series) -> bool:
        kind, split = series.meaning.kind, series.meaning.split
        if kind in (*PLACES, Kind.TIME) or len(series.values) > MOST_RESULTS:
            return False
        if split in (VAL, TEST):
            return True
        if self._is_dense(series):
            return self.by_epoch and not split and kind in QUALITY and not self._has_twin(series)
        return len(series.values) > 1 or kind is not Kind.OTHER

    def _has_twin(self, series: Series) -> bool:
        """Whether the same metric is there of a validation, so that this one is of the training."""
        same = (one for one in self.log.of(series.meaning.kind) if one.meaning.split in (VAL, TEST))
        return any(one.meaning.words == series.meaning.words for one in same)


def _leading(log: LogFacts) -> Series | None:
    """What stands for the loss where none is known: a term, else whatever has the most values of the training."""
    kinds = [kind for kind in Kind if kind not in (*PLACES, Kind.TIME, Kind.OTHER)]
    of_training = [one for one in log.of(*kinds) if one.meaning.split in (TRAIN, "")]
    terms = [one for one in of_training if one.meaning.kind is Kind.TERM]
    for some in (terms, of_training, log.of(*kinds), list(log.series)):
        if some:
            return max(some, key=lambda one: len(one.values))
    return None


def _weights(loss: Series | None, terms: Sequence[Named]) -> tuple[float, ...] | None:
    """The weights with which the terms add up to the loss in every row; None: none, or they cannot be told."""
    if loss is None or not terms:
        return None
    if len(terms) == 1 and terms[0].series is loss:
        return (1.0,)
    found = _sum(loss, [one.series for one in terms])
    if not len(found.rows):
        return None
    ones = (1.0,) * len(terms)
    if found.fits(ones).all():
        return ones
    fitted = found.fitted()
    if fitted is None or not (np.isfinite(fitted).all() and (fitted > 0).all()):
        return None
    weights = tuple(map(float, fitted))
    return weights if found.fits(weights).all() else None


def _sum(total: Series, terms: Sequence[Series]) -> Sum:
    """The total and its terms in the rows that have them all, finite."""
    every = (total, *terms)
    rows = reduce(np.intersect1d, [one.rows[np.isfinite(one.values)] for one in every])
    at = [np.searchsorted(one.rows, rows, side="right") - 1 for one in every]
    return Sum(
        total=total,
        terms=tuple(terms),
        rows=rows,
        at=at[0],
        total_n=total.values[at[0]],
        total_slack_n=total.slack[at[0]],
        terms_nt=np.stack([one.values[k] for one, k in zip(terms, at[1:], strict=True)], axis=1),
        slack_nt=np.stack([one.slack[k] for one, k in zip(terms, at[1:], strict=True)], axis=1),
    )


def _results(series: Sequence[Series]) -> tuple[Named, ...]:
    """Results under the names that runs of ours give them: `loss`, `accuracy`; in full where two would be the same."""
    short = [_short(one) for one in series]
    pairs = [(name if short.count(name) == 1 else one.name, one) for name, one in zip(short, series, strict=True)]
    return _unique(pairs, set())


def _short(series: Series) -> str:
    meaning = series.meaning
    if meaning.split != VAL:
        return series.name
    if meaning.kind is Kind.TOTAL and not meaning.part:
        return "loss"
    return _AFTER.sub("", _BEFORE.sub("", series.column.name)) or series.name


def _unique(pairs: Sequence[tuple[str, Series]], taken: set[str]) -> tuple[Named, ...]:
    """With clean names, none of them twice."""
    named: list[Named] = []
    taken = set(taken)
    for name, one in pairs:
        told = clean_name(name) or "unnamed"
        number = 2
        while told in taken:
            told = f"{clean_name(name, 90)} ({number})"
            number += 1
        taken.add(told)
        named.append(Named(told, one))
    return tuple(named)
