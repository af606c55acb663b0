"""Which figures of a log say how well the network does, which way is better, and how much they jump about. No rule."""

from __future__ import annotations

import numpy as np

from trainctl.engine.diagnosis.logs.facts import LogFacts, Series
from trainctl.engine.diagnosis.logs.names import Kind, words_of
from trainctl.engine.diagnosis.logs.table import Floats

ACCURACIES = frozenset({"acc", "accuracy", "ac", "acc1", "top1", "top", "1"})
_FIRST = (frozenset({"prec", "1"}), frozenset({"prec1"}))
"""Precision among the first one: an accuracy too."""
AREAS = frozenset({"auc", "auroc", "roc"})
_MAIN_REWARD = frozenset(
    {"reward", "rewards", "rew", "rewmean", "return", "returns", "ep", "episode", "episodic", "rollout", "total", "env"}
    | {"cumulative", "100", "last", "eprewmean", "ret", "environment"}
)
_SINGLE = frozenset({"step", "batch", "iter"})


def accuracies(log: LogFacts, split: str | None = None) -> list[Series]:
    """Shares of the samples that are answered rightly; not of sequences, boxes or pixels."""
    rates = log.of(Kind.RATE, split=split)
    return [one for one in rates if one.meaning.words <= ACCURACIES or one.meaning.words in _FIRST]


def qualities(log: LogFacts) -> list[Series]:
    """Shares and correlations that say how good the answers are; a cosine says how alike embeddings are."""
    return [one for one in log.of(Kind.RATE, Kind.CORRELATION) if not one.meaning.words & {"cosine", "cos"}]


def main_reward(log: LogFacts) -> Series | None:
    """What a policy earns altogether, with the most values; not a part of it."""
    whole = [one for one in log.of(Kind.REWARD) if one.meaning.words <= _MAIN_REWARD]
    return max(whole, key=lambda one: len(one.values), default=None)


def is_of_policy(log: LogFacts) -> bool:
    """Whether a policy is trained by what it earns: its loss is no measure of its progress, and may be 0 by design."""
    return bool(log.of(Kind.REWARD, Kind.KL, Kind.CLIP_FRACTION, Kind.EXPLAINED_VARIANCE))


def is_of_batches(series: Series) -> bool:
    """Whether a name says that each value is of a single batch."""
    return bool(_SINGLE & set(words_of(series.column.name)))


def jitter(values: Floats) -> float:
    """Deviation of single values about their course: robust, from the differences of neighbours."""
    if len(values) < 3:
        return 0.0
    jumps = np.diff(values)
    return 1.4826 * float(np.median(np.abs(jumps - np.median(jumps)))) / float(np.sqrt(2))


FEW_NORMS = 5
USUAL = 90
"""Percentile of the gradient norms that a clip lets through."""


def usual_norm(log: LogFacts, until: int | None = None) -> float:
    """The gradient norm that nine of ten stay below; NaN where fewer than five are known.

    Args:
        log: has them.
        until: last row that counts, where what came after is no measure; None: all do.
    """
    for one in log.of(Kind.GRAD_NORM):
        is_known = np.isfinite(one.values) & ((one.rows <= until) if until is not None else True)
        if is_known.sum() >= FEW_NORMS:
            return float(np.percentile(one.values[is_known], USUAL))
    return float("nan")


def rank_correlation(values: Floats) -> float:
    """Spearman's correlation of a series with its order; 0 where nothing varies."""
    if len(values) < 3 or np.ptp(values) == 0:
        return 0.0
    ranks = np.argsort(np.argsort(values, kind="stable"), kind="stable")
    return float(np.corrcoef(ranks, np.arange(len(values)))[0, 1])


def smallest_denominator(value: float, half_unit: float, most: int) -> int | None:
    """The least n for which a value is k/n to its last digit; None: more than `most`."""
    for count in range(1, most + 1):
        if abs(value - round(value * count) / count) <= half_unit + 1e-7:
            return count
    return None


MOST_LEVELS = 2048
WIDTH = 3
"""Values of the least level: the luckiest of many is none."""


def levels(values: Floats) -> Floats:
    """Medians over a tenth of the values, at least three, at each place; shape (n − width + 1,).

    Of more than `MOST_LEVELS` values the medians of equal parts stand for them: else the memory grows with n².
    """
    if len(values) > MOST_LEVELS:
        values = np.array([np.median(part) for part in np.array_split(values, MOST_LEVELS)])
    width = min(max(len(values) // 10, WIDTH), len(values))
    return np.median(np.lib.stride_tricks.sliding_window_view(values, width), axis=1)


def collapse(series: Series) -> tuple[float, float] | None:
    """Best and last level of a metric that should rise and has come down for good; None: it has not.

    By 30 % of the best and six deviations of its noise, over at least ten values, and in all of the last levels.
    """
    values = series.finite
    if len(values) < 10:
        return None
    level = levels(values)
    best, late = float(level.max()), level[-max(len(level) // 10, WIDTH) :]
    has_fallen = best > 0 and late.max() <= 0.7 * best and best - late.max() > 6 * jitter(values)
    return (best, float(late[-1])) if has_fallen else None
