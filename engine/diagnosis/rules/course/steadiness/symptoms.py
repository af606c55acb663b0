"""E1019, O623 of a log: a validation that does not improve, a loss that jumps over orders of magnitude.

Symptoms, which tell that something is wrong and not what. Pure functions of a log.
"""

from __future__ import annotations

import numpy as np

from trainctl.engine.diagnosis import remedies
from trainctl.engine.diagnosis.catalogue import Answer, Cost, Precedence, rule
from trainctl.engine.diagnosis.facts.plan import PlanFacts
from trainctl.engine.diagnosis.finding import Confidence, Fix, Hit, Severity, Unchecked
from trainctl.engine.diagnosis.logs.course import ends, is_by_epoch, training_loss, validation_loss
from trainctl.engine.diagnosis.logs.facts import LogFacts, Series
from trainctl.engine.diagnosis.logs.metrics import is_of_batches, is_of_policy, jitter, qualities
from trainctl.engine.diagnosis.logs.names import VAL, Kind

EVALUATIONS = 8
BETTER, RISEN, LEARNT = 0.02, 1.1, 0.8
"""Share by which a validation loss is better than its first, what it has risen to, and what is left of the training
loss meanwhile."""
GOOD = 0.9
"""A share that is as good as that before anything was trained needs no improving."""
TUNING = 1e-5
"""Learning rate up to which a network that has learned already is tuned."""
FEWEST = 3
HIGH, LOW = 1.5, 50.0
"""Over its first value, and below it, that a loss is again and again."""
JUMP = 5.0
"""Factor between neighbours, in the median."""


@rule(
    "E1019",
    "validation does not improve",
    section="evaluation",
    severity=Severity.WARNING,
    precedence=Precedence.CAPACITY,
    cost=Cost.RECORDS,
    of_log=True,
)
def unimproved(log: LogFacts) -> Answer:
    """Of eight validations or more from the first epoch on none has a loss 2 % below the first one's, and no share or
    correlation improved by two deviations of its noise, while the training loss fell by a fifth.

    Silent where the validation is good from the beginning (a share of .9), where its loss rises by a tenth (E1015), and
    at learning rates of at most 1e-5, which tune what has been learned elsewhere.

    Costs: what is learned holds for the samples of the training alone.
    Do: compare a batch of both by hand: normalisation, order of the channels, class ids, eval(); count the samples of
    the validation; then more data or a smaller network.
    Follows from: N901, N902, O601, O602, L201, R801, E1005, E1007, E1015, E1017, S1102.
    """
    loss, train = validation_loss(log), training_loss(log)
    if loss is None or train is None or len(loss.finite) < EVALUATIONS or not is_by_epoch(log, loss):
        return Unchecked(f"needs the losses of training and validation in {EVALUATIONS} epochs")
    if float(log.table.epochs[loss.rows[0]]) > 1 or loss.finite[0] <= 0:
        return Unchecked("the beginning of the training is not in the log, or its loss may be negative")
    first, last = ends(train.finite)
    best = float(loss.finite.min())
    has_learnt = first > 0 and last <= LEARNT * first and first - last > 2 * jitter(train.finite)
    metrics = [one for one in qualities(log) if one.meaning.split == VAL and not is_of_batches(one)]
    has_risen = float(np.median(loss.finite[-3:])) > RISEN * float(loss.finite[0])
    is_better = best < (1 - BETTER) * float(loss.finite[0]) or any(map(_has_improved, metrics))
    if not has_learnt or has_risen or is_better:
        return None
    if _tunes(log):
        return Unchecked(f"a learning rate of at most {TUNING:g} tunes what has been learned elsewhere")
    told = f"; {metrics[0].name} {metrics[0].say(0)} to {metrics[0].say(-1)}" if metrics else ""
    return Hit(
        severity=Severity.WARNING,
        confidence=Confidence.LIKELY,
        summary=f"{loss.name} is {loss.finite[-1]:.4g}, and was {loss.finite[0]:.4g} in the first epoch",
        where=f"{log.where(loss, 0)} to {log.where(loss, len(loss.values) - 1)}; "
        f"{len(loss.values):,} validations, best {best:.4g}{told}",
        why=f"{train.name} went from {first:.4g} to {last:.4g} meanwhile: what is learned does not hold for other "
        "samples",
        fix=Fix(
            "compare a batch of training and validation by hand (normalisation, order, class ids, eval()), and count "
            "the samples of the validation; then more data, augmentation, a smaller network"
        ),
        figures={"first": float(loss.finite[0]), "best": best, "train_first": first, "train_last": last},
        because=("N901", "N902", "O601", "O602", "L201", "R801", "E1005", "E1007", "E1015", "E1017", "S1102"),
    )


