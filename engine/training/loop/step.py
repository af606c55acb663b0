"""One optimiser step: forward, backward, measure, guard, clip, update, average. Never waits for the device.

The textbook order, each part headed by why it stands there. Knows no epochs, files or commands.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from trainctl.engine.config.schema import RunConfig
from trainctl.engine.data.batch import Batch
from trainctl.engine.data.feed import Feed
from trainctl.engine.errors import UserError
from trainctl.engine.optim.lean import step_of
from trainctl.engine.tasks.task import StepOutput, Task
from trainctl.engine.training.loop.precision import Precision
from trainctl.engine.training.record.gradients import GradientMeter
from trainctl.engine.training.record.recorder import Recorder
from trainctl.engine.training.state.state import TrainState

Observer = Callable[[int, Batch, StepOutput, nn.Module], None]
OpenRecorder = Callable[[StepOutput], Recorder]


class Stepper:
    """Takes optimiser steps.

    Args:
        task: gives the loss terms.
        state: network, optimiser and what belongs to them; changed in place.
        config: guard and recording options.
        precision: autocast and scaling.
        meter: gradient norms.
        open_recorder: makes the recorder from the first output, whose names fix what a record holds.
        observer: called after each backward pass (debugging); may be slow.

    Attributes:
        is_updating: the weights may be changed by a step that is not counted yet; whoever counts it takes this back.
    """

    def __init__(
        self,
        task: Task,
        state: TrainState,
        config: RunConfig,
        precision: Precision,
        meter: GradientMeter,
        open_recorder: OpenRecorder,
        observer: Observer | None = None,
    ) -> None:
        self.task, self.state, self.precision, self.meter = task, state, precision, meter
        self.recorder: Recorder | None = None
        self.is_updating = False
        self._open_recorder = open_recorder
        self._observer = observer
        self._record, self._seed = config.record, config.seed
        # With a scaler the scaler decides which updates to skip.
        self._guarded = config.health.stop_on_nonfinite and state.scaler is None
        # A fused kernel skips on the device where its flag says so; other kernels, and a CPU, are simply asked.
        self._flagged = bool(state.optimizer.defaults.get("fused")) and meter.params[0].device.type != "cpu"
        self._step = step_of(state.optimizer)
        self._found_inf = torch.zeros((), device=meter.params[0].device)

    def fetched(self, feed: Feed, order: Sequence[Tensor], draw: int) -> Iterator[Batch]:
        """What `ready` takes, of the samples of `order`; see `Feed.batches`."""
        return feed.batches(order, draw)

    def ready(self, stored: Sequence[Batch]) -> list[Batch]:
        """Batches as `take` takes them: prepared and augmented."""
        return [self.task.augment(self.task.prepare(batch), self.state.generator) for batch in stored]

    def expect(self, sizes: Sequence[int]) -> None:
        """The coming step is of whole batches of these sizes."""

    def undo(self) -> None:
        """Take back what a step that was begun and not taken has changed, as far as that is known."""

    def begin_epoch(self) -> None:
        """Between two epochs anything may have changed: network, task, optimiser."""

    def take(self, batches: Sequence[Batch], lrs: Sequence[float]) -> bool:
        """One optimiser step over `batches`, accumulated.

        Args:
            batches: as `ready` gave them.
            lrs: learning rate of each parameter group.

        Returns:
            Whether the update-to-weight ratio was measured.
        """
        guard = self._gradients(batches)
        # Copies of the weights cost a pass over them: at every step at first, where damage is done, then seldom.
        measure = self._measures_ratio(self.state.progress.step + 1)
        before = self.meter.weights_before() if measure else []
        # Set at each step from the plan, a function of the step alone: nothing to restore, nothing that drifts.
        for group, lr in zip(self.state.optimizer.param_groups, lrs, strict=True):
            group["lr"] = lr
        self.is_updating = True
        self._update(guard)
        if measure:
            assert self.recorder is not None
            self.recorder.annotate(self.meter.update_ratio(before))

        # Let go of now, so that the next forward pass has their memory.
        self.meter.clear()
        # The average is of weights as updates left them. Where one was skipped they are the old ones, and the run ends.
        if self.state.ema is not None:
            self.state.ema.update()
        return measure

    def _gradients(self, batches: Sequence[Batch]) -> Tensor:
        """Gradients of a step, recorded and clipped; returns the scalars that must be finite for an update."""
        # Forward and backward, the loss averaged over the batches so that accumulation does not change its scale.
        terms, scalars = self._accumulate(batches)

        # Measured before clipping, and written as one row by one operation. Unscaled first: a norm of scaled
        # gradients would tell the scaler's factor, and clipping would clip by it.
        if self.state.scaler is not None:
            self._unscale(self.state.scaler)
        norms = self.meter.norms()
        scale = self.precision.scale_tensor()
        guard = self._write([*terms, *norms, *([] if scale is None else [scale]), *scalars])

        # After it was measured: the record says what the gradient was, the optimiser gets what it may have.
        clip = self._clip()
        if clip is not None:
            self.meter.clip(guard[len(terms) :], clip)
        return guard

    def _unscale(self, scaler: torch.amp.GradScaler) -> None:
        scaler.unscale_(self.state.optimizer)

    def _write(self, values: Sequence[Tensor]) -> Tensor:
        assert self.recorder is not None
        return self.recorder.write(values)

    def _clip(self) -> float | Tensor | None:
        return self.state.clip

    def _weights(self) -> Mapping[str, float | Tensor]:
        return self.state.weights

    def _accumulate(self, batches: Sequence[Batch]) -> tuple[list[Tensor], list[Tensor]]:
        terms: list[Tensor] = []
        scalars: list[Tensor] = []
        for batch in batches:
            with self.precision.autocast():
                output = self.task.step(self.state.model, batch)
            if self.recorder is None:
                self.recorder = self._open_recorder(output)
            self._backward(output.terms, len(batches))
            # What is recorded of accumulated batches is their mean, as the gradient is.
            terms = _add(terms, output.terms, len(batches))
            scalars = _add(scalars, output.scalars, len(batches))
            # Behind the backward pass and before the update: gradients, and the weights they belong to.
            if self._observer is not None:
                self._observer(self.state.progress.step + 1, batch, output, self.state.model)
        return terms, scalars

    def _backward(self, terms: Mapping[str, Tensor], count: int) -> None:
        """Gradients of the loss, or of each group's loss to its own parameters; averaged over `count` batches."""
        groups = [group for group in self.state.groups if group.is_due(self.state.progress.step + 1)]
        if not self.state.groups:
            self.precision.scaled(self._loss(terms, count)).backward()
        for number, group in enumerate(groups, 1):
            own = {name: terms[name] for name in group.group.terms}
            # The groups share one forward pass; the last to go through it may let go of it.
            self.precision.scaled(self._loss(own, count)).backward(
                inputs=list(group.params.values()), retain_graph=number < len(groups)
            )

    def _loss(self, terms: Mapping[str, Tensor], count: int) -> Tensor:
        loss = weighted_sum(terms, self._weights())
        return loss / count if count > 1 else loss

    def _update(self, guard: Tensor) -> None:
        optimizer, scaler = self.state.optimizer, self.state.scaler
        if scaler is not None:
            scaler.step(optimizer)
            scaler.update()
        elif self._guarded and not self._flagged:
            if math.isfinite(guard.sum().item()):
                self._step()
        else:
            if self._guarded:
                # x - x is 0 for a finite sum and NaN otherwise; fused kernels skip where this is 1.
                total = guard.sum()
                torch.ne(total - total, 0, out=self._found_inf)
                optimizer.found_inf = self._found_inf  # pyright: ignore[reportAttributeAccessIssue]
            self._step()

    def _measures_ratio(self, step: int) -> bool:
        every = self._record.update_ratio_every
        return every > 0 and (step <= self._record.dense_steps or step % every == 0)


