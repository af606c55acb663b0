"""Steps of a watched loop become rows of the recorder; the first few wait until it is known what a row holds.

Nothing waits for the device. Knows recorder and columns, no hooks and no run directory.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from trainctl.engine.training.record.assemble import HostRow
from trainctl.engine.training.record.recorder import Recorder
from trainctl.engine.watch.boundary import Boundary, Measured
from trainctl.engine.watch.columns import Columns, Step
from trainctl.engine.watch.heard import Seen

WARM_STEPS = 16
"""Steps that are looked at before it is decided what a record holds."""
NO_BATCH = Seen(None, 0, 0, None, 0.0)
NO_CLASSES = (np.zeros(0, np.int64),)
"""Classes of a step that has none."""
MOST_ROUNDS = 100
"""Steps of the loop for which the newest figures of an optimiser stand that does not step at each."""
WARM_S = 2.0
"""Seconds after which it is decided all the same."""


class Rows:
    """Writes steps as rows.

    Args:
        open_recorder: decides the columns from the first steps, and opens the recorder for them.
    """

    def __init__(self, open_recorder: Callable[[Sequence[Step]], tuple[Columns, Recorder]]) -> None:
        self._open_recorder = open_recorder
        self._waiting: list[Step] = []
        self._began = 0.0
        self._columns: Columns | None = None
        self._plain: Recorder | None = None
        """The recorder, where a row is a loss and the norms of one optimiser."""
        self._weights: tuple[float, ...] = ()
        self._has_labels, self._num_rates = False, 0
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

    def add(self, step: Step) -> None:
        """Keep a step."""
        if self._columns is not None:
            if self._plain is None or not self._write_plain(step, self._plain):
                self._write(step, self._columns)
            return
        self._began = self._began or step.time
        # Until it is written the loop may go on computing with what it logged, in place.
        step.logged = {name: value.clone() for name, value in step.logged.items()}
        for part in step.measured.values():
            if part is not None:
                part.losses = [loss.clone() for loss in part.losses]
        self._waiting.append(step)
        if len(self._waiting) >= WARM_STEPS or step.time - self._began > WARM_S:
            self.open()

    def open(self) -> None:
        """Decide what a record holds, from the steps so far; harmless where that is done, or nothing has come."""
        if self._columns is not None or not self._waiting:
            return
        waiting, self._waiting = self._waiting, []
        self._columns, self.recorder = self._open_recorder(waiting)
        columns, plan = self._columns, self._columns.plan
        self._weights = (1.0,) * len(plan.layout.terms)
        self._has_labels, self._num_rates = plan.labels is not None, sum(columns.rates.values())
        is_plain = len(columns.boundaries) == 1 and columns.has_total and plan.width == plan.num_guarded
        self._plain = self.recorder if is_plain else None
        self._device = columns.boundaries[0].meter.device
        self._missing = torch.full((), float("nan"), device=self._device)
        self._zero = torch.zeros((), device=self._device)
        for step in reversed(waiting):  # until one steps first, its first step stands for it
            self._last |= {name: (0, part) for name, part in step.measured.items() if part is not None}
        for step in waiting:
            self._write(step, columns)

    def _write_plain(self, step: Step, recorder: Recorder) -> bool:
        """Write a step of what most are: one optimiser, one backward pass, one batch, nothing else. Whether it is one.

        Between two kernels of torch each function is a cold one, so here are as few as can be.
        """
        (part,) = step.measured.values()
        if part is None or len(part.losses) != 1 or len(step.batches) > 1 or step.given is not None:
            return False
        (loss,) = part.losses
        if loss.dtype is not torch.float32 or loss.dim() or loss.device != self._device:
            return False
        rates = tuple([rate for rate in part.rates if type(rate) is float])
        _, _, size, labels, waited = step.batches[0] if step.batches else NO_BATCH
        if len(rates) != self._num_rates or len(part.rates) != self._num_rates:
            return False
        recorder.write([loss, *part.norms])
        ratio = step.ratio
        if ratio is not None:
            recorder.annotate(ratio)
        recorder.commit(
            HostRow(
                step.number,
                step.epoch,
                step.time,
                waited,
                step.step_s,
                rates,
                self._weights,
                step.clip,
                size,
                ratio is not None,
                () if not self._has_labels else NO_CLASSES if labels is None else (labels,),
            )
        )
        return True

    def _write(self, step: Step, columns: Columns) -> None:
        assert self.recorder is not None
        parts = [self._part(step, boundary) for boundary in columns.boundaries]
        self.recorder.write(self._values(step, columns, parts))
        if step.ratio is not None:
            self.recorder.annotate(step.ratio)
        self.recorder.commit(
            HostRow(
                step=step.number,
                epoch=step.epoch,
                time=step.time,
                data_s=sum(seen.wait_s for seen in step.batches),
                step_s=step.step_s,
                lr=self._host_rates(columns, parts),
                weights=self._weights,
                clip=step.clip,
                batch_size=step.num_samples,
                ratio_measured=step.ratio is not None,
                indices=step.labels or NO_CLASSES if self._has_labels else (),
            )
        )
        if len(step.logged) != len(columns.logged.terms) + len(columns.logged.scalars):
            self.late |= step.logged.keys() - {*columns.logged.terms, *columns.logged.scalars}

    def _host_rates(self, columns: Columns, parts: Sequence[Measured | None]) -> tuple[float, ...]:
        """Learning rates that the host knows, those on the device NaN."""
        rates = [
            rate
            for part, number in zip(parts, columns.rates.values(), strict=False)
            for rate in self._rates(part, number)
        ]
        return tuple([float("nan") if isinstance(rate, Tensor) else rate for rate in rates])

    def _part(self, step: Step, boundary: Boundary) -> Measured | None:
        """What an optimiser's step came to; of one that left this round out its newest; None: that is long ago."""
        part, age = step.measured.get(boundary.name), 0
        if part is None and boundary.name in self._last and not boundary.is_inner:
            age, part = self._last[boundary.name]
        if part is None or age > MOST_ROUNDS:
            return None
        self._last[boundary.name] = age + 1, part
        return part

    def _rates(self, part: Measured | None, number: int) -> Sequence[float | Tensor]:
        """So many rates of an optimiser, whatever groups it has got or lost since."""
        rates = [] if part is None else part.rates
        if len(rates) == number:
            return rates
        return [*rates[:number], *[float("nan")] * (number - len(rates))]

    def _values(self, step: Step, columns: Columns, parts: Sequence[Measured | None]) -> list[Tensor]:
        """The row, in the order of the plan."""
        totals = [
            self._total(part)
            for boundary, part in zip(columns.boundaries, parts, strict=True)
            if boundary in columns.totals
        ]
        values = totals if columns.has_total else [self._logged(step, name) for name in columns.logged.terms]
        for boundary, part in zip(columns.boundaries, parts, strict=True):
            values += part.norms if part is not None else [self._zero] * len(boundary.meter.params)
        if columns.plan.width > columns.plan.num_guarded:
            self._add_extras(values, totals[0], step, columns, parts)
        return values

    def _add_extras(
        self, values: list[Tensor], total: Tensor, step: Step, columns: Columns, parts: Sequence[Measured | None]
    ) -> None:
        """What stands behind the norms."""
        plan = columns.plan
        if plan.has_own_loss:
            values.append(total)
        if plan.has_amp_scale:
            scales = [part.amp_scale for part in parts if part is not None and part.amp_scale is not None]
            values.append(self._here(scales[0]) if scales else self._missing)
        values += [self._logged(step, name) for name in columns.logged.scalars]
        if plan.device_rates:
            counts = columns.rates.values()
            rates = [rate for part, count in zip(parts, counts, strict=False) for rate in self._rates(part, count)]
            kept = (rates[place] for place in plan.device_rates)
            values += [self._here(rate) if isinstance(rate, Tensor) else self._missing for rate in kept]

    def _total(self, part: Measured | None) -> Tensor:
        """Sum of the losses of its backward passes; 0 where it has not stepped for long."""
        if part is None:
            return self._zero
        if not part.losses:
            return self._missing
        total = self._here(part.losses[0])
        if len(part.losses) > 1:
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
