"""N902, G701 of a log: gradients and loss scales that half precision has made useless, and gradients of exactly zero.

Pure functions of a log. The loss may look well all the while: some trainers print 0 where it is NaN.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from trainctl.engine.diagnosis import remedies
from trainctl.engine.diagnosis.catalogue import Answer, Cost, Precedence, rule
from trainctl.engine.diagnosis.facts.plan import PlanFacts
from trainctl.engine.diagnosis.finding import Confidence, Fix, Hit, Severity, Unchecked
from trainctl.engine.diagnosis.logs.course import (
    ends,
    first_bad,
    is_long,
    stands_still,
    training_loss,
    validation_loss,
)
from trainctl.engine.diagnosis.logs.facts import LogFacts, Series
from trainctl.engine.diagnosis.logs.metrics import is_of_policy
from trainctl.engine.diagnosis.logs.names import Kind

LATELY = 5
"""Newest values that must all say the same: a scale that is being found skips the first 10 to 20 steps."""
MOST_SKIPPED = 20
"""Steps that are skipped at the start while a scale is found."""
FALLEN, LEAST_SCALE = 256.0, 1.0
"""A loss scale that came down by so much to at most so much; healthy ones stay above 100."""
SPENT_SCALE = 0.1
"""A scale that no healthy gradient needs."""
HALVED, LOW_SCALE, SKIPPED_FOR = 64.0, 8.0, 1.5
"""Of a scale that only ever came down in the log: by how much, to at most what, and by how much a loss rose meanwhile.
"""
HUGE_NORM = 100.0
"""Gradient norm beside a loss that prints as 0 that no loss near 0 gives."""
STILL, FEWEST = 10, 3
"""Gradient norms that must be exactly 0, and that must all be NaN in a log that has no others."""
FIXED = (
    "bfloat16 where the GPU has it, else float32: if it holds, it was float16; then a lower learning rate, and no "
    "filter that prints NaN as 0 (logging_nan_inf_filter=False)"
)


@rule(
    "N902",
    "half precision overflows",
    section="loss",
    severity=Severity.ERROR,
    precedence=Precedence.DATA,
    cost=Cost.RECORDS,
    of_log=True,
)
def overflow(log: LogFacts, plan: PlanFacts | None = None) -> Answer:
    """The five newest gradient norms are not finite while the loss is; or the loss is exactly 0 in the five newest
    values beside norms above 100; or the loss scale came down by 256 or more, to 1 or less.

    Of a scale below .1, and lower than the one before, two values are enough. A warning is one that only ever came
    down, by 64 to at most 8, while the loss of the validation or the training rose by half.

    Of one to four norms NaN is a warning where no loss is printed beside it any more, or where all of three or more
    are, past the first 20 steps or beside a loss of exactly 0; not while a loss scale above 1 is in use, which skips
    such a step.

    A scale that is being found skips up to 20 first steps of a healthy training: norms that were never finite count
    only beyond that, or beside a loss of 0. Losses
    of reinforcement learning are 0 by construction and are judged by their norms not being finite alone.

    Costs: updates are skipped, or of zeros and NaN: nothing is learned, whatever the loss prints.
    Do: bfloat16 or float32; then find the operation that overflows.
    Follows from: N901.
    """
    norms, scales = [one for one in log.of(Kind.GRAD_NORM) if len(one.values)], log.of(Kind.LOSS_SCALE)
    if not norms and not scales:
        return Unchecked("no gradient norm and no loss scale is named")
    hits = [hit for one in norms if (hit := _of_norm(log, one)) is not None]
    hits += [hit for one in scales if (hit := _of_scale(log, one)) is not None]
    return replace(hits[0], fix=Fix(FIXED, remedies.fuller_precision(plan))) if hits else None


def _of_few_norms(log: LogFacts, norm: Series) -> Hit | None:
    """Norms that are NaN at the end of a short log: in all of it, or where the loss is no longer printed."""
    values, loss = norm.values, training_loss(log)
    bad, steps = np.isnan(values), log.table.steps[norm.rows]
    start = int(np.flatnonzero(~bad)[-1]) + 1 if (~bad).any() else 0
    scales = [float(one.finite[-1]) for one in log.of(Kind.LOSS_SCALE) if len(one.finite)]
    if start == len(values) or max(scales, default=0.0) > LEAST_SCALE:
        return None  # a scale that still comes down skips such a step
    printed = set() if loss is None else set(loss.rows[np.isfinite(loss.values)].tolist())
    is_gone = start > 1 and printed >= set(norm.rows[:start].tolist()) and not printed & set(norm.rows[start:].tolist())
    is_past = bool(np.isfinite(steps).all()) and float(steps.min()) > MOST_SKIPPED
    is_zero = loss is not None and len(loss.values) >= FEWEST and not np.nan_to_num(loss.values, nan=1.0).any()
    is_all = start == 0 and len(values) >= FEWEST and (is_past or is_zero)
    if not (is_gone or is_all):
        return None
    said = "past the steps in which a loss scale is found, and there is none"
    if loss is not None and (is_gone or is_zero):
        said = f"{loss.name} is no longer printed beside it"
        if is_zero:
            said = f"{loss.name} prints 0 beside it: some trainers print NaN so"
    return Hit(
        severity=Severity.WARNING,
        confidence=Confidence.LIKELY,
        summary=f"{norm.name} is {values[start]:.4g}" + (f" in all {len(values)} values" if is_all else ""),
        where=f"from {log.where(norm, start)} to the end; {len(values) - start} of {len(values)} values",
        why=f"{said}; the weights are NaN, or no update is made" + _rate(log),
        fix=Fix(FIXED),
        figures={"values": len(values) - start, **log.step_of(norm, start)},
    )


def _of_norm(log: LogFacts, norm: Series) -> Hit | None:
    late, loss = norm.values[-LATELY:], training_loss(log)
    if len(late) < LATELY:
        return _of_few_norms(log, norm)
    newest = np.array([]) if loss is None else loss.values[-LATELY:]
    is_zero = len(newest) == LATELY and bool((newest == 0).all())
    # Only what began after finite ones, or lasts, is more than the search for a scale at the start.
    is_past = len(norm.values) > MOST_SKIPPED or bool(np.isfinite(norm.values).any())
    is_bad = not np.isfinite(late).any() and (is_zero or is_past)
    is_huge = is_zero and not is_of_policy(log) and bool((np.abs(late) > HUGE_NORM).all())
    if not (is_bad or is_huge):
        return None
    index = (first_bad(norm) or 0) if is_bad else len(norm.values) - LATELY
    said = f"{loss.name} prints 0 beside it: some trainers print NaN so" if loss is not None and is_zero else ""
    if loss is not None and not said:
        finite = np.isfinite(newest).all()
        said = f"{loss.name} is finite beside it" if finite else f"{loss.name} is not finite either"
    count = int((~np.isfinite(norm.values)).sum()) if is_bad else int((np.abs(norm.values) > HUGE_NORM).sum())
    is_after = loss is not None and (at := first_bad(loss)) is not None and loss.rows[at] <= norm.rows[index]
    return Hit(
        severity=Severity.ERROR,
        confidence=Confidence.LIKELY,
        summary=f"{norm.name} is {norm.values[index]:.4g}"
        + (f", {loss.name} 0" if loss is not None and is_zero else ""),
        where=f"from {log.where(norm, index)} to the end; {count:,} of {len(norm.values):,} values",
        why=f"{said or 'no loss is named'}; such a gradient comes of values beyond float16's 65,504, "
        + "or of sqrt(0), log(0), 0/0 on the way back"
        + _rate(log),
        fix=Fix(FIXED),
        figures={"values": count, "newest": float(late[-1]), **log.step_of(norm, index)},
        because=("N901",) if is_after else (),
    )


def _of_scale(log: LogFacts, scale: Series) -> Hit | None:
    values = scale.finite
    is_spent = len(values) > 1 and values[-1] < min(values[-2], SPENT_SCALE)
    is_low = len(values) >= LATELY and values[-1] <= LEAST_SCALE and values.max() >= FALLEN * abs(values[-1])
    harmed = "" if is_spent or is_low else _harmed(log, scale)
    if not (is_spent or is_low or harmed) or (np.diff(values[-LATELY:]) > 0).any():
        return None
    top = int(np.flatnonzero(scale.values == values.max())[-1])
    halvings = np.log2(values.max() / values[-1]) if values[-1] > 0 else np.inf
    loss = training_loss(log)
    at = None if loss is None else first_bad(loss)
    fell_first = loss is None or at is None or scale.rows[top] < loss.rows[at]
    return Hit(
        severity=Severity.WARNING if harmed else Severity.ERROR,
        confidence=Confidence.LIKELY,
        summary=f"{scale.name} fell from {values.max():.4g} to {values[-1]:.4g}",
        where=f"from {log.where(scale, top)} to the end",
        why=f"each of {halvings:.0f} halvings is a step whose gradient was not finite, and was skipped"
        + (harmed or ("" if loss is None or at is None else f"; {loss.name} is not finite from {log.where(loss, at)}"))
        + _rate(log),
        fix=Fix(FIXED),
        figures={"highest": float(values.max()), "last": float(values[-1]), **log.step_of(scale, top)},
        because=() if fell_first else ("N901",),
    )


def _harmed(log: LogFacts, scale: Series) -> str:
    """Which loss rose by half while a scale came down and down; empty: none did, or the scale rose in between."""
    values = scale.finite
    if len(values) < LATELY or (np.diff(values) >= 0).any() or not 0 < HALVED * values[-1] <= values[0]:
        return ""
    if values[-1] > LOW_SCALE:
        return ""
    start = int(scale.rows[0])
    for loss in (validation_loss(log), training_loss(log)):
        if loss is None or len(loss.finite) <= FEWEST:
            continue
        rows, known = loss.rows[np.isfinite(loss.values)], loss.finite
        before, after = known[rows < start], known[rows >= start]
        count = max(len(known) // 10, 1)
        if len(before) < FEWEST or not len(after) or before.min() <= 0:
            continue
        late = float(np.median(after[-count:]))
        if late >= SKIPPED_FOR * float(before.max()):
            return f"; {loss.name} went from {float(np.median(before)):.4g} to {late:.4g} meanwhile"
    return ""


def _rate(log: LogFacts) -> str:
    rates = [float(one.finite.max()) for one in log.of(Kind.LR) if len(one.finite)]
    return f"; learning rate up to {max(rates):.3g}" if rates else ""


@rule(
    "G701",
    "no gradient at all",
    section="gradient flow",
    severity=Severity.ERROR,
    precedence=Precedence.MECHANICS,
    cost=Cost.RECORDS,
    of_log=True,
)
def zero_gradient(log: LogFacts, plan: PlanFacts | None = None) -> Answer:
    """The newest half of the gradient norms, at least ten, is exactly 0 while the loss is not 0 and stands still.

    A norm that rounds to 0 in print is none: it counts where the log prints four digits or more behind the point, or
    where the loss stands still.

    Costs: no update changes a weight.
    Do: look for detach, no_grad and requires_grad=False between loss and weights; for saturated or dead units.
    Follows from: N902.
    """
    norms = [one for one in log.of(Kind.GRAD_NORM) if len(one.finite) >= STILL]
    if not norms:
        return Unchecked(f"needs {STILL} values of a gradient norm")
    loss = training_loss(log)
    if loss is None:
        return Unchecked(log.without_loss)
    norm = max(norms, key=lambda one: len(one.values))
    late = norm.values[-max(len(norm.values) // 2, STILL) :]
    newest = loss.finite[-max(len(loss.finite) // 2, 1) :]
    if late.any() or not len(newest) or not newest.any() or is_of_policy(log):
        return None
    is_fine = float(norm.column.half_units.min()) < 1e-4 and len(norm.values) > len(late)
    is_still = is_long(log, loss) and stands_still(loss.finite)
    first, last = ends(newest)
    if not (is_still or (is_fine and abs(first - last) < 0.02 * abs(first))):
        return None
    index = len(norm.values) - len(late)
    return Hit(
        severity=Severity.ERROR,
        confidence=Confidence.LIKELY,
        summary=f"{norm.name} is exactly 0 in the newest {len(late):,} values",
        where=f"from {log.where(norm, index)} to the end",
        why=f"{loss.name} stands at {float(np.median(newest)):.4g}: it does not depend on what is trained",
        fix=Fix(
            "look for detach, no_grad or requires_grad=False between loss and weights, and for dead units",
            {"freeze": []} if plan is not None and plan.freeze else None,
        ),
        figures={"values_zero": len(late), "loss": float(np.median(newest)), **log.step_of(norm, index)},
        because=("N902",),
    )
