"""E1005, E1008: whether the monitored metric says how good a network is, asked before any is. Pure functions."""

from __future__ import annotations

import math

from trainctl.engine.diagnosis.catalogue import Answer, Cost, Precedence, rule
from trainctl.engine.diagnosis.facts.data import DataFacts, LabelFacts
from trainctl.engine.diagnosis.facts.samples.metric import MetricFacts
from trainctl.engine.diagnosis.finding import Confidence, Fix, Hit, Severity, Unchecked

FEW, SOME = 24, 50
"""Samples of a validation up to which it is a warning, and information."""
TRAINED_BY = 8
"""Training samples for each of so few, from which on there would have been more to hold out."""
MOVES = 0.02
"""Of what chance moves the metric by, from which on something else does."""
ORDERS, LEVEL = 0.1, 2.5
"""The same of the order of the samples, and how many samples' worth of a rate it must be: votes that are level."""
EXACT = 1e-4
"""Of the metric, below which it stands."""
BY_NATURE = (0.0, 0.5, 1.0)
"""Values of a metric that answers of untrained networks may all have by its nature."""


@rule(
    "E1008",
    "metric that does not measure",
    section="evaluation",
    severity=Severity.WARNING,
    precedence=Precedence.SAMPLER,
    cost=Cost.BATCH,
)
def metric_does_not_measure(metric: MetricFacts) -> Answer:
    """The monitored metric, asked of the answers of three untrained networks, does not depend on them as it should.

    It differs from one time to the next for one and the same answers, by more than a fiftieth of what it differs by
    between random halves of the samples; or with the order of the samples, each beside its own truth, by more than
    a tenth of that and more than two samples count, which says that answers are held against the truth of others
    (where neighbours or votes are level, the order may decide for one or two). Or it is one and the same, to all
    digits, for all networks, orders and halves, though the answers differ; 0, ½ and 1 may be so by nature, and say
    nothing.

    Costs: the best checkpoint, the schedule on a plateau and every comparison follow a figure that says nothing.
    Do: compute it by hand for eight samples: order and shape of answers and truth, what it is divided by.
    Follows from: D107.
    """
    if not math.isfinite(metric.value + metric.halves + metric.orders + metric.repeats):
        return Unchecked(f"{metric.name} is not defined for an untrained network, or for half the samples")
    least = max(EXACT * abs(metric.value), MOVES * metric.halves)
    if not metric.halves > 0:
        is_constant = metric.are_others and set(metric.others) == {metric.value} and metric.value not in BY_NATURE
        why = "the answers differ, the metric does not: it is not computed from them"
        return _hit(metric, f"{metric.name} is {metric.value:.4g} whatever is answered", why) if is_constant else None
    if metric.repeats > least:
        why = f"random halves of the samples differ by {metric.halves:.2g}: the metric is noise, or keeps something"
        return _hit(metric, f"{metric.name} differs by {metric.repeats:.2g} for the same answers", why)
    if metric.orders > max(least, ORDERS * metric.halves, _level(metric)) and metric.first is None:
        why = "each answer came with its own truth: the metric holds it against the truth of another sample"
        return _hit(metric, f"{metric.name} differs by {metric.orders:.2g} with the order of the samples", why)
    return None


def _level(metric: MetricFacts) -> float:
    """What votes that are level may move a share of the samples by; 0: the metric counts no samples."""
    if not 0 <= metric.value <= 1 or metric.num_samples < 1:
        return 0.0
    right = metric.value * metric.num_samples
    return LEVEL / metric.num_samples if abs(right - round(right)) < EXACT * metric.num_samples else 0.0


def _hit(metric: MetricFacts, summary: str, why: str) -> Hit:
    return Hit(
        severity=Severity.WARNING,
        confidence=Confidence.LIKELY,
        summary=summary,
        where=f"validation: {metric.num_samples} samples, answered by untrained networks",
        why=why,
        fix=Fix("compute it by hand for eight samples: order and shape of answers and truth, what it is divided by"),
        figures={
            "value": metric.value,
            "repeats": metric.repeats,
            "orders": metric.orders,
            "halves": metric.halves,
        },
        because=("D107",),
    )


@rule(
    "E1005",
    "validation of a handful of samples",
    section="evaluation",
    severity=Severity.WARNING,
    precedence=Precedence.CAPACITY,
    cost=Cost.DATA,
)
def few_samples(data: DataFacts, metric: MetricFacts | None = None, labels: LabelFacts | None = None) -> Answer:
    """At most 24 samples validate (50: information) where eight times as many train; or the monitored metric is decided
    by the first few of the samples it is given, whatever the others are.

    Samples of several things with a class each count as those; of many tokens each it is an information.

    Costs: neither the best checkpoint nor any comparison means much: one sample more or less is several percent.
    Do: a larger validation split, or cross-validation over all samples; a metric over all of it.
    """
    if metric is not None and metric.first is not None and metric.halves > 0:
        return Hit(
            severity=Severity.WARNING,
            confidence=Confidence.LIKELY,
            summary=f"{metric.name} looks at {metric.first} samples at most, the first",
            where=f"validation: {metric.num_samples} samples, answered by an untrained network",
            why="what the others are answered makes no difference to its value",
            fix=Fix("compute the metric over the whole split: a slice, a break or the columns of one batch are usual"),
            figures={"first": metric.first, "samples": metric.num_samples},
        )
    count = data.val.num_samples
    if not data.val.tensors and not count:
        return Unchecked(data.missing or "nothing validates")
    if labels is not None and labels.val is not None:
        count = max(count, labels.val.num_samples)
    if count > SOME or data.train.num_samples < TRAINED_BY * count:
        return None
    is_tokens = any("int" in one.dtype and "uint" not in one.dtype and len(one.shape) > 1 for one in data.val.tensors)
    return Hit(
        severity=Severity.WARNING if count <= FEW and not is_tokens else Severity.INFO,
        confidence=Confidence.PROVEN,
        summary=f"{count} samples validate, {data.train.num_samples:,} train",
        where="val",
        why=f"one sample more or less is {1 / max(count, 1):.1%} of any share: the best epoch is the luckiest",
        fix=Fix("a larger validation split (hundreds of samples), or cross-validation"),
        figures={"samples": count, "train": data.train.num_samples},
    )
