"""Takes the whole plan in a few large steps on copies of the network, and multiples of it. Judges nothing.

The sum of the learning rates is the time for which the weights follow the gradient: while steps are small it hardly
matters in how many it is taken (Euler's method; of Adam and its like it bounds how far a weight can go). A plan whose
sum is right lowers the loss in a few large steps, or overshoots; one that is too short lowers it little, and a multiple
of it does far better.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence

import torch

from trainctl.engine.data.batch import Batch, Splits
from trainctl.engine.diagnosis.facts.schedule import ScheduleFacts
from trainctl.engine.diagnosis.facts.trial import ReachFacts
from trainctl.engine.diagnosis.probes.bench import Bench, open_bench
from trainctl.engine.diagnosis.probes.isolation import Deadline, undisturbed
from trainctl.engine.diagnosis.probes.trial import Trial
from trainctl.engine.diagnosis.probes.watching.notices import quiet
from trainctl.engine.errors import UserError
from trainctl.engine.optim.lean import step_of
from trainctl.engine.tasks.task import Task

STEPS, FEWEST, ASKED = 16, 8, 4
"""Large steps, the fewest that are of use, and batches whose loss is asked before and behind them."""
MULTIPLES = (3.0, 10.0, 30.0, 100.0)
"""Of the plan, in the order in which they are tried."""
HALF = 0.5
"""Share of the loss that a plan takes away of which nothing more need be asked."""
BUDGET_S, KEPT_BYTES = 3.0, 256 * 2**20
"""Processor time of this thread for all steps, and memory for the batches."""
BACKWARD, RUNS = 3.0, 4
"""Time of a step in terms of its forward pass, and runs that are to fit into the budget."""


def measure_reach(
    task: Task, splits: Splits, device: torch.device, schedule: ScheduleFacts, deadline: Deadline
) -> ReachFacts:
    """How far the plan and its multiples lead.

    Args:
        task: gives batches, network and loss.
        splits: its data.
        device: where to compute.
        schedule: the plan of the rate.
        deadline: after which no further multiple begins.

    Raises:
        UserError: it cannot be told: parts of the network minimise losses of their own, the loss is not above 0, a step
            takes too long; or something cannot be built as configured.
    """
    with undisturbed(task.config.seed), quiet():
        trial = Trial(open_bench(task, splits, device))
        if trial.groups:
            raise UserError("parts of the network minimise losses of their own: their sum says nothing", "")
        batches = _batches(trial)
        started = time.thread_time()
        first = _loss(trial, batches)
        count = _steps_within(BUDGET_S, (time.thread_time() - started) / min(ASKED, len(batches)))
        if not (math.isfinite(first) and first > 0):
            raise UserError(f"the loss of the untrained network is {first:.3g}: shares of it say nothing", "")
        if count < FEWEST:
            raise UserError("a step takes too long for the plan to be taken in a few", "")
        left = {1.0: _taken(trial, batches, count, schedule, 1.0) / first}
        for multiple in MULTIPLES:
            if not _wants_more(left) or deadline.has_passed:
                break
            fresh = Trial(open_bench(task, splits, device))
            left[multiple] = _taken(fresh, batches, count, schedule, multiple) / first
    return ReachFacts(count, first, left)


def _wants_more(left: dict[float, float]) -> bool:
    """Whether a further multiple could say something: the plan took little away and did not overshoot, and multiples
    have not begun to do worse."""
    *before, last = left.values()
    return HALF < left[1.0] < 1 and last <= min(before, default=last)


def _steps_within(budget_s: float, forward_s: float) -> int:
    return int(min(STEPS, budget_s / RUNS / max(forward_s * BACKWARD, 1e-9)))


def _batches(trial: Trial) -> list[Batch]:
    """Those of the first epochs, as many as there is memory for; they are taken in turn."""
    order = trial.sampler.batches(0)[:STEPS]
    found = [trial.bench.fetch(order[0])]
    size = sum(tensor.numel() * tensor.element_size() for tensor in found[0].values())
    room = int(KEPT_BYTES // max(size, 1))
    return found + [trial.bench.fetch(rows) for rows in order[1 : max(room, 1)]]


@torch.no_grad()
def _loss(trial: Trial, batches: Sequence[Batch]) -> float:
    asked = batches[:ASKED]
    losses = [trial.bench.loss_of(trial.forward(batch, trial.seed + at)) for at, batch in enumerate(asked)]
    return float(torch.stack(losses).mean())


def _taken(trial: Trial, batches: Sequence[Batch], count: int, schedule: ScheduleFacts, multiple: float) -> float:
    """The loss behind so many large steps; infinite where it is not finite."""
    rate = schedule.total * schedule.adds_up * multiple / count
    for group, own in zip(trial.optimizer.param_groups, trial.params, strict=True):
        group["lr"] = rate * (own.peak / trial.plan.peak)
        if "nesterov" in group:  # its momentum is in the rate: a few steps would not gather it
            group["momentum"], group["nesterov"] = 0.0, False
    for number in range(count):
        trial.gradients(trial.forward(batches[number % len(batches)], trial.seed + number))
        if not _is_finite(trial.bench):
            return math.inf
        trial.clip()
        step_of(trial.optimizer)()
    loss = _loss(trial, batches)
    return loss if math.isfinite(loss) else math.inf


def _is_finite(bench: Bench) -> bool:
    norms = [param.grad.norm() for param in bench.model.parameters() if param.grad is not None]
    return not norms or bool(torch.stack(norms).isfinite().all())