def _has_improved(metric: Series) -> bool:
    """Whether a share or correlation got better beyond its noise, or had no need to; one that is too short may have."""
    values = metric.finite
    if len(values) < EVALUATIONS:
        return True
    top = 100.0 if metric.column.is_percent or values.max() > HIGH else 1.0
    third = len(values) // 3
    gain = float(np.median(values[-third:]) - np.median(values[:third]))
    return gain > 2 * jitter(values) or float(values.max()) >= GOOD * top


def _tunes(log: LogFacts) -> bool:
    rates = [one.finite.max() for one in log.of(Kind.LR) if len(one.finite)]
    return bool(rates) and 0 < max(rates) <= TUNING


@rule(
    "O623",
    "loss jumps over orders of magnitude",
    section="optimiser and schedule",
    severity=Severity.WARNING,
    precedence=Precedence.SCHEDULE,
    cost=Cost.RECORDS,
    of_log=True,
)
def jumping(log: LogFacts, plan: PlanFacts | None = None) -> Answer:
    """Over the newer half, at least three values, the training loss is again and again at 1.5 times its first value and
    at a fiftieth of it (of twenty values or more: by the tenth and the ninetieth percentile), and neighbours differ by
    a factor of five in the median.

    Losses of single batches differ; that they differ by that much, after learning as before it, says that each update
    undoes another, or that the batches are of different kinds. Policies and rivals are not judged.

    Costs: what the newest batch asked for is learned, and what others asked for is lost.
    Do: larger batches or accumulation, a lower learning rate, a clipped gradient; log the loss as a mean of many steps.
    Follows from: N901, N902, O601, D102.
    """
    loss = training_loss(log)
    if loss is None or is_of_policy(log):
        return Unchecked(log.without_loss)
    values = loss.finite
    late = values[-max(len(values) // 2, FEWEST) :]
    if len(late) < FEWEST or values.min() <= 0:
        return Unchecked(f"needs {FEWEST} values of a training loss above 0")
    share = 10 if len(late) >= 20 else 0
    low, high = (float(one) for one in np.percentile(late, [share, 100 - share]))
    jump = float(np.exp(np.median(np.abs(np.diff(np.log(late))))))
    start = float(values[0])
    if high < HIGH * start or low > start / LOW or jump < JUMP:
        return None
    return Hit(
        severity=Severity.WARNING,
        confidence=Confidence.LIKELY,
        summary=f"{loss.name} jumps between {low:.3g} and {high:.3g}",
        where=f"newest {len(late):,} of {len(values):,} values, to {log.where(loss, len(loss.values) - 1)}",
        why=f"it began at {start:.3g}; neighbours differ by a factor of {jump:.3g} in the median: single updates undo "
        "each other, or the batches are few samples of different kinds",
        fix=Fix(
            "larger batches or accumulation, a lower learning rate, a clipped gradient",
            remedies.slower(plan, JUMP),
        ),
        figures={"low": low, "high": high, "first": start, "factor": jump},
        because=("N901", "N902", "O601", "D102"),
    )
