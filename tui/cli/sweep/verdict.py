"""How a trial ended, told from its run and its process. Pure but for reading the run."""

from __future__ import annotations

from dataclasses import dataclass

from trainctl.engine.errors import UserError
from trainctl.tui.cli.sweep.course import Course, NoMetricError, Objective
from trainctl.tui.processes.trainings import Outcome
from trainctl.tui.run.trial import TrialState


@dataclass(frozen=True)
class Verdict:
    """How a trial ended."""

    state: TrialState
    value: float | None = None
    """Best value of the metric; None: there is none."""
    epoch: int = 0
    """At which it was reached."""
    reason: str = ""
    """Why the trial is not complete."""


def judged(outcome: Outcome, objective: Objective, *, is_pruned: bool) -> Verdict:
    """What a run came to.

    Args:
        outcome: how its training ended.
        objective: what is looked for.
        is_pruned: whether it was asked to end because others were better.

    Raises:
        NoMetricError: it has no such metric.
    """
    if outcome.run is None:
        return Verdict(TrialState.FAILED, reason=outcome.bare_reason)
    course = Course(outcome.run, objective)
    try:
        course.read_new()
    except NoMetricError:
        raise
    except UserError as err:
        return Verdict(TrialState.FAILED, reason=str(err))
    state, reason = _state(outcome, course, objective.metric, is_pruned=is_pruned)
    best = course.best
    return Verdict(state, None, 0, reason) if best is None else Verdict(state, best.value, best.epoch, reason)


def _state(outcome: Outcome, course: Course, metric: str, *, is_pruned: bool) -> tuple[TrialState, str]:
    if outcome.is_finished:
        if course.best is not None:
            return TrialState.COMPLETE, ""
        what = "was never finite" if course.last else "was never measured: there was no validation"
        return TrialState.FAILED, f"{metric} {what}"
    last = f"after epoch {course.last.epoch}" if course.last else "before its first validation"
    if is_pruned:
        return TrialState.PRUNED, last
    if course.is_stopped and course.best is not None:
        return TrialState.PRUNED, f"stopped by somebody {last}"
    return TrialState.FAILED, outcome.bare_reason or "did not finish"
