"""L205, L208, C309, C311: targets and class weights that a loss is given. Pure functions of facts."""

from __future__ import annotations

import math

import numpy as np

from trainctl.engine.diagnosis.catalogue import Answer, Cost, Precedence, rule
from trainctl.engine.diagnosis.facts.data import DataFacts, LabelFacts
from trainctl.engine.diagnosis.facts.network import BatchFacts
from trainctl.engine.diagnosis.facts.watched.loss_calls import LossCall
from trainctl.engine.diagnosis.finding import Confidence, Fix, Hit, Severity, Unchecked

SQUARED, OF_QUANTITIES = "mse_loss", ("mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss")
FAR_WORSE, FAR, HUGE = 100.0, 5.0, 100.0
"""First squared error in terms of the targets' variance, mean in terms of their deviation; and a root mean square to
which answers must grow."""
FEW_DECIDE, FAR_OFF = 0.5, 20.0
"""Share of the squares that a hundredth of the samples makes, and their distance in terms of the median distance."""
OUT_OF_REACH = 0.05
GRAVE, WORSE = 100.0, 3.0
"""Largest to smallest of weight times samples of a class; and in terms of that of the samples alone."""
LEAST_CLASSES = 2


@rule(
    "L205",
    "target not scaled",
    section="labels",
    severity=Severity.WARNING,
    precedence=Precedence.SAMPLER,
    cost=Cost.BATCH,
)
def unscaled_target(batch: BatchFacts) -> Answer:
    """A squared error of torch that starts at more than 100 times the variance of its targets, which the best constant
    answer would have, and targets whose mean is five times their deviation; or a root mean square above 100.

    Costs: the network first has to grow to the size of the targets: the steps are spent on one number.
    Do: standardise the target by the training split, and undo it for metrics and predictions; or set the last bias to
    the mean.
    Follows from: N901, D107, L206.
    """
    calls = [call for call in batch.loss_calls if call.name in OF_QUANTITIES and call.target_std > 0]
    if not calls:
        return Unchecked("no loss of quantities is known by its function of torch")
    found = [(call, _excess(call)) for call in calls]
    call, excess = max(found, key=lambda pair: (pair[1] > FAR_WORSE, pair[0].target_std))
    if excess <= FAR_WORSE and math.hypot(call.target_mean, call.target_std) <= HUGE:
        return None
    starts = f"the error starts at {excess:.3g} times that of answering the mean" if excess > FAR_WORSE else ""
    return Hit(
        severity=Severity.WARNING,
        confidence=Confidence.PROVEN if excess > FAR_WORSE else Confidence.LIKELY,
        summary=f"targets have mean {call.target_mean:.4g} and deviation {call.target_std:.4g}"
        + (f": {starts}" if starts else ""),
        where=f"{call.name}, first batch of {batch.batch_size}",
        why="a network starts with answers of about 1 around 0: it first has to learn one large number",
        fix=Fix("standardise the target by the training split, and undo it for metrics and predictions"),
        figures={"mean": call.target_mean, "std": call.target_std, "excess": excess},
        because=("N901", "D107", "L206"),
    )


def _excess(call: LossCall) -> float:
    is_far = abs(call.target_mean) > FAR * call.target_std > 0
    return call.value / call.target_std / call.target_std if call.name == SQUARED and is_far else 0.0


@rule(
    "C311",
    "a few targets decide a squared error",
    section="labels",
    severity=Severity.WARNING,
    precedence=Precedence.LOSS,
    cost=Cost.BATCH,
)
def deciding_targets(batch: BatchFacts, data: DataFacts) -> Answer:
    """A squared error of torch, and a tensor of one number a sample of which a hundredth of the samples makes half of
    the squares around the median, at more than 20 times the median distance from it.

    Quantities that are spread over powers of ten are like that by nature: their logarithm is the target then.

    Costs: the largest errors decide the updates, and the rest of the samples is learned last, if at all.
    Do: look at these samples; Huber's loss with a delta of about 1.35 median distances, or a logarithm.
    Follows from: N901, D107.
    """
    if not any(call.name == SQUARED for call in batch.loss_calls):
        return Unchecked("no squared error is known by its function of torch")
    found = [one for one in data.train.tensors if one.tail is not None]
    if not found:
        return Unchecked("no tensor has one number a sample, for a hundred samples and more")
    worst = max(found, key=lambda one: one.tail.share if one.tail else 0.0)
    tail = worst.tail
    if tail is None or tail.share < FEW_DECIDE or tail.distance < FAR_OFF:
        return None
    return Hit(
        severity=Severity.WARNING,
        confidence=Confidence.LIKELY,
        summary=f"one in a hundred values of {worst.name} makes {tail.share:.0%} of the squares around the median",
        where=f"train, {worst.shape[0]:,} samples; they lie {tail.distance:.3g} median distances off, the farthest at "
        f"{tail.farthest:.4g}",
        why="a squared error is decided by them, whatever the others say",
        fix=Fix("look at these samples; then Huber's loss, or the logarithm of the target"),
        figures={"share": tail.share, "distance": tail.distance, "farthest": tail.farthest},
        because=("N901", "D107"),
    )


