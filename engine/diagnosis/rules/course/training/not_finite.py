"""N901: a loss that is no number, asked by where it began and what came before. Pure functions of a log.

What to look at first is another thing in each case: a validation without samples, a term that divides by nothing, a
training that had begun to diverge, or a calm one that met a single operation or sample.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from trainctl.engine.diagnosis import remedies
from trainctl.engine.diagnosis.catalogue import Answer, Cost, Precedence, rule
from trainctl.engine.diagnosis.facts.plan import PlanFacts
from trainctl.engine.diagnosis.finding import Confidence, Fix, Hit, Severity, Unchecked
from trainctl.engine.diagnosis.logs.course import first_bad, rise_before_end
from trainctl.engine.diagnosis.logs.facts import LogFacts, Series
from trainctl.engine.diagnosis.logs.metrics import jitter, usual_norm
from trainctl.engine.diagnosis.logs.names import TEST, VAL, Kind
from trainctl.engine.diagnosis.logs.table import Floats

FEW = 5
"""Values before the first that is not finite from which on calm and rising can be told apart."""
AFTER_A_RISE, EARLY, HALF_PRECISION = "after a rise", "early", "half precision"
CALM, FROM_THE_START, PASSED = "out of a calm course", "from its first value", "passing"
UNSTEADY, EMPTY = "out of an unsteady course", "a mean of nothing"
MANY, NOISY = 20, 0.1
"""Values before the first that is not finite from which on noise hides no rise, and the noise, relative to them."""
PASSING = 0.02
"""Share of the values up to which they are single ones that a training went through."""


@dataclass(frozen=True)
class _Case:
    """Where a loss ceased to be finite, and what that says."""

    word: str
    why: str
    do: str
    severity: Severity = Severity.ERROR
    because: tuple[str, ...] = ()

    @property
    def has_passed(self) -> bool:
        """Whether the training went through it."""
        return self.word in (PASSED, EMPTY)


@rule(
    "N901",
    "loss not finite",
    section="loss",
    severity=Severity.ERROR,
    precedence=Precedence.DATA,
    cost=Cost.RECORDS,
    of_log=True,
)
def not_finite(log: LogFacts, plan: PlanFacts | None = None) -> Answer:
    """NaN or infinity in a loss or one of its terms; which one was first, by row, and what it did before tell why.

    Only in validation: its data. Only in a term, with a finite total: that term. From the first value on: the data, an
    operation or half precision, or a divergence before the first value that was logged. After a rise to twice the
    lowest level, or a last value ten times the median: divergence (O601) is the cause. Out of a calm course: half
    precision, or one batch. Out of five to twenty values that did not fall, or vary by a tenth from one to the next:
    a rate that is too high is as likely.

    Single values that the training went through, at most 2 % of them, are a warning, and so is a term alone. What
    closes an epoch without a step of its own, and is finite within the epochs and after it, is a mean of nothing
    (information).

    Costs: from then on nothing is learned.
    Do: what the case asks for, as the finding says it.
    Follows from: O601, N902.
    """
    losses = log.of(Kind.TOTAL, Kind.TERM)
    if not losses:
        return Unchecked("no loss is named")
    bad = [series for series in losses if first_bad(series) is not None]
    if not bad:
        return None
    first = _first([one for one in bad if not _closes_epochs(log, one)] or bad)
    index, values = first_bad(first) or 0, first.values
    case = _case(log, first, index, bad)
    count = int((~np.isfinite(values)).sum())
    others = [series.name for series in bad if series is not first]
    return Hit(
        severity=case.severity,
        confidence=Confidence.PROVEN,
        summary=f"{first.name} is {values[index]:g}",
        where=f"{log.where(first, index)}; {count:,} of {len(values):,} values"
        + (f"; also {', '.join(others[:4])}{' ...' if len(others) > 4 else ''}" if others else ""),
        why=case.why + _around(log, first, index),
        fix=Fix(case.do, _settings(log, first, case, plan)),
        figures={
            "values_nonfinite": count,
            "value_before": float(values[index - 1]) if index else "none",
            "case": case.word,
            **log.step_of(first, index),
        },
        because=case.because,
        explains=not case.has_passed,
    )


def _settings(log: LogFacts, first: Series, case: _Case, plan: PlanFacts | None) -> remedies.Settings | None:
    """What the case asks for, as far as a setting can do it."""
    if case.word in (AFTER_A_RISE, EARLY, UNSTEADY):
        return remedies.slower(plan, clip=usual_norm(log, _row(first) // 2))
    if case.word in (HALF_PRECISION, CALM, FROM_THE_START):
        return remedies.fuller_precision(plan)
    return None


def _row(series: Series) -> int:
    return int(series.rows[first_bad(series) or 0])


def _is_validation(series: Series) -> bool:
    return series.meaning.split in (VAL, TEST)


def _first(bad: list[Series]) -> Series:
    """The loss to speak of: of the training before the validation, then by row, then the total."""
    trained = [one for one in bad if not _is_validation(one)] or bad
    is_total_bad = any(one.meaning.kind is Kind.TOTAL for one in trained)
    judged = [one for one in trained if one.meaning.kind is Kind.TOTAL] if is_total_bad else trained
    return min(judged, key=lambda one: (_row(one), one.meaning.kind is not Kind.TOTAL))


def _case(log: LogFacts, first: Series, index: int, bad: list[Series]) -> _Case:
    if _closes_epochs(log, first):
        return _Case(
            EMPTY,
            "only where an epoch is closed; it is finite within the epochs and after them, and weights that are NaN "
            "never come back: the mean was begun anew just before",
            "nothing; to see the mean of an epoch, let it not be reset by what prints within it",
            Severity.INFO,
        )
    trained = [one for one in log.of(Kind.TOTAL, Kind.TERM) if not _is_validation(one) and len(one.finite)]
    if _is_validation(first):
        return _of_validation(first, index, trained)
    total = [one for one in trained if one.meaning.kind is Kind.TOTAL and first_bad(one) is None]
    if first.meaning.kind is Kind.TERM and total:
        return _Case(
            "term",
            f"{total[0].name} is finite all the while: the term is left out of it, or masked in the batches that have "
            "nothing for it",
            f"divide {first.name} by its count only where there is any (0/0), and look for log(0) in it alone",
            Severity.WARNING,
        )
    culprits = _culprits(first, bad, log)
    case = _of_training(log, first, index)
    return _Case(case.word, culprits + case.why, case.do, case.severity, case.because)


def _closes_epochs(log: LogFacts, series: Series) -> bool:
    """Whether a series is NaN only where an epoch ends, without a step of its own, and its weights prove to be sound.

    A last batch has a step of its own.
    """
    steps, epochs = log.table.steps[series.rows], log.table.epochs[series.rows]
    bad = np.flatnonzero(~np.isfinite(series.values))
    if not len(bad) or bad[0] == 0 or not np.isfinite(epochs).all() or np.isinf(series.values).any():
        return False
    is_last = np.append(np.diff(epochs) > 0, True)
    is_without_step = np.isnan(steps[bad]) | (steps[bad] == steps[bad - 1])
    if not (is_last[bad] & is_without_step & (epochs[bad] == epochs[bad - 1])).all() or np.isnan(steps[bad - 1]).any():
        return False
    others = [one for one in log.of(Kind.TOTAL, Kind.TERM) if one.meaning.term == series.meaning.term]
    later = [one.rows[np.isfinite(one.values)].max(initial=-1) for one in others]
    return bool(max(later) >= series.rows[bad[-1]])


def _of_validation(first: Series, index: int, trained: list[Series]) -> _Case:
    is_all = not len(first.finite)
    zeros = [one for one in trained if not one.finite.any()]
    if is_all and zeros:
        return _Case(
            HALF_PRECISION,
            f"every value, and {zeros[0].name} is exactly 0 beside it: NaN that is printed as 0 (half precision), or "
            "no label counts",
            "train in bfloat16 or float32, without a filter that prints NaN as 0 (logging_nan_inf_filter=False); then "
            "count the labels that are not masked (-100)",
        )
    calm = f"{trained[0].name} is finite throughout" if trained else "no training loss is named beside it"
    if is_all:
        return _Case(
            "validation",
            f"every value, while {calm}: a mean over no samples is NaN, and so is one over broken ones",
            "count the samples and batches of the validation, then look for NaN in its inputs and labels (their ids, "
            "and the same normalisation as in training)",
        )
    is_over = bool(np.isfinite(first.values[index:]).any())
    return _Case(
        "validation, for a while" if is_over else "validation",
        f"{calm}; {first.values[index - 1]:.4g} before it" if index else calm,
        "look for the sample of the validation that gives it: one batch at a time, in float32",
        Severity.WARNING if is_over else Severity.ERROR,
    )


def _culprits(first: Series, bad: list[Series], log: LogFacts) -> str:
    """Which terms of a total were not finite where it first was not, if it was not all of them; or that none was."""
    row, split = _row(first), first.meaning.split
    terms = [one for one in log.of(Kind.TERM, split=split) if row in one.rows]
    broken = [one for one in terms if one in bad and _row(one) <= row]
    if first.meaning.kind is not Kind.TOTAL or not terms or len(broken) == len(terms):
        return ""
    if not broken:
        at = [one.values[one.rows == row] for one in terms]
        if not all(np.isfinite(values).all() for values in at):
            return ""
        named = f"{', '.join(one.name for one in terms[:4])}{' ...' if len(terms) > 4 else ''}"
        return f"{named} {'are' if len(terms) > 1 else 'is'} finite there: a term that is not logged, or a weight; "
    return f"of its {len(terms)} terms {', '.join(one.name for one in broken)} alone was not finite at first; "


def _of_training(log: LogFacts, first: Series, index: int) -> _Case:
    values, rate = first.values, _rate_at(log, first, index)
    after = np.isfinite(values[index:])
    if after.any() and 1 - after.mean() <= 0.5 and (~np.isfinite(values)).sum() <= max(PASSING * len(values), 1):
        return _Case(
            PASSED,
            f"finite again after {int((~after).sum())}: a batch, or a step that half precision skips",
            "log which batches they are; if a loss scale skips those steps, nothing is lost",
            Severity.WARNING,
        )
    never = "" if after.any() else "; it never became finite again"
    if _earlier_overflow(log, first, index):
        why = "gradient or loss scale had left their range before"
        return _Case(HALF_PRECISION, why + never, "deal with half precision first", because=("N902",))
    if index == 0:
        return _from_the_start(log, first, rate, never)
    rise = rise_before_end(first)
    if rise is not None:
        return _Case(
            AFTER_A_RISE,
            f"it was rising: {rise:.3g} times its level at {values[index - 1]:.4g}{rate}{never}",
            "the divergence comes first: a tenth of the learning rate, a warmup, and clip the gradient",
            because=("O601",),
        )
    told = f"{values[index - 1]:.4g} before it{rate}"
    if index < FEW:
        return _Case(
            EARLY,
            f"{told}; so few values before it do not tell calm from rising{never}",
            "a tenth of the learning rate and a warmup first: so early it is the usual cause; then log every step, and "
            "look for log(0), sqrt(0), 0/0 and NaN in the data",
        )
    if unsteady := _unsteady(values[:index]):
        return _Case(
            UNSTEADY,
            f"{told}; {unsteady}, so a divergence is as likely as half precision{never}",
            "a tenth of the learning rate and a warmup first; if it still comes, float32, and one batch at a time",
        )
    usual = float(np.median(values[max(index - 25, 0) : index]))
    return _Case(
        CALM,
        f"{told}, median {usual:.4g}: calm, so no divergence but half precision, one batch or one operation{never}",
        "train on from the last checkpoint in float32 or bfloat16: if it holds, it was float16; else stop at that "
        "batch and look for log(0), sqrt(0), 0/0 (torch.autograd.detect_anomaly)",
    )


def _unsteady(before: Floats) -> str:
    """Why few values before the first that is not finite were not calm; empty: they were, or are many."""
    if len(before) >= MANY or before.min() <= 0:
        return ""
    usual = float(np.median(before))
    if float(np.median(before[-3:])) > 0.98 * float(before[0]):
        return f"it had not fallen in {len(before)} values"
    if jitter(before) > NOISY * usual:
        return f"{len(before)} values that vary by {jitter(before) / usual:.0%} from one to the next hide a rise"
    return ""


def _from_the_start(log: LogFacts, first: Series, rate: str, never: str) -> _Case:
    step, epoch = (float(told[int(first.rows[0])]) for told in (log.table.steps, log.table.epochs))
    if step > 1 or (np.isnan(step) and np.isfinite(epoch)):
        place = f"which is of step {step:g}" if step > 1 else "the mean of an epoch"
        return _Case(
            FROM_THE_START,
            f"so from its first value, {place}: what the steps before it did is not logged{rate}{never}",
            "log each of the first steps: finite ones before say divergence (a tenth of the learning rate, a warmup; a "
            "rate for several GPUs is too high for one), none say data, an operation or half precision",
        )
    return _Case(
        FROM_THE_START,
        f"so from its first value: the data, an operation, half precision, or a rate far too high{rate}{never}",
        "compute the loss of one batch before any update, in float32: if it is NaN, look for NaN in inputs and labels "
        "and for log(0), sqrt(0), 0/0; if it is finite, a tenth of the learning rate",
    )


def _rate_at(log: LogFacts, series: Series, index: int) -> str:
    row = int(series.rows[index])
    for one in log.of(Kind.LR):
        before = one.values[(one.rows <= row) & np.isfinite(one.values)]
        if len(before):
            return f"; learning rate {before[-1]:.3g}"
    return ""


def _earlier_overflow(log: LogFacts, first: Series, index: int) -> bool:
    """Whether a loss scale had come down by 64, or a gradient norm ceased to be finite, in an earlier row."""
    row = int(first.rows[index])
    for scale in log.of(Kind.LOSS_SCALE):
        before = scale.values[(scale.rows < row) & np.isfinite(scale.values)]
        if len(before) and before.max() >= 64 * before[-1] > 0:
            return True
    norms = [one for one in log.of(Kind.GRAD_NORM) if first_bad(one) is not None]
    return any(_row(one) < row for one in norms)


def _around(log: LogFacts, series: Series, index: int) -> str:
    """What the gradient norm was before, and the validation."""
    row = int(series.rows[index])
    for norm in log.of(Kind.GRAD_NORM):
        before = norm.values[(norm.rows < row) & np.isfinite(norm.values)]
        if len(before) > FEW:
            return f"; {norm.name} before it {before[-1]:.3g}, median {float(np.median(before)):.3g}"
    return ""
