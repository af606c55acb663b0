"""E1007, E1017: a network that gives every sample the same answer, or none better than that. Pure functions."""

from __future__ import annotations

import math

from trainctl.engine.diagnosis.catalogue import Answer, Cost, Precedence, rule
from trainctl.engine.diagnosis.facts.mixture import ScoreFacts
from trainctl.engine.diagnosis.facts.terms import TermsFacts
from trainctl.engine.diagnosis.finding import Confidence, Fix, Hit, Severity, Unchecked

AS_GOOD_AS_CONSTANT = 0.98
"""Share of the error of the best constant from which on predictions are no better than it."""
VALIDATIONS, LEAST_STEPS = 3, 200
"""Newest validations that must say so, and steps after which a network that learns is better."""
JUDGED_ELSEWHERE = frozenset({"reconstruction", "supcon", "cross_entropy", "binary_cross_entropy"})
"""Kinds of terms of which C314 and K401 say so, or that a network may know much and still exceed: overconfidence."""


@rule(
    "E1007",
    "constant predictions",
    section="evaluation",
    severity=Severity.WARNING,
    precedence=Precedence.CAPACITY,
    cost=Cost.RECORDS,
)
def constant_predictions(scores: ScoreFacts) -> Answer:
    """A rank correlation that is not defined although the error is finite, in the newest two validations.

    It is not defined where all predictions are equal. An error no better than that of the best constant is the second
    witness.

    Costs: the network answers the same whatever it sees.
    Do: look at the loss first: its gradient, its learning rate, dead activations before the output.
    Follows from: D107, N901, G701, C310, Q503.
    """
    newest, error = scores.values[-1], scores.errors[-1]
    if not math.isnan(newest):
        return None
    if not math.isfinite(error):
        return Unchecked("the predictions are not finite, or their error is not known")
    is_lasting = len(scores.values) > 1 and math.isnan(scores.values[-2])
    if not is_lasting and not scores.is_over:
        return Unchecked("needs a second validation to see whether it lasts")
    has_witness = error >= AS_GOOD_AS_CONSTANT * scores.constant_error
    reached = f", one constant reaches {scores.constant_error:.4f}" if math.isfinite(scores.constant_error) else ""
    return Hit(
        severity=Severity.WARNING,
        confidence=Confidence.PROVEN if has_witness else Confidence.LIKELY,
        summary=f"{scores.metric} is not defined: all predictions are equal",
        where=f"validation of epoch {scores.epochs[-1]}: error {error:.4f}{reached}",
        why="a rank correlation exists only where predictions differ; it is not 0",
        fix=Fix(
            "look at the loss first: its gradient, its learning rate, dead or saturated activations before the output"
        ),
        figures={"error": error, "constant_error": scores.constant_error, "epoch": scores.epochs[-1]},
        because=("D107", "N901", "G701", "C310", "Q503"),
    )


@rule(
    "E1017",
    "no better than one constant answer",
    section="evaluation",
    severity=Severity.WARNING,
    precedence=Precedence.CAPACITY,
    cost=Cost.RECORDS,
)
def no_better_than_constant(terms: TermsFacts) -> Answer:
    """The main term, the first of the step's that weighs anything, is in each of the newest three validations no more
    than 2 % below what the best constant answer reaches there: for a squared error the variance of the targets.

    Asked after 200 steps, where the task names that value (`constant_metrics`). A reconstruction is C314's, a
    contrastive loss K401's, and a cross-entropy may be that large by overconfidence.

    Costs: what the network says of a sample does not depend on the sample, whatever the total loss does.
    Do: look at what the other terms do to it (C301), at its gradient, then at the rate and the labels.
    Follows from: N901, D103, D107, G701, C301, C310, C313, K401, Q501, Q503, E1007, O601, O602.
    """
    main = next((term for term in terms.terms if term.weight > 0), None)
    if main is None or main.kind in JUDGED_ELSEWHERE:
        return Unchecked("the loss has no main term that one constant answer has a least error in")
    if math.isnan(main.constant):
        return Unchecked(f"the task does not say what the best constant answer is worth in {main.name}")
    if terms.early or terms.num_steps < LEAST_STEPS or len(main.validated) < VALIDATIONS:
        return Unchecked(terms.early or f"needs {LEAST_STEPS} steps and {VALIDATIONS} validations")
    newest = main.validated[-VALIDATIONS:]
    if not main.constant > 0 or not all(value >= AS_GOOD_AS_CONSTANT * main.constant for value in newest):
        return None
    others = ", ".join(
        f"{term.name} fell by {term.fell:.0%}" for term in terms.terms if term is not main and term.fell > 0
    )
    return Hit(
        severity=Severity.WARNING,
        confidence=Confidence.PROVEN,
        summary=f"{main.name} of the validation stands at {newest[-1]:.4g}, one constant answer has "
        f"{main.constant:.4g}",
        where=f"newest {VALIDATIONS} validations: {', '.join(f'{value:.4g}' for value in newest)}"
        + (f"; meanwhile {others}" if others else ""),
        why=f"in training it went from {main.first:.4g} to {main.last:.4g}: the answers do not depend on the samples, "
        "or what they say is wrong as often as right",
        fix=Fix("see what the other terms do to it (C301), then its gradient, the learning rate and the labels"),
        figures={"validation": newest[-1], "constant": main.constant, "first": main.first, "last": main.last},
        because=(
            *("N901", "D103", "D107", "G701", "C301", "C310", "C313", "K401", "Q501", "Q503", "E1007"),
            *("O601", "O602"),
        ),
    )
