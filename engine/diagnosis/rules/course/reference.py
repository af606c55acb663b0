"""E1021 and E1022: a training that goes otherwise than one that is known to be good. Pure functions of plain facts.

Asked only where a good one is named (`diagnose --against`).
"""

from __future__ import annotations

from trainctl.engine.diagnosis.catalogue import Answer, Cost, Precedence, rule
from trainctl.engine.diagnosis.facts.reference import Parting, ReferenceFacts, Role
from trainctl.engine.diagnosis.finding import Confidence, Fix, Hit, Severity, Unchecked
from trainctl.engine.diagnosis.logs.facts import say

AT_ONCE, BEGINNING = 0.1, 0.15
"""Shares of the training within which two things happen at the same time, and which are its beginning."""
SHOWN = 6


@rule(
    "E1021",
    "worse than the good one",
    section="evaluation",
    severity=Severity.WARNING,
    # A comparison says that something is wrong and where to look; a rule that names a cause comes first.
    precedence=Precedence.CAPACITY,
    cost=Cost.RECORDS,
    of_log=True,
)
def worse_than_the_good_one(reference: ReferenceFacts) -> Answer:
    """A loss, a metric or a term of the loss leaves that of the good training on its worse side, and stays away.

    Both are laid over their steps or epochs. At each place the good one may have any value that it has within a factor
    of 1.5 of it; beyond that, 4 deviations of both, 15 % of all it ever moved and 2 % of its height, over a fifth of
    what both have. The series that parts first is named first. Gradient norm and rate (on either side, by a factor of
    2 and of 1.1) only tell where to look.

    Costs: the training ends worse than it could.
    Do: look first at what parts first, and at what is configured or fed otherwise (E1022).
    """
    outcomes = [one for one in reference.partings if one.role.is_outcome]
    if not reference.partings and not reference.together:
        return Unchecked("no series has values enough in both")
    if not outcomes:
        return None
    first, *others = reference.partings
    parted = "; ".join(f"{one.name} from {one.place}" for one in others[:SHOWN])
    together = f"as in the good one: {', '.join(reference.together[:SHOWN])}" if reference.together else ""
    worst = outcomes[0]
    return Hit(
        severity=Severity.WARNING,
        confidence=Confidence.LIKELY,
        summary=f"{first.name} parts from {reference.source} at {first.place}: {_levels(first)}",
        where="; ".join(filter(None, [f"then {parted}" if parted else "", together])) or "it is all that both have",
        why=_meaning(reference),
        fix=Fix(_what_to_do(reference)),
        figures={
            "at": first.at,
            "here": worst.here,
            "good": worst.good,
            "noise": worst.noise,
            **{f"at.{one.name}": one.at for one in reference.partings},
        },
    )


@rule(
    "E1022",
    "other than the good one",
    section="evaluation",
    severity=Severity.INFO,
    precedence=Precedence.CAPACITY,
    cost=Cost.RECORDS,
    of_log=True,
)
def other_than_the_good_one(reference: ReferenceFacts) -> Answer:
    """What two runs are configured with or fed otherwise: settings, number and content of samples, class counts.

    The seed, the machine and what is recorded are left out. Under another seed the split is another one: then only the
    number of its samples and of each class counts. No fault in itself.

    Costs: nothing by itself; where this training is worse (E1021), one of these is the likely reason.
    Do: set them as in the good one, one at a time.
    """
    settings = [f"{path} {mine}, {good} in the good one" for path, (mine, good) in reference.settings.items()]
    everything = [*reference.data, *settings]
    if not everything:
        return None
    more = f" and {len(everything) - SHOWN} more" if len(everything) > SHOWN else ""
    return Hit(
        severity=Severity.INFO,
        confidence=Confidence.PROVEN,
        summary=f"{len(settings)} setting{'s' * (len(settings) != 1)}, {len(reference.data)} of the data",
        where="; ".join(everything[:SHOWN]) + more,
        why=f"a difference to {reference.source} is no fault; where the training is worse, it is the first to look at",
        fix=Fix(
            "set them as in the good one, one at a time",
            {path: good for path, (_, good) in reference.settings.items()} or None,
        ),
        figures={"settings": len(settings), "data": len(reference.data)},
    )


def _levels(one: Parting) -> str:
    more = "" if one.is_to_the_end else ", for a while"
    return f"{say(one.here)} against {say(one.good)}{more}"


def _meaning(reference: ReferenceFacts) -> str:
    """What the order says in which the series part."""
    outcomes = [one for one in reference.partings if one.role.is_outcome]
    trained = next((one for one in outcomes if one.is_of_training and one.role is not Role.TERM), None)
    validated = next((one for one in outcomes if not one.is_of_training and one.role is not Role.TERM), None)
    driver = next((one for one in reference.partings if not one.role.is_outcome), None)
    earliest = outcomes[0].share
    if validated is not None and (trained is None or trained.share > validated.share + AT_ONCE):
        when = f"does not until {trained.place}" if trained else "does not"
        return (
            f"{validated.name} parts at {validated.place}, the training loss {when}: labels, or validation data; "
            "else fewer or other training samples, less regularisation"
        )
    if driver is not None and driver.share <= earliest + AT_ONCE:
        what = "the learning rate" if driver.role is Role.RATE else "the gradient"
        return (
            f"{what} is another one from {driver.place}, no later than what it leads to: optimiser, schedule, clipping"
        )
    if trained is None:
        terms = ", ".join(one.name for one in outcomes[:SHOWN])
        return f"of the loss only {terms} goes otherwise: its weight, its target, or what it is computed from"
    if trained.share <= BEGINNING:
        return "it is learned worse from the beginning: training labels or data, initialisation, loss, learning rate"
    return f"it went well until {trained.place}: what happens there (schedule, refit, unfreezing, other data)?"


def _what_to_do(reference: ReferenceFacts) -> str:
    found = [*reference.data, *reference.settings]
    if not found:
        return "nothing that was recorded differs: compare labels, data and code of the two by hand"
    return f"first what differs: {', '.join(found[:SHOWN])} (E1022)"
