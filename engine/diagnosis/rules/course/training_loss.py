"""O601, O603, O604: a training loss that rises, jumps, or stands still.

Pure functions of a log. Nothing is judged by an absolute size, and nothing at all where too few values were logged.
"""

from __future__ import annotations

import math

import numpy as np

from trainctl.engine.diagnosis.catalogue import Answer, Cost, Precedence, rule
from trainctl.engine.diagnosis.finding import Confidence, Fix, Hit, Severity, Unchecked
from trainctl.engine.diagnosis.logs.course import (
    IMPROVED,
    closed_form,
    ends,
    first_bad,
    is_long,
    rise_before_end,
    stands_still,
    training_loss,
    trend,
    validation_loss,
)
from trainctl.engine.diagnosis.logs.facts import LogFacts, Series
from trainctl.engine.diagnosis.logs.metrics import WIDTH, collapse, is_of_policy, jitter, levels, qualities
from trainctl.engine.diagnosis.logs.names import VAL, Kind, words_of
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
DIVERGED, FAR = 1.5, 10.0
UNDERFLOWN, UNDERFLOWN_BY = 87.3365, 1e-3
"""−ln of the smallest normal number of single precision."""
FIRST_UPDATES = 50
SPIKES, SPIKE_Z, RECOVERY = 3, 8.0, 50
CONSTANT = 10


@rule(
    "O601",
    "divergence",
    section="optimiser and schedule",
    severity=Severity.ERROR,
    precedence=Precedence.SCHEDULE,
    cost=Cost.RECORDS,
    of_log=True,
)
def divergence(log: LogFacts) -> Answer:
    """Median of the last tenth of the training loss above 1.5 times that of the first (above 10 times: an error),
    unless one of its terms fell by a fifth: then another is what rose, and the network learns.

    The same is said of a loss that rose to twice its lowest level, or in one step tenfold, before it ceased to be
    finite; of one at 87.3365 = −ln(FLT_MIN), where the right class has a probability of 0; of updates larger than the
    weights themselves in half of the first fifty steps; and of a metric that lost 30 % of its best level for good while
    the training loss did not fall either.

    Costs: the weights are driven away from any answer.
    Do: a tenth of the learning rate, a warmup, and clip the gradient.
    Follows from: N901, N902, C313.
    """
    series = training_loss(log)
    told = [*log.of(Kind.UPDATE_RATIO), *qualities(log)]
    if series is None and not any(len(one.finite) >= CONSTANT for one in told):
        return Unchecked(log.without_loss)
    hits = [_of_updates(log), _of_metrics(log, series)]
    if series is not None:
        hits = [_before_the_end(log, series), _underflown(log, series), _risen(log, series), *hits]
    hit = next((hit for hit in hits if hit is not None), None)
    if hit is None and series is not None and (len(series.finite) < CONSTANT or series.finite.min() < 0):
        return Unchecked(f"needs {CONSTANT} values of a training loss that is not negative")
    return hit


LOWER_RATE = Fix("a tenth of the learning rate, a warmup, and clip the gradient")


def _highest_rate(log: LogFacts) -> str:
    rates = [one for one in log.of(Kind.LR) if len(one.finite)]
    return f"; learning rate up to {max(float(one.finite.max()) for one in rates):.3g}" if rates else ""


def _risen(log: LogFacts, series: Series) -> Hit | None:
    values = series.finite
    if len(values) < CONSTANT or values.min() < 0 or is_of_policy(log):
        return None
    first, last = ends(values)
    start = max(first, math.log(log.num_classes) if log.num_classes else 0.0)
    if not start or last <= DIVERGED * start or (last <= FAR * start and _falling_term(log)):
        return None
    index = int(np.nanargmin(np.where(np.isfinite(series.values), series.values, np.nan)))
    return Hit(
        severity=Severity.ERROR if last > FAR * start else Severity.WARNING,
        confidence=Confidence.LIKELY,
        summary=f"{series.name} rose from {first:.4g} to {last:.4g}",
        where=f"lowest at {log.where(series, index)}: {series.say(index)}; {len(values):,} values",
        why=f"medians of the first and the last tenth, a factor of {last / start:.3g}{_highest_rate(log)}",
        fix=LOWER_RATE,
        figures={"first": first, "last": last, "lowest": float(values.min())},
        because=("N901", "N902", "C313"),
    )


def _falling_term(log: LogFacts) -> bool:
    """Whether a term of the training loss fell by a fifth: weights that are driven away from any answer lower none."""
    for term in log.of(Kind.TERM):
        if term.meaning.split != VAL and len(term.finite) >= CONSTANT and term.finite.min() >= 0:
            first, last = ends(term.finite)
            if last < 0.8 * first:
                return True
    return False


def _before_the_end(log: LogFacts, series: Series) -> Hit | None:
    """A loss that was rising when it ceased to be finite: the divergence is the cause."""
    rise, index = rise_before_end(series), first_bad(series)
    if rise is None or index is None or np.isfinite(series.values[index:]).any():
        return None
    last = float(series.values[index - 1])
    return Hit(
        severity=Severity.ERROR,
        confidence=Confidence.LIKELY,
        summary=f"{series.name} had risen to {last:.4g} when it became {series.values[index]:g}",
        where=f"{log.where(series, index)}; {index:,} finite values before it",
        why=f"{rise:.3g} times its level before: it diverged first{_highest_rate(log)}",
        fix=LOWER_RATE,
        figures={"last": last, "rise": rise},
    )


