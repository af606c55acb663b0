"""Makes the first few optimiser steps of a run on a copy, with one batch, and looks at what they do. Judges nothing.

The same random numbers at each step: the loss is then one function, and what it does is the optimiser's doing.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from trainctl.engine.data.batch import Batch, Splits
from trainctl.engine.diagnosis.facts.trial import FRESH, DecayFacts, TrialFacts, WeightFacts
from trainctl.engine.diagnosis.probes.bench import Bench, open_bench
from trainctl.engine.diagnosis.probes.isolation import Deadline, undisturbed
from trainctl.engine.diagnosis.probes.watching.notices import quiet
from trainctl.engine.diagnosis.probes.watching.rectifiers import Rectifiers
from trainctl.engine.diagnosis.probes.watching.results import results_of
from trainctl.engine.diagnosis.probes.watching.watch import Watch
from trainctl.engine.optim.groups import NamedGroup, name_groups
from trainctl.engine.optim.lean import leave_compiler_out, step_of
from trainctl.engine.optim.optimizers import ParamGroup, build_optimizer, param_groups
from trainctl.engine.optim.schedules import LearningRatePlan
from trainctl.engine.tasks.task import StepOutput, Task
from trainctl.engine.training.loop.trainer import steps_per_epoch

STEPS, LEAST, BUDGET_S = 12, 4, 4.0
"""Steps that are made; the fewest, whatever they take; and the processor time of this thread after which no further one
begins: what else the machine does must not decide how much is found."""
SAME, SAME_MOVE, ZERO = 1e-6, 1e-3, 1e-12
"""Differences, in terms of the largest value, that are rounding: of values, and of differences of values."""


@dataclass
class _Weight:
    """A matrix, and what is kept of it."""

    name: str
    param: nn.Parameter
    before: Tensor
    gradients: list[float] = field(default_factory=list[float])
    update_first: float = math.nan


class Trial:
    """A few steps on a bench, whose network they change.

    Args:
        bench: with a network that nothing was done to yet.
    """

    def __init__(self, bench: Bench) -> None:
        config = bench.task.config
        self.bench, self.seed = bench, config.seed
        self.groups = name_groups(bench.model, bench.task.optimizers(bench.model))
        self.params = param_groups(bench.model, config.optimizer, self.groups)
        leave_compiler_out()
        self.optimizer = build_optimizer(self.params, config.optimizer, bench.device)
        self.sampler = bench.task.sampler(bench.splits.train)
        self.plan = LearningRatePlan(
            config.schedule, config.optimizer.lr, steps_per_epoch(self.sampler, config), config.train.epochs
        )
        named = [(name, p) for group in self.params for name, p in group.params if p.dim() > 1]
        self.weights = [_Weight(name, p, p.detach().clone()) for name, p in named]
        self.losses: list[float] = []
        self.rates: list[float] = []
        self.norms: list[float] = []
        self.first_fall = math.nan
        self.decay: DecayFacts | None = None

    def run(self, deadline: Deadline, num_steps: int = STEPS) -> TrialFacts:
        """Make the steps, as far as there is time."""
        order, own = self.sampler.batches(0), Deadline(BUDGET_S, time.thread_time)
        batch, rectifiers, why = self.bench.fetch(order[0]), Rectifiers(), ""
        for step in range(num_steps):
            if step >= LEAST and (own.has_passed or deadline.has_passed):
                why = f"{step} steps took {own.spent_s:.1f} s"
                break
            if not self._step(step, batch):
                why = f"the loss or a gradient of step {step + 1} was not finite"
                break
        if not why.startswith("the loss"):
            with Watch(self.bench.model, [rectifiers.looks]):
                output = self.forward(batch)
            self._note_loss(output)
            self.gradients(self.forward(self.bench.fetch(order[1])) if len(order) > 1 else output)
            self._note_gradients()
        return TrialFacts(
            num_steps=len(self.rates),
            rates=tuple(self.rates),
            losses=tuple(self.losses),
            norms=tuple(self.norms),
            weights=tuple(self._facts(weight) for weight in self.weights),
            rectifiers=rectifiers.facts(),
            first_fall=self.first_fall,
            decay=self.decay,
            same_answer=self._gives_one_answer(batch),
            has_groups=bool(self.groups),
            clip=self.bench.task.config.clip.grad_norm,
            why_short=why,
        )

    def forward(self, batch: Batch, seed: int | None = None) -> StepOutput:
        """A training forward pass, under the same random numbers each time unless a seed is named."""
        torch.manual_seed(self.seed if seed is None else seed)
        self.bench.model.train()
        return self.bench.step(batch)

    def _step(self, step: int, batch: Batch) -> bool:
        """One step; whether it was finite."""
        output = self.forward(batch)
        self._note_loss(output)
        self.gradients(output)
        norm = self._note_gradients()
        if not (math.isfinite(self.losses[-1]) and math.isfinite(norm)):
            return False
        self.norms.append(norm)
        rate = self.plan.at(step)
        self.rates.append(rate)
        for group, own in zip(self.optimizer.param_groups, self.params, strict=True):
            group["lr"] = rate * (own.peak / self.plan.peak)
        self.clip()
        if step == 0:
            self._first(rate)
        else:
            step_of(self.optimizer)()
        return True

    def _first(self, rate: float) -> None:
        """The first step, of which more is kept: what it lowers the loss by, and what the weight decay has to do with
        it."""
        slopes = [None if w.param.grad is None else w.param.grad.detach().clone() for w in self.weights]
        step_of(self.optimizer)()
        updates = [w.param.detach() - w.before for w in self.weights]
        falls = [-float((g.double() * u.double()).sum()) for g, u in zip(slopes, updates, strict=True) if g is not None]
        self.first_fall = sum(falls) if falls else math.nan
        for weight, update in zip(self.weights, updates, strict=True):
            weight.update_first = _rms(update)
        self.decay = decay_facts(self.optimizer, self.params, self.weights, slopes, updates, rate)

    def gradients(self, output: StepOutput) -> None:
        """Gradients of a step as the loop takes them: of each group's terms to its own parameters; of terms without a
        weight none."""
        self.optimizer.zero_grad(set_to_none=True)
        names = [name for name in output.terms if self.bench.weights.get(name, 1.0) != 0]
        for number, group in enumerate(self.groups, 1):
            own = [name for name in group.group.terms if name in names]
            self._backward(output, own, group, keep=number < len(self.groups))
        if not self.groups:
            self._backward(output, names, None, keep=False)

    def _backward(self, output: StepOutput, names: Sequence[str], group: NamedGroup | None, *, keep: bool) -> None:
        if not names:
            return
        loss = self.bench.loss_of(output, names)
        if loss.requires_grad:
            inputs = None if group is None else list(group.params.values())
            loss.backward(inputs=inputs, retain_graph=keep)

    def _note_loss(self, output: StepOutput) -> None:
        self.losses.append(float(self.bench.loss_of(output).detach()))

    def _note_gradients(self) -> float:
        """Keep each matrix's norm; the norm of all."""
        for weight in self.weights:
            weight.gradients.append(math.nan if weight.param.grad is None else float(weight.param.grad.norm()))
        present = [p.grad for group in self.params for _, p in group.params if p.grad is not None]
        return float(torch.stack([g.double().norm() for g in present]).norm()) if present else 0.0

    def clip(self) -> None:
        """Clip the gradients as the configuration says."""
        clip = self.bench.task.config.clip.grad_norm
        if clip is not None:
            parts = [list(group.params.values()) for group in self.groups]
            for part in parts or [[p for group in self.params for _, p in group.params]]:
                nn.utils.clip_grad_norm_(part, clip)

    def _facts(self, weight: _Weight) -> WeightFacts:
        now, known = weight.param.detach(), [value for value in weight.gradients if value == value]
        moved = now - weight.before
        return WeightFacts(
            name=weight.name,
            numel=now.numel(),
            size=_rms(weight.before),
            usual=FRESH / math.sqrt(now.flatten(1).shape[1]),
            gradient_first=weight.gradients[0] if weight.gradients else math.nan,
            gradient_most=max(known, default=math.nan),
            update_first=weight.update_first,
            moved=_rms(moved),
            is_table=_is_table(self.bench.model, weight.name),
            is_uniform=_has_equal_rows(weight.before, SAME) and _has_equal_rows(moved, SAME_MOVE),
        )

    def _gives_one_answer(self, batch: Batch) -> bool:
        if not any(_varies(tensor) for tensor in batch.values()):
            return False
        try:
            results = results_of(self.bench, batch, is_training=True)
        except Exception:  # the task's code is the user's
            return False
        floats = [result for result in results if bool(result.isfinite().all())]
        return bool(floats) and not any(_varies(result) for result in floats)


