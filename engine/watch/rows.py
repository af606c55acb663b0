"""Steps of a watched loop become rows of the recorder; the first few wait until it is known what a row holds.

Nothing waits for the device. Knows recorder and columns, no hooks and no run directory.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from trainctl.engine.training.record.assemble import HostRow
from trainctl.engine.training.record.recorder import Recorder
from trainctl.engine.watch.boundary import Boundary, Measured
from trainctl.engine.watch.columns import Columns, Step

WARM_STEPS = 16
"""Steps that are looked at before it is decided what a record holds."""
NONE = np.zeros(0, np.int64)
"""Classes of a step that has none."""
MOST_ROUNDS = 100
"""Steps of the loop for which the newest figures of an optimiser stand that does not step at each."""
WARM_S = 2.0
"""Seconds after which it is decided all the same."""


@dataclass
class Note:
    """What the host knows of a step; see `HostRow`."""

    step: int
    epoch: int
    time: float
    data_s: float
    step_s: float
    clip: float
    batch_size: int


class Rows:
    """Writes steps as rows.

    Args:
        open_recorder: decides the columns from the first steps, and opens the recorder for them.
    """

    def __init__(self, open_recorder: Callable[[Sequence[Step]], tuple[Columns, Recorder]]) -> None:
        self._open_recorder = open_recorder
        self._waiting: list[tuple[Step, Note, Tensor | None]] = []
        self._began = 0.0
        self._columns: Columns | None = None
        self.recorder: Recorder | None = None
        self.late: set[str] = set()
        """Names that were logged too late to have a column."""
        self._device = torch.device("cpu")
        self._missing = self._zero = torch.zeros(())
        self._last: dict[str, tuple[int, Measured]] = {}
        """Of each optimiser its newest step, and how many steps of the loop ago that was."""

    @property
    def is_open(self) -> bool:
        """Whether it is decided what a record holds."""
        return self._columns is not None

    def add(self, step: Step, note: Note, ratio: Tensor | None) -> None:
        """Keep a step.

        Args:
            step: what was heard of it.
            note: what the host knows of it.
            ratio: |update| / |weights|, a scalar on the device; None: not measured.
        """
        if self._columns is None:
            self._began = self._began or note.time
            # Until it is written the loop may go on computing with what it logged, in place.
            step.logged = {name: value.clone() for name, value in step.logged.items()}
            for part in step.measured.values():
                if part is not None:
                    part.losses = [loss.clone() for loss in part.losses]
            self._waiting.append((step, note, ratio))
            if len(self._waiting) >= WARM_STEPS or note.time - self._began > WARM_S:
                self.open()
            return
        self._write(step, note, ratio)

    def open(self) -> None:
        """Decide what a record holds, from the steps so far; harmless where that is done, or nothing has come."""
        if self._columns is not None or not self._waiting:
            return
        waiting, self._waiting = self._waiting, []
        self._columns, self.recorder = self._open_recorder([step for step, _, _ in waiting])
        self._device = self._columns.boundaries[0].meter.device
        self._missing = torch.full((), float("nan"), device=self._device)
        self._zero = torch.zeros((), device=self._device)
        for step, _, _ in reversed(waiting):  # until one steps first, its first step stands for it
            self._last |= {name: (0, part) for name, part in step.measured.items() if part is not None}
        for step, note, ratio in waiting:
            self._write(step, note, ratio)

    def _write(self, step: Step, note: Note, ratio: Tensor | None) -> None:
        assert self._columns is not None and self.recorder is not None
        columns, plan = self._columns, self._columns.plan
        parts = [self._part(step, boundary) for boundary in columns.boundaries]
        self.recorder.write(self._values(step, columns, parts))
        if ratio is not None:
            self.recorder.annotate(ratio)
        rates = [
            float("nan") if isinstance(rate, Tensor) else float(rate)
            for part, number in zip(parts, columns.rates.values(), strict=False)
            for rate in self._rates(part, number)
        ]
        self.recorder.commit(
            HostRow(
                step=note.step,
                epoch=note.epoch,
                time=note.time,
                data_s=note.data_s,
                step_s=note.step_s,
                lr=tuple(rates),
                weights=(1.0,) * len(plan.layout.terms),
                clip=note.clip,
                batch_size=note.batch_size,
                ratio_measured=ratio is not None,
                indices=self._labels(step),
            )
        )
        if len(step.logged) != len(columns.logged.terms) + len(columns.logged.scalars):
            self.late |= step.logged.keys() - {*columns.logged.terms, *columns.logged.scalars}

    def _part(self, step: Step, boundary: Boundary) -> Measured | None:
        """What an optimiser's step came to; of one that left this round out its newest; None: that is long ago."""
        part, age = step.measured.get(boundary.name), 0
        if part is None and boundary.name in self._last and not boundary.is_inner:
            age, part = self._last[boundary.name]
        if part is None or age > MOST_ROUNDS:
            return None
        self._last[boundary.name] = age + 1, part
        return part

    def _rates(self, part: Measured | None, number: int) -> list[float | Tensor]:
        """So many rates of an optimiser, whatever groups it has got or lost since."""
        rates = [] if part is None else list(part.rates[:number])
        return rates + [float("nan")] * (number - len(rates))

    def _values(self, step: Step, columns: Columns, parts: Sequence[Measured | None]) -> list[Tensor]:
        """The row, in the order of the plan."""
        plan, values = columns.plan, list[Tensor]()
        totals = [
            self._total(part)
            for boundary, part in zip(columns.boundaries, parts, strict=True)
            if boundary in columns.totals
        ]
        values += totals if columns.has_total else [self._logged(step, name) for name in columns.logged.terms]
        for boundary, part in zip(columns.boundaries, parts, strict=True):
            values += part.norms if part is not None else [self._zero] * len(boundary.meter.params)
        if plan.has_own_loss:
            values.append(totals[0])
        if plan.has_amp_scale:
            scales = [part.amp_scale for part in parts if part is not None and part.amp_scale is not None]
            values.append(self._here(scales[0]) if scales else self._missing)
        values += [self._logged(step, name) for name in columns.logged.scalars]
        if plan.device_rates:
            counts = columns.rates.values()
            rates = [rate for part, count in zip(parts, counts, strict=False) for rate in self._rates(part, count)]
            kept = (rates[place] for place in plan.device_rates)
            values += [self._here(rate) if isinstance(rate, Tensor) else self._missing for rate in kept]
        return values

    def _total(self, part: Measured | None) -> Tensor:
        """Sum of the losses of its backward passes; 0 where it has not stepped for long."""
        if part is None:
            return self._zero
        if not part.losses:
            return self._missing
        total = self._here(part.losses[0])
        for loss in part.losses[1:]:
            total = total + self._here(loss)
        return total

    def _logged(self, step: Step, name: str) -> Tensor:
        value = step.logged.get(name)
        return self._missing if value is None else self._here(value)

    def _here(self, value: Tensor) -> Tensor:
        """A float32 scalar on the row's device."""
        if value.dim():
            value = value.float().mean()
        if value.dtype is torch.float32 and value.device == self._device:
            return value
        return value.to(self._device, torch.float32, non_blocking=True)

    def _labels(self, step: Step) -> Sequence[np.ndarray[Any, np.dtype[np.int64]]]:
        assert self._columns is not None
        return step.labels or (NONE,) if self._columns.plan.labels is not None else ()
