"""C303, C304, C305, L206: loss functions of torch that are given what they do not take. Pure functions of facts."""

from __future__ import annotations

import math
from collections.abc import Iterable

from trainctl.engine.diagnosis.catalogue import Answer, Cost, Precedence, rule
from trainctl.engine.diagnosis.facts.foreign import NOT_SEEN, ForeignFacts
from trainctl.engine.diagnosis.facts.network import BatchFacts
from trainctl.engine.diagnosis.facts.watched.loss_calls import LossCall
from trainctl.engine.diagnosis.finding import Confidence, Fix, Hit, Severity, Unchecked

CROSS_ENTROPY, NLL, BCE_LOGITS = "cross_entropy", "nll_loss", "binary_cross_entropy_with_logits"
NEVER_NEGATIVE = frozenset({CROSS_ENTROPY, BCE_LOGITS, "binary_cross_entropy", "mse_loss", "l1_loss", "smooth_l1_loss",
                            "huber_loss"})  # fmt: skip
NEGATIVE, SAME, POSITIVE = -1e-6, 1e-4, 1e-6
NO_CALL = "the step calls no loss function of torch that is known"


def _seen(batch: BatchFacts | None, foreign: ForeignFacts | None) -> tuple[tuple[LossCall, ...], str]:
    """Losses of the first batch, or of the first backward pass of a watched loop; and why there are none."""
    if batch is None and foreign is None:
        return (), NOT_SEEN
    return batch.loss_calls if batch is not None else foreign.losses if foreign is not None else (), NO_CALL


def _cross_entropies(calls: Iterable[LossCall]) -> list[LossCall]:
    return [call for call in calls if call.name in (CROSS_ENTROPY, NLL, BCE_LOGITS)]


@rule(
    "C303",
    "softmax and loss do not go together",
    section="loss",
    severity=Severity.ERROR,
    precedence=Precedence.LOSS,
    cost=Cost.BATCH,
)
def softmax_and_loss(batch: BatchFacts | None = None, foreign: ForeignFacts | None = None) -> Answer:
    """A cross-entropy of torch whose input comes out of a softmax, or lies in [0, 1] and adds up to 1 over classes; an
    `nll_loss` with a positive value in its input, which is no logarithm of a probability.

    Logarithms of probabilities before a cross-entropy change nothing, and are not accused.

    Costs: with two softmaxes the loss cannot fall below ln(1 + (C−1)/e), and gradients are a fraction; without one it
    has no bound.
    Do: give cross_entropy the logits; nll_loss what log_softmax gives.
    """
    seen, why_not = _seen(batch, foreign)
    calls = _cross_entropies(seen)
    if not calls:
        return Unchecked(why_not)
    double = [c for c in calls if c.name == CROSS_ENTROPY and (c.made_by == "softmax" or (c.in_unit and c.sums_to_one))]
    if double:
        return _double(double[0])
    bare = [c for c in calls if c.name == NLL and (c.highest > POSITIVE or c.made_by in ("softmax", "sigmoid"))]
    return _bare(bare[0]) if bare else None


def _double(call: LossCall) -> Hit:
    classes = call.num_classes
    floor = math.log(1 + (classes - 1) / math.e)
    return Hit(
        severity=Severity.ERROR,
        confidence=Confidence.PROVEN,
        summary=f"the cross-entropy gets probabilities: it takes their softmax once more, and stays above {floor:.4f}",
        where=f"cross_entropy of shape {_shape(call)}, {_origin(call)}",
        why=f"ln(1 + ({classes}−1)/e) = {floor:.4f} is what the surest right answer costs; "
        f"gradients are at most 1/4 of what they were",
        fix=Fix("return logits: leave out the softmax before the loss, and take it for metrics and predictions only"),
        figures={"classes": classes, "floor": floor, "value": call.value},
    )


def _bare(call: LossCall) -> Hit:
    what = "probabilities" if call.in_unit and call.sums_to_one else "what are no logarithms of probabilities"
    highest = "" if math.isnan(call.highest) else f": values up to {call.highest:.3g}"
    gives = "" if math.isnan(call.value) else f"; it gives {call.value:.4g}"
    return Hit(
        severity=Severity.ERROR,
        confidence=Confidence.PROVEN,
        summary=f"nll_loss gets {what}{highest}",
        where=f"nll_loss of shape {_shape(call)}, {_origin(call)}{gives}",
        why="it picks the value of the right class and turns its sign; the logarithm of a probability is at most 0",
        fix=Fix("log_softmax before nll_loss, or cross_entropy, which has both"),
        figures={"highest": call.highest, "value": call.value},
    )


