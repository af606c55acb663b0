"""Trains what `trainctl verify` compares: a configuration without and with a fix, under the same seeds, on a budget.

Each is a run of its own in the folder of trials. The first training says how many steps the time allows; all others
make as many. Judges nothing.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from trainctl.engine.errors import ExitCode
from trainctl.engine.runs.layout import RunPaths
from trainctl.tui.compare.trial import FIXED, PRESENT, Arm, Trial, num_steps
from trainctl.tui.processes.launch import LaunchRequest, Process, launch
from trainctl.tui.processes.trainings import Outcome, run_all

if TYPE_CHECKING:
    from trainctl.engine.config.resolve import Resolved

BATCHES = ("train.batch_size", "train.accumulation")
"""A fix of these is compared over the same number of samples: a step is then another thing."""
LENGTHS = ("train.epochs", "train.max_steps", "train.max_minutes")
"""A fix of these leaves each training its own length."""
START_S = 4.0
"""What a training takes beside its steps: to start, to load, to write its end."""
LEAST_S = 2.0
PATIENCE = 3.0
"""How many times as long as the first training any other may take."""


@dataclass(frozen=True)
class TrialPlan:
    """What is to be trained."""

    code: str
    request: LaunchRequest
    """The present configuration; its folder is that of the trials."""
    present: Resolved
    settings: Mapping[str, Any]
    """Of the fix, by dotted path."""
    fixes: tuple[str, ...]
    """The same as `key=value`."""
    fixed: Resolved
    seeds: Sequence[int]
    steps: int | None
    """Of each; None: as many as the budget allows."""
    budget_s: float

    @property
    def has_own_lengths(self) -> bool:
        """Whether the fix is about how long it trains."""
        return any(path in LENGTHS for path in self.settings)

    @property
    def pace(self) -> float:
        """Steps with the fix that see as many samples as one without it; 1 where steps are compared."""
        if not any(path in BATCHES for path in self.settings):
            return 1.0
        return _samples_of_a_step(self.present) / _samples_of_a_step(self.fixed)

    @property
    def jobs(self) -> int:
        """Trainings at a time."""
        if str(self.present.config.runtime.device).partition(":")[0] not in ("auto", "cpu"):
            return 1
        return max(min(_cores(), 2 * len(self.seeds) - 1), 1)

    @property
    def time_s(self) -> float:
        """Of one training."""
        rounds = 1 + math.ceil((2 * len(self.seeds) - 1) / self.jobs)
        return max(self.budget_s / rounds - START_S, LEAST_S)


@dataclass(frozen=True)
class _ArmTraining:
    """One of them as something that `run_all` starts."""

    request: LaunchRequest

    def start(self) -> tuple[RunPaths, Process | None]:
        """See `Training`."""
        return launch(self.request)


@dataclass(frozen=True)
class Trained:
    """What was trained."""

    outcomes: Mapping[str, Mapping[int, Outcome]]
    """By `PRESENT` and `FIXED`, then by seed; without what was not begun."""
    code: ExitCode
    """How the trainings ended altogether."""


def train(plan: TrialPlan) -> Trained:
    """Train all of it; how it goes is said on standard error."""
    first = (PRESENT, plan.seeds[0])
    rest = [(arm, seed) for seed in plan.seeds for arm in (PRESENT, FIXED) if (arm, seed) != first]
    limit = plan.steps or None
    outcomes, code = _train(plan, [first], limit)
    if code in (ExitCode.INTERRUPTED, ExitCode.TERMINATED):
        return Trained(_by_arm([first], outcomes), code)
    if limit is None and not plan.has_own_lengths and outcomes[0] is not None and outcomes[0].is_finished:
        limit = _steps_of(outcomes[0])
    more, code = _train(plan, rest, limit)
    return Trained(_by_arm([first, *rest], [*outcomes, *more]), code)


def read_trial(plan: TrialPlan, trained: Trained) -> Trial:
    """What the trainings recorded."""
    arms = {
        arm: {seed: _read_arm(plan.code, outcome) for seed, outcome in of.items()}
        for arm, of in trained.outcomes.items()
    }
    return Trial(arms[PRESENT], arms[FIXED], plan.pace, plan.has_own_lengths)


def length_words(plan: TrialPlan, trial: Trial) -> str:
    """In which respect the trainings are as long as each other."""
    present, fixed = num_steps(trial.present), num_steps(trial.fixed)
    if not present or not fixed:
        return f"{present:,} and {fixed:,} steps"
    if plan.has_own_lengths:
        return f"each over its own length, {present:,} and {fixed:,} steps, {plan.time_s:.0f} s at most"
    if plan.pace != 1:
        samples = present * _samples_of_a_step(plan.present)
        return f"the same {samples:,} samples, {present:,} and {fixed:,} steps"
    return f"the same {present:,} steps" if present == fixed else f"{present:,} and {fixed:,} steps"


def _train(
    plan: TrialPlan, wanted: Sequence[tuple[str, int]], limit: int | None
) -> tuple[list[Outcome | None], ExitCode]:
    from trainctl.tui.cli.cell_progress import CellProgress

    progress = CellProgress([f"{arm} seed {seed}" for arm, seed in wanted], ["started"] * len(wanted))
    try:
        return run_all([_ArmTraining(_request(plan, arm, seed, limit)) for arm, seed in wanted], plan.jobs, progress)
    finally:
        progress.close()


def _request(plan: TrialPlan, arm: str, seed: int, limit: int | None) -> LaunchRequest:
    fixes = plan.fixes if arm == FIXED else ()
    return replace(
        plan.request,
        overrides=(*plan.request.overrides, f"seed={seed}", *_threads(plan), *fixes, *_length(plan, arm, limit)),
        label=f"{plan.code}-{arm}",
    )


def _length(plan: TrialPlan, arm: str, limit: int | None) -> list[str]:
    """As many steps as the others, or what the time allows; never much longer than that."""
    if limit is None:
        return [f"train.max_minutes={plan.time_s / 60:.6g}"]
    steps = max(round(limit * plan.pace), 1) if arm == FIXED else limit
    patience = [] if plan.steps else [f"train.max_minutes={PATIENCE * plan.time_s / 60:.6g}"]
    return [f"train.max_steps={steps}", *patience]


def _threads(plan: TrialPlan) -> list[str]:
    """Those of a share of the machine, in every training alike; nothing where the configuration says how many."""
    if str(plan.present.sources.get("runtime.threads", "default")) != "default":
        return []
    return [f"runtime.threads={max(_cores() // plan.jobs, 1)}"]


def _by_arm(
    wanted: Sequence[tuple[str, int]], outcomes: Sequence[Outcome | None]
) -> Mapping[str, Mapping[int, Outcome]]:
    found: dict[str, dict[int, Outcome]] = {PRESENT: {}, FIXED: {}}
    for (arm, seed), outcome in zip(wanted, outcomes, strict=True):
        if outcome is not None:
            found[arm][seed] = outcome
    return found


def _steps_of(outcome: Outcome) -> int | None:
    from trainctl.engine.runs.summary import read_summary

    summary = None if outcome.run is None else read_summary(outcome.run)
    return summary.steps if summary is not None and summary.steps else None


def _read_arm(code: str, outcome: Outcome) -> Arm:
    import numpy as np

    from trainctl.engine.errors import UserError
    from trainctl.engine.runs.store import StepReader
    from trainctl.tui.cli.commands.compare import read_facts

    reason = outcome.bare_reason
    nothing = Arm(None, np.empty(0), is_finished=False, reason=reason)
    if outcome.run is None:
        return nothing
    try:
        facts, reader = read_facts(outcome.run), StepReader(outcome.run)
        records, layout = reader.all(), reader.layout
    except UserError:
        return nothing
    if layout is None or not len(records):
        return nothing
    return Arm(
        facts,
        records["loss"].astype(np.float64),
        {term: records[f"term.{term}"].astype(np.float64) for term in layout.terms},
        is_finished=outcome.is_finished,
        reason=reason,
        has_finding=_has_finding(code, outcome.run),
    )


def _has_finding(code: str, run: RunPaths) -> bool | None:
    """Whether the records of a run show it; None: they cannot tell."""
    from trainctl.engine.diagnosis.differential import diagnose
    from trainctl.engine.diagnosis.records.evidence import read_evidence

    report = diagnose(read_evidence(run))
    return any(finding.code == code for finding in report.findings) if code in report.checked else None


def _samples_of_a_step(resolved: Resolved) -> int:
    return resolved.config.train.batch_size * resolved.config.train.accumulation


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
