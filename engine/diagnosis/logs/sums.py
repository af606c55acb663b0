"""Which columns of a log make up a total loss, with which weights, and whether they add up; and what stands for a loss
where none is named. Knows no rule.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np

from trainctl.engine.diagnosis.logs.facts import LogFacts, Series
from trainctl.engine.diagnosis.logs.metrics import is_of_batches
from trainctl.engine.diagnosis.logs.names import TEST, TRAIN, VAL, Kind, Meaning
from trainctl.engine.diagnosis.logs.table import Column, Floats, Ints
from trainctl.engine.diagnosis.logs.vocabulary import DETECTOR_TERMS, PERPLEXITY

AVERAGING = 1e-3
"""Share of the sum of |weight · term| that reduced precision and averaging may move it by."""

TOGETHER = 0.9
"""Share of the rows of each term that must have all of them where their sum stands for the loss."""


@dataclass(frozen=True)
class Sum:
    """A total loss and its terms where all of them were logged at once."""

    total: Series
    terms: tuple[Series, ...]
    rows: Ints
    """Rows that have them all, finite; shape (n,)."""
    at: Ints
    """Index into the total's values of each row, shape (n,)."""
    total_n: Floats
    total_slack_n: Floats
    terms_nt: Floats
    """Values of the terms, shape (n, T)."""
    slack_nt: Floats

    def gaps(self, weights: Sequence[float]) -> tuple[Floats, Floats]:
        """Total less weighted sum, and how much of it rounding may be, of each row."""
        weight_T = np.array(weights, np.float64)
        rounding_n = self.total_slack_n + self.slack_nt @ np.abs(weight_T)
        rounding_n += AVERAGING * (np.abs(self.terms_nt) @ np.abs(weight_T))
        return self.total_n - self.terms_nt @ weight_T, rounding_n

    def fits(self, weights: Sequence[float]) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
        """Whether each row adds up with these weights."""
        gap_n, rounding_n = self.gaps(weights)
        return np.abs(gap_n) <= rounding_n

    def fitted(self) -> Floats | None:
        """The weights that the rows themselves determine; None: too few rows, or terms that move together."""
        num_rows, num_terms = self.terms_nt.shape
        if num_rows < num_terms + 2:
            return None
        scale_T = np.maximum(np.abs(self.terms_nt).max(0), 1e-12)
        solved = np.linalg.lstsq(self.terms_nt / scale_T, self.total_n, rcond=None)
        spread = solved[3]
        if spread[-1] < 1e-3 * spread[0]:
            return None
        weight_T: Floats = solved[0] / scale_T
        return weight_T


def find_sums(log: LogFacts) -> list[Sum]:
    """Each total loss with the terms of its part of the training; totals without a term are left out."""
    found: list[Sum] = []
    for total in log.of(Kind.TOTAL):
        terms = _terms_of(log, total)
        joined = _join(total, terms) if terms else None
        if joined is not None and not any(_same_terms(joined, other) for other in found):
            found.append(joined)
    return found


def match_weights(sum_: Sum, weights: Mapping[str, float]) -> tuple[list[float], list[str], list[str]]:
    """Weights of the terms in their order, terms of the log by the name that no weight has, and weights (other than 0)
    whose term the log lacks. A term that is not named weighs 1, as in a training."""
    named = [find_weight(term.meaning.term, weights) for term in sum_.terms]
    unnamed = [term.name for term, name in zip(sum_.terms, named, strict=True) if name is None]
    absent = [name for name, weight in weights.items() if weight and name not in named]
    return [1.0 if name is None else weights[name] for name in named], unnamed, absent


def find_weight(term: str, weights: Mapping[str, float]) -> str | None:
    """The name in `weights` of a log's term: the same, a word of it, or its only abbreviation (`c` for cluster)."""
    squeezed = term.replace(" ", "")
    for name in weights:
        if name.replace("_", "").lower() == squeezed:
            return name
    words = term.split()
    among = [name for name in weights if name.lower() in words]
    among = among or [name for name in weights if name.lower().startswith(squeezed)]
    return among[0] if len(among) == 1 else None


def _terms_of(log: LogFacts, total: Series) -> list[Series]:
    split = total.meaning.split
    terms = log.of(Kind.TERM, split=split)
    if not terms and split in (TRAIN, ""):
        terms = log.of(Kind.TERM, split="" if split else TRAIN)
    known = log.weights or {}
    spoken = [term for term in terms if _is_called_loss(term) or find_weight(term.meaning.term, known)]
    return _without_repeats(spoken)


