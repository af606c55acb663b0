"""Runs functions of tensors: the first times as they are written, later as one recorded launch, where that can be.

Decides what is recorded and when it has gone stale. Knows no device; a `Recording` does the recording.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar, cast

from torch import Tensor
from torch.optim import Optimizer

from trainctl.engine.errors import first_line
from trainctl.engine.training.capture.frozen import attributes, changed_between, places
from trainctl.engine.training.capture.recording import Launch, Recording, RecordingError

Tensors = Mapping[str, Tensor]
Result = TypeVar("Result")

REHEARSALS = 3
"""Runs before a recording (torch's advice for CUDA graphs): kernels are chosen, compiled and given their memory."""
WORTH = 200
"""Runs that must have been made for each further recording: one costs as much as some ten runs."""
FREE = 2
"""Recordings that need no such reason: a step, or two networks that are validated."""
MOST = 8
"""Recordings that are kept; each holds the memory of its activations."""


@dataclass
class _Slot(Generic[Result]):
    inputs: list[dict[str, Tensor]] = field(default_factory=list[dict[str, Tensor]])
    """Tensors that the recording reads; what is to be computed is copied there."""
    runs: int = 0
    launch: Launch | None = None
    result: Result | None = None


class Replayer:
    """Runs functions of tensors, recorded where that can be.

    Args:
        recording: records for the device.
        holders: networks and objects whose attributes the functions read.
        optimizer: its state is read too.
        say: told in one line when recording begins, or why it cannot be.
        without: attributes of modules that are the same whenever a function is run, whatever they are in between.

    Attributes:
        refusal: why nothing is recorded any more, in words; empty: it is.
    """

    def __init__(
        self,
        recording: Recording,
        holders: Sequence[object],
        optimizer: Optimizer,
        say: Callable[[str], object],
        without: Collection[str] = (),
    ) -> None:
        self._recording, self._holders, self._optimizer, self._say = recording, list(holders), optimizer, say
        self._without = frozenset(without)
        self._slots = dict[Hashable, _Slot[object]]()
        self._seen: object = None
        self._num_runs = self._num_recorded = 0
        self.refusal = ""

    def refresh(self) -> None:
        """Forget recordings if anything that they hold for good has changed. Between two steps, now and then."""
        if self._seen is not None and self._seen != self._view():
            self._slots.clear()
            self._seen = None

    def run(
        self, key: Hashable, inputs: Sequence[Tensors], body: Callable[[Sequence[Tensors]], Result]
    ) -> tuple[Result, bool]:
        """What `body` makes of `inputs`, and whether that lies in memory which the next run writes over.

        Args:
            key: of the function; with it goes everything Python decides in `body`.
            inputs: of the same shapes for the same key, on the device.
            body: only asks things of the device; what it changes there it changes in place.
        """
        self._num_runs += 1
        if self.refusal:
            return body(inputs), False
        key = (key, _shapes(inputs))
        slot = self._slot(key)
        if slot.launch is None and not self._is_due(slot):
            slot.runs += 1
            return (self._rehearse(slot, inputs, body) if slot.runs <= REHEARSALS else body(inputs)), False
        if slot.launch is None and not self._record(key, slot, inputs, body):
            return body(inputs), False
        assert slot.launch is not None
        for static, given in zip(slot.inputs, inputs, strict=True):
            for name, tensor in given.items():
                static[name].copy_(tensor, non_blocking=True)
        slot.launch()
        return cast("Result", slot.result), True

    def _slot(self, key: Hashable) -> _Slot[object]:
        if key not in self._slots:
            if len(self._slots) >= MOST:
                self._slots.clear()
            self._slots[key] = _Slot()
        return self._slots[key]

    def _is_due(self, slot: _Slot[object]) -> bool:
        return slot.runs >= REHEARSALS and self._num_runs >= (self._num_recorded - FREE + 1) * WORTH

    def _rehearse(
        self, slot: _Slot[object], inputs: Sequence[Tensors], body: Callable[[Sequence[Tensors]], Result]
    ) -> Result:
        """A run as it is written; the last one is watched for what a recording could not repeat."""
        is_watched = slot.runs == REHEARSALS
        results: list[Result] = []
        before = self._attributes() if is_watched else {}
        obstacles = self._recording.rehearse(lambda: results.append(body(inputs)))
        if is_watched:
            changed = changed_between(before, self._attributes())
            obstacles += [f"{changed} changes with every step"] if changed else []
            if obstacles:
                self._refuse(obstacles[0])
        return results[0]

    def _record(
        self,
        key: Hashable,
        slot: _Slot[object],
        inputs: Sequence[Tensors],
        body: Callable[[Sequence[Tensors]], object],
    ) -> bool:
        slot.inputs = [{name: tensor.clone() for name, tensor in given.items()} for given in inputs]
        kept: list[object] = []
        try:
            slot.launch = self._recording.record(lambda: kept.append(body(slot.inputs)))
        except RecordingError as err:
            self._refuse(first_line(err))
            return False
        self.refresh()  # another recording, made before something changed
        self._seen, self._slots[key] = self._view(), slot
        slot.result = kept[0]
        self._num_recorded += 1
        if self._num_recorded == 1:
            self._say("from here on each step is launched as one CUDA graph (precision.capture)")
        return True

    def _view(self) -> object:
        return self._attributes(), places(self._holders, self._optimizer)

    def _attributes(self) -> dict[str, Hashable]:
        return attributes(self._holders, without=self._without)

    def _refuse(self, why: str) -> None:
        self.refusal = why
        self._slots.clear()
        self._say(f"steps are launched kernel by kernel, not as one CUDA graph: {why}")


def _shapes(inputs: Sequence[Tensors]) -> Hashable:
    return tuple((name, tensor.shape, tensor.dtype) for given in inputs for name, tensor in given.items())
