"""G707: gates and other clamped values that stand at an end. Pure functions of evidence."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from trainctl.engine.diagnosis.catalogue import Answer, Cost, Precedence, rule
from trainctl.engine.diagnosis.facts.gates import GateFacts
from trainctl.engine.diagnosis.facts.network import BatchFacts
from trainctl.engine.diagnosis.facts.plan import PlanFacts
from trainctl.engine.diagnosis.facts.terms import TermsFacts
from trainctl.engine.diagnosis.finding import Confidence, Fix, Hit, Severity

HALF_DEAD = 0.45
"""Share of a clamped gate's values at its ends at the start from which on it is a finding. A hardtanh(0, 1) whose
inputs are centred has half of them at 0 and more at 1 (measured: .50 to .56, 54 % expected at a deviation of 1/√3);
centred at ½ it would have .39, a hardsigmoid or sigmoid 0."""
DRAWN_BACK = 0.3
"""Mean share over the newest steps below which a run has drawn its gates back. Measured after 10 epochs or more: .54 to
.59 without a regulariser, .19 to .22 with one of growing weight."""
SATURATED = 0.9
"""The same of any gate or saturating module, and of the newest steps of a run."""
SMOOTH = "sigmoid"
CLAMPED_OPTIONS = ("hardtanh",)
"""Forms of `model.gate` that another form should replace."""


@rule(
    "G707",
    "saturated gates",
    section="gradient flow",
    severity=Severity.WARNING,
    precedence=Precedence.GRADIENT_FLOW,
    cost=Cost.BATCH,
)
def saturated_gates(
    gates: Sequence[GateFacts],
    batch: BatchFacts | None = None,
    terms: TermsFacts | None = None,
    plan: PlanFacts | None = None,
) -> Answer:
    """Clamped gates of which .45 or more of the values stand at an end at the start (a warning), and gates and
    saturating modules of which more than .9 do, at the start or over the newest steps (clamped: an error).

    A term that looks at the gates' values has no gradient at those either. One that looks at what they are made of
    has: where such a term weighs something, half-dead gates are an information. So are those that a run drew back.

    Costs: no gradient goes through what stands at its end: the gate stays as it is for all samples.
    Do: a smooth gate (sigmoid), a bias towards the middle, scaled inputs.
    Follows from: N901, D106, O601.
    """
    stuck = [gate for gate in gates if gate.at_ends > SATURATED]
    begun = [gate for gate in gates if gate not in stuck and _is_half_dead(gate)]
    if not stuck and not begun:
        return None
    return _stuck(stuck, plan) if stuck else _half_dead(begun, batch, terms, plan)


def _is_half_dead(gate: GateFacts) -> bool:
    """At the start; modules that are no gates of a task may be meant to be half closed, as rectifiers are."""
    is_named = gate.source == "records" or bool(gate.without_gradient) or gate.is_clamped is None
    share = gate.first_at_ends if gate.source == "records" else gate.at_ends
    return is_named and gate.is_clamped is not False and share >= HALF_DEAD


def _stuck(stuck: Sequence[GateFacts], plan: PlanFacts | None) -> Hit:
    is_error = all(gate.is_clamped for gate in stuck)
    worst = max(stuck, key=lambda gate: gate.at_ends)
    from_start = worst.source == "batch" or worst.first_at_ends > SATURATED
    return Hit(
        severity=Severity.ERROR if is_error else Severity.WARNING,
        confidence=Confidence.LIKELY,
        summary=f"{worst.at_ends:.0%} of the values of {worst.name} stand at an end",
        where="; ".join(_told(gate) for gate in stuck[:4]) + _when(worst),
        why="where a gate or activation stands at its end nothing that is learned moves it"
        + (
            "; it was so before the first update: its inputs are too large"
            if from_start
            else "; training drove it there"
        ),
        fix=_fix(plan, is_regularised=False)
        if worst.source == "records" or worst.without_gradient
        else Fix("scale its inputs (normalisation, smaller initial weights), or a bias towards the middle"),
        figures={f"at_ends.{gate.name}": gate.at_ends for gate in stuck},
        because=("N901", "D106", "O601"),
    )


def _half_dead(
    dead: Sequence[GateFacts], batch: BatchFacts | None, terms: TermsFacts | None, plan: PlanFacts | None
) -> Hit:
    is_run = dead[0].source == "records"
    share = math.fsum(gate.first_at_ends if is_run else gate.at_ends for gate in dead) / len(dead)
    newest = math.fsum(gate.at_ends for gate in dead) / len(dead)
    now, drawn_back = (f", {newest:.0%} over the newest steps", newest < DRAWN_BACK) if is_run else ("", False)
    muted = _muted(dead, batch, terms, plan)
    reached = _reached(dead, batch, terms, plan)
    silent = "".join(
        f"; {name} draws the gates and reaches only {1 - part:.0%} of the values" for name, part in muted.items()
    )
    return Hit(
        severity=Severity.INFO if reached or drawn_back else Severity.WARNING,
        confidence=Confidence.PROVEN if all(gate.is_clamped for gate in dead) else Confidence.LIKELY,
        summary=f"{share:.0%} of the gates' values have no gradient at the start{now}",
        where="; ".join(_told(gate) for gate in dead[:4]) + _when(dead[0]),
        why="clamped values pass nothing on to what they are made of"
        + silent
        + (f"; {reached} looks at what they are made of, and draws them back" if reached else ""),
        fix=_fix(plan, is_regularised=bool(muted)),
        figures={
            "without_gradient": share,
            **{f"closed.{gate.name}": gate.first_closed if is_run else gate.closed for gate in dead},
            **{f"open.{gate.name}": gate.first_open if is_run else gate.open for gate in dead},
            **{f"muted.{name}": part for name, part in muted.items()},
        },
        because=("N901",),
    )


def _told(gate: GateFacts) -> str:
    is_run = gate.source == "records" and not math.isnan(gate.first_closed)
    closed, opened = (gate.first_closed, gate.first_open) if is_run else (gate.closed, gate.open)
    later = f" at the start, then {gate.closed:.0%} and {gate.open:.0%}" if is_run else ""
    return f"{gate.name} {closed:.0%} closed, {opened:.0%} open{later}"


def _when(gate: GateFacts) -> str:
    return f" (newest {gate.num_steps} steps)" if gate.source == "records" else " (first batch, untrained network)"


def _weights(batch: BatchFacts | None, terms: TermsFacts | None) -> Mapping[str, float]:
    if batch is not None:
        return batch.weights
    return {term.name: term.weight for term in terms.terms} if terms else {}


def _regularisers(dead: Sequence[GateFacts], batch: BatchFacts | None, terms: TermsFacts | None) -> dict[str, float]:
    """Terms that weigh something and are there for the gates, with the share of the values that they do not reach.

    Measured in a batch; of a run a term is known by its name, and its share is NaN.
    """
    weights = _weights(batch, terms)
    main = next((name for name, weight in weights.items() if weight > 0), "")
    if batch is None:
        return {name: math.nan for name, weight in weights.items() if weight > 0 and "gate" in name.split("_")}
    names = {name for gate in dead for name in gate.without_gradient if weights.get(name, 0.0) > 0 and name != main}
    return {
        name: math.fsum(gate.without_gradient.get(name, 0.0) for gate in dead) / len(dead) for name in sorted(names)
    }


def _muted(
    dead: Sequence[GateFacts], batch: BatchFacts | None, terms: TermsFacts | None, plan: PlanFacts | None
) -> dict[str, float]:
    """Terms for the gates that do not reach the dead values, with that share."""
    found = _regularisers(dead, batch, terms)
    if batch is None:
        share = math.fsum(gate.first_at_ends for gate in dead) / len(dead)
        return {name: share for name in found if plan is not None and plan.regularise == "value"}
    return {name: part for name, part in found.items() if part >= HALF_DEAD / 2}


def _reached(
    dead: Sequence[GateFacts], batch: BatchFacts | None, terms: TermsFacts | None, plan: PlanFacts | None
) -> str:
    """A term for the gates that reaches the dead values too; empty: there is none."""
    found = _regularisers(dead, batch, terms)
    if batch is None:
        return next(iter(found), "") if plan is not None and plan.regularise == "raw" else ""
    return next((name for name, part in found.items() if part < HALF_DEAD / 2), "")


def _fix(plan: PlanFacts | None, *, is_regularised: bool) -> Fix:
    """A form that has a gradient everywhere cures all; another aim of the regulariser only what it does itself."""
    is_ours = plan is not None and plan.gate in CLAMPED_OPTIONS
    text = f"gates that have a gradient everywhere ({f'model.gate={SMOOTH}' if is_ours else 'a sigmoid'})"
    if is_regularised:
        option = "loss.regularise=raw" if plan is not None and plan.regularise else "their pre-activation"
        text += f", or draw what they are made of towards the middle ({option})"
    return Fix(text, {"model.gate": SMOOTH} if is_ours else None)
