"""Closed forms that rules compare measurements with. Pure functions of numbers; knows no evidence."""

from __future__ import annotations

import bisect
import itertools
import math
from collections.abc import Sequence

ROUNDING = 1e-24
"""Share of a sum of squares below which deviations from the mean are those of rounding."""
MOST_TRIALS = 1 << 20
"""Up to which a binomial distribution is summed term by term; beyond, a normal one is as good."""


def shares(counts: Sequence[int]) -> list[float]:
    """Class shares p_c of class counts; empty when nothing was counted."""
    total = sum(counts)
    return [count / total for count in counts] if total else []


def single_class_probability(class_shares: Sequence[float], batch_size: int) -> float:
    """Σ p_c^B: probability that B independent draws are all of one class."""
    return min(1.0, math.fsum(share**batch_size for share in class_shares))


def expected_distinct(class_shares: Sequence[float], batch_size: int) -> float:
    """Σ 1 − (1 − p_c)^B: expected number of different classes in B independent draws.

    With equal shares this is C·(1 − (1 − 1/C)^B).
    """
    return math.fsum(1 - (1 - min(max(share, 0.0), 1.0)) ** batch_size for share in class_shares)


def expected_with_positive(class_shares: Sequence[float], batch_size: int) -> float:
    """1 − Σ p_c (1 − p_c)^(B−1): chance that a sample of a random batch meets another of its class in it."""
    return 1 - math.fsum(share * (1 - share) ** (batch_size - 1) for share in class_shares)


def least_batch_size(class_shares: Sequence[float], wanted: float, most: int) -> int | None:
    """The smallest B up to `most` with `expected_with_positive` of at least `wanted`; None: not even `most`."""
    sizes = range(2, most + 1)
    index = bisect.bisect_left(sizes, wanted, key=lambda size: expected_with_positive(class_shares, size))
    return sizes[index] if index < len(sizes) else None


def binomial_tail(successes: int, trials: int, probability: float) -> float:
    """P(X ≥ successes) of X ~ Binomial(trials, probability), summed in logarithms; of very many trials as of a normal
    distribution."""
    if successes <= 0:
        return 1.0
    if probability <= 0.0 or successes > trials:
        return 0.0
    if probability >= 1.0:
        return 1.0
    if trials > MOST_TRIALS:
        deviation = math.sqrt(trials * probability * (1 - probability))
        return math.erfc((successes - 0.5 - trials * probability) / deviation / math.sqrt(2)) / 2
    log_p, log_q = math.log(probability), math.log1p(-probability)
    terms = (
        math.exp(
            math.lgamma(trials + 1)
            - math.lgamma(k + 1)
            - math.lgamma(trials - k + 1)
            + k * log_p
            + (trials - k) * log_q
        )
        for k in range(successes, trials + 1)
    )
    return min(1.0, math.fsum(terms))


def lag_one_correlation(values: Sequence[float]) -> float:
    """Autocorrelation of a series with itself one place on; 0 for a series that is constant but for rounding, or whose
    values cannot be added up."""
    if not all(abs(value) < 1e150 for value in values):
        return 0.0
    mean = math.fsum(values) / len(values)
    centred = [value - mean for value in values]
    variance = math.fsum(value * value for value in centred)
    if variance <= ROUNDING * math.fsum(value * value for value in values):
        return 0.0
    return math.fsum(a * b for a, b in itertools.pairwise(centred)) / variance


def uninformed_cross_entropy(num_classes: int) -> float:
    """ln C: cross-entropy of a network that gives every class the same probability."""
    return math.log(num_classes)


def uninformed_bce(positive_share: float, pos_weight: float = 1.0) -> float:
    """Binary cross-entropy of a network whose logits are 0: ln 2 · (w·p + 1 − p).

    With the balancing weight w = (1 − p)/p this is 2·(1 − p)·ln 2.
    """
    return math.log(2) * (pos_weight * positive_share + 1 - positive_share)