def weighted_sum(terms: Mapping[str, Tensor], weights: Mapping[str, float | Tensor]) -> Tensor:
    """The loss: terms times their weights. A weight that is the number 1 costs nothing."""
    parts = [term * weights[name] if _counts(weights[name]) else term for name, term in terms.items()]
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    return total


def _counts(weight: float | Tensor) -> bool:
    """Whether a weight changes a term; one on the device is not asked, that would be waiting for it."""
    return isinstance(weight, Tensor) or weight != 1


def initial_weights(task: Task, terms: Mapping[str, Any], configured: Mapping[str, float]) -> dict[str, float]:
    """Weight of every loss term: configured, else the task's, else 1.

    Raises:
        UserError: `configured` names a term the task does not have.
    """
    check_terms("loss_weights", configured, terms)
    return {name: float(configured.get(name, task.default_weights().get(name, 1.0))) for name in terms}


def check_terms(option: str, named: Iterable[str], terms: Iterable[str]) -> None:
    """Refuse an option that names a term the task does not have.

    Raises:
        UserError: names the option, the term and those there are.
    """
    known = list(terms)
    for name in named:
        if name not in known:
            raise UserError(f"{option}: no loss term {name!r}", f"this task has: {', '.join(known)}")


def _add(sums: list[Tensor], values: Mapping[str, Tensor], count: int) -> list[Tensor]:
    parts = [value.detach().float() for value in values.values()]
    if count == 1:
        return parts
    parts = [part / count for part in parts]
    return [a + b for a, b in zip(sums, parts, strict=True)] if sums else parts
