"""O604: a training loss that stands still. Pure functions of a log.

Nothing is judged by an absolute size, and nothing at all where too few values were logged.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from trainctl.engine.diagnosis.catalogue import Answer, Cost, Precedence, rule
from trainctl.engine.diagnosis.finding import Confidence, Fix, Hit, Severity, Unchecked
from trainctl.engine.diagnosis.logs.course import (
    IMPROVED,
    LEAST_EPOCHS,
    closed_form,
    ends,
    is_by_epoch,
    is_long,
    stands_still,
    training_loss,
    validation_loss,
)
from trainctl.engine.diagnosis.logs.facts import LogFacts, Series
from trainctl.engine.diagnosis.logs.metrics import accuracies, is_of_policy, jitter, levels, qualities
from trainctl.engine.diagnosis.logs.names import TEST, TRAIN, VAL, Kind, words_of
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
CONSTANT, CONSTANT_EPOCHS = 10, 5
"""Equal values that are no accident: with three digits, and of whole epochs with four."""
DIGITS, MORE_DIGITS = 100, 1000
"""Last digits that a value is at least made of: fewer may be anything small."""
FIRST_STEPS = 10
"""The first value logged is of a step up to this, at the beginning of a training."""
FINE = 5e-4
ZEROS, WRONG = 5, 0.5
"""Newest values of exactly 0, and a share of right answers below which no loss of them is 0."""
LEARNED, FINE_TUNING = 0.9, 1e-5
"""A share from which on there may be nothing left to learn; the highest rate of a training that starts from a good
network, whose loss need not fall."""
VANISHED = 0.01
"""Of the first gradient norms, the share that is left where the loss no longer depends on the weights."""
AT_CHANCE, NEARBY, MOST_CLASSES = 4, 0.05, 100
"""Epochs that are at ln C to three digits with an accuracy within a twentieth of 1/C: two witnesses need no more."""
LATE, HARDLY_BETTER, UNSURE = 20, 1.5, 0.6
"""Epoch from which on it is late to know nothing, how much more right answers may be than a loss leaves to chance, and
a loss that is something."""
CHECK = "check that the loss depends on the weights, that they are in the optimiser, and the labels' order"
MAY_BE_GOOD = (
    "nothing, where it went on from trained weights; else look at the rate, at the labels' order, and whether the loss "
    "depends on the weights"
)
LABELS = "print the loss of one batch in all its digits, and look at its labels: empty, masked, of another dictionary"
COUNTED = "log the share of the samples that count: a margin that is kept and embeddings that collapsed print the same"


@dataclass(frozen=True)
class _Still:
    """How a loss stands still."""

    severity: Severity
    level: float
    why: str
    said: str = ""
    """How many values are exactly equal; empty: they vary."""
    do: str = ""
    """Empty: what the severity asks for."""


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
    log has the beginning of the training and no metric and no validation improved either, by 2 % and two deviations, or
    where the gradient fell to a hundredth meanwhile).

    Constant are ten values of three digits or five epochs of four, but for the first tenth or the first value; or ten
    that are ln C in every digit, and half of all. Also at ln C is a loss that is there after the first tenth, within
    .003 all the time, unless an accuracy is far above chance. A loss of exactly 0 in its five newest values and half of
    all is a warning beside an accuracy below .5, and information where it came there at once, from a thousand times its
    last digit.

    Four epochs are enough where all but the first are at ln C, by three digits, beside an accuracy within 5 % of 1/C.
    Every loss exactly 0 in five values or more, and every accuracy all there is: an information, and a warning from the
    beginning of the training on. From the 20th epoch on, five values or more beside an accuracy of at most 1.5 times
    what the loss L leaves to chance, exp(−L): an information.

    Costs: nothing is learned.
    Do: check that the loss depends on the weights, that the optimiser has them, and the labels' order.
    Follows from: N901, N902, O601, O602, G701, K401, C303, C305, C318, L201, G702, G706, G711, O612, O613.
    """
    series = training_loss(log)
    if (known := _known_at_once(log)) is not None:
        return known
    if series is None:
        return Unchecked(log.without_loss)
    still = _constant(log, series) or _zero(log, series) or _few_at_chance(log, series)
    if still is None and log.early:
        return Unchecked(log.early)
    still = still or _late_at_nothing(log, series)
    if still is None and not _is_long(log, series):
        return Unchecked(f"too few values of {series.name} to say that it stands still ({len(series.finite)})")
    still = still or _standing(log, series) or _at_chance(log, series)
    if still is None or (still.severity is Severity.INFO and log.is_run):
        return None
    first, last = ends(series.finite)
    return Hit(
        severity=still.severity,
        confidence=Confidence.LIKELY,
        summary=f"{series.name} {'is' if still.said else 'stands at'} {still.level:.4g}{still.said}",
        where=f"{log.where(series, 0)} to {log.where(series, len(series.values) - 1)}: first tenth {first:.4f}, last "
        f"tenth {last:.4f}",
        why=still.why,
        fix=Fix(still.do or (MAY_BE_GOOD if still.severity is Severity.INFO else CHECK)),
        figures={"median": still.level, "first": first, "last": last, "std": float(series.finite.std())},
        because=(
            *("N901", "N902", "O601", "O602", "G701", "K401", "C303", "C305", "C318", "L201", "G702", "G706", "G711"),
            *("O612", "O613"),
        ),
    )


