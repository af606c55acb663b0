"""G713, E1001, R804, R805: whether dropout and BatchNorm run in the mode that is meant, on enough. Pure functions."""

from __future__ import annotations

from collections.abc import Sequence

from trainctl.engine.diagnosis.catalogue import Answer, Cost, Precedence, rule
from trainctl.engine.diagnosis.facts.foreign import NOT_SEEN, EvaluatingFacts, ForeignFacts
from trainctl.engine.diagnosis.facts.network import BatchFacts
from trainctl.engine.diagnosis.facts.watched.layers import LayersFacts, ModeFacts
from trainctl.engine.diagnosis.finding import Confidence, Fix, Hit, Severity, Unchecked

NORM = "batch norm"
NEARLY_ALL = 0.75
"""Share that a dropout drops of which little is left: with it a mean over the rest has twice its deviation."""
FEW_SAMPLES, FEW_VALUES, SMALL_BATCH = 2, 8, 8
"""Samples, and values of a channel, of which a norm takes its statistics, that are too few; and a small batch."""
NOBODY = "nothing looked on while the step was made"
NO_MODAL = "no dropout and no BatchNorm was seen"


@rule(
    "G713",
    "evaluation mode while training",
    section="model",
    severity=Severity.ERROR,
    precedence=Precedence.MECHANICS,
    cost=Cost.BATCH,
)
def evaluation_while_training(batch: BatchFacts | None = None, foreign: ForeignFacts | None = None) -> Answer:
    """A training step that leaves the network in evaluation mode, where it has dropout or BatchNorm: an error. A
    BatchNorm that is trained, ran in evaluation mode only and still has the statistics of its beginning: a warning.

    Whoever keeps a BatchNorm of loaded weights in evaluation mode, or one of a frozen part, means it: nothing is said.

    Of a watched loop: its newest steps, 20 or more, are in evaluation mode and earlier ones were not, as after a
    validation without train() behind it; or a trained BatchNorm there never left its beginning. Where all steps are
    in that mode and neither is so, it may be meant, and is an information.

    Costs: statistics are never learnt, so that the norm does nothing; no unit is dropped.
    Do: call eval() for evaluation only, and train() behind it.
    Follows from: G701.
    """
    if batch is None:
        return Unchecked(NOT_SEEN) if foreign is None else _trained_in_evaluation(foreign.evaluating)
    layers = batch.layers
    if layers is None or not layers.modes:
        return Unchecked(NOBODY if layers is None else NO_MODAL)
    if layers.stays_in_evaluation:
        return _left_in_evaluation(layers)
    idle = [
        m
        for m in layers.modes
        if m.kind == NORM and m.in_training == frozenset({False}) and m.is_trained and m.is_fresh
    ]
    if not idle:
        return None
    return Hit(
        severity=Severity.WARNING,
        confidence=Confidence.LIKELY,
        summary=f"{_named(idle)} ran in evaluation mode in a training step, with the statistics of the beginning",
        where=f"{len(idle)} of {len(layers.modes)} layers that know a mode",
        why="mean 0 and variance 1 are what a BatchNorm begins with: it learns no others, and normalises nothing",
        fix=Fix("leave it in training mode; keep in evaluation mode only what has statistics that were loaded"),
        figures={"layers": len(idle)},
        because=("G701",),
    )


def _trained_in_evaluation(seen: EvaluatingFacts | None) -> Answer:
    """Of a watched loop."""
    if seen is None or not seen.layers:
        return None
    is_fault = seen.was_training or seen.fresh > 0
    more = f" and {seen.layers - len(seen.names)} more" if seen.layers > len(seen.names) else ""
    return Hit(
        severity=Severity.WARNING if is_fault else Severity.INFO,
        confidence=Confidence.LIKELY,
        summary=f"the network is trained in evaluation mode since step {seen.since}",
        where=f"{', '.join(seen.names)}{more}"
        + ("; before, in training mode" if seen.was_training else "; from the first step on"),
        why="dropout drops nothing, and a BatchNorm keeps the statistics it has"
        + (": mean 0 and variance 1, those of the beginning" if seen.fresh else ""),
        fix=Fix("call train() before each epoch: eval() of a validation stays until then"),
        figures={"since": seen.since, "layers": seen.layers, "norms": seen.norms, "fresh": seen.fresh},
        because=("G701",),
    )


def _left_in_evaluation(layers: LayersFacts) -> Hit:
    return Hit(
        severity=Severity.ERROR,
        confidence=Confidence.PROVEN,
        summary="the step leaves the network in evaluation mode",
        where=f"after one training step; {_named(layers.modes)}",
        why="the run goes on in that mode: BatchNorm learns no statistics, and dropout drops nothing",
        fix=Fix("call train() again where the step calls eval(), or evaluate a copy"),
        figures={"layers": len(layers.modes)},
        because=("G701",),
    )


