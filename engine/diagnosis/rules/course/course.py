"""O601 to O604, O606, K401, R801, Q501: how the losses of a log go over time. Pure functions of a log.

Nothing is judged by an absolute size, and nothing at all where too few values were logged.
"""

from __future__ import annotations

import math

import numpy as np

from trainctl.engine.diagnosis.catalogue import Answer, Cost, Precedence, rule
from trainctl.engine.diagnosis.finding import Confidence, Fix, Hit, Severity, Unchecked
from trainctl.engine.diagnosis.logs.course import (
    closed_form,
    ends,
    is_by_epoch,
    is_long,
    stands_still,
    training_loss,
    trend,
    validation_loss,
)
from trainctl.engine.diagnosis.logs.facts import LogFacts, Series
from trainctl.engine.diagnosis.logs.names import VAL, Kind, words_of
from trainctl.engine.diagnosis.logs.posteriors import max_posteriors
from trainctl.engine.diagnosis.logs.table import Floats

NO_LOSS = "the log names no training loss, or several that are no sum"
CONTRASTIVE = frozenset({"supcon", "contrastive", "contrast", "infonce", "nce", "ntxent", "simclr", "con"})
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
PINNED = 0.02
FEWEST, MOST = 4, 1024
"""Batch sizes that are looked for where none is given."""
DIVERGED, FAR = 1.5, 10.0
SPIKES, SPIKE_Z, RECOVERY = 3, 8.0, 50
TINY_RATE, DEAD_RATE = 1e-7, 1e-3
CONSTANT = 10
OVERFIT, SINCE_BEST, NOISES = 0.2, 3, 4.0
SATURATED = 0.99


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
    """Median of the last tenth of the training loss above 1.5 times that of the first (above 10 times: an error)."""
    series = training_loss(log)
    if series is None:
        return Unchecked(NO_LOSS)
    values = series.finite
    if len(values) < CONSTANT or values.min() < 0:
        return Unchecked(f"needs {CONSTANT} values of a training loss that is not negative")
    first, last = ends(values)
    start = max(first, math.log(log.num_classes) if log.num_classes else 0.0)
    if not start or last <= DIVERGED * start:
        return None
    index = int(np.nanargmin(np.where(np.isfinite(series.values), series.values, np.nan)))
    rates = [one for one in log.of(Kind.LR) if len(one.finite)]
    rate = f"; learning rate up to {max(float(one.finite.max()) for one in rates):.3g}" if rates else ""
    return Hit(
        severity=Severity.ERROR if last > FAR * start else Severity.WARNING,
        confidence=Confidence.LIKELY,
        summary=f"{series.name} rose from {first:.4g} to {last:.4g}",
        where=f"lowest at {log.where(series, index)}: {series.say(index)}; {len(values):,} values",
        why=f"medians of the first and the last tenth, a factor of {last / start:.3g}{rate}",
        fix=Fix("a tenth of the learning rate, a warmup, and clip the gradient"),
        figures={"first": first, "last": last, "lowest": float(values.min())},
        because=("N901",),
    )


@rule(
    "O602",
    "learning rate zero or far too small",
    section="optimiser and schedule",
    severity=Severity.WARNING,
    precedence=Precedence.SCHEDULE,
    cost=Cost.RECORDS,
    of_log=True,
)
def no_learning_rate(log: LogFacts) -> Answer:
    """Every learning rate that was logged is 0 (error), or none is above 1e-7 and the loss stands still."""
    rates = [one for one in log.of(Kind.LR) if len(one.finite)]
    if not rates:
        return Unchecked("the log names no learning rate")
    series = max(rates, key=lambda one: float(one.finite.max()))
    highest, loss = float(series.finite.max()), training_loss(log)
    is_still = loss is not None and is_long(log, loss) and stands_still(loss.finite)
    # A rate that is printed with few digits looks like 0 without being it.
    is_zero = highest == 0 and (len(series.finite) > 2) and (float(series.column.half_units.max()) < 1e-6 or is_still)
    if not is_zero and (highest > TINY_RATE or highest == 0 or not is_still):
        return None
    return Hit(
        severity=Severity.ERROR if is_zero else Severity.WARNING,
        confidence=Confidence.PROVEN if is_zero and is_still else Confidence.LIKELY,
        summary=f"{series.name} is never above {highest:.3g}",
        where=f"{len(series.finite):,} values from {log.where(series, 0)}",
        why="no update changes a weight" + (f"; {loss.name} stands still" if loss is not None and is_still else ""),
        fix=Fix("look at schedule and warmup (steps against epochs), then find a rate: trainctl lr-find"),
        figures={"highest": highest},
    )