def _constant(log: LogFacts, series: Series) -> _Still | None:
    """A loss that is the same in every digit almost from the beginning on, or exactly what knowing nothing gives."""
    values = series.finite
    if len(values) < CONSTANT_EPOCHS or values[-1] == 0:
        return None
    level, start = float(values[-1]), _constant_from(values)
    count, half_unit = len(values) - start, float(series.column.half_units.min())
    digits = abs(level) / (2 * half_unit) if half_unit else np.inf
    form = _form(log, series, level, 1e-5)
    # A full batch may converge to the last digit, but hardly within a tenth of its training.
    is_early = start <= max(len(values) // 10, 1) and digits > (MORE_DIGITS if start else DIGITS)
    is_exact = bool(form) and digits > MORE_DIGITS and 2 * count >= len(values)
    is_of_epochs = count >= CONSTANT_EPOCHS and digits > MORE_DIGITS and is_by_epoch(log, series)
    if not ((is_early or is_exact) and count >= CONSTANT) and not (is_early and is_of_epochs):
        return None
    why = _reasons(form, "")
    said = f" in all {count:,} values" if not start else f" in the newest {count:,} of {len(values):,} values"
    return _Still(Severity.ERROR, level, why + "; no update reaches the loss, or it is not computed anew", said)


def _is_long(log: LogFacts, series: Series) -> bool:
    """As `is_long`, also where an evaluation at the end prints a last value of the same name."""
    epochs = log.table.epochs[series.rows[:-1]]
    is_by_all_but_one = len(epochs) > LEAST_EPOCHS and bool((np.diff(epochs) >= 1).all())
    return is_by_all_but_one or is_long(log, series)


def _constant_from(values: Floats) -> int:
    """Index from which on all values are equal."""
    other = np.flatnonzero(values != values[-1])
    return int(other[-1]) + 1 if len(other) else 0


def _zero(log: LogFacts, series: Series) -> _Still | None:
    """A loss of exactly 0, which is as good as it gets, or no loss at all."""
    values = series.finite
    count = len(values) - _constant_from(values) if len(values) else 0
    if count < ZEROS or 2 * count < len(values) or values[-1] != 0 or is_of_policy(log):
        return None
    said = f" in the newest {count:,} of {len(values):,} values"
    wrong = [one for one in accuracies(log) if one.meaning.split in ("", TRAIN) and len(one.finite) >= ZEROS]
    wrong = [one for one in wrong if _share(one, float(one.finite[-ZEROS:].max())) < WRONG]
    if wrong:
        told = f"{wrong[0].name} is {float(wrong[0].finite[-1]):.4g} beside it: no sample counts in the loss"
        return _Still(Severity.WARNING, 0.0, f"{told}, or NaN is printed as 0", said, LABELS)
    is_nan = any(not np.isfinite(one.values[-1:]).all() for one in log.of(Kind.GRAD_NORM))  # and printed as 0
    before = 0.0 if count == len(values) else float(values[-count - 1])
    if is_nan or before <= MORE_DIGITS * 2 * float(series.column.half_units.max()):
        return None
    return _Still(Severity.INFO, 0.0, "every sample is beyond its margin, or none counts", said, COUNTED)


def _known_at_once(log: LogFacts) -> Hit | None:
    """Losses of exactly 0 beside accuracies that are all there is, in every value."""
    losses = [one for one in log.of(Kind.TOTAL, Kind.TERM) if one.meaning.split not in (VAL, TEST)]
    rates = [one for one in accuracies(log) if one.meaning.split in ("", TRAIN) and len(one.values) >= ZEROS]
    longest = max(losses, key=lambda one: len(one.values), default=None)
    if longest is None or len(longest.values) < ZEROS or not rates or is_of_policy(log):
        return None
    if any(one.values.any() for one in losses) or any(_share(one, float(one.values.min())) < 1 for one in rates):
        return None
    is_first = _begins(log, longest)
    told = "from the beginning on" if is_first else "in all that is logged"
    return Hit(
        severity=Severity.WARNING if is_first else Severity.INFO,
        confidence=Confidence.LIKELY,
        summary=f"{longest.name} is exactly 0, {rates[0].name} {rates[0].say(0)} in all {len(longest.values):,} values",
        where=f"{log.where(longest, 0)} to {log.where(longest, len(longest.values) - 1)}",
        why=f"every answer is right {told}: all labels are of one class or empty, or the answer is among the inputs",
        fix=Fix(LABELS),
        figures={"values": len(longest.values)},
        because=("N901", "N902"),
    )


def _begins(log: LogFacts, series: Series) -> bool:
    """Whether the first value of a series is of the first steps of a training."""
    epoch, step = (float(told[series.rows[0]]) for told in (log.table.epochs, log.table.steps))
    return bool(step <= FIRST_STEPS and not epoch > 1)


def _few_at_chance(log: LogFacts, series: Series) -> _Still | None:
    """Few epochs at ln C, with as many right answers as guesses."""
    values, half_unit = series.finite, float(series.column.half_units.max(initial=0.0))
    if len(values) < AT_CHANCE or not is_by_epoch(log, series) or half_unit > FINE or is_of_policy(log):
        return None
    rest, weight = values[1:], log.weight_of(series)
    form = _form(log, series, float(np.median(rest)), 0.002)
    count = log.num_classes or round(np.exp(min(float(np.median(rest)) / weight, 20.0)))
    if not form or not 2 <= count <= MOST_CLASSES or float(np.abs(rest / weight - np.log(count)).max()) > 0.003:
        return None
    for one in accuracies(log):
        newest = [_share(one, float(value)) for value in one.finite[1:]]
        if len(newest) + 1 >= AT_CHANCE and max(abs(value * count - 1) for value in newest) <= NEARBY:
            return _Still(Severity.WARNING, float(np.median(rest)), f"{_reasons(form, '')}; {one.name} is 1/{count}")
    return None


def _late_at_nothing(log: LogFacts, series: Series) -> _Still | None:
    """Answers that are hardly better than guesses, though epochs have passed."""
    values, epochs = series.finite, log.table.epochs[series.rows]
    if len(values) < ZEROS or _is_long(log, series) or not bool((epochs >= LATE).all()) or is_of_policy(log):
        return None
    level = float(np.median(values))
    rates = [one for one in accuracies(log) if one.meaning.split == series.meaning.split and len(one.finite) >= ZEROS]
    if level < UNSURE or not rates or _words_of_loss(log, series) & NOT_OVER_CLASSES:
        return None
    right = float(np.median([_share(rates[0], float(value)) for value in rates[0].finite]))
    if right > HARDLY_BETTER * np.exp(-level) or _knows(log, level):
        return None
    chance = f"exp(−{level:.4g}) = {np.exp(-level):.3g}"
    why = f"{rates[0].name} is {right:.3g} in the median: no more than a loss of that height leaves to chance, {chance}"
    return _Still(Severity.INFO, level, why, do=CHECK)


def _standing(log: LogFacts, series: Series) -> _Still | None:
    """A loss whose last tenth is what its first was."""
    values = series.finite
    if not stands_still(values):
        return None
    level = float(np.median(values))
    form = _form(log, series, level, 0.003)
    unmoved, vanished = _unmoved(log), _vanished(log, series)
    severity = Severity.WARNING if form or unmoved or vanished else Severity.INFO
    return _Still(severity, level, _reasons(form, unmoved, vanished))


def _at_chance(log: LogFacts, series: Series) -> _Still | None:
    """A loss that came to what knowing nothing gives within its first tenth, from wherever, and never left it."""
    values = series.finite
    rest = values[max(len(values) // 10, 1) :]
    level = float(np.median(rest))
    form = _form(log, series, level, 0.003)
    near = 0.003 * log.weight_of(series) + 2 * float(np.median(series.column.half_units))
    if not form or float(np.abs(rest - level).max()) > near or _knows(log, level / log.weight_of(series)):
        return None
    return _Still(Severity.WARNING, level, _reasons(form, ""))


def _knows(log: LogFacts, level: float) -> bool:
    """Whether an accuracy is far above what a loss at ln C would leave to chance."""
    told = [_share(one, float(np.median(one.finite))) for one in accuracies(log) if len(one.finite)]
    return any(share > 1.5 * np.exp(-level) for share in told)


def _form(log: LogFacts, series: Series, level: float, tolerance: float) -> str:
    if _words_of_loss(log, series) & NOT_OVER_CLASSES or all(one is not series for one in log.series):
        return ""  # a sum of terms that stands for a total is of no classes
    # What knowing nothing gives is known of a term; the total is its multiple.
    weight, half_unit = log.weight_of(series), float(np.median(series.column.half_units))
    form = closed_form(level / weight, tolerance + half_unit / weight, log.num_classes)
    return f"{form}; times its weight {weight:g}" if form and weight != 1 else form


def _reasons(form: str, unmoved: str, vanished: str = "") -> str:
    return (
        (form or "no closed form explains the value")
        + (f"; {unmoved} did not improve either" if unmoved else "")
        + (f"; {vanished}" if vanished else "")
    )


def _unmoved(log: LogFacts) -> str:
    """What else stands still from the beginning of the training on; empty: something improved, or nothing tells."""
    if not _has_beginning(log) or is_of_policy(log):
        return ""
    validated = validation_loss(log)
    rising = [*qualities(log), *log.of(Kind.SCORE)]
    falling = [*log.of(Kind.ERROR), *([validated] if validated is not None else [])]
    judged = [(one, sign) for side, sign in ((rising, 1.0), (falling, -1.0)) for one in side if len(one.finite) >= 5]
    if not judged or any(_improved(one, sign) for one, sign in judged):
        return ""
    return ", ".join(one.name for one, _ in judged[:3])


def _has_beginning(log: LogFacts) -> bool:
    """Whether a log has the beginning of a training that starts from nothing."""
    steps, epochs = (told[np.isfinite(told)] for told in (log.table.steps, log.table.epochs))
    is_whole = epochs.min() <= 1 if len(epochs) else bool(len(steps)) and steps.min() <= max(0.02 * steps.max(), 1)
    rates = [float(one.finite.max()) for one in log.of(Kind.LR) if len(one.finite)]
    return bool(is_whole) and not (rates and max(rates) <= FINE_TUNING)


def _vanished(log: LogFacts, series: Series) -> str:
    """What became of a gradient that is all but gone though the loss never fell; empty: nothing, or nothing tells."""
    values = series.finite
    norms = [one for one in log.of(Kind.GRAD_NORM) if len(one.finite) >= CONSTANT]
    has_fallen = float(np.median(values[:3])) > (1 + IMPROVED) * float(np.median(values)) + 2 * jitter(values)
    is_good = any(_share(one, float(one.finite.max())) >= WRONG for one in qualities(log) if len(one.finite))
    if not _has_beginning(log) or is_of_policy(log) or has_fallen or is_good:
        return ""
    for norm in norms:
        first, last = ends(norm.finite)
        if 0 < last < VANISHED * first and float(levels(norm.finite)[-1]) < VANISHED * first:
            answer = ", as one constant answer leaves it"
            return f"{norm.name} fell from {first:.3g} to {last:.3g} though nothing was learned{answer}"
    return ""


def _improved(series: Series, sign: float) -> bool:
    """Whether a metric was ever better than at its beginning, by 2 % and two deviations; or is as good as it gets."""
    level = levels(series.finite)
    gain = float((sign * (level - level[0])).max())
    share = level.max() / (100 if level.max() > 1.5 else 1)
    is_good = series.meaning.kind in (Kind.RATE, Kind.CORRELATION) and share >= LEARNED
    return bool(is_good or gain > max(IMPROVED * abs(level[0]), 2 * jitter(series.finite)))


def _share(series: Series, value: float) -> float:
    return value / (100 if series.column.is_percent or series.finite.max() > 1.5 else 1)


def _words_of_loss(log: LogFacts, series: Series) -> frozenset[str]:
    """What a loss is called, and where it is a total its terms too."""
    words = [series.meaning.words]
    if series.meaning.kind is Kind.TOTAL:
        words += [term.meaning.words for term in log.of(Kind.TERM)]
        words += [frozenset(words_of(name)) for name in log.weights or {}]
    return frozenset().union(*words)