@rule(
    "E1001",
    "training mode while validating",
    section="evaluation",
    severity=Severity.WARNING,
    precedence=Precedence.MECHANICS,
    cost=Cost.BATCH,
)
def training_while_validating(batch: BatchFacts) -> Answer:
    """Dropout, or a BatchNorm with statistics of its own, that runs in training mode in a step of a validation. A
    BatchNorm is an error: it also takes up what the validation data are like.

    Costs: validation is noisy, and depends on which samples meet in a batch; the best checkpoint is chosen by it.
    Do: leave the mode to the loop; give functional.dropout training=self.training, and attention a dropout_p of 0.
    """
    layers = batch.layers
    if layers is None or not layers.modes:
        return Unchecked(NOBODY if layers is None else NO_MODAL)
    if not any(mode.in_evaluation for mode in layers.modes):
        return Unchecked("a step of a validation ran none of the layers that know a mode")
    active = [mode for mode in layers.modes if True in mode.in_evaluation]
    if not active:
        return None
    norms = [mode for mode in active if mode.kind == NORM]
    return Hit(
        severity=Severity.ERROR if norms else Severity.WARNING,
        confidence=Confidence.PROVEN if norms else Confidence.LIKELY,
        summary=f"{_named(active)} ran in training mode in a step of a validation",
        where=f"{len(active)} of {len(layers.modes)} layers that know a mode; the network was put into evaluation mode",
        why="the metrics then depend on chance, or on which samples meet, and are not those of the network in use",
        fix=Fix("leave the mode to the loop; functional.dropout wants training=self.training"),
        figures={"layers": len(active), "norms": len(norms)},
    )


@rule(
    "R804",
    "regularisation too strong",
    section="model",
    severity=Severity.WARNING,
    precedence=Precedence.CAPACITY,
    cost=Cost.BATCH,
)
def dropout_too_strong(batch: BatchFacts) -> Answer:
    """A dropout on activations that drops three quarters of them or more, in a training step.

    Above a half an information. That of attention is not asked, as it drops what is looked at, not what is said of it.

    Costs: little of a sample comes through, another part each time: training learns slowly, and what differs little.
    Do: .1 to .5; weight decay or more data against overfitting.
    Follows from: G713.
    """
    layers = batch.layers
    if layers is None or not layers.modes:
        return Unchecked(NOBODY if layers is None else NO_MODAL)
    strong = [mode for mode in layers.modes if True in mode.in_training and mode.dropped > 0.5]
    if not strong:
        return None
    worst = max(strong, key=lambda mode: mode.dropped)
    return Hit(
        severity=Severity.WARNING if worst.dropped >= NEARLY_ALL else Severity.INFO,
        confidence=Confidence.LIKELY,
        summary=f"{worst.name} drops {worst.dropped:.0%} of what it gets",
        where=f"{len(strong)} of {sum(mode.kind == 'dropout' for mode in layers.modes)} dropouts drop more than half",
        why=f"{1 - worst.dropped:.0%} of the units must stand for all, others in each step: "
        f"the noise is {(worst.dropped / (1 - worst.dropped)) ** 0.5:.1f} times the signal of a unit",
        fix=Fix("dropout of .1 to .5; weight decay or more data against overfitting"),
        figures={"dropped": worst.dropped, "strong": len(strong)},
        because=("G713",),
    )


@rule(
    "R805",
    "BatchNorm of few samples",
    section="model",
    severity=Severity.WARNING,
    precedence=Precedence.CAPACITY,
    cost=Cost.BATCH,
)
def norm_of_few_samples(batch: BatchFacts) -> Answer:
    """A BatchNorm in training mode on batches of at most 2 samples, or on less than 8 values of a channel; up to 7
    samples an information.

    Costs: the statistics of so few samples are mostly noise, and others than those that validation uses.
    Do: larger batches (accumulation is no help), GroupNorm or LayerNorm.
    Follows from: D112.
    """
    layers, size = batch.layers, batch.batch_size
    if layers is None:
        return Unchecked(NOBODY)
    norms = [mode for mode in layers.modes if mode.kind == NORM and True in mode.in_training]
    if not norms or size >= SMALL_BATCH:
        return None
    fewest = min(norms, key=lambda mode: mode.values)
    is_grave = size <= FEW_SAMPLES or fewest.values < FEW_VALUES
    return Hit(
        severity=Severity.WARNING if is_grave else Severity.INFO,
        confidence=Confidence.LIKELY,
        summary=f"BatchNorm takes its statistics of {size} sample{'s' * (size != 1)} at a time",
        where=f"{_named(norms)}; {fewest.values:,} values of a channel in {fewest.name}",
        why="they are mostly noise, and validation uses the mean of all of them: what it sees is another network",
        fix=Fix("larger batches (accumulation is no help), or GroupNorm, LayerNorm"),
        figures={"batch_size": size, "values": fewest.values, "layers": len(norms)},
        because=("D112",),
    )


def _named(modes: Sequence[ModeFacts]) -> str:
    """`dropout body.2, batch norm body.1 and 3 more`."""
    shown = ", ".join(f"{mode.kind} {mode.name}" for mode in modes[:2])
    return shown + (f" and {len(modes) - 2} more" if len(modes) > 2 else "")
