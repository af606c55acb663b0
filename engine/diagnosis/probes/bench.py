"""What the probes of a network work on: a private copy of the task, a network of its own, batches as the loop has them.

Nothing that a probe does to them reaches the task, the data or the network of whoever asked. Judges nothing.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from trainctl.engine.data.batch import Batch, Split, Splits
from trainctl.engine.diagnosis.facts.watched.notices import Notice
from trainctl.engine.diagnosis.probes.watching.notices import listened
from trainctl.engine.optim.optimizers import freeze
from trainctl.engine.tasks.task import StepOutput, Task
from trainctl.engine.training.layout import guard_convolutions

MAX_SAMPLES = 512
"""Larger batches are thinned evenly: the probe asks where the gradient goes, not how large the batch is."""
SHARED = (torch.Tensor, np.ndarray, Split, Splits, torch.utils.data.Dataset)
"""Attributes of a task that are its data, not its state: read, never changed, and too large to copy."""


@dataclass(frozen=True)
class Bench:
    """What a probe works with."""

    task: Task
    splits: Splits
    model: nn.Module
    device: torch.device
    weights: Mapping[str, float]
    notices: tuple[Notice, ...] = ()
    """What was warned of while the network was built."""

    def step(self, batch: Batch) -> StepOutput:
        """Forward pass and loss terms, of a copy of the batch: what the task does to it in place is seen once."""
        return self.task.step(self.model, {name: tensor.clone() for name, tensor in batch.items()})

    def fetch(self, indices: Tensor, split: Split | None = None) -> Batch:
        """A batch as the loop makes it: gathered, prepared, augmented; of another split than training not augmented."""
        indices = indices[:: -(-len(indices) // MAX_SAMPLES)]
        stored = (split or self.splits.train).at(indices)
        batch = self.task.prepare({name: tensor.to(self.device) for name, tensor in stored.items()})
        if split is not None:
            return batch
        generator = torch.Generator(self.device).manual_seed(self.task.config.seed)
        return self.task.augment(batch, generator)

    def loss_of(self, output: StepOutput, names: Iterable[str] | None = None) -> Tensor:
        """The weighted sum of the terms that weigh anything, of those that are named; a term that is no scalar is
        averaged."""
        terms = output.terms if names is None else {name: output.terms[name] for name in names}
        weighed = [t.float().mean() * self.weights.get(name, 1.0) for name, t in terms.items()]
        return torch.stack(weighed).sum()

    def twin(self) -> Bench:
        """Another one, whose steps change nothing here."""
        memo: dict[int, Any] = {}
        model = copy.deepcopy(self.model, memo)
        return replace(self, task=private(self.task, memo), model=model)


def open_bench(task: Task, splits: Splits, device: torch.device, model: nn.Module | None = None) -> Bench:
    """A bench with a network on the device, in training mode and without gradients.

    Args:
        task: gives network and loss; the copy that is worked with shares no state with it.
        splits: its data.
        device: where to compute.
        model: network to copy, e.g. of a run; none: a freshly built one with `config.freeze` applied.

    Raises:
        UserError: the configured network cannot be built, or a module to freeze does not exist.
    """
    task = private(task)
    with listened() as notices:
        fresh = task.build_model(splits) if model is None else copy.deepcopy(model)
    if model is None:
        freeze(fresh, task.config.freeze)
    fresh = fresh.to(device).train()
    if device.type == "cpu":
        guard_convolutions(fresh)
    fresh.zero_grad(set_to_none=True)
    weights = {**task.default_weights(), **task.config.loss_weights}
    return Bench(task, splits, fresh, device, weights, tuple(notices))


def private(task: Task, memo: dict[int, Any] | None = None) -> Task:
    """The task with a state of its own; its data are shared, and so is what cannot be copied. `memo`: as deepcopy has
    it, of what was copied already."""
    twin = copy.copy(task)
    memo = {} if memo is None else memo
    memo[id(task)] = twin
    for name, value in vars(task).items():
        vars(twin)[name] = value if _is_shared(value) else _copied(value, memo)
    return twin


def _is_shared(value: object) -> bool:
    if isinstance(value, dict):
        entries = list(cast("dict[object, object]", value).values())
        return bool(entries) and all(_is_shared(entry) for entry in entries)
    return isinstance(value, SHARED) and not isinstance(value, nn.Parameter)


def _copied(value: Any, memo: dict[int, Any]) -> Any:
    try:
        return copy.deepcopy(value, memo)
    except Exception:  # a lock, a file, a generator: the task's code is the user's
        return value
