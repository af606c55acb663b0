"""What the probes of a network work on: a private copy of the task, a network of its own, batches as the loop has them.

Nothing that a probe does to them reaches the task, the data or the network of whoever asked. Judges nothing.
"""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Generator, Iterable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from trainctl.engine.data.batch import Batch, Split, Splits
from trainctl.engine.diagnosis.facts.watched.notices import Notice
from trainctl.engine.diagnosis.probes.copies import private, private_pair
from trainctl.engine.diagnosis.probes.isolation import RandomStates
from trainctl.engine.diagnosis.probes.watching.notices import listened
from trainctl.engine.optim.optimizers import freeze
from trainctl.engine.tasks.task import StepOutput, Task
from trainctl.engine.training.layout import guard_convolutions

MAX_SAMPLES = 512
"""Larger batches are thinned evenly: the probe asks where the gradient goes, not how large the batch is."""


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


@dataclass(frozen=True)
class _Built:
    """An untrained network, with `config.freeze` applied, and the task that built it."""

    task: Task
    model: nn.Module
    notices: tuple[Notice, ...]


@dataclass
class _Kept:
    """The network that was built first."""

    of: tuple[Task, Splits, RandomStates] | None = None
    built: _Built | None = None
    """Nothing has run it."""
    behind: RandomStates | None = None
    """Of random numbers behind its making."""

    def again(self, task: Task, splits: Splits) -> _Built | None:
        """A copy of it, with the random states as its making leaves them; None: another one is asked for."""
        if self.of is None or self.built is None or self.behind is None:
            return None
        asked, of_splits, states = self.of
        if asked is not task or of_splits is not splits or not states.are_now():
            return None
        pair = private_pair(self.built.task, self.built.model)
        self.behind.restore()
        return None if pair is None else replace(self.built, task=pair[0], model=pair[1])


_KEPT: ContextVar[_Kept | None] = ContextVar("kept_network", default=None)


@contextlib.contextmanager
def building_once() -> Generator[None]:
    """In the block, the network that is built first is built once; asked for it again, a bench gets a copy.

    It is the same network, and random numbers go on as behind its making: what is measured does not change. What cannot
    be copied faithfully is built each time.
    """
    token = _KEPT.set(_Kept())
    try:
        yield
    finally:
        _KEPT.reset(token)


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
    built = _built(task, splits) if model is None else _Built(private(task), copy.deepcopy(model), ())
    fresh = built.model.to(device).train()
    if device.type == "cpu":
        guard_convolutions(fresh)
    fresh.zero_grad(set_to_none=True)
    weights = {**task.default_weights(), **task.config.loss_weights}
    return Bench(built.task, splits, fresh, device, weights, built.notices)


def _built(task: Task, splits: Splits) -> _Built:
    """An untrained network for one bench: built, or a copy of what was built before."""
    kept, before = _KEPT.get(), RandomStates.now()
    if kept is None:
        return _build(task, splits)
    again = kept.again(task, splits)
    if again is not None:
        return again
    own = _build(task, splits)
    if kept.of is None:
        behind = RandomStates.now()
        pair = private_pair(own.task, own.model)
        behind.restore()
        if pair is not None:
            kept.of, kept.behind = (task, splits, before), behind
            kept.built, own = own, replace(own, task=pair[0], model=pair[1])
    return own


def _build(task: Task, splits: Splits) -> _Built:
    own = private(task)
    with listened() as notices:
        model = own.build_model(splits)
    freeze(model, own.config.freeze)
    return _Built(own, model, tuple(notices))
