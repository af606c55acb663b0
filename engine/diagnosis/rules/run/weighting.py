"""C315: weights of loss terms that change while a run goes on. Pure functions of evidence."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from trainctl.engine.diagnosis.catalogue import Answer, Cost, Precedence, rule
from trainctl.engine.diagnosis.facts.plan import PlanFacts
from trainctl.engine.diagnosis.facts.terms import TermsFacts, WeightCourse
from trainctl.engine.diagnosis.finding import Confidence, Fix, Hit, Severity, Unchecked

LEAST_CHANGES = 8
"""Changes from epoch to epoch from which on a course of weights can be judged."""
SWINGS, TURNING = 0.1, 0.5
"""Median change of ln weight from epoch to epoch, and share of the changes that go back on the one before, from which
on it oscillates. With the default momentum and rate: at most .1 (its first epochs), and one turn in 50 epochs."""
AT_BOUND = 0.5
"""Share of the newer half of the epochs in which a weight stands at a bound that keeps it."""
TURNED = 3.0
"""Factor by which the main term's weight fell, and by which another then weighs more than it."""
SLOWER = {"weighting.momentum": 0.9, "weighting.rate": 0.1}


@rule(
    "C315",
    "adaptive weights run away",
    section="loss",
    severity=Severity.WARNING,
    precedence=Precedence.LOSS,
    cost=Cost.RECORDS,
)
def unsteady_weights(terms: TermsFacts, plan: PlanFacts | None = None) -> Answer:
    """Weights that swing to and fro from epoch to epoch, or stand at the bound that clips them (warnings); a main term
    that has fallen below a third of what was configured and of another's weight (an information).

    Costs: the loss that is minimised changes from epoch to epoch, or the main term is no longer the aim.
    Do: a longer mean and smaller steps of the weights, wider bounds, or fixed weights.
    Follows from: N901, C313.
    """
    moving = [course for course in terms.weights if course.configured > 0 and _num_changes(course) > 0]
    if not moving:
        return None if terms.weights else Unchecked("the run recorded no weights")
    if max(map(_num_changes, moving)) < LEAST_CHANGES:
        return Unchecked(f"needs {LEAST_CHANGES} epochs in which a weight changes")
    return _swinging(moving) or (_at_bound(moving, plan) if plan and plan.is_adaptive else None) or _turned(terms, plan)


def _num_changes(course: WeightCourse) -> int:
    return int((np.diff(course.values) != 0).sum())


def _steps(course: WeightCourse) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    values = np.array([value for value in course.values if value > 0])
    return np.diff(np.log(values))


def _swinging(moving: Sequence[WeightCourse]) -> Hit | None:
    swings: dict[str, tuple[float, float]] = {}
    for course in moving:
        steps = _steps(course)
        steps = steps[steps != 0]
        if len(steps) >= LEAST_CHANGES:
            back = float((np.sign(steps[1:]) != np.sign(steps[:-1])).mean())
            swings[course.name] = float(np.median(np.abs(steps))), back
    found = {name: (size, back) for name, (size, back) in swings.items() if size >= SWINGS and back >= TURNING}
    if not found:
        return None
    worst = max(found, key=lambda name: found[name][0])
    size, back = found[worst]
    return Hit(
        severity=Severity.WARNING,
        confidence=Confidence.LIKELY,
        summary=f"the weight of {worst} changes by {math.expm1(size):.0%} from epoch to epoch, to and fro",
        where="; ".join(f"{name}: {b:.0%} of the changes go back on the one before" for name, (_, b) in found.items()),
        why="each change asks for another direction than the last one: the noise of the terms decides, not their size",
        fix=Fix("a longer mean and smaller steps of the weights", dict(SLOWER)),
        figures={"swing": size, "turning": back},
        because=("N901", "C313"),
    )


def _at_bound(moving: Sequence[WeightCourse], plan: PlanFacts) -> Hit | None:
    low, high = plan.weight_bounds
    found: dict[str, float] = {}
    for course in moving:
        newer = np.array(course.values[len(course.values) // 2 :])
        for bound in (low, high):
            if float(np.isclose(newer, bound, rtol=1e-5, atol=0).mean()) >= AT_BOUND:
                found[course.name] = bound
    if not found:
        return None
    words = ", ".join(f"{name} at {bound:g}" for name, bound in found.items())
    return Hit(
        severity=Severity.WARNING,
        confidence=Confidence.PROVEN,
        summary=f"the bound decides the weight, not the balance: {words}",
        where=f"at least {AT_BOUND:.0%} of the newer half of the epochs; bounds {low:g} to {high:g}",
        why="in the long run a weight goes with 1/mean of its term: one so small or so large leaves the bounds",
        fix=Fix("wider bounds (weighting.least, weighting.most), or a fixed weight", {"weighting.adaptive": False}),
        figures={f"weight.{name}": bound for name, bound in found.items()},
        because=("N901", "C313"),
    )


def _turned(terms: TermsFacts, plan: PlanFacts | None) -> Hit | None:
    main = next((course for course in terms.weights if course.configured > 0), None)
    if main is None or not main.values or not main.values[-1] < main.configured / TURNED:
        return None
    above = [
        course
        for course in terms.weights
        if course.values[-1] > max(main.values[-1], TURNED * course.configured) and course.configured < main.configured
    ]
    if not above:
        return None
    other = max(above, key=lambda course: course.values[-1])
    is_adaptive = plan is not None and plan.is_adaptive
    return Hit(
        severity=Severity.INFO,
        confidence=Confidence.PROVEN,
        summary=f"the weight of {main.name} went from {main.configured:g} to {main.values[-1]:.3g}, "
        f"that of {other.name} from {other.configured:g} to {other.values[-1]:.3g}",
        where=f"{len(main.values)} epochs",
        why="weights in proportion to 1/mean make all terms contribute the same, whatever was configured",
        fix=Fix(
            f"leave small terms out of it (weight of {other.name} 0), or fixed weights",
            {"weighting.adaptive": False} if is_adaptive else None,
        ),
        figures={f"weight.{course.name}": course.values[-1] for course in terms.weights},
    )
