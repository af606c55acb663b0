"""G702, O613 of a watched loop: what of its network is never trained. Pure functions of evidence."""

from __future__ import annotations

from trainctl.engine.diagnosis.catalogue import Answer, Cost, Precedence, rule
from trainctl.engine.diagnosis.facts.foreign import ForeignFacts, PartsFacts
from trainctl.engine.diagnosis.finding import Confidence, Fix, Hit, Severity, Unchecked

MOST_FROZEN, MOST_LEFT = 0.25, 0.01
"""Share of the network that is frozen, or in no optimiser, above which it is a finding. Random features and tables that
are fixed on purpose are small beside what learns from them."""
DRAWN, LEARNED = 0.9, 0.5
"""Share of the matrices that may be independent draws above which all are, and below which they were trained before."""
UNSEEN = "what of the network is trained was not seen"


def frozen_parts(parts: PartsFacts | None) -> Answer:
    """G702 by what the first steps showed."""
    if parts is None or not parts.total:
        return Unchecked(UNSEEN)
    if not parts.trained:
        return Unchecked("no parameter is trainable, see G701")
    share, drawn = parts.frozen_alone / parts.total, parts.frozen_drawn
    is_loaded = drawn is not None and drawn < DRAWN
    if not parts.frozen or is_loaded or parts.adapters or not (share > MOST_FROZEN or parts.only_small):
        return None
    what = "biases and normalisation" if parts.only_small else f"{parts.trained / parts.total:.1%} of the parameters"
    on_what = "weights that were drawn at random" if drawn is not None else "weights of which it is not known whence"
    return Hit(
        severity=Severity.INFO if drawn is None else Severity.WARNING,
        confidence=Confidence.LIKELY,
        summary=f"only {what} can learn, on top of {on_what}",
        where=f"frozen: {', '.join(parts.frozen_names)}",
        why=f"{parts.frozen:,} of {parts.total:,} parameters want no gradient; the features below stay what they were"
        + ("" if drawn is None else "; no matrix among them has a direction that was learned"),
        fix=Fix("unfreeze at least one encoder, or load weights that were trained"),
        figures={"trainable_share": parts.trained / parts.total, "frozen": parts.frozen, "parameters": parts.total},
    )


@rule(
    "O613",
    "parameters in no optimiser",
    section="optimiser and schedule",
    severity=Severity.WARNING,
    precedence=Precedence.MECHANICS,
    cost=Cost.RECORDS,
)
def left_out(foreign: ForeignFacts) -> Answer:
    """More than 1 % of the network wants a gradient and is in no optimiser, in the first steps of a watched loop.

    A warning where its matrices may be independent draws, by their largest singular value, and gradients reach them.
    Where they were trained before, leaving them out is a way to freeze them, and nothing is said; where nothing tells,
    or no gradient reaches them, it is an information.

    Costs: what is left out stays as it was drawn; the rest learns on top of it. Its gradients are computed for nothing.
    Do: give the optimiser model.parameters(), after every layer was made; freeze what is not to learn.
    Follows from: G701.
    """
    parts = foreign.parts
    if parts is None or not parts.total:
        return Unchecked(UNSEEN)
    share, drawn = parts.left / parts.total, parts.left_drawn
    if share <= MOST_LEFT or (drawn is not None and drawn < LEARNED):
        return None
    is_fault = drawn is not None and drawn >= DRAWN and parts.left_reached > 0
    return Hit(
        severity=Severity.WARNING if is_fault else Severity.INFO,
        confidence=Confidence.PROVEN if is_fault else Confidence.LIKELY,
        summary=f"{share:.1%} of the parameters want a gradient and are in no optimiser",
        where=f"{', '.join(parts.left_names)}: {parts.left:,} of {parts.total:,} parameters",
        why="gradients reach them and no update follows: they stay as they were drawn"
        if is_fault
        else "they stay what they were; where they are to be frozen, requires_grad_(False) says so and saves time",
        fix=Fix("give the optimiser model.parameters(), after every layer was made; freeze what is not to learn"),
        figures={"share": share, "left": parts.left, "reached": parts.left_reached, "parameters": parts.total},
        because=("G701",),
    )
