"""D101, C313 of a log: what it says of its batches: one class in each, or a term that is of the last sample alone.

Pure functions of a log that counts classes, sizes or things; the same faults as of a run and before training.
"""

from __future__ import annotations

import math

import numpy as np

from trainctl.engine.diagnosis.catalogue import Answer, Cost, Precedence, rule
from trainctl.engine.diagnosis.facts.statistics import binomial_tail, shares, single_class_probability
from trainctl.engine.diagnosis.finding import Confidence, Fix, Hit, Severity, Unchecked
from trainctl.engine.diagnosis.logs.batches import class_counts, counts_of_last
from trainctl.engine.diagnosis.logs.facts import LogFacts, Series
from trainctl.engine.diagnosis.logs.names import TEST, VAL, Kind
from trainctl.engine.diagnosis.logs.table import Column, Floats
from trainctl.engine.diagnosis.rules.course.terms import CONTRASTIVE

P_CERTAIN, P_SUSPICIOUS, SHARE_SUSPICIOUS = 1e-6, 1e-3, 0.2
LEAST_BATCHES = 10
FOLLOWS, SEEN = 0.9, 0.05
"""As of a run: correlation from which on a term is taken for what it follows, and noise below which nothing is seen."""
LEAST_STEPS, AROUND = 24, 8
"""Values that are needed, and before and after each one that its running median is of."""
STANDS = 0.5
"""Share of a term's first value above which it is asked: near 0, a few hard samples are all of a mean."""


@rule(
    "D101",
    "single-class batches",
    section="sampler",
    severity=Severity.ERROR,
    precedence=Precedence.SAMPLER,
    cost=Cost.RECORDS,
    of_log=True,
)
def single_class_batches(log: LogFacts) -> Answer:
    """More batches of one class than chance explains: P(X ≥ k), X ~ Binomial(n, Σ p_c^B), below 1e-6.

    A share above 20 % counts from 1e-3 on. Of a log that counts the classes of its batches (`classes.NAME`), over ten
    or more of them. All of the same class: the split holds one, or the sampler draws one; a log cannot tell which.

    Costs: a contrastive loss has no negatives and stands at its floor; any other learns one class after the other.
    Do: print the classes of the split first: one class cannot be mixed; then those of a few batches.
    """
    told = class_counts(log.table.columns, log.table.num_rows)
    if told is None or len(told[1]) < LEAST_BATCHES:
        return Unchecked(f"needs the classes of {LEAST_BATCHES} batches, counted as classes.NAME")
    classes, counts = told
    num_batches, num_single = len(counts), int(((counts > 0).sum(1) == 1).sum())
    seen = [classes[index] for index in np.flatnonzero(counts.sum(0))]
    size = int(np.median(counts.sum(1)))
    chances = shares([int(count) for count in counts.sum(0)])
    expected = math.fsum(single_class_probability(chances, int(one)) for one in counts.sum(1))
    tail = 0.0 if len(seen) == 1 else binomial_tail(num_single, num_batches, expected / num_batches)
    if not (tail < P_CERTAIN or (num_single / num_batches > SHARE_SUSPICIOUS and tail < P_SUSPICIOUS)):
        return None
    is_one = len(seen) == 1
    return Hit(
        severity=Severity.ERROR,
        confidence=Confidence.PROVEN if tail < P_CERTAIN else Confidence.LIKELY,
        summary=f"all {num_batches} batches hold only {seen[0]!r}"
        if is_one
        else f"{num_single} of {num_batches} batches hold one class (expected {expected:.1f})",
        where=f"batches of {size}, {len(seen)} of {len(classes)} classes in all",
        why=_why_single(log, size),
        fix=Fix(
            "print the classes of the training split: where it holds one, split by class; else mend the sampler"
            if is_one
            else "shuffle the samples, or stratify the batches: max(2, B // C) samples of each class"
        ),
        figures={"batches": num_batches, "single_class_batches": num_single, "p_value": tail, "batch_size": size},
    )


