"""The clustering figures of a log: how decided the posteriors are, and how spread. Knows no rule."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from trainctl.engine.diagnosis.logs.facts import LogFacts, Series
from trainctl.engine.diagnosis.logs.names import Kind
from trainctl.engine.diagnosis.logs.sums import find_weight
from trainctl.engine.diagnosis.logs.table import Floats, Ints

_CLUSTER = ({"cluster"}, {"clustering"}, {"c"})
_ENTROPY = ({"entropy"}, {"e"}, {"ent"})


@dataclass(frozen=True)
class Posteriors:
    """Largest posterior and entropy of one part of the training, where both were logged at once."""

    peak: Series
    """The column of the largest posterior, or of a term that is less it."""
    spread: Series
    """The column of the entropy, or of a term that is less it."""
    at_peak: Ints
    """Index into the values of `peak`, shape (n,)."""
    at_spread: Ints
    max_posterior_n: Floats
    peak_slack_n: Floats
    entropy_n: Floats
    entropy_slack_n: Floats


def max_posteriors(log: LogFacts) -> list[Series]:
    """Columns of the mean largest posterior: by name, or a clustering term that is negative throughout.

    Such a term alone is not enough (others have negative clustering losses too): an entropy must stand beside it, or
    the configuration that is named have a term of that name and clusters.
    """
    named = log.of(Kind.MAX_POSTERIOR)
    terms = [term for term in log.of(Kind.TERM) if _says(term, _CLUSTER) and _is_negative(term)]
    beside = {series.meaning.split for series in entropies(log)}
    return named + [term for term in terms if term.meaning.split in beside or _is_configured(log, term)]


def entropies(log: LogFacts) -> list[Series]:
    """Columns of the mean entropy of posteriors, or of a term that is less it."""
    terms = [term for term in log.of(Kind.TERM) if _says(term, _ENTROPY)]
    return log.of(Kind.ENTROPY) + terms


def balances(log: LogFacts) -> list[Series]:
    """Columns of a term that is the divergence of the clusters' shares from equal ones."""
    if not max_posteriors(log):
        return []
    return [term for term in log.of(Kind.TERM) if _says(term, ({"balance"}, {"uniformity"}, {"b"}))]


def find_posteriors(log: LogFacts) -> list[Posteriors]:
    """Each pair of the two in one part of the training."""
    found = [
        _join(peak, spread) for peak in max_posteriors(log) for spread in entropies(log) if _together(peak, spread)
    ]
    return [pair for pair in found if pair is not None]


def _together(peak: Series, spread: Series) -> bool:
    return peak.meaning.split == spread.meaning.split


def _says(series: Series, words: tuple[set[str], ...]) -> bool:
    return set(series.meaning.term.split()) in words


def _is_configured(log: LogFacts, term: Series) -> bool:
    return log.num_clusters is not None and find_weight(term.meaning.term, log.weights or {}) is not None


def _is_negative(series: Series) -> bool:
    return bool(len(series.finite)) and bool((series.finite < 0).all())


def _join(peak: Series, spread: Series) -> Posteriors | None:
    rows, at_peak, at_spread = np.intersect1d(peak.rows, spread.rows, return_indices=True)
    both = np.isfinite(peak.values[at_peak]) & np.isfinite(spread.values[at_spread])
    at_peak, at_spread = at_peak[both], at_spread[both]
    if not len(rows) or not both.any():
        return None
    return Posteriors(
        peak=peak,
        spread=spread,
        at_peak=at_peak,
        at_spread=at_spread,
        max_posterior_n=np.abs(peak.values[at_peak]),
        peak_slack_n=peak.slack[at_peak],
        entropy_n=np.abs(spread.values[at_spread]),
        entropy_slack_n=spread.slack[at_spread],
    )
