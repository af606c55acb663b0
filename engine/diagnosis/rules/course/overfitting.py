"""R801: a validation loss that rises while the training loss falls.

Pure functions of a log. Nothing is judged by an absolute size, and nothing at all where too few values were logged.
"""

from __future__ import annotations

import math

import numpy as np

from trainctl.engine.diagnosis.catalogue import Answer, Cost, Precedence, rule
from trainctl.engine.diagnosis.finding import Confidence, Fix, Hit, Severity, Unchecked
from trainctl.engine.diagnosis.logs.course import ends, training_loss, validation_loss
from trainctl.engine.diagnosis.logs.facts import LogFacts, Series
from trainctl.engine.diagnosis.logs.names import VAL, Kind
from trainctl.engine.diagnosis.logs.table import Floats

OVERFIT, SINCE_BEST, NOISES = 0.2, 3, 4.0


@rule(
    "R801",
    "overfitting",
    section="evaluation",
    severity=Severity.WARNING,
    precedence=Precedence.CAPACITY,
    cost=Cost.RECORDS,
    of_log=True,
)
def overfitting(log: LogFacts) -> Answer:
    """Validation loss 20 % and 4 deviations of its noise above its best, while training loss fell by 20 % since.

    Medians over a tenth of the validations, at least three: the luckiest of many is no level to compare with.

    Information only where a validation metric held: then the network is overconfident rather than wrong.

    Costs: the network learns its samples by heart; its newest weights are worse than earlier ones.
    Do: keep the weights of the best validation; more augmentation or weight decay, a smaller network.
    """
    train, val = training_loss(log), validation_loss(log)
    if train is None or val is None:
        return Unchecked("needs a training and a validation loss")
    values = val.finite
    if len(values) < 2 * SINCE_BEST or len(train.finite) < 2 * SINCE_BEST:
        return Unchecked(f"needs {2 * SINCE_BEST} validations")
    best, lowest, late, noise = _turning(values)
    has_risen = late >= (1 + OVERFIT) * lowest and late - lowest > NOISES * noise
    if len(values) - 1 - best < SINCE_BEST or lowest <= 0 or not has_risen:
        return None
    index = int(np.flatnonzero(np.isfinite(val.values))[best])
    then, now = _around(train, int(val.rows[index])), ends(train.finite)[1]
    if not now < (1 - OVERFIT) * then:
        return None
    held = _held_metric(log)
    return Hit(
        severity=Severity.INFO if held else Severity.WARNING,
        confidence=Confidence.LIKELY,
        summary=f"{val.name} rose from {lowest:.4g} to {late:.4g} while {train.name} fell",
        where=f"best at {log.where(val, index)}; {train.name} {then:.4g} then, {now:.4g} at the end",
        why=f"{held} held: the network is overconfident rather than wrong"
        if held
        else "it learns its samples by heart",
        fix=Fix(f"keep the weights of {log.where(val, index)}; more augmentation or weight decay, a smaller network"),
        figures={"best": lowest, "last": late, "noise": noise, "train_then": then, "train_last": now},
    )


def _turning(values: Floats) -> tuple[int, float, float, float]:
    """Index of the lowest stretch, its median, that of the last stretch, and the noise of single values."""
    width = max(len(values) // 10, SINCE_BEST)
    level = np.median(np.lib.stride_tricks.sliding_window_view(values, width), axis=1)
    at = int(level.argmin())
    jumps = np.diff(values)
    noise = 1.4826 * float(np.median(np.abs(jumps - np.median(jumps)))) / math.sqrt(2)
    return at + int(values[at : at + width].argmin()), float(level[at]), float(level[-1]), noise


def _around(series: Series, row: int) -> float:
    """Median of the few values of a series nearest to a row."""
    finite = np.isfinite(series.values)
    nearest = np.argsort(np.abs(series.rows[finite] - row), kind="stable")[:SINCE_BEST]
    return float(np.median(series.values[finite][nearest]))


def _held_metric(log: LogFacts) -> str:
    """A validation metric that is as good at the end as ever, within 2 %; empty: there is none."""
    for series in log.of(Kind.RATE, Kind.CORRELATION, split=VAL) or log.of(Kind.CORRELATION, Kind.RATE, split=""):
        values = series.finite
        if len(values) >= 2 * SINCE_BEST and np.median(values[-SINCE_BEST:]) >= 0.98 * values.max():
            return series.name
    return ""
