"""S1102 of a log: what is validated never changes while the training goes on. Pure functions of a log."""

from __future__ import annotations

import numpy as np

from trainctl.engine.diagnosis.catalogue import Answer, Cost, Precedence, rule
from trainctl.engine.diagnosis.finding import Confidence, Fix, Hit, Severity, Unchecked
from trainctl.engine.diagnosis.logs.course import IMPROVED, ends, is_by_epoch, training_loss
from trainctl.engine.diagnosis.logs.facts import LogFacts, Series
from trainctl.engine.diagnosis.logs.metrics import jitter
from trainctl.engine.diagnosis.logs.names import TEST, VAL, Kind

EVALUATIONS = 5
LAST_DIGIT = 0.01
"""Unit of the last digit, relative to the value, up to which equal figures are of equal networks: three digits."""
MEASURED = (Kind.TOTAL, Kind.TERM, Kind.RATE, Kind.CORRELATION, Kind.SCORE, Kind.ERROR)


@rule(
    "S1102",
    "validated weights never change",
    section="evaluation",
    severity=Severity.WARNING,
    precedence=Precedence.MECHANICS,
    cost=Cost.RECORDS,
    of_log=True,
)
def never_changes(log: LogFacts) -> Answer:
    """A validation loss, and whatever is measured beside it, that is the same to all its digits, three or more, in each
    of five epochs or more, while the training loss falls by 2 % and twice its noise.

    No answer of a network that is trained is the same in every digit of a mean over many samples. A log that prints its
    last evaluation again in every line looks the same until the next one: so every figure of the validation must stand,
    in different epochs, from the first to the last.

    Costs: the figures are of another network than the one that is trained: averaged weights that are never updated
    (an EMA without its update), a copy, a checkpoint loaded once. The best epoch is any.
    Do: validate the weights that are trained, and those that are averaged beside them; print the norm of both.
    Follows from: N901.
    """
    loss = training_loss(log)
    if loss is None:
        return Unchecked(log.without_loss)
    told = [one for split in (VAL, TEST) for one in log.of(*MEASURED, split=split) if len(one.values) >= EVALUATIONS]
    losses = [one for one in told if one.meaning.kind in (Kind.TOTAL, Kind.TERM)]
    if not losses or not is_by_epoch(log, losses[0]):
        return Unchecked(f"needs a validation loss in {EVALUATIONS} epochs")
    if not all(_is_same(one) for one in told) or not any(_has_digits(one) for one in losses) or not _falls(loss):
        return None
    series = losses[0]
    last = len(series.values) - 1
    others = ", ".join(f"{one.name} {one.say(0)}" for one in told if one is not series)
    first, now = ends(loss.finite)
    return Hit(
        severity=Severity.WARNING,
        confidence=Confidence.LIKELY,
        summary=f"{series.name} is {series.say(last)} in all {len(series.values):,} evaluations"
        + (f"; {others}" if others else ""),
        where=f"{log.where(series, 0)} to {log.where(series, last)}",
        why=f"{loss.name} went from {first:.4g} to {now:.4g} meanwhile: the network that is validated is not the one "
        "that is trained, such as averaged weights that are never updated, or a copy",
        fix=Fix("validate the weights that are trained; update the averaged ones after each step, and validate both"),
        figures={"value": float(series.values[last]), "evaluations": len(series.values), "first": first, "last": now},
        because=("N901",),
    )


def _is_same(one: Series) -> bool:
    return bool(np.isfinite(one.values).all() and np.ptp(one.values) == 0)


def _has_digits(one: Series) -> bool:
    """Whether a figure has three digits or more: 0.0 may be anything small."""
    value = abs(float(one.values[0]))
    return value > 0 and 2 * float(one.column.half_units.max(initial=0.0)) <= LAST_DIGIT * value


def _falls(loss: Series) -> bool:
    values = loss.finite
    if len(values) < EVALUATIONS:
        return False
    first, last = ends(values)
    return first - last > max(IMPROVED * abs(first), 2 * jitter(values))