@rule(
    "L208",
    "targets out of reach",
    section="labels",
    severity=Severity.ERROR,
    precedence=Precedence.SAMPLER,
    cost=Cost.BATCH,
)
def targets_out_of_reach(batch: BatchFacts) -> Answer:
    """A loss of quantities whose answers come straight out of an activation, with more than 5 % of the targets beyond
    what that can give: below 0 for ReLU, outside 0…1 for a sigmoid, outside −1…1 for tanh.

    Costs: these targets are never answered, and pull the others along to the bound, where no gradient is left.
    Do: no activation behind the last layer, or targets scaled into its range.
    Follows from: D107, L206.
    """
    calls = [call for call in batch.loss_calls if call.name in OF_QUANTITIES and call.made_by]
    wrong = [call for call in calls if call.out_of_reach > OUT_OF_REACH]
    if not wrong:
        return None
    call = max(wrong, key=lambda call: call.out_of_reach)
    return Hit(
        severity=Severity.ERROR,
        confidence=Confidence.PROVEN,
        summary=f"{call.out_of_reach:.0%} of the targets are beyond what {call.made_by} can give",
        where=f"{call.name} of what {call.made_by} gave; targets of mean {call.target_mean:.3g} and deviation "
        f"{call.target_std:.3g}",
        why="no weights can answer them, and at the bound the activation passes no gradient",
        fix=Fix(f"leave out the {call.made_by} behind the last layer, or scale the targets into its range"),
        figures={"out_of_reach": call.out_of_reach, "mean": call.target_mean, "std": call.target_std},
        because=("D107", "L206"),
    )


@rule(
    "C309",
    "class weights the wrong way round",
    section="loss",
    severity=Severity.WARNING,
    precedence=Precedence.LOSS,
    cost=Cost.BATCH,
)
def class_weights(batch: BatchFacts, labels: LabelFacts) -> Answer:
    """Weights of a cross-entropy under which classes count more unevenly than by their samples alone: the largest of
    weight · samples is above 100 times the smallest, and above three times what the samples alone give.

    Weights in proportion to 1 / samples make all classes count the same, however uneven they are.

    Costs: one class is all that is learned.
    Do: weights of N / (C · samples of the class), cut off at 10.
    """
    calls = [call for call in batch.loss_calls if len(call.class_weights) == len(labels.train.counts)]
    if not calls:
        return (
            None if not any(call.class_weights for call in batch.loss_calls) else Unchecked("weights of other classes")
        )
    counts = np.array(labels.train.counts, np.float64)
    weights = np.array(calls[0].class_weights)[counts > 0]
    counts = counts[counts > 0]
    if len(counts) < LEAST_CLASSES or not (np.isfinite(weights).all() and (weights > 0).all()):
        return Unchecked("fewer than two classes that have samples and a weight")
    by_samples = float(counts.max() / counts.min())
    both = weights * counts
    uneven, names = float(both.max() / both.min()), np.array(labels.classes)[np.array(labels.train.counts) > 0]
    if uneven <= GRAVE or uneven <= WORSE * by_samples:
        return None
    most = int(both.argmax())
    return Hit(
        severity=Severity.WARNING,
        confidence=Confidence.LIKELY,
        summary=f"with its weight of {weights[most]:.3g} the class {names[most]} counts {uneven:,.0f} times as much as "
        f"the least",
        where=f"weights {weights.min():.3g} to {weights.max():.3g}; by samples alone {by_samples:.3g} times",
        why="weights are to make up for the number of samples; these make the classes count more unevenly",
        fix=Fix("weights of N / (C · samples of the class), cut off at 10, or none"),
        figures={"uneven": uneven, "by_samples": by_samples},
    )
