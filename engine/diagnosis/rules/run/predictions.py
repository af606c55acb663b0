"""E1007: a network that gives every sample the same answer. Pure functions of evidence."""

from __future__ import annotations

import math

from trainctl.engine.diagnosis.catalogue import Answer, Cost, Precedence, rule
from trainctl.engine.diagnosis.facts.mixture import ScoreFacts
from trainctl.engine.diagnosis.finding import Confidence, Fix, Hit, Severity, Unchecked

AS_GOOD_AS_CONSTANT = 0.98
"""Share of the error of the best constant from which on predictions are no better than it."""


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