def _is_called_loss(series: Series) -> bool:
    """Metrics such as RMSE are no part of the sum unless they are called a loss."""
    return bool(series.meaning.words & {"loss", "losses", "term"})


def _without_repeats(terms: Sequence[Series]) -> list[Series]:
    """One column a term: of `loss_step` and `loss_epoch` the one with more values."""
    best: dict[str, Series] = {}
    for term in terms:
        before = best.get(term.meaning.term)
        if before is None or len(term.values) > len(before.values):
            best[term.meaning.term] = term
    return list(best.values())


def _same_terms(one: Sum, other: Sum) -> bool:
    return one.terms == other.terms and len(one.rows) <= len(other.rows)


def _join(total: Series, terms: Sequence[Series]) -> Sum | None:
    """The rows in which the total and every term are finite; None: there are none."""
    rows = total.rows[np.isfinite(total.values)]
    for term in terms:
        rows = np.intersect1d(rows, term.rows[np.isfinite(term.values)])
    if not len(rows):
        return None
    at = [_index(series, rows) for series in (total, *terms)]
    return Sum(
        total=total,
        terms=tuple(terms),
        rows=rows,
        at=at[0],
        total_n=total.values[at[0]],
        total_slack_n=total.slack[at[0]],
        terms_nt=np.stack([term.values[index] for term, index in zip(terms, at[1:], strict=True)], axis=1),
        slack_nt=np.stack([term.slack[index] for term, index in zip(terms, at[1:], strict=True)], axis=1),
    )


def _index(series: Series, rows: Ints) -> Ints:
    """Index of the last finite value that a series has in each of the rows."""
    last = {int(row): index for index, row in enumerate(series.rows) if np.isfinite(series.values[index])}
    return np.array([last[int(row)] for row in rows], np.int64)


def sum_of_terms(log: LogFacts, split: str) -> Series | None:
    """The sum of a detector's terms where no total is logged; None: it is no fair course.

    Detectors print their terms as they are weighed. Training and validation must name the same ones, so that the one
    sum can be held against the other.

    Args:
        log: has them.
        split: `TRAIN` or `VAL`.
    """
    if split not in (TRAIN, VAL) or any(one.meaning.split != TEST for one in log.of(Kind.TOTAL)):
        return None
    terms = log.of(Kind.TERM)
    trained = [one for one in terms if one.meaning.split not in (VAL, TEST)]
    validated = [one for one in terms if one.meaning.split == VAL]
    names = [one.meaning.term for one in trained]
    is_paired = len(names) > 1 and sorted(names) == sorted(one.meaning.term for one in validated)
    is_each_once = len(set(names)) == len(names)
    if not is_paired or not is_each_once or not all(_is_of_detector(one) for one in trained):
        return None
    return _sum_of(trained if split == TRAIN else validated, split)


def _is_of_detector(one: Series) -> bool:
    return _is_called_loss(one) and set(one.meaning.term.split()) <= DETECTOR_TERMS


def _sum_of(terms: Sequence[Series], split: str) -> Series | None:
    rows: Ints = reduce(np.intersect1d, (one.rows for one in terms))
    if len(rows) < TOGETHER * max(len(one.rows) for one in terms) or not len(rows):
        return None
    at = [np.searchsorted(one.rows, rows) for one in terms]
    column = Column(
        name=" + ".join(one.name for one in terms),
        split="",
        rows=rows,
        values=np.sum([one.values[index] for one, index in zip(terms, at, strict=True)], axis=0),
        lines=terms[0].column.lines[at[0]],
        half_units=np.sum([one.column.half_units[index] for one, index in zip(terms, at, strict=True)], axis=0),
    )
    return Series(column, Meaning(Kind.TOTAL, split, frozenset().union(*(one.meaning.words for one in terms))))


def loss_of_perplexity(log: LogFacts, split: str) -> Series | None:
    """The logarithm of the perplexity, which is its loss, of a part of the training; None: there is none above 0."""
    named = [one for one in log.of(Kind.ERROR, split=split) if one.meaning.words & PERPLEXITY and len(one.finite)]
    named = [one for one in named if one.finite.min() > 0]
    if not named:
        return None
    one = max(named, key=lambda one: (len(one.values), not is_of_batches(one)))
    column = Column(
        name=f"ln {one.name}",
        split="",
        rows=one.rows,
        values=np.log(np.where(one.values > 0, one.values, np.nan)),
        lines=one.column.lines,
        half_units=one.column.half_units / np.where(one.values > 0, one.values, np.nan),
    )
    return Series(column, Meaning(Kind.TOTAL, split, PERPLEXITY | {"loss"}))