def measure_trial(task: Task, splits: Splits, device: torch.device, deadline: Deadline) -> TrialFacts:
    """Facts about the first steps of a run.

    Args:
        task: gives batches, network and loss.
        splits: its data.
        device: where to compute.
        deadline: after which no further step begins.

    Raises:
        UserError: network, optimiser, schedule or groups cannot be built as configured.
    """
    with undisturbed(task.config.seed), quiet():
        return Trial(open_bench(task, splits, device)).run(deadline)


def decay_facts(
    optimizer: Optimizer,
    params: Sequence[ParamGroup],
    weights: Sequence[_Weight],
    slopes: Sequence[Tensor | None],
    updates: Sequence[Tensor],
    rate: float,
) -> DecayFacts | None:
    """What the decay does at the first step; None: no matrix decays."""
    decays = {id(p): group.weight_decay for group in params for _, p in group.params}
    rows = [
        (w.before.double(), g.double(), u.double())
        for w, g, u in zip(weights, slopes, updates, strict=True)
        if g is not None and decays[id(w.param)] > 0
    ]
    coefficient = max(decays.values(), default=0.0)
    if not rows or not rate > 0:
        return None
    numel = sum(w.numel() for w, _, _ in rows)
    size = _norm([w for w, _, _ in rows]) / math.sqrt(numel)
    is_decoupled = type(optimizer).__name__ in ("AdamW", "Adafactor", "Muon") or any(
        group.get("decoupled_weight_decay") for group in optimizer.param_groups
    )
    if is_decoupled:
        update = _norm([u + rate * coefficient * w for w, _, u in rows]) / math.sqrt(numel)
        return DecayFacts(True, coefficient, size, update, math.nan)
    gradient = _norm([g for _, g, _ in rows])
    share = coefficient * size * math.sqrt(numel) / gradient if gradient > 0 else math.inf
    return DecayFacts(False, coefficient, size, math.nan, share)


def _norm(tensors: Sequence[Tensor]) -> float:
    return math.sqrt(sum(float(t.square().sum()) for t in tensors))


def _rms(tensor: Tensor) -> float:
    return float(tensor.double().square().mean().sqrt())


def _varies(tensor: Tensor) -> bool:
    """Whether samples differ by more than rounding."""
    values = tensor.double()
    apart = float((values - values[:1]).abs().max())
    return apart > SAME * float(values.abs().max()) + ZERO


def _has_equal_rows(tensor: Tensor, rounding: float) -> bool:
    """Whether all units have the same weights; of one unit nothing can be told."""
    rows = tensor.flatten(1)
    if len(rows) < 2 or not bool(rows.isfinite().all()):
        return False
    return float((rows - rows[:1]).abs().max()) <= rounding * float(rows.abs().max())


def _is_table(model: nn.Module, name: str) -> bool:
    owner = model.get_submodule(name.rpartition(".")[0])
    return isinstance(owner, nn.Embedding | nn.EmbeddingBag)
