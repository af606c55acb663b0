"""R801: a validation loss that rises while the training loss falls.

Pure functions of a log. Nothing is judged by an absolute size, and nothing at all where too few values were logged.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from trainctl.engine.diagnosis import remedies
from trainctl.engine.diagnosis.catalogue import Answer, Cost, Precedence, rule
from trainctl.engine.diagnosis.facts.plan import PlanFacts
from trainctl.engine.diagnosis.finding import Confidence, Fix, Hit, Severity, Unchecked
from trainctl.engine.diagnosis.logs.course import ends, training_loss, validation_loss
from trainctl.engine.diagnosis.logs.facts import LogFacts, Series
from trainctl.engine.diagnosis.logs.metrics import is_of_batches, is_of_policy, jitter, levels, qualities
from trainctl.engine.diagnosis.logs.names import TEST, VAL, Kind
from trainctl.engine.diagnosis.logs.table import Floats

MOST_STRETCHES = 100
"""Stretches that are compared, at most about; one is a tenth of the values long."""
OVERFIT, SINCE_BEST, NOISES = 0.2, 3, 4.0
METRICS, FELL, OF_GAIN, ROSE = 10, 0.05, 0.25, 0.05
"""Evaluations of a metric from which on its fall can be told, how much of its best and of its gain it must lose, and
how much of its best it must have gained."""
AT_ONCE = 0.6
"""Share of what a metric lost from one evaluation to the next from which on it was something that happened there."""
FEWEST, CLEARLY = 4, 0.3
"""Validations from which on a turn can be told, and how far above its best the last of so few must be."""


@rule(
    "R801",
    "overfitting",
    section="evaluation",
    severity=Severity.WARNING,
    precedence=Precedence.CAPACITY,
    cost=Cost.RECORDS,
    of_log=True,
)
def overfitting(log: LogFacts, plan: PlanFacts | None = None) -> Answer:
    """Validation loss 20 % and 4 deviations of its noise above its best, while training loss fell by 20 % since.

    Medians over a tenth of the validations, at least three: the luckiest of many is no level to compare with. Of four
    or five each of the last three must be above the one before, and the last 30 % above the best. Where a log has no
    total but terms, those that both splits have are judged pair by pair, and half of them must say so.

    Information only where a validation metric moved and held: then the network is overconfident rather than wrong.
    Where the validation loss says nothing, half of the validation metrics may: of ten evaluations or more the last
    level lies below the best by four deviations, a twentieth of it and a quarter of what it had gained.

    Costs: the network learns its samples by heart; its newest weights are worse than earlier ones.
    Do: keep the weights of the best validation; more augmentation or weight decay, a smaller network.
    Follows from: N901, C301, D103.
    """
    pairs = _pairs(log)
    fallen = _fallen_metric(log, plan)
    if not pairs:
        return fallen or Unchecked("needs a training and a validation loss")
    judged = [(train, val) for train, val in pairs if min(len(train.finite), len(val.finite)) >= FEWEST]
    if not judged:
        return fallen or Unchecked(f"needs {FEWEST} validations")
    turned = [(train, val, turn) for train, val in judged if (turn := _turn(train, val)) is not None]
    if len(turned) * 2 < len(judged) or not turned:
        return fallen
    train, val, turn = turned[0]
    held = _held_metric(log)
    why = f"{held} held: the network is overconfident rather than wrong" if held else "it learns its samples by heart"
    others = f"; so did {len(turned) - 1} more of {len(judged)} pairs" if len(turned) > 1 else ""
    return Hit(
        severity=Severity.INFO if held else Severity.WARNING,
        confidence=Confidence.LIKELY,
        summary=f"{val.name} rose from {turn.lowest:.4g} to {turn.late:.4g} while {train.name} fell",
        where=f"best at {log.where(val, turn.index)}; {train.name} {turn.then:.4g} then, {turn.now:.4g} at the end",
        why=why + others,
        fix=Fix(
            f"keep the weights of {log.where(val, turn.index)}; more augmentation or weight decay, a smaller network",
            remedies.regularised(plan, max(len(val.values) // 10, SINCE_BEST)),
        ),
        figures={
            "best": turn.lowest,
            "last": turn.late,
            "noise": turn.noise,
            "train_then": turn.then,
            "train_last": turn.now,
            **log.step_of(val, turn.index),
        },
        because=("N901",),
    )


def _fallen_metric(log: LogFacts, plan: PlanFacts | None) -> Hit | None:
    """A validation metric that came down from its best for good while the training loss fell on."""
    train = training_loss(log)
    metrics = [one for one in qualities(log) if one.meaning.split in (VAL, "") and not is_of_batches(one)]
    judged = [one for one in metrics if len(one.finite) >= METRICS]
    if train is None or is_of_policy(log) or not judged:
        return None
    found = [(one, fall) for one in judged if (fall := _fall(train, one)) is not None]
    if 2 * len(found) < len(judged) or not found:
        return None
    series, (index, best, last, then, now) = found[0]
    return Hit(
        severity=Severity.WARNING,
        confidence=Confidence.LIKELY,
        summary=f"{series.name} fell from {best:.4g} to {last:.4g} while {train.name} fell",
        where=f"best at {log.where(series, index)}; {train.name} {then:.4g} then, {now:.4g} at the end",
        why="it learns its samples by heart" + (f"; so do {len(found) - 1} more metrics" if len(found) > 1 else ""),
        fix=Fix(
            f"keep the weights of {log.where(series, index)}; more augmentation or weight decay, a smaller network",
            remedies.regularised(plan, max(len(series.values) // 10, SINCE_BEST)),
        ),
        figures={"best": best, "last": last, "train_then": then, "train_last": now, **log.step_of(series, index)},
        because=("N901", "C301", "D103"),
    )


def _fall(train: Series, metric: Series) -> tuple[int, float, float, float, float] | None:
    """Where a metric was best, its best and last levels, and the training loss there and at the end; None: it held."""
    values, level = metric.finite, levels(metric.finite)
    at, late = int(level.argmax()), level[-max(len(level) // 10, SINCE_BEST) :]
    best, last = float(level[at]), float(late.max())
    noise, gained = jitter(values), best - float(level[0])
    needed = max(NOISES * noise, FELL * abs(best), OF_GAIN * gained)
    # One that was best at first has not been learned and lost: it is another's to say what it is.
    has_risen = gained > max(NOISES * noise, ROSE * abs(best))
    if best - last <= needed or not has_risen or at > len(level) - 1 - SINCE_BEST:
        return None
    if -float(np.diff(values[at:]).min()) > AT_ONCE * (best - float(level[-1])):
        return None  # what is lost at one blow was not learned by heart: E1015 says so
    index = int(np.flatnonzero(np.isfinite(metric.values))[min(at + (len(values) - len(level)) // 2, len(values) - 1)])
    then, now = _around(train, int(metric.rows[index])), ends(train.finite)[1]
    return (index, best, float(level[-1]), then, now) if now < (1 - OVERFIT) * then else None


@dataclass(frozen=True)
class _Turn:
    """Where a validation loss turned, and what the training loss was there and at the end."""

    index: int
    lowest: float
    late: float
    noise: float
    then: float
    now: float


def _pairs(log: LogFacts) -> list[tuple[Series, Series]]:
    """Training and validation of the same loss: the totals, else each term that both have."""
    train, val = training_loss(log), validation_loss(log)
    if train is not None and val is not None:
        return [(train, val)]
    validated = log.of(Kind.TERM, split=VAL)
    if train is not None:
        return [(train, one) for one in validated]
    trained = {one.meaning.term: one for one in log.of(Kind.TERM) if one.meaning.split not in (VAL, TEST)}
    return [(trained[one.meaning.term], one) for one in validated if one.meaning.term in trained]


def _turn(train: Series, val: Series) -> _Turn | None:
    values = val.finite
    if len(values) < 2 * SINCE_BEST:
        best, lowest, late, noise = int(values.argmin()), float(values.min()), float(values[-1]), 0.0
        is_risen = bool((np.diff(values[-SINCE_BEST:]) > 0).all()) and late >= (1 + CLEARLY) * lowest
        is_over = len(values) - 1 - best >= SINCE_BEST - 1
    else:
        best, lowest, late, noise = _turning(values)
        is_risen = late >= (1 + OVERFIT) * lowest and late - lowest > NOISES * noise
        is_over = len(values) - 1 - best >= SINCE_BEST
    if not is_over or not is_risen or lowest <= 0:
        return None
    index = int(np.flatnonzero(np.isfinite(val.values))[best])
    then, now = _around(train, int(val.rows[index])), ends(train.finite)[1]
    if len(values) < 2 * SINCE_BEST:
        then = _nearest(train, int(val.rows[index]))
    return _Turn(index, lowest, late, noise, then, now) if now < (1 - OVERFIT) * then else None


def _nearest(series: Series, row: int) -> float:
    finite = np.isfinite(series.values)
    return float(series.values[finite][int(np.abs(series.rows[finite] - row).argmin())])


def _turning(values: Floats) -> tuple[int, float, float, float]:
    """Index of the lowest stretch, its median, that of the last stretch, and the noise of single values."""
    width = max(len(values) // 10, SINCE_BEST)
    # Stretches that begin at every value are needed of few only; of many they would take width times the memory.
    apart = max(len(values) // MOST_STRETCHES, 1)
    level = np.median(np.lib.stride_tricks.sliding_window_view(values, width)[::apart], axis=1)
    level[-1] = np.median(values[-width:])
    at = int(level.argmin()) * apart
    jumps = np.diff(values)
    noise = 1.4826 * float(np.median(np.abs(jumps - np.median(jumps)))) / math.sqrt(2)
    return at + int(values[at : at + width].argmin()), float(level.min()), float(level[-1]), noise


def _around(series: Series, row: int) -> float:
    """Median of the few values of a series nearest to a row."""
    finite = np.isfinite(series.values)
    nearest = np.argsort(np.abs(series.rows[finite] - row), kind="stable")[:SINCE_BEST]
    return float(np.median(series.values[finite][nearest]))


def _held_metric(log: LogFacts) -> str:
    """A validation metric that moved and is as good at the end as ever, within 2 %; empty: there is none."""
    for series in log.of(Kind.RATE, Kind.CORRELATION, split=VAL) or log.of(Kind.CORRELATION, Kind.RATE, split=""):
        values = series.finite
        if (
            len(values) >= 2 * SINCE_BEST
            and np.ptp(values) > 0
            and np.median(values[-SINCE_BEST:]) >= 0.98 * values.max()
        ):
            return series.name
    return ""
