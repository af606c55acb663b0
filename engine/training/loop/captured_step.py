"""The step of `step`, launched as one recorded graph: from gathering the batch to averaging the weights.

What Python changes between steps (rates, weights of terms, the clip, the share of the average) it turns on dials that
the recording reads. Knows nothing of how a recording is made.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import Any

from torch import Tensor

from trainctl.engine.data.batch import Batch
from trainctl.engine.data.feed import Feed
from trainctl.engine.optim.dials import Dials, give_rates
from trainctl.engine.training.capture.replayer import Replayer
from trainctl.engine.training.loop.step import Stepper

CLIP, AVERAGE = "clip", "average"


class CapturedStepper(Stepper):
    """Takes optimiser steps, each as one launch once it is recorded.

    Args:
        replayer: records and launches.
        feed: of the training data; opens what `fetched` gives.
        options: those of `Stepper`.
    """

    def __init__(self, *options: Any, replayer: Replayer, feed: Feed) -> None:
        super().__init__(*options)
        self._replayer, self._feed = replayer, feed
        self._flagged = bool(self.state.optimizer.defaults.get("fused"))
        self._dials = Dials(self.meter.params[0].device)

    def fetched(self, feed: Feed, order: Sequence[Tensor], draw: int) -> Iterator[Batch]:
        """Handles of batches: gathering them is part of the recording."""
        return feed.handles(order, draw)

    def ready(self, stored: Sequence[Batch]) -> list[Batch]:
        """The handles: preparing and augmenting is part of the recording too."""
        return list(stored)

    def begin_epoch(self) -> None:
        """Forget the recording where network, task or optimiser have changed under it."""
        self._replayer.refresh()

    def take(self, batches: Sequence[Batch], lrs: Sequence[float]) -> bool:
        """One optimiser step over the batches of the handles; see `Stepper.take`."""
        state = self.state
        self._turn_dials(lrs)
        measure = self._measures_ratio(state.progress.step + 1)
        before = self.meter.weights_before() if measure else []
        if self.recorder is not None:
            self.recorder.aim()
        self._replayer.run(self._decided(), batches, self._whole)
        self.is_updating = True
        assert self.recorder is not None
        self.recorder.advance()
        if measure:
            self.recorder.annotate(self.meter.update_ratio(before))
        if state.ema is not None:
            state.ema.num_updates += 1
        return measure

    def _whole(self, handles: Sequence[Mapping[str, Tensor]]) -> None:
        """All of a step that the device does. Python decides nothing here that `_decided` does not say."""
        batches = super().ready([self._feed.open(dict(handle)) for handle in handles])
        guard = self._gradients(batches)
        self._give_rates()
        self.is_updating = True
        self._update(guard)
        self.meter.clear()
        if self.state.ema is not None:
            self.state.ema.move(self._dials[AVERAGE])

    def _decided(self) -> Hashable:
        state = self.state
        due = tuple(group.is_due(state.progress.step + 1) for group in state.groups)
        return due, state.clip is None

    def _turn_dials(self, lrs: Sequence[float]) -> None:
        for number, lr in enumerate(lrs):
            self._dials.set(_rate(number), lr)
        if self.state.clip is not None:
            self._dials.set(CLIP, self.state.clip)
        if self.state.ema is not None:
            self._dials.set(AVERAGE, self.state.ema.next_weight())
        for name, weight in self.state.weights.items():
            self._dials.set(_weight(name), weight)

    def _give_rates(self) -> None:
        """Asked at each step that is written out: a checkpoint that was loaded has numbers."""
        optimizer = self.state.optimizer
        rates = [self._dials[_rate(number)] for number in range(len(optimizer.param_groups))]
        if any(group["lr"] is not rate for group, rate in zip(optimizer.param_groups, rates, strict=True)):
            give_rates(optimizer, rates)

    def _write(self, values: Sequence[Tensor]) -> Tensor:
        assert self.recorder is not None
        return self.recorder.write_at_cursor(values)

    def _clip(self) -> Tensor | None:
        return None if self.state.clip is None else self._dials[CLIP]

    def _weights(self) -> Mapping[str, Tensor]:
        # At the very first step the terms are only known once they are there.
        for name, weight in self.state.weights.items():
            self._dials.set(_weight(name), weight)
        return {name: self._dials[_weight(name)] for name in self.state.weights}


def _rate(number: int) -> str:
    return f"rate {number}"


def _weight(name: str) -> str:
    return f"weight of {name}"
