"""Where a validation loss turned while the training loss fell on, and what the metrics did meanwhile. No rule."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from trainctl.engine.diagnosis.logs.course import ends
from trainctl.engine.diagnosis.logs.facts import LogFacts, Series
from trainctl.engine.diagnosis.logs.metrics import jitter
from trainctl.engine.diagnosis.logs.names import TEST, VAL, Kind
from trainctl.engine.diagnosis.logs.table import Floats
from trainctl.engine.diagnosis.rules.course.measured import is_evaluated

MOST_STRETCHES = 100
"""Stretches that are compared, at most about; one is a tenth of the values long."""
OVERFIT, SINCE_BEST, NOISES = 0.2, 3, 4.0
HALF_AGAIN = 0.5
"""Rise from which on the noise of the newer half counts alone: what was learned before may have come in leaps."""
FEWEST, CLEARLY = 4, 0.3
"""Validations from which on a turn can be told, and how far above its best the last of a few must be."""
OF_FIVE, TWICE, MANY = 0.6, 2.0, 12
"""The same of four or five, of which a few high ones in turn are no rarity, and by two of them; and values from which
on levels need no witness in the single ones."""
WAVERS, WAVERS_ALONG, STEADILY = 3.0, 2.0, 4.0
"""How much larger than whatever went the other way a rise is that single values show: alone, where a metric of the
validation fell along, and where one did but the rise is small."""
WITH_METRIC, SINCE_THEN = 0.1, 4
"""That small rise, and fall of the training loss, and over how many validations."""
METRIC_NOISES = 1.5
FIRST = 0.02
"""Share by which a validation may be better than its first, and be called best at the beginning."""
HELD, FALLEN = 0.98, 0.98
ELSEWHERE, NEVER = 30.0, 0.9
"""Validation loss over training loss from which on the first says something else, where it never fell by a tenth."""
_AS_LOSS = frozenset({"ppl", "perplexity", "elbo", "likelihood", "loglikelihood", "objf", "objective"})


@dataclass(frozen=True)
class Turn:
    """Where a validation loss turned, and what the training loss was there and at the end."""

    index: int
    last: int
    lowest: float
    late: float
    noise: float
    then: float
    now: float
    width: int
    """Values of which `lowest` and `late` are medians; 1: they are printed."""


def turn(log: LogFacts, train: Series, val: Series) -> Turn | None:
    """Where a validation loss turned for good while the training loss fell; None: it did not."""
    if times_elsewhere(log, train, val):
        return None
    values = val.finite
    if len(values) < 2 * SINCE_BEST:
        found = _of_five(values)
    else:
        wavers = WAVERS if len(values) >= MANY else STEADILY
        found = _of_values(values, CLEARLY, SINCE_BEST, wavers) or _of_levels(values)
    turned = None if found is None else _placed(train, val, found, OVERFIT)
    if turned is not None:
        return turned
    if _rises_from_first(values):
        found = (int(values.argmin()), float(values.min()), float(values[-1]), jitter(values), 1)
    else:
        found = _of_values(values, CLEARLY, SINCE_THEN, WAVERS_ALONG)
        found = found or _of_values(values, WITH_METRIC, SINCE_THEN, STEADILY)
        if found is None or not _has_fallen_metric(log, _row(val, found[0])):
            return None
    return _placed(train, val, found, WITH_METRIC)


_Found = tuple[int, float, float, float, int]
"""Index among the finite values, lowest, last, noise, and of how many values these are medians."""


def _placed(train: Series, val: Series, found: _Found, least: float) -> Turn | None:
    """The turn, if the training loss fell by that share since."""
    best, lowest, late, noise, width = found
    known = np.flatnonzero(np.isfinite(val.values))
    row = _row(val, best)
    then = _nearest(train, row) if len(known) < 2 * SINCE_BEST else around(train, row)
    now = ends(train.finite)[1]
    has_fallen = now < (1 - least) * then and (least >= OVERFIT or then - now > 2 * jitter(train.finite))
    turned = Turn(int(known[best]), int(known[-1]), lowest, late, noise, then, now, width)
    return turned if has_fallen and lowest > 0 else None


def _row(series: Series, index: int) -> int:
    """Row of a finite value."""
    return int(series.rows[np.flatnonzero(np.isfinite(series.values))[index]])


def _of_five(values: Floats) -> _Found | None:
    """Of four or five: each of the last three above the one before, by more than they ever wavered.

    The best is among the last three where they double.
    """
    best, lowest, late = int(values.argmin()), float(values.min()), float(values[-1])
    is_risen = bool((np.diff(values[-SINCE_BEST:]) > 0).all()) and late >= (1 + OF_FIVE) * lowest
    is_risen = is_risen and late - lowest >= WAVERS_ALONG * _wavering(values, best)
    since = SINCE_BEST if late < TWICE * lowest else SINCE_BEST - 1
    return (best, lowest, late, 0.0, 1) if is_risen and len(values) - 1 - best >= since else None


def _of_levels(values: Floats) -> _Found | None:
    best, lowest, late, noise, width = _turning(values)
    rise, newer = late - lowest, jitter(values[len(values) // 2 :])
    is_clear = rise > NOISES * noise or (rise >= HALF_AGAIN * lowest and rise > NOISES * newer)
    if len(values) < MANY:  # the deviation of so few is not well known
        is_clear = is_clear and rise > WAVERS_ALONG / 2 * _wavering(values, best)
    is_over = len(values) - 1 - best >= SINCE_BEST
    return (best, lowest, late, noise, width) if is_over and is_clear and rise >= OVERFIT * lowest else None


def _of_values(values: Floats, least: float, count: int, wavers: float) -> _Found | None:
    """A rise that single values show: the last one is the highest since the best, by more than they ever wavered.

    What went the other way tells how much they waver: rises before the best and falls after it.
    """
    best, lowest, last = int(values.argmin()), float(values.min()), float(values[-1])
    since = values[best:]
    is_risen = last >= (1 + least) * lowest and float(np.median(values[-3:])) >= (1 + least / 2) * lowest
    if len(since) <= count or last < since.max() or not is_risen:
        return None
    wavering = _wavering(values, best)
    return (best, lowest, last, wavering, 1) if last - lowest >= wavers * wavering else None


def _wavering(values: Floats, best: int) -> float:
    """The largest rise before the lowest value, and fall after it."""
    since, before = values[best:], values[: best + 1]
    falls, rises = np.maximum.accumulate(since) - since, before - np.minimum.accumulate(before)
    return float(max(falls.max(), rises.max()))


def _rises_from_first(values: Floats) -> bool:
    """Whether a loss was never better than at first, and its last three values lie a tenth above that."""
    if len(values) < FEWEST + 1 or values[0] <= 0 or values.min() < (1 - FIRST) * values[0]:
        return False
    late, first = values[-3:], float(values[0])
    return bool(late.min() > (1 + WITH_METRIC) * first and float(np.median(late)) - first > NOISES * jitter(values))


def _nearest(series: Series, row: int) -> float:
    finite = np.isfinite(series.values)
    return float(series.values[finite][int(np.abs(series.rows[finite] - row).argmin())])


def _turning(values: Floats) -> tuple[int, float, float, float, int]:
    """Index of the lowest stretch, its median, that of the last stretch, the noise of single values, and the width."""
    width = max(len(values) // 10, SINCE_BEST)
    # Stretches that begin at every value are needed of few only; of many they would take width times the memory.
    apart = max(len(values) // MOST_STRETCHES, 1)
    level = np.median(np.lib.stride_tricks.sliding_window_view(values, width)[::apart], axis=1)
    level[-1] = np.median(values[-width:])
    at = int(level.argmin()) * apart
    jumps = np.diff(values)
    noise = 1.4826 * float(np.median(np.abs(jumps - np.median(jumps)))) / math.sqrt(2)
    return at + int(values[at : at + width].argmin()), float(level.min()), float(level[-1]), noise, width


def around(series: Series, row: int) -> float:
    """Median of the few values of a series nearest to a row."""
    finite = np.isfinite(series.values)
    nearest = np.argsort(np.abs(series.rows[finite] - row), kind="stable")[:SINCE_BEST]
    return float(np.median(series.values[finite][nearest]))


def times_elsewhere(log: LogFacts, train: Series, val: Series) -> float:
    """How often a validation loss is the training loss from the beginning on, where it measures something else; else 0.

    Thirty times and never better than at first: nothing is learned by heart yet, so that the validation itself is
    another matter, by its mode, its normalisation or its samples.
    """
    if not len(val.finite) or not len(train.finite) or not _has_beginning(log, val):
        return 0.0
    first = float(val.finite[0])
    then = _nearest(train, _row(val, 0))
    is_other = first >= ELSEWHERE * then > 0 and float(val.finite.min()) >= NEVER * first
    return first / then if is_other else 0.0


def _has_beginning(log: LogFacts, val: Series) -> bool:
    epoch = float(log.table.epochs[val.rows[0]])
    return not math.isfinite(epoch) or epoch <= 1


def _metrics(log: LogFacts) -> list[tuple[Series, float]]:
    """What says how good a validation is, and 1 where more is better, else −1."""
    rising = [*log.of(Kind.RATE, Kind.CORRELATION), *log.of(Kind.SCORE, split=VAL)]
    told = [(one, 1.0) for one in rising] + [(one, -1.0) for one in log.of(Kind.ERROR, split=VAL)]
    kept = [(one, sign) for one, sign in told if one.meaning.split != TEST and not one.meaning.words & _AS_LOSS]
    return [(one, sign) for one, sign in kept if is_evaluated(log, one) and len(one.finite) >= FEWEST]


def _has_fallen_metric(log: LogFacts, row: int) -> bool:
    """Whether half of the metrics of the validation ended worse than they were where its loss was best.

    By 2 %, and by more than their noise.
    """
    judged = _metrics(log)
    worse = 0
    for one, sign in judged:
        then, now = _nearest(one, row), float(np.median(one.finite[-3:]))
        lost = sign * (then - now)
        worse += lost >= (1 - FALLEN) * abs(then) > 0 and lost >= METRIC_NOISES * jitter(one.finite)
    return worse > 0 and 2 * worse >= len(judged)


def held_metric(log: LogFacts, val: Series, turned: Turn) -> Series | None:
    """A validation metric that moved and is as good at the end as ever, within 2 %; None: there is none.

    Of fewer than six values the last must be the best. One that was as good at the first evaluation, where the loss was
    best, has learned nothing that could hold; nor does one hold that has come down since a loss that rose by half.
    """
    row, is_first = int(val.rows[turned.index]), turned.index == int(np.flatnonzero(np.isfinite(val.values))[0])
    for one, sign in _metrics(log):
        values = sign * one.finite
        best, now = float(values.max()), float(np.median(values[-SINCE_BEST:]))
        is_level = len(values) >= 2 * SINCE_BEST and now >= best - (1 - HELD) * abs(best)
        if np.ptp(values) == 0 or not (is_level or values[-1] == best):
            continue
        then = sign * _nearest(one, row)
        has_gained = now > then + 2 * jitter(values)
        if (is_first and not has_gained) or (turned.late >= (1 + HALF_AGAIN) * turned.lowest and now < then):
            continue
        return one
    return None
