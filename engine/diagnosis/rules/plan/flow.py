"""G704, G706, G708, G715: signals that do not get through a network, seen in its first few steps. Pure functions."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from trainctl.engine.diagnosis.catalogue import Answer, Cost, Precedence, rule
from trainctl.engine.diagnosis.facts.foreign import NOT_SEEN, ForeignFacts
from trainctl.engine.diagnosis.facts.network import BatchFacts
from trainctl.engine.diagnosis.facts.trial import TrialFacts, WeightFacts
from trainctl.engine.diagnosis.finding import Confidence, Fix, Hit, Severity, Unchecked

VANISHED, STILL_VANISHED = 1e-4, 1e-3
"""Gradient of the first matrices in terms of the largest, at the first step and at most. Measured on digits, Adam: with
3e-4 (12 layers of ReLU) .77 instead of .96 are right, with 3e-5 (5 of sigmoid) .39, with 2e-7 none."""
TREND, LEAST_MATRICES = 0.8, 4
"""Rank correlation of gradient and depth; a branch that is scaled by almost nothing has none."""
DEAD, LEAST_UNITS = 0.9, 8
"""Share of a layer's units; layers that see nearly the same in all samples have half of them on, half off."""
MOST_ZERO = 0.5
NO_MATRIX = "no matrix of the network is trained and reached"


@rule(
    "G704",
    "vanishing gradient",
    section="gradient flow",
    severity=Severity.WARNING,
    precedence=Precedence.GRADIENT_FLOW,
    cost=Cost.BATCH,
)
def vanishing_gradient(trial: TrialFacts) -> Answer:
    """Of at least four matrices the gradient grows from the first to the last (rank correlation above .8), and the
    first has less than 1e-4 of the largest at the first step, and less than 1e-3 in the best of the first dozen. Or
    half of the matrices, and more, have a gradient of exactly 0 in all of these steps, and in another batch.

    Gradients are weighed by the size of what they change: by what a relative change of the weights does to the loss. A
    branch that begins scaled by nothing is small by itself, not by its depth.

    Costs: the layers near the input stay as they were drawn.
    Do: ReLU or GELU for sigmoids, residual connections, norms, an initialisation for the activation (Kaiming).
    Follows from: N901, D106, D108, C302, G706, G707, G708, G712, O601.
    """
    weights = trial.reached
    if len(weights) < 2 or not any(weight.gradient_most > 0 for weight in weights):
        return Unchecked(NO_MATRIX)
    zero = [weight for weight in weights if weight.gradient_most == 0]
    if len(zero) >= MOST_ZERO * len(weights):
        return _nothing(zero, len(weights), trial)
    return _by_depth(weights)


BECAUSE = ("N901", "D108", "D106", "C302", "O601", "G708", "G712", "G706", "G707")


def _nothing(zero: Sequence[WeightFacts], count: int, trial: TrialFacts) -> Hit:
    return Hit(
        severity=Severity.WARNING,
        confidence=Confidence.PROVEN,
        summary=f"{len(zero)} of {count} matrices have a gradient of exactly 0 in the first {trial.num_steps} steps",
        where=", ".join(weight.name for weight in zero[:4]) + (", ..." if len(zero) > 4 else ""),
        why="the backward pass reaches them and brings nothing: something behind them is flat, dead or multiplied by 0",
        fix=Fix("look behind them for dead or clamped activations, a product with 0, weights that are all 0"),
        figures={"zero": len(zero), "matrices": count},
        because=BECAUSE,
    )


def _by_depth(weights: Sequence[WeightFacts]) -> Answer:
    if len(weights) < LEAST_MATRICES:
        return None
    first = np.array([max(weight.weight_at_first, 1e-300) for weight in weights])
    most = np.array([weight.weight_at_most for weight in weights])
    if not (np.isfinite(first).all() and np.isfinite(most).all()):
        return Unchecked("gradients that are not finite, see N901")
    share, later = float(first[0] / first.max()), float(most[0] / most.max())
    ranks = first.argsort().argsort()
    trend = float(np.corrcoef(ranks, np.arange(len(first)))[0, 1])
    if share >= VANISHED or later >= STILL_VANISHED or trend <= TREND:
        return None
    return Hit(
        severity=Severity.WARNING,
        confidence=Confidence.LIKELY,
        summary=f"the gradient of {weights[0].name} is {share:.1e} of that of {weights[int(first.argmax())].name}",
        where=f"first step; at most {later:.1e} in the first few; rank correlation with depth {trend:.2f} over "
        f"{len(weights)} matrices",
        why="layer by layer less of it comes back: those near the input stay as they were drawn",
        fix=Fix("ReLU or GELU for sigmoids, residual connections, norms, an initialisation for the activation"),
        figures={"share": share, "at_most": later, "trend": trend, "matrices": len(weights)},
        because=BECAUSE,
    )