@rule(
    "C304",
    "bounded logits",
    section="loss",
    severity=Severity.ERROR,
    precedence=Precedence.LOSS,
    cost=Cost.BATCH,
)
def bounded_logits(batch: BatchFacts | None = None, foreign: ForeignFacts | None = None) -> Answer:
    """A cross-entropy of torch that takes logits and is given what comes straight out of a sigmoid (an error), a tanh
    (a warning) or, for two classes, a rectifier or softmax (an error).

    Costs: no answer can be surer than the bound: with σ before a binary cross-entropy on logits p lies in [.5, .73],
    with tanh in [.27, .73].
    Do: leave the activation out of the network; take it for metrics and predictions only.
    """
    seen, why_not = _seen(batch, foreign)
    calls = [call for call in _cross_entropies(seen) if call.name != NLL]
    if not calls:
        return Unchecked(why_not)
    wrong = [call for call in calls if call.made_by in ("sigmoid", "tanh") or _is_half(call)]
    if not wrong:
        return None
    call = wrong[0]
    low, high = {"sigmoid": (0.0, 1.0), "softmax": (0.0, 1.0), "tanh": (-1.0, 1.0)}.get(call.made_by, (0.0, math.inf))
    if call.name == CROSS_ENTROPY:
        floor = math.log1p((call.num_classes - 1) * math.exp(low - high))
        costs = f"the surest right answer costs ln(1 + {call.num_classes - 1}·e^{low - high:g}) = {floor:.4f}"
    else:
        floor = math.log1p(math.exp(low))
        costs = f"a sample of the class 0 costs at least ln(1 + e^{low:g}) = {floor:.4f}"
    return Hit(
        severity=Severity.WARNING if call.made_by == "tanh" else Severity.ERROR,
        confidence=Confidence.PROVEN,
        summary=f"{call.made_by} before {call.name}, which takes logits",
        where=f"input of shape {_shape(call)}, {_origin(call)}",
        why=f"the logits lie between {low:g} and {high:g}: {costs}",
        fix=Fix(f"return logits: leave out the {call.made_by} before the loss"),
        figures={"floor": floor, "value": call.value},
    )


def _is_half(call: LossCall) -> bool:
    """A binary cross-entropy on what cannot be negative: the answer is never below one half."""
    return call.name == BCE_LOGITS and call.made_by in ("relu", "softmax")


@rule(
    "C305",
    "wrong sign",
    section="loss",
    severity=Severity.ERROR,
    precedence=Precedence.LOSS,
    cost=Cost.BATCH,
)
def wrong_sign(batch: BatchFacts) -> Answer:
    """A main term below 0 that cannot be: a cross-entropy of classes or a reconstruction by its kind, or the exact
    negative of a loss of torch that is never below 0.

    Helping terms may be maximised, and so may both sides of two networks against each other: nothing is said of them.

    Costs: every step makes the network worse; the loss falls without end.
    Do: remove the minus.
    Follows from: N901, C303.
    """
    main = next((name for name in batch.terms if batch.weights.get(name, 1.0) > 0), None)
    if main is None or not math.isfinite(batch.terms[main]):
        return Unchecked("no term weighs anything" if main is None else "the loss is not finite, see N901")
    value = batch.terms[main]
    losses = [call for call in batch.loss_calls if call.name in NEVER_NEGATIVE]
    of_kind = main in batch.expected or batch.kinds.get(main) == "reconstruction"
    if not losses and not of_kind:
        return Unchecked(f"it is not known whether {main} may be negative")
    turned = [call for call in losses if call.value > 0 and abs(call.value + value) < SAME * call.value]
    if value >= NEGATIVE or not (turned or of_kind):
        return None
    witness = f"it is −1 · {turned[0].name}" if turned else "its kind has no values below 0"
    return Hit(
        severity=Severity.ERROR,
        confidence=Confidence.PROVEN if turned else Confidence.LIKELY,
        summary=f"{main} is {value:.4g}, and cannot be below 0: {witness}",
        where=f"first batch of {batch.batch_size}, untrained network",
        why="the loss is minimised: with its sign turned every step makes the answers worse",
        fix=Fix("remove the minus before the loss"),
        figures={"value": value},
        because=("N901", "C303"),
    )


@rule(
    "L206",
    "answers and targets of other shapes",
    section="loss",
    severity=Severity.ERROR,
    precedence=Precedence.MECHANICS,
    cost=Cost.BATCH,
)
def stretched_shapes(batch: BatchFacts | None = None, foreign: ForeignFacts | None = None) -> Answer:
    """A loss function of torch, or a difference of an answer and its target, in which shapes (B, 1) and (B) meet: torch
    stretches both to (B, B).

    Costs: every answer is held against every target: the best that can be learnt is the mean.
    Do: bring both to one shape: squeeze(1), or [:, None].
    """
    calls, why_not = _seen(batch, foreign)
    if batch is None and not calls:
        return Unchecked(why_not)
    wrong = [call for call in calls if call.is_broadcast]
    if not wrong:
        return None
    call = wrong[0]
    return Hit(
        severity=Severity.ERROR,
        confidence=Confidence.PROVEN,
        summary=f"answers {call.input_shape} meet targets {call.target_shape}: each is compared with all of them",
        where=call.name if call.name != "difference" else "a difference in the step",
        why=f"torch stretches both to ({call.input_shape[0]}, {call.input_shape[0]}): what is minimised is smallest "
        "for one and the same answer to every sample, the mean",
        fix=Fix("bring both to one shape: answer.squeeze(1), or target[:, None]"),
        figures={"samples": call.input_shape[0]},
    )


def _shape(call: LossCall) -> str:
    return "×".join(map(str, call.input_shape))


def _origin(call: LossCall) -> str:
    return (
        f"what {call.made_by} gave" if call.made_by else "values in [0, 1] that add up to 1" if call.in_unit else "raw"
    )