@rule(
    "O606",
    "learning rate spent too early",
    section="optimiser and schedule",
    severity=Severity.WARNING,
    precedence=Precedence.SCHEDULE,
    cost=Cost.RECORDS,
    of_log=True,
)
def spent_rate(log: LogFacts) -> Answer:
    """The whole second half of the log below a thousandth of the highest learning rate."""
    rates = [one for one in log.of(Kind.LR) if len(one.finite) >= CONSTANT]
    if not rates:
        return Unchecked(f"needs {CONSTANT} values of a learning rate")
    highest = np.array([float(one.finite.max()) for one in rates])
    late = np.array([float(one.finite[len(one.finite) // 2 :].max()) for one in rates])
    if not (highest > 0).any() or (late >= DEAD_RATE * highest).any():
        return None
    series = rates[int(highest.argmax())]
    index = int(np.flatnonzero(series.values >= DEAD_RATE * highest.max())[-1])
    return Hit(
        severity=Severity.WARNING,
        confidence=Confidence.LIKELY,
        summary=f"{series.name} is below a thousandth of its highest from {index / len(series.values):.0%} of the log",
        where=f"after {log.where(series, index)}: {highest.max():.3g} before, {late.max():.3g} in the second half",
        why="what is left of such a run changes next to nothing",
        fix=Fix("step the schedule by the epoch if it counts epochs; make its length that of the run"),
        figures={"highest": float(highest.max()), "second_half": float(late.max())},
    )


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
    """
    series = training_loss(log)
    if series is None:
        return Unchecked(NO_LOSS)
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
        because=("N901", "O601"),
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
    """The training loss stands still: exactly constant (error), at what knowing nothing gives (warning), or elsewhere
    (information: it may have been as good as it gets from the beginning)."""
    series = training_loss(log)
    if series is None:
        return Unchecked(NO_LOSS)
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
    severity = Severity.ERROR if is_constant else Severity.WARNING if form else Severity.INFO
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
        + ("; no update reaches the loss, or it is not computed anew" if is_constant else ""),
        fix=Fix("check that the loss depends on the weights, that they are in the optimiser, and the labels' order"),
        figures={"median": level, "first": first, "last": last, "std": float(values.std())},
        because=("N901", "O602", "K401"),
    )


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


@rule(
    "K401",
    "contrastive loss at its floor",
    section="loss",
    severity=Severity.WARNING,
    precedence=Precedence.LOSS,
    cost=Cost.RECORDS,
    of_log=True,
)
def pinned_contrast(log: LogFacts) -> Answer:
    """A contrastive loss stands still at ln(B−1): of the given B, or of a whole number from 4 to 1024 that is near."""
    known = [s for s in log.of(Kind.TERM, Kind.TOTAL) if _is_contrastive(log, s) and s.meaning.split != VAL]
    if not known:
        return Unchecked("the log names no contrastive loss")
    series = max(known, key=lambda one: len(one.values))
    if not is_long(log, series):
        return Unchecked(f"too few values of {series.name} to say that it stands still ({len(series.finite)})")
    late = series.finite[len(series.finite) // 2 :]
    weight = log.weight_of(series)
    late, per_weight = late / weight, "" if weight == 1 else f" / {weight:g}"
    level = float(np.median(late))
    size = log.batch_size or round(math.exp(min(level, 20.0))) + 1
    gap = abs(level - math.log(max(size - 1, 1)))
    # Whole numbers lie 1/(B−1) apart: near one means something only if it is much nearer than that.
    near = (
        PINNED
        if log.batch_size
        else min(PINNED, 0.1 / max(size - 1, 1)) + float(series.column.half_units.min()) / weight
    )
    if not FEWEST <= size <= MOST or gap > near or late.std() > PINNED or not stands_still(series.finite):
        return None
    return Hit(
        severity=Severity.WARNING,
        confidence=Confidence.PROVEN if log.batch_size else Confidence.LIKELY,
        summary=f"{series.name}{per_weight} stands at {level:.4f}, "
        f"equal embeddings give ln({size}−1) = {math.log(size - 1):.4f}",
        where=f"{log.where(series, 0)} to {log.where(series, len(series.values) - 1)}: deviation {late.std():.2g}",
        why="one class in each batch (its least possible loss), equal embeddings, or no positives"
        + ("" if log.batch_size else f"; B = {size} is read off the value, --batch-size B makes it sure"),
        fix=Fix("print the classes of a few batches and the mean cosine of the embeddings; the learning rate can wait"),
        figures={"loss": level, "gap": gap, "std": float(late.std()), "batch_size": size},
    )


def _is_contrastive(log: LogFacts, series: Series) -> bool:
    if series.meaning.kind is Kind.TERM:
        return bool(series.meaning.words & CONTRASTIVE)
    weights = log.weights or {}
    return bool(weights) and set(weights) <= CONTRASTIVE


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


@rule(
    "Q501",
    "one-hot posteriors",
    section="loss",
    severity=Severity.WARNING,
    precedence=Precedence.LOSS,
    cost=Cost.RECORDS,
    of_log=True,
)
def saturated_posteriors(log: LogFacts) -> Answer:
    """Mean largest posterior above .99 over the last epoch that was logged, or the last tenth of the values."""
    known = max_posteriors(log)
    if not known:
        return Unchecked("the log names no largest posterior, and no cluster loss beside an entropy")
    for series in known:
        values = np.abs(series.finite)
        count = 1 if is_by_epoch(log, series) else max(len(values) // 10, 1)
        if len(values) and float(values[-count:].min()) > SATURATED:
            first = int(np.flatnonzero(np.abs(series.values) > SATURATED)[0])
            return Hit(
                severity=Severity.WARNING,
                confidence=Confidence.LIKELY,
                summary=f"{series.name} {series.say(len(series.values) - 1)} at the end",
                where=f"above {SATURATED} first at {log.where(series, first)}",
                why="one-hot posteriors have no gradient: no loss on them can move a sample to another cluster",
                fix=Fix(
                    "a mixture over fewer dimensions or log-densities × 1/D; a lower cluster weight, an entropy term"
                ),
                figures={"max_posterior": float(values[-1])},
            )
    return None
