"""How the figures of a log go over time: which loss is trained, whether it stands still, where it jumps. No rule."""

from __future__ import annotations

import math

import numpy as np

from trainctl.engine.diagnosis.logs.facts import LogFacts, Series
from trainctl.engine.diagnosis.logs.metrics import is_of_batches, jitter
from trainctl.engine.diagnosis.logs.names import TEST, TRAIN, VAL, Kind, some_of
from trainctl.engine.diagnosis.logs.roles import VALIDATIONS
from trainctl.engine.diagnosis.logs.sums import loss_of_perplexity, sum_of_terms
from trainctl.engine.diagnosis.logs.table import Floats

LEAST_STEPS, LEAST_EPOCHS = 60, 10
"""Values from which on standing still can be told: of single steps, and of means over epochs."""
IMPROVED = 0.02
"""Share of the first tenth's median by which the last tenth's must be lower for it not to stand still."""
BLOWN_UP, RISEN, LEVEL = 10.0, 2.0, 5
"""How often the last value, and how often the last level, lies above what was before where a loss was rising; and the
values of a level."""


def training_loss(log: LogFacts) -> Series | None:
    """The loss that is trained: the total, or the only term; of several the one with the most values.

    Where none is named: the sum of a detector's terms, or the logarithm of a perplexity.
    """
    return log.once("training loss", _training_loss)


def _training_loss(log: LogFacts) -> Series | None:
    if log.has_rivals:
        return None  # what a network that plays against another one loses says nothing of its progress
    named = _longest(_losses(log, TRAIN) or _losses(log, ""))
    if named is not None:
        return named
    if any(one.meaning.split not in (VAL, TEST) for one in log.of(Kind.TOTAL, Kind.TERM)):
        return sum_of_terms(log, TRAIN)
    return loss_of_perplexity(log, TRAIN) or loss_of_perplexity(log, "")


def validation_loss(log: LogFacts) -> Series | None:
    """The loss of the validation; where none is named what stands for it, as for `training_loss`."""
    return log.once("validation loss", _validation_loss)


def _validation_loss(log: LogFacts) -> Series | None:
    named = _longest(_losses(log, VAL))
    if named is not None:
        return named
    return sum_of_terms(log, VAL) if log.of(Kind.TOTAL, Kind.TERM, split=VAL) else loss_of_perplexity(log, VAL)


def lacks_validation(log: LogFacts) -> str:
    """Why no loss of the validation can be told though some are named, in words; empty: it can, or none is."""
    if validation_loss(log) is not None:
        return ""
    several = log.of(Kind.TOTAL, Kind.TERM, split=VAL)
    if several:
        names = some_of([one.name for one in several])
        return f"{names} are several losses of validation data, and none is their sum; log it once an epoch"
    tested = _longest(log.of(Kind.TOTAL, Kind.TERM, split=TEST))
    return "" if tested is None else f"{len(tested.finite)} values of {tested.name} of {VALIDATIONS} that are needed"


def lacks_metric(log: LogFacts) -> str:
    """Which figures of the validation are taken as losses where no metric is named, in words; empty: none are."""
    losses = [one for one in log.of(Kind.TERM, split=VAL) if not one.meaning.words & {"loss", "losses"}]
    names = some_of([one.name for one in losses])
    return f"{names}: counted as a loss, and no other metric is named; log one once an epoch" if names else ""


def _losses(log: LogFacts, split: str) -> list[Series]:
    totals = log.of(Kind.TOTAL, split=split)
    terms = log.of(Kind.TERM, split=split)
    return totals or (terms if len({term.meaning.term for term in terms}) == 1 else [])


def _longest(series: list[Series]) -> Series | None:
    """That of the most values; of as many, one whose values are means of many batches."""
    return max(series, key=lambda one: (len(one.values), not is_of_batches(one)), default=None)


def is_by_epoch(log: LogFacts, series: Series) -> bool:
    """Whether each value is of another epoch, so that it is a mean of many steps."""
    epochs = log.table.epochs[series.rows]
    return len(epochs) > 1 and bool((np.diff(epochs) >= 1).all())


def is_long(log: LogFacts, series: Series) -> bool:
    """Whether there are enough values to say that a series stands still."""
    return len(series.finite) >= (LEAST_EPOCHS if is_by_epoch(log, series) else LEAST_STEPS)


def ends(values: Floats) -> tuple[float, float]:
    """Medians of the first and the last tenth."""
    tenth = max(len(values) // 10, 1)
    return float(np.median(values[:tenth])), float(np.median(values[-tenth:]))


def stands_still(values: Floats) -> bool:
    """Whether the last tenth is neither 2 % better nor half as large again as the first."""
    first, last = ends(values)
    scale = max(abs(first), 1e-12)
    return -0.5 * scale < first - last < IMPROVED * scale


def trend(values: Floats, window: int = 25) -> Floats:
    """Median of the `window` values before each, shape (n,); the first ones have what there is."""
    padded = np.concatenate([np.full(window, values[0]), values])
    return np.median(np.lib.stride_tricks.sliding_window_view(padded, window)[: len(values)], axis=1)


def closed_form(value: float, tolerance: float, num_classes: int | None, *, guess: bool = True) -> str:
    """What a network that knows nothing gives: ln 2, or ln C; empty: neither."""
    if abs(value - math.log(2)) <= tolerance:
        return f"ln 2 = {math.log(2):.4f}: two outcomes held equally likely"
    if num_classes and abs(value - math.log(num_classes)) <= 0.02:
        return f"ln C = ln {num_classes} = {math.log(num_classes):.4f}: every class held equally likely"
    nearest = round(math.exp(min(value, 20.0)))
    if guess and num_classes is None and 3 <= nearest <= 20 and abs(value - math.log(nearest)) <= tolerance:
        return f"ln {nearest} = {math.log(nearest):.4f}: {nearest} classes held equally likely"
    return ""


def first_bad(series: Series) -> int | None:
    """Index of the first value that is not finite; None: all are."""
    bad = ~np.isfinite(series.values)
    return int(bad.argmax()) if bad.any() else None


def rise_before_end(series: Series) -> float | None:
    """How often a loss lay above its lowest level when it ceased to be finite; None: it was calm, or it never did.

    Levels are medians of five values, the last of three. Risen is twice the lowest and more than four deviations of its
    noise above it, or a last value that is ten times the median before it.
    """
    index = first_bad(series)
    if index is None or index < 3:
        return None
    before = series.values[:index]
    if before.min() <= 0:
        return None
    if before[-1] > BLOWN_UP * np.median(before[:-1]):
        return float(before[-1] / np.median(before[:-1]))
    if index < LEVEL + 3:
        return None
    lowest = float(np.median(np.lib.stride_tricks.sliding_window_view(before[:-3], LEVEL), axis=1).min())
    late, noise = float(np.median(before[-3:])), jitter(before)
    return late / lowest if late > RISEN * lowest and late - lowest > 4 * noise else None
