"""Keeps every step without ever making the loop wait: device scalars through the ring, host values beside them.

Knows records, no file format, no network and no task. `assemble` says what a record holds.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from trainctl.engine.runs.record import RecordSink
from trainctl.engine.training.desk.scribe import Scribe
from trainctl.engine.training.record.assemble import Array, HostRow, RowPlan, assemble
from trainctl.engine.training.record.ring import Block, DeviceRing

FLUSH_S = 0.1


class Recorder:
    """Records of one run.

    Args:
        sink: where whole records go.
        plan: columns of a row.
        device: where the scalars are.
        scribe: thread that writes.
        listener: called in the scribe's thread with each block of new records.
        beside: called there before, with the rows and notes that they were made of.
    """

    def __init__(
        self,
        sink: RecordSink,
        plan: RowPlan,
        device: torch.device,
        scribe: Scribe,
        listener: Callable[[Array], None] | None = None,
        beside: Callable[[Array, Sequence[HostRow]], None] | None = None,
    ) -> None:
        self.plan = plan
        self._ring = DeviceRing(plan.width, plan.num_guarded, device)
        self._sink = sink
        self._scribe = scribe
        self._listener, self._beside = listener, beside
        self._notes: list[HostRow] = []
        self._last_flush = time.perf_counter()

    def write(self, values: Sequence[Tensor]) -> Tensor:
        """Store the device scalars of a step, before its update is applied.

        Args:
            values: scalars in the order of the plan, float32.

        Returns:
            The part of the row that must be finite for the update to be sound.
        """
        return self._ring.write(values)

    def write_at_cursor(self, values: Sequence[Tensor]) -> Tensor:
        """As `write`, from within a recorded step; `aim` before it is launched, `advance` after."""
        return self._ring.write_at_cursor(values)

    def aim(self) -> None:
        """See `DeviceRing.aim`."""
        self._ring.aim()

    def advance(self) -> None:
        """See `DeviceRing.advance`."""
        self._ring.advance()

    def annotate(self, ratio: Tensor) -> None:
        """Add the update-to-weight ratio to the row written last."""
        self._ring.annotate(ratio)

    def commit(self, note: HostRow) -> None:
        """Complete the step with what the host knows. About ten times a second this hands the block over."""
        self._notes.append(note)
        now = time.perf_counter()
        if now - self._last_flush >= FLUSH_S or self._ring.is_full:
            self._last_flush = now
            self.hand_over()

    def hand_over(self) -> None:
        """Give all complete rows to the scribe."""
        if self._notes:
            block, notes = self._ring.take(), self._notes
            self._notes = []
            self._scribe.submit(lambda: self._store(block, notes))

    def flush(self) -> None:
        """Wait until every complete step has been handed to the sink."""
        self.hand_over()
        self._scribe.drain()

    def close(self) -> None:
        """Close the file. Flush first."""
        self._sink.close()

    def _store(self, block: Block, notes: list[HostRow]) -> None:
        with np.errstate(all="ignore"):  # non-finite values are data here
            rows = block.rows().numpy()
            records = assemble(self.plan, rows, notes)
            if self._beside is not None:
                self._beside(rows, notes)
        self._sink.append(records)
        if self._listener is not None:
            self._listener(records)
