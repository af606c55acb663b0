"""O603, O604: a training loss that jumps, or stands still.

Pure functions of a log. Nothing is judged by an absolute size, and nothing at all where too few values were logged.
"""

from __future__ import annotations

import numpy as np

from trainctl.engine.diagnosis import remedies
from trainctl.engine.diagnosis.catalogue import Answer, Cost, Precedence, rule
from trainctl.engine.diagnosis.facts.plan import PlanFacts
from trainctl.engine.diagnosis.finding import Confidence, Fix, Hit, Severity, Unchecked
from trainctl.engine.diagnosis.logs.course import (
    IMPROVED,
    closed_form,
    ends,
    is_long,
    stands_still,
    training_loss,
    trend,
    validation_loss,
)
from trainctl.engine.diagnosis.logs.facts import LogFacts, Series
from trainctl.engine.diagnosis.logs.metrics import is_of_policy, jitter, levels, qualities, usual_norm
from trainctl.engine.diagnosis.logs.names import Kind, words_of
from trainctl.engine.diagnosis.logs.table import Floats
from trainctl.engine.diagnosis.rules.course.terms import CONTRASTIVE

NOT_OVER_CLASSES = CONTRASTIVE | {
    "mse",
    "mae",
    "rmse",
    "l1",
    "l2",
    "huber",
    "smoothl1",
    "triplet",
    "hinge",
    "kl",
    "kld",
}
"""Losses that are worth something else than the logarithm of the number of classes where nothing is known."""
SPIKES, SPIKE_Z, RECOVERY = 3, 8.0, 50
CONSTANT = 10


@rule(
    "O603",
    "loss spikes",
    section="optimiser and schedule",
    severity=Severity.WARNING,
    precedence=Precedence.SCHEDULE,
    cost=Cost.RECORDS,
    of_log=True,
)
def spikes(log: LogFacts, plan: PlanFacts | None = None) -> Answer:
    """Jumps of more than 8 robust deviations of the logarithm, to over 1.5 times the trend, that undo half of what was
    learned: the noise of a loss grows with it, and late in a run a hard batch is many times the trend.

    Three or more are a warning, and one that is not left again within 50 values; others are none.

    Costs: what was learned is undone, and has to be learned again.
    Do: look at the batches of those steps; clip the gradient.
    Follows from: N901, O601, C313.
    """
    series = training_loss(log)
    if series is None:
        return Unchecked(log.without_loss)
    values = series.finite
    if len(values) < 2 * RECOVERY or values.min() <= 0:
        return Unchecked(f"needs {2 * RECOVERY} values of a training loss above 0")
    level = trend(values)
    rest = np.log(values / level)
    spread = 1.4826 * float(np.median(np.abs(rest - np.median(rest)))) + 1e-6
    learned = np.maximum(ends(values)[0] - level, 0.0)
    is_high = (rest > SPIKE_Z * spread) & (values > 1.5 * level)
    is_spike = is_high & (values - level > 0.5 * learned) & (learned > 0)
    starts = np.flatnonzero(is_spike & ~np.concatenate([[False], is_spike[:-1]]))
    stays = [int(at) for at in starts if _stays(values, level, int(at))]
    if len(starts) < SPIKES and not stays:
        return None
    at = stays[0] if stays else int(starts[0])
    index = int(np.flatnonzero(np.isfinite(series.values))[at])
    return Hit(
        severity=Severity.WARNING,
        confidence=Confidence.LIKELY,
        summary=f"{len(starts)} spike{'s' * (len(starts) != 1)} of {series.name}"
        + (", not recovered from" if stays else ""),
        where=f"{log.where(series, index)}: {values[at]:.4g} over a trend of {level[at]:.4g}",
        why=f"{rest[at] / spread:.0f} deviations of ln(loss / trend), 1.4826·MAD = {spread:.3g}; half the gain lost",
        fix=Fix("look at the batches of those steps; clip the gradient", remedies.clipped(plan, usual_norm(log))),
        figures={
            "spikes": len(starts),
            "value": float(values[at]),
            "trend": float(level[at]),
            **log.step_of(series, index),
        },
        because=("N901", "O601", "C313"),
    )


def _stays(values: Floats, level: Floats, at: int) -> bool:
    """Whether the loss remains above the middle between trend and spike for the next 50 values."""
    after = values[at : at + RECOVERY]
    return len(after) == RECOVERY and bool(np.median(after) > (level[at] + values[at]) / 2)