def _why_single(log: LogFacts, size: int) -> str:
    if any(one.meaning.words & CONTRASTIVE for one in log.of(Kind.TERM)) and size > 2:
        floor = f"{math.log(size - 1):.4f}"
        return f"such a batch has no negatives: the contrastive loss stands at its floor ln(B−1) = {floor}"
    return "each update pulls every answer to one class: the network learns that one while it forgets the others"


@rule(
    "C313",
    "loss depends on the order of the batch",
    section="loss",
    severity=Severity.ERROR,
    precedence=Precedence.LOSS,
    cost=Cost.RECORDS,
    of_log=True,
)
def of_the_last_sample(log: LogFacts) -> Answer:
    """A term whose logarithm follows that of the things in the last sample of the batch, by a correlation above .9.

    About running medians, over at least 24 steps in which the term stands above half its beginning, in a log that
    counts those things (`units.last`). A term that follows the things of the whole batch as much is a sum, not this.

    Costs: what is learnt is the last sample of each batch, and the loss jumps from step to step by as much.
    Do: add up over all samples and divide by their number: the reset belongs before the loop.
    Follows from: N901.
    """
    last, whole = counts_of_last(log.table.columns)
    if last is None:
        return Unchecked("no count of the things in the last sample of a batch is logged (units.last)")
    terms = [one for one in log.of(Kind.TERM, Kind.TOTAL) if one.meaning.split not in (VAL, TEST)]
    told = {one.name: (one, _follows(one, last), _follows(one, whole)) for one in terms}
    following = {name: found for name, found in told.items() if found[1] > max(FOLLOWS, found[2])}
    if not following:
        is_known = any(math.isfinite(by_last) for _, by_last, _ in told.values())
        return None if is_known else Unchecked(f"needs {LEAST_STEPS} values of a term above half its beginning")
    # The total follows because a term of it does.
    names = [name for name in following if told[name][0].meaning.kind is Kind.TERM] or list(following)
    name = max(names, key=lambda one: following[one][1])
    series, by_last, _ = following[name]
    return Hit(
        severity=Severity.ERROR,
        confidence=Confidence.PROVEN,
        summary=f"{name} follows {last.full_name}: it is of the last sample of each batch",
        where=f"{log.where(series, 0)} to {log.where(series, len(series.values) - 1)}: correlation {by_last:.2f}",
        why="a loop that sets the loss to zero each time leaves the last sample alone; a mean over the batch hardly "
        "moves with the size of one",
        fix=Fix("add up over all samples and divide by their number: the reset belongs before the loop"),
        figures={f"by_last.{one}": by for one, (_, by, _) in told.items() if math.isfinite(by)},
        because=("N901",),
    )


def _follows(series: Series, count: Column | None) -> float:
    """Correlation of the logarithms about their running medians; NaN: nothing to see, or too few values."""
    if count is None:
        return math.nan
    rows, at, of = np.intersect1d(series.rows, count.rows, return_indices=True)
    values, sizes = series.values[at], count.values[of]
    is_known = np.isfinite(values) & (values > 0) & (sizes > 0)
    if len(rows) < LEAST_STEPS or is_known.sum() < LEAST_STEPS:
        return math.nan
    logs, others = np.log(values[is_known]), np.log(sizes[is_known])
    level = _running_median(logs)
    stands = level >= math.log(STANDS) + float(np.median(logs[: max(len(logs) // 10, 4)]))
    rest, other = (logs - level)[stands], (others - _running_median(others))[stands]
    if stands.sum() < LEAST_STEPS or min(rest.std(), other.std()) < SEEN:
        return math.nan
    return float(np.corrcoef(rest, other)[0, 1])


def _running_median(values: Floats) -> Floats:
    padded = np.pad(values, AROUND, mode="edge")
    return np.median(np.lib.stride_tricks.sliding_window_view(padded, 2 * AROUND + 1), axis=1)
