"""Takes the whole plan in a few large steps on copies of the network, multiples of it, and terms alone. Judges nothing.

The sum of the learning rates is the time for which the weights follow the gradient: while steps are small it hardly
matters in how many it is taken (Euler's method; of Adam and its like it bounds how far a weight can go). A plan whose
sum is right lowers the loss in a few large steps, or overshoots; one that is too short lowers it little, and a multiple
of it does far better.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch

from trainctl.engine.data.batch import Batch, Splits
from trainctl.engine.diagnosis.facts.schedule import ScheduleFacts
from trainctl.engine.diagnosis.facts.trial import AloneFacts, ReachFacts
from trainctl.engine.diagnosis.probes.bench import open_bench
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
PARTS = (0.3, 0.1, 0.03)
"""Of a plan that overshoots in a few steps, to see what its terms do."""
HALF, FELL = 0.5, 0.9
"""Shares of the loss: that a plan takes away of which nothing more need be asked; that is left where something fell."""
MOST_OTHERS = 4
"""Terms beside the main one that are left out one by one."""
BUDGET_S, KEPT_BYTES = 3.0, 256 * 2**20
"""Processor time of this thread for all walks, with what it takes to build the network anew for each, and memory for
the batches."""
BACKWARD, WALKS = 3.0, 4
"""Time of a step in terms of its forward pass, and walks that are to fit into the budget."""
Terms = Mapping[str, float]
"""Means of the raw terms over the batches that are asked."""


def measure_reach(
    task: Task, splits: Splits, device: torch.device, schedule: ScheduleFacts, deadline: Deadline
) -> ReachFacts:
    """How far the plan and its multiples lead, and the main term without the others.

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
        terms = _terms(trial, batches)
        forward_s = (time.thread_time() - started) / min(ASKED, len(batches))
        first = _total(terms, trial.bench.weights)
        if not (math.isfinite(first) and first > 0):
            raise UserError(f"the loss of the untrained network is {first:.3g}: shares of it say nothing", "")
        count = int(min(STEPS, BUDGET_S / WALKS / max(forward_s * BACKWARD, 1e-9)))
        if count < FEWEST:
            raise UserError("a step takes too long for the plan to be taken in a few", "")
        walk = _Walk(lambda: Trial(open_bench(task, splits, device)), batches, count, schedule, deadline)
        left = _left(walk, first)
        return ReachFacts(count, first, left, _main(walk, trial.bench.weights, terms, left))


@dataclass
class _Walk:
    """Large steps over the same batches, each time from the untrained network."""

    fresh: Callable[[], Trial]
    batches: Sequence[Batch]
    count: int
    schedule: ScheduleFacts
    deadline: Deadline
    own: Deadline = field(default_factory=lambda: Deadline(BUDGET_S, time.thread_time))
    longest_s: float = 0.0
    """Processor time of the longest walk so far."""

    @property
    def has_time(self) -> bool:
        """Whether another walk fits into what is left."""
        return not self.deadline.has_passed and self.own.spent_s + self.longest_s <= self.own.budget_s

    def behind(self, multiple: float, weights: Mapping[str, float] | None = None) -> tuple[Terms, float]:
        """The terms behind a multiple of the plan, with other weights where they are named, and the loss; infinite
        where it is not finite."""
        started = self.own.spent_s
        trial = self.fresh()
        own_weights = trial.bench.weights
        trial.bench = replace(trial.bench, weights={**own_weights, **(weights or {})})
        rate = self.schedule.total * self.schedule.adds_up * multiple / self.count
        for group, own in zip(trial.optimizer.param_groups, trial.params, strict=True):
            group["lr"] = rate * (own.peak / trial.plan.peak)
            if "nesterov" in group:  # its momentum is in the rate: a few steps would not gather it
                group["momentum"], group["nesterov"] = 0.0, False
        for number in range(self.count):
            trial.gradients(trial.forward(self.batches[number % len(self.batches)], trial.seed + number))
            if not _is_finite(trial):
                return {}, math.inf
            trial.clip()
            step_of(trial.optimizer)()
        terms = _terms(trial, self.batches)
        loss = _total(terms, own_weights)
        self.longest_s = max(self.longest_s, self.own.spent_s - started)
        return terms, loss if math.isfinite(loss) else math.inf


def _left(walk: _Walk, first: float) -> dict[float, float]:
    """Shares of the loss behind the plan, and behind multiples while these could say something: it took little away and
    did not overshoot, and they have not begun to do worse."""
    left = {1.0: walk.behind(1.0)[1] / first}
    for multiple in MULTIPLES:
        *before, last = left.values()
        if not HALF < left[1.0] < 1 or last > min(before, default=last) or not walk.has_time:
            break
        left[multiple] = walk.behind(multiple)[1] / first
    return left


def _main(walk: _Walk, weights: Terms, terms: Terms, left: Mapping[float, float]) -> AloneFacts | None:
    """What becomes of the main term without the others, where it hardly falls beside them; None: there is one, or no
    time."""
    main, *others = [name for name in terms if weights.get(name, 1.0) > 0] or [""]
    if not others or not terms[main] > 0:
        return None

    def share(multiple: float, left_out: Collection[str] = ()) -> float:
        return walk.behind(multiple, dict.fromkeys(left_out, 0.0))[0].get(main, math.inf) / terms[main]

    multiple = min(left, key=lambda one: left[one])
    if not walk.has_time:
        return None
    together = share(multiple)
    if together < HALF:
        return AloneFacts(main, multiple, together, math.nan, {})
    alone = math.inf
    for part in (multiple, *PARTS):
        if alone < FELL or not walk.has_time:
            break
        multiple, alone = part, share(part, others)
    # Beside a stiff term only smaller steps may be stable: it is not to be blamed for that.
    for part in (1.0, *PARTS[:2]):
        if not walk.has_time:
            return None
        together = min(together, share(multiple * part))
    without = {others[0]: alone}
    for name in others[:MOST_OTHERS] if others[1:] else ():
        if not walk.has_time:
            return None
        without[name] = share(multiple, [name])
    return AloneFacts(main, multiple, together, alone, without)


def _batches(trial: Trial) -> list[Batch]:
    """Those of the first epoch, as many as there is memory for; they are taken in turn."""
    order = trial.sampler.batches(0)[:STEPS]
    found = [trial.bench.fetch(order[0])]
    size = sum(tensor.numel() * tensor.element_size() for tensor in found[0].values())
    room = int(KEPT_BYTES // max(size, 1))
    return found + [trial.bench.fetch(rows) for rows in order[1 : max(room, 1)]]


@torch.no_grad()
def _terms(trial: Trial, batches: Sequence[Batch]) -> dict[str, float]:
    found: dict[str, list[float]] = {}
    for at, batch in enumerate(batches[:ASKED]):
        for name, term in trial.forward(batch, trial.seed + at).terms.items():
            found.setdefault(name, []).append(float(term.float().mean()))
    return {name: sum(values) / len(values) for name, values in found.items()}


def _total(terms: Terms, weights: Mapping[str, float]) -> float:
    return sum(value * weights.get(name, 1.0) for name, value in terms.items())


def _is_finite(trial: Trial) -> bool:
    norms = [param.grad.norm() for param in trial.bench.model.parameters() if param.grad is not None]
    return not norms or bool(torch.stack(norms).isfinite().all())