@rule(
    "O604",
    "stalled",
    section="optimiser and schedule",
    severity=Severity.WARNING,
    precedence=Precedence.SCHEDULE,
    cost=Cost.RECORDS,
    of_log=True,
)
def stalled(log: LogFacts) -> Answer:
    """The training loss stands still: exactly constant (an error), at ln C or ln 2, which is what knowing nothing gives
    (a warning), or elsewhere (information: it may have been as good as it gets from the beginning; a warning where the
    log has the beginning of the training and no metric and no validation improved either, by 2 % and two deviations).

    Costs: nothing is learned.
    Do: check that the loss depends on the weights, that the optimiser has them, and the labels' order.
    Follows from: N901, N902, O601, O602, G701, K401, C303, C305, C318, L201, G702, G706, G711, O612, O613.
    """
    series = training_loss(log)
    if series is None:
        return Unchecked(log.without_loss)
    values = series.finite
    is_constant = _is_constant(series)
    if log.early and not is_constant:
        return Unchecked(log.early)
    if not is_constant and not is_long(log, series):
        return Unchecked(f"too few values of {series.name} to say that it stands still ({len(values)})")
    if not is_constant and not stands_still(values):
        return None
    level = float(np.median(values))
    form = ""
    if not _words_of_loss(log, series) & NOT_OVER_CLASSES:
        # What knowing nothing gives is known of a term; the total is its multiple.
        weight, half_unit = log.weight_of(series), float(np.median(series.column.half_units))
        form = closed_form(level / weight, 0.003 + half_unit / weight, log.num_classes)
        form += f"; times its weight {weight:g}" if form and weight != 1 else ""
    unmoved = _unmoved(log)
    severity = Severity.ERROR if is_constant else Severity.WARNING if form or unmoved else Severity.INFO
    if severity is Severity.INFO and log.is_run:
        return None
    first, last = ends(values)
    moved = f"first tenth {first:.4f}, last tenth {last:.4f}"
    return Hit(
        severity=severity,
        confidence=Confidence.LIKELY,
        summary=f"{series.name} {'is' if is_constant else 'stands at'} {level:.4g}"
        + (f" in all {len(values):,} values" if is_constant else ""),
        where=f"{log.where(series, 0)} to {log.where(series, len(series.values) - 1)}: {moved}",
        why=(form or "no closed form explains the value")
        + (f"; {unmoved} did not improve either" if unmoved else "")
        + ("; no update reaches the loss, or it is not computed anew" if is_constant else ""),
        fix=Fix("check that the loss depends on the weights, that they are in the optimiser, and the labels' order"),
        figures={"median": level, "first": first, "last": last, "std": float(values.std())},
        because=(
            *("N901", "N902", "O601", "O602", "G701", "K401", "C303", "C305", "C318", "L201", "G702", "G706", "G711"),
            *("O612", "O613"),
        ),
    )


LEARNED, FINE_TUNING = 0.9, 1e-5
"""A share from which on there may be nothing left to learn; the highest rate of a training that starts from a good
network, whose loss need not fall."""


def _unmoved(log: LogFacts) -> str:
    """What else stands still from the beginning of the training on; empty: something improved, or nothing tells."""
    steps, epochs = (told[np.isfinite(told)] for told in (log.table.steps, log.table.epochs))
    is_whole = epochs.min() <= 1 if len(epochs) else bool(len(steps)) and steps.min() <= max(0.02 * steps.max(), 1)
    rates = [float(one.finite.max()) for one in log.of(Kind.LR) if len(one.finite)]
    if not is_whole or (rates and max(rates) <= FINE_TUNING) or is_of_policy(log):
        return ""
    validated = validation_loss(log)
    rising = [*qualities(log), *log.of(Kind.SCORE)]
    falling = [*log.of(Kind.ERROR), *([validated] if validated is not None else [])]
    judged = [(one, sign) for side, sign in ((rising, 1.0), (falling, -1.0)) for one in side if len(one.finite) >= 5]
    if not judged or any(_improved(one, sign) for one, sign in judged):
        return ""
    return ", ".join(one.name for one, _ in judged[:3])


def _improved(series: Series, sign: float) -> bool:
    """Whether a metric was ever better than at its beginning, by 2 % and two deviations; or is as good as it gets."""
    level = levels(series.finite)
    gain = float((sign * (level - level[0])).max())
    share = level.max() / (100 if level.max() > 1.5 else 1)
    is_good = series.meaning.kind in (Kind.RATE, Kind.CORRELATION) and share >= LEARNED
    return bool(is_good or gain > max(IMPROVED * abs(level[0]), 2 * jitter(series.finite)))


def _words_of_loss(log: LogFacts, series: Series) -> frozenset[str]:
    """What a loss is called, and where it is a total its terms too."""
    words = [series.meaning.words]
    if series.meaning.kind is Kind.TOTAL:
        words += [term.meaning.words for term in log.of(Kind.TERM)]
        words += [frozenset(words_of(name)) for name in log.weights or {}]
    return frozenset().union(*words)


def _is_constant(series: Series) -> bool:
    """Ten or more equal values with three digits or more: 0.00 may be anything small."""
    values = series.finite
    if len(values) < CONSTANT or np.ptp(values) != 0:
        return False
    return bool(abs(values[0]) > 100 * 2 * float(series.column.half_units.min())) and bool(values[0] != 0)