@rule(
    "G706",
    "dead rectifiers",
    section="gradient flow",
    severity=Severity.WARNING,
    precedence=Precedence.GRADIENT_FLOW,
    cost=Cost.BATCH,
)
def dead_rectifiers(
    trial: TrialFacts | None = None, batch: BatchFacts | None = None, foreign: ForeignFacts | None = None
) -> Answer:
    """A rectifier of at least 8 units of which more than 90 % give 0 for every sample and place of a batch, after the
    first few steps; of a watched loop, in the first forward pass of a network that was named (`model=`).

    Up to half is common without any fault: a deep layer sees nearly the same in all samples.

    Costs: a unit that is always off passes no gradient: it never comes back.
    Do: a lower rate, or a warmup, where the steps did it; else standardised inputs, biases of 0, LeakyReLU or GELU.
    Follows from: N901, D108, D106, O601, G708.
    """
    first_pass = None if foreign is None else foreign.first_pass
    if trial is None and first_pass is None:
        return Unchecked(NOT_SEEN)
    rectifiers = trial.rectifiers if trial is not None else () if first_pass is None else first_pass.rectifiers
    known = [layer for layer in rectifiers if layer.num_units >= LEAST_UNITS]
    if not known:
        return Unchecked(f"no rectifier of {LEAST_UNITS} units was seen")
    dead = [layer for layer in known if layer.dead > DEAD]
    if not dead:
        return None
    worst = max(dead, key=lambda layer: layer.dead)
    layers = batch.layers.rectifiers if batch is not None and batch.layers is not None else ()
    before = next((layer.dead for layer in layers if layer.name == worst.name), math.nan)
    is_by_steps = before <= DEAD
    when = "in the first forward pass" if trial is None else f"after {trial.num_steps} steps"
    return Hit(
        severity=Severity.WARNING,
        confidence=Confidence.LIKELY,
        summary=f"{worst.dead:.0%} of the {worst.num_units} units of {worst.name} never pass anything",
        where=f"{len(dead)} of {len(known)} rectifiers, {when}"
        + ("" if math.isnan(before) else f"; {before:.0%} before the first"),
        why="they are off for every sample of the batch, and pass no gradient that could bring them back",
        fix=Fix(
            "a lower learning rate, or a warmup: the first steps did it"
            if is_by_steps
            else "standardised inputs, biases of 0, an initialisation for ReLU; LeakyReLU or GELU"
        ),
        figures={"dead": worst.dead, "before": before, "layers": len(dead)},
        because=("N901", "D108", "D106", "O601", "G708"),
    )


@rule(
    "G708",
    "units that are all the same",
    section="gradient flow",
    severity=Severity.ERROR,
    precedence=Precedence.GRADIENT_FLOW,
    cost=Cost.BATCH,
)
def symmetric_units(trial: TrialFacts) -> Answer:
    """A matrix whose rows are all the same at first, and move by the same in the first few steps.

    A last layer that begins at 0 is healthy: its rows part with the first step. So is one row alone. Not so where more
    than half of the matrices begin at 0, one behind the other: no gradient comes through.

    Costs: units with the same weights get the same gradient: a layer of any width stays one unit.
    Do: the initialisation of torch, or Xavier and Kaiming for weights; zeros for biases only.
    Follows from: N901, D108.
    """
    weights = trial.reached
    if not weights:
        return Unchecked(NO_MATRIX)
    same = [weight for weight in weights if weight.is_uniform]
    empty = [weight for weight in weights if weight.size == 0]
    behind = [weight for weight in empty if weight.gradient_first == 0]
    if not same and behind and len(empty) > len(weights) / 2:
        return _all_zero(empty, behind, len(weights))
    if not same:
        return None
    resting = [weight for weight in same if weight.moved == 0]
    how = "and stay at their first value" if len(resting) == len(same) else "and move by the same"
    return Hit(
        severity=Severity.ERROR,
        confidence=Confidence.PROVEN,
        summary=f"the units of {len(same)} of {len(weights)} matrices begin with the same weights {how}",
        where=", ".join(weight.name for weight in same[:4]) + (", ..." if len(same) > 4 else ""),
        why=f"after {trial.num_steps} steps they are still one and the same unit: equal weights get equal gradients",
        fix=Fix("draw the weights: torch's own initialisation, Xavier or Kaiming; zeros are for biases"),
        figures={"same": len(same), "resting": len(resting), "matrices": len(weights)},
        because=("N901", "D108"),
    )


def _all_zero(empty: Sequence[WeightFacts], behind: Sequence[WeightFacts], count: int) -> Hit:
    return Hit(
        severity=Severity.ERROR,
        confidence=Confidence.PROVEN,
        summary=f"{len(empty)} of {count} matrices begin with nothing but 0",
        where=", ".join(weight.name for weight in empty[:4]) + (", ..." if len(empty) > 4 else ""),
        why=f"what comes through one is 0, so that at first {len(behind)} of them get no gradient at all",
        fix=Fix("draw the weights: torch's own initialisation, Xavier or Kaiming; zeros are for biases"),
        figures={"zero": len(empty), "without_gradient": len(behind), "matrices": count},
        because=("N901", "D108"),
    )


@rule(
    "G715",
    "one answer for every sample",
    section="gradient flow",
    severity=Severity.ERROR,
    precedence=Precedence.GRADIENT_FLOW,
    cost=Cost.BATCH,
)
def one_answer(trial: TrialFacts) -> Answer:
    """Results that are the same for all samples of a batch whose inputs differ, after the first few steps.

    Costs: the network does not look at its input: it can learn the most frequent answer, and no more.
    Do: look for dead or saturated activations, weights at 0, a branch that drops the input.
    Follows from: N901, G701, G704, G706, G707, G708, G712, O601, D106, D108.
    """
    if not trial.num_steps:
        return Unchecked(trial.why_short or "no step was made")
    if not trial.same_answer:
        return None
    return Hit(
        severity=Severity.ERROR,
        confidence=Confidence.PROVEN,
        summary="every sample gets the same result, although the inputs differ",
        where=f"one batch, after {trial.num_steps} steps",
        why="nothing of the input comes through to the output: what is left to learn is the most frequent answer",
        fix=Fix("look for dead or saturated activations, weights at 0, a branch that drops the input"),
        figures={"steps": trial.num_steps},
        because=("N901", "D108", "D106", "O601", "G701", "G708", "G712", "G706", "G707", "G704"),
    )
