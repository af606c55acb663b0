"""One watched loop: gathers what its hooks tell of a step, and hands it on when the step is complete.

With several optimisers a step is a round: each of them once, or some of them left out. Knows hooks and rows, no files.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from trainctl.engine.watch import groups
from trainctl.engine.watch.boundary import Boundary
from trainctl.engine.watch.columns import Step
from trainctl.engine.watch.heard import Heard, Seen
from trainctl.engine.watch.rows import Rows

DENSE_STEPS, RATIO_EVERY = 50, 20
"""The update ratio is measured at each of the first so many steps, then at every so manieth."""
STRANGE_STEPS = 20
"""Steps of others, and none of its own, after which a training that nobody named is taken for over."""


class WatchedLoop:
    """Hears one loop.

    Args:
        optimizers: by name; empty: those that step before one of them steps again.
        model: the network; None: looked for around the parameters.
        rows: where steps go.
        take_labels: takes the classes out of a batch of the loader; None: they are looked for.
        after_step: called between two steps, with the number of steps.
        epoch_over: called with an epoch that is over and the number of steps, before the next one's first step is kept.
        retire: called when its training is over, or cannot be recorded any more.
        meet_stranger: called with an optimiser that is nobody's and steps.
        may_begin: whether an optimiser that nobody named may be heard.
        follows: whether a training of others, while its own rest, ends it: the next watch is to have that one.

    Attributes:
        step: steps so far.
        epoch: the present one, 1 for the first.
        told_epoch: as the loop says; None: as its loader is begun anew.
        loader: the one whose batches are trained on; None: none is known.
        graph: last function of the first loss's graph; None: there was no loss.
    """

    def __init__(
        self,
        optimizers: Mapping[str, Optimizer],
        model: nn.Module | None,
        rows: Rows,
        take_labels: Callable[[Any], Any] | None,
        after_step: Callable[[int], None],
        epoch_over: Callable[[int, int], None],
        retire: Callable[[Exception | None], None],
        meet_stranger: Callable[[Optimizer], None],
        may_begin: Callable[[], bool] = lambda: True,
        follows: bool = False,
    ) -> None:
        self._retire, self._may_begin = retire, may_begin
        self._meet, self._follows, self._num_strange = meet_stranger, follows, 0
        self.model = groups.inner(model)
        self.boundaries = [Boundary(name, one, self._network(one)) for name, one in optimizers.items()]
        self._is_open = not optimizers
        """Whether further optimisers may join, as none was named."""
        self._lead = self.boundaries[0] if len(self.boundaries) == 1 else None
        """With its steps a step of the loop is complete; None: not known yet."""
        self._order: list[Boundary] = []
        """Those that have stepped, in order, until one does so again."""
        self.rows, self._take_labels = rows, take_labels
        self._after, self._epoch_over = after_step, epoch_over
        self._now, self._first = Step(), Step()
        """The step under way; and the first, until it is known who leads."""
        self._has_inner = False
        """Whether an optimiser has stepped within the backward pass that is under way."""
        self._before: list[Tensor] | None = None
        self._passes: dict[int, tuple[int, int]] = {}
        """Of each data set the newest pass that was trained on, and how many that were: loaders may be made anew."""
        self._turn = -1
        """The pass of the batch that was trained on last."""
        self._ended = time.perf_counter()
        self.step, self.epoch = 0, 1
        self.told_epoch: int | None = None
        self.loader: Any = None
        self.graph: Any = None

    @property
    def is_gone(self) -> bool:
        """See `hearing.Loop`."""
        return bool(self.boundaries) and all(boundary.optimizer is None for boundary in self.boundaries)

    def retire(self, error: Exception | None = None) -> None:
        """See `hearing.Loop`."""
        self._retire(error)

    @property
    def has_labels(self) -> bool:
        """See `hearing.Loop`."""
        return self._take_labels is not None

    def labels(self, batch: Any) -> Any:
        """See `hearing.Loop`."""
        assert self._take_labels is not None
        return self._take_labels(batch)

    @property
    def asks_for_graph(self) -> bool:
        """See `hearing.Loop`."""
        return not self.rows.is_open

    @property
    def may_claim(self) -> bool:
        """See `hearing.Loop`."""
        return self._is_open and not self.rows.is_open

    def claim(self, optimizer: Optimizer) -> Boundary | None:
        """See `hearing.Loop`."""
        if not self.may_claim or not self._may_begin():
            return None
        name = type(optimizer).__name__.lower()
        taken = sum(1 for boundary in self.boundaries if boundary.name.rstrip("0123456789") == name)
        boundary = Boundary(f"{name}{taken + 1}" if taken else name, optimizer, self._network(optimizer))
        self.boundaries.append(boundary)
        return boundary

    def meet_stranger(self, optimizer: Optimizer) -> None:
        """See `hearing.Loop`."""
        self._num_strange += 1
        if self._follows and self._num_strange >= STRANGE_STEPS:
            self.retire()
        elif self._may_begin():
            self._meet(optimizer)

    def _network(self, optimizer: Optimizer) -> nn.Module | None:
        """The network that an optimiser trains: the one that was named, else what is found around its parameters."""
        first = next(iter(groups.trained(optimizer)), None)
        if self.model is not None and any(p is first for p in self.model.parameters()):
            return self.model
        found = groups.find_model(optimizer)
        self.model = self.model or found
        return found

    def log(self, values: Mapping[str, Any]) -> None:
        """Figures of the step under way; of one that is given several times the mean is kept."""
        now = self._now
        for name, value in values.items():
            if isinstance(value, Tensor):
                if value.requires_grad:
                    if now.in_graph is None:
                        now.in_graph = set()
                    now.in_graph.add(name)
                    value = value.detach()
            else:
                value = torch.tensor(float(value))
            if now.given is None:
                now.given = {}
            now.given.setdefault(name, []).append(value)

    def begin(self, boundary: Boundary, heard: Heard) -> None:
        """See `hearing.Loop`."""
        if boundary.is_inner:
            self._has_inner = True
            return
        if boundary is not self._lead:
            self._place(boundary)
        now = self._now
        now.batches = [*now.batches, *heard.batches] if now.batches else heard.batches
        if heard.graph is not None:
            self.graph = self.graph or heard.graph
        step = self.step
        if (step < DENSE_STEPS or (step + 1) % RATIO_EVERY == 0) and self._is_lead(boundary):
            with torch.no_grad():
                self._before = boundary.meter.weights_before()

    def _place(self, boundary: Boundary) -> None:
        """One steps that does not lead, as far as is known: a round may be over with that."""
        if self._lead is None and boundary in self._order:  # the second round begins: the first ended with the last
            self._lead = self._order[-1]
            coming, self._now = self._now, self._first
            self._complete()
            self._now = coming
        elif self._lead is not None and boundary.name in self._now.measured:
            self._lead = boundary  # it has stepped twice since: what led rests
            self._complete()

    def after(self, boundary: Boundary) -> None:
        """See `hearing.Loop`."""
        now = self._now
        now.measured[boundary.name] = boundary.measured
        boundary.forget()
        now.ended = time.perf_counter()
        self._num_strange = 0
        if boundary.is_inner:
            return
        if self._before is not None and self._is_lead(boundary):
            with torch.no_grad():
                now.ratio = boundary.meter.update_ratio(self._before)
            self._before = None
        if boundary is self._lead:
            self._complete()
        elif self._lead is None:
            self._order.append(boundary)
            self._first, self._now = _joined(self._first, now), Step()

    def after_backward(self, heard: Heard) -> bool:
        """See `hearing.Loop`."""
        if not self._has_inner:
            return False
        self._has_inner = False
        self._now.batches = [*self._now.batches, *heard.batches]
        self.graph = self.graph or heard.graph
        for part in self._now.measured.values():
            if part is not None:
                part.losses = heard.losses  # the hooks may have run in a thread of the device
        self._lead = next(boundary for boundary in self.boundaries if boundary.is_inner)
        self._complete()
        return True

    def end(self) -> None:
        """No further step comes: count the one that waited to see who steps next, and open what is not open yet."""
        if self._lead is None and self._order:
            self._lead, self._now = self._order[-1], self._first
            self._complete()
        self.rows.open()

    def _is_lead(self, boundary: Boundary) -> bool:
        """Whether it leads, or will if it stays alone."""
        return boundary is self._lead or (self._lead is None and not self._order)

    def _complete(self) -> None:
        now, self._now = self._now, Step()
        batches, before = now.batches, self.epoch
        if len(batches) != 1 or batches[0].turn != self._turn or self.told_epoch is not None:
            self._count_epoch(batches)
            if self.epoch != before and self.step:
                self.rows.open()
                self._epoch_over(before, self.step)
        assert self._lead is not None
        clip = self._lead.clip
        self.step = now.number = self.step + 1
        now.epoch, now.time = self.epoch, time.time()
        now.step_s, self._ended = now.ended - self._ended, now.ended
        if clip is not None:
            now.clip = clip
        if now.given:
            now.logged = {name: _mean(values) for name, values in now.given.items()}
        self.rows.add(now)
        self._after(self.step)

    def _count_epoch(self, batches: Sequence[Seen]) -> None:
        """The epoch that the loop says, else as often as it began to train on the data of a loader."""
        for seen in batches:
            if seen.turn != self._turn and seen.loader is not None:
                self._turn, self.loader = seen.turn, seen.loader
                begun, count = self._passes.get(id(seen.loader.dataset), (0, 0))
                if seen.turn > begun:
                    self._passes[id(seen.loader.dataset)] = seen.turn, count + 1
                    self.epoch = max(self.epoch, count + 1)
        if self.told_epoch is not None:
            self.epoch = self.told_epoch


def _joined(one: Step, other: Step) -> Step:
    step = Step()
    step.measured = {**one.measured, **other.measured}
    first, second = one.given or {}, other.given or {}
    step.given = {name: [*first.get(name, ()), *second.get(name, ())] for name in {**first, **second}}
    step.in_graph = {*(one.in_graph or ()), *(other.in_graph or ())}
    step.batches = [*one.batches, *other.batches]
    step.ratio = other.ratio if one.ratio is None else one.ratio
    step.ended = other.ended
    return step


def _mean(values: Sequence[Tensor]) -> Tensor:
    if len(values) == 1:
        return values[0]
    return torch.stack([value.float() for value in values]).mean()