def _underflown(log: LogFacts, series: Series) -> Hit | None:
    late = series.finite[-max(len(series.finite) // 10, WIDTH) :]
    if len(late) < WIDTH or np.median(np.abs(late - UNDERFLOWN)) > UNDERFLOWN_BY:
        return None
    return Hit(
        severity=Severity.ERROR,
        confidence=Confidence.PROVEN,
        summary=f"{series.name} stands at {float(np.median(late)):.4f} = −ln(FLT_MIN)",
        where=f"to {log.where(series, len(series.values) - 1)}; {len(series.values):,} values",
        why="the right class has a probability of 0 to single precision: the scores are huge, or NaN"
        + _highest_rate(log),
        fix=Fix(
            "a tenth of the learning rate; where it is so from the start, look for NaN and huge values in the data"
        ),
        figures={"last": float(np.median(late))},
    )


def _of_updates(log: LogFacts) -> Hit | None:
    for series in log.of(Kind.UPDATE_RATIO):
        early = series.finite[:FIRST_UPDATES]
        if len(early) >= CONSTANT and float(np.median(early)) > 1:
            return Hit(
                severity=Severity.WARNING,
                confidence=Confidence.LIKELY,
                summary=f"{series.name} {float(np.median(early)):.3g}: updates are larger than the weights",
                where=f"median of {len(early)} values from {log.where(series, 0)}",
                why="each of these steps overwrites what was there; healthy ones are near 1e-3" + _highest_rate(log),
                fix=LOWER_RATE,
                figures={"ratio": float(np.median(early))},
                because=("N901", "N902"),
            )
    return None


def _of_metrics(log: LogFacts, loss: Series | None) -> Hit | None:
    """A metric that came down for good, while the training loss did not fall."""
    if is_of_policy(log):
        return None
    metrics = qualities(log)
    found = [(one, fallen) for one in metrics if (fallen := _printed_best(log, one) or collapse(one)) is not None]
    if 2 * len(found) < len(metrics):
        return None  # of many metrics, each of a class, some always fall
    for series, fallen in found:
        trained = [loss] if loss is not None else [one for one in log.of(Kind.TERM) if one.meaning.split != VAL]
        if not trained or any(_has_fallen_since(series, one) for one in trained):
            continue
        best, last = fallen
        return Hit(
            severity=Severity.WARNING,
            confidence=Confidence.LIKELY,
            summary=f"{series.name} fell from {best:.4g} to {last:.4g}",
            where=f"to {log.where(series, len(series.values) - 1)}; {len(series.values):,} values",
            why=("" if loss is None else f"{loss.name} is {ends(loss.finite)[1]:.4g} at the end and did not fall: ")
            + "the training itself has come apart, not only what it generalises to"
            + _highest_rate(log),
            fix=Fix("go back to the best weights; a tenth of the learning rate, clip the gradient"),
            figures={"best": best, "last": last},
            because=("N901", "N902"),
        )
    return None


def _printed_best(log: LogFacts, series: Series) -> tuple[float, float] | None:
    """Best so far, as the log prints it, of a metric that is constant and far below."""
    values = series.values
    if len(values) < 5 or not np.isfinite(values).all() or np.ptp(values) != 0 or values[0] <= 0:
        return None
    words = series.meaning.words | {"best"}
    named = [one for one in log.series if one.meaning.words == words]
    tops = [float(one.finite.max()) for one in named if len(one.finite)]
    return (max(tops), float(values[0])) if tops and values[0] <= 0.7 * max(tops) <= 100 else None


def _has_fallen_since(series: Series, loss: Series) -> bool:
    """Whether the training loss is lower at the end than where a metric was best."""
    if len(loss.finite) < WIDTH:
        return False
    row = int(series.rows[int(np.nanargmax(np.where(np.isfinite(series.values), series.values, np.nan)))])
    finite = np.isfinite(loss.values)
    nearest = np.argsort(np.abs(loss.rows[finite] - row), kind="stable")[:WIDTH]
    then, now = float(np.median(loss.values[finite][nearest])), ends(loss.finite)[1]
    return now < then - IMPROVED * abs(then)


@rule(
    "O603",
    "loss spikes",
    section="optimiser and schedule",
    severity=Severity.WARNING,
    precedence=Precedence.SCHEDULE,
    cost=Cost.RECORDS,
    of_log=True,
)
def spikes(log: LogFacts) -> Answer:
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
        fix=Fix("look at the batches of those steps; clip the gradient"),
        figures={"spikes": len(starts), "value": float(values[at]), "trend": float(level[at])},
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
    Follows from: N901, N902, O601, O602, G701, K401, C303, C318.
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
        because=("N901", "N902", "O601", "O602", "G701", "K401", "C303", "C318"),
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
