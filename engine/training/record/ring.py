"""The zero-sync ring: one row of device scalars per step, handed over in blocks without waiting for the device.

A row is written by one fused operation. When a block is full or old enough it is copied to pinned memory without
blocking (on a CPU simply copied) and its reader waits for the copy, never the loop.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

CAPACITY = 512
"""Rows in a block: more than a tenth of a second of the fastest loop."""


@dataclass
class Block:
    """Rows that left the ring. Read `rows()` from another thread."""

    tensor: Tensor
    copied: torch.cuda.Event | None

    def rows(self) -> Tensor:
        """The rows, shape (n, width), on the CPU; waits until they have arrived."""
        if self.copied is not None:
            self.copied.synchronize()
        return self.tensor


class DeviceRing:
    """Rows of `width` float32 scalars on `device`.

    Args:
        width: scalars written by `write`; one more column holds what `annotate` adds.
        guarded: the first so many scalars must be finite for an update to be applied.
    """

    def __init__(self, width: int, guarded: int, device: torch.device, capacity: int = CAPACITY) -> None:
        self.width, self.guarded, self.device, self.capacity = width, guarded, device, capacity
        self._filled = 0
        buffer = torch.zeros(capacity, width + 1, device=device)
        self._buffer = buffer
        # views are made once: slicing costs as much as the write itself
        self._rows = list(buffer[:, :width].unbind(0))
        self._guards = list(buffer[:, :guarded].unbind(0))
        self._notes = list(buffer[:, width].unbind(0))
        self._cursor = torch.zeros(1, dtype=torch.int64, device=device)
        self._cursor_at = 0

    def __len__(self) -> int:
        return self._filled

    @property
    def is_full(self) -> bool:
        """Whether `take` must be called before the next `write`."""
        return self._filled == self.capacity

    def write(self, values: Sequence[Tensor]) -> Tensor:
        """Store the scalars of a step as its row.

        Returns:
            The guarded part of the row, shape (guarded,).
        """
        index = self._filled
        torch.stack(values, out=self._rows[index])  # pyright: ignore[reportCallIssue, reportArgumentType]
        self._filled = index + 1
        return self._guards[index]

    def write_at_cursor(self, values: Sequence[Tensor]) -> Tensor:
        """As `write`, for a recorded step: where the row belongs is read on the device, not in Python.

        `advance` counts it, once for each time that it is done. Returns a copy of the guarded part.
        """
        row = torch.stack(list(values))
        self._buffer[:, : self.width].index_copy_(0, self._cursor, row[None])
        self._cursor.add_(1)
        return row[: self.guarded]

    def aim(self) -> None:
        """Before a `write_at_cursor` is done: put the cursor where the next row belongs."""
        if self._cursor_at != self._filled:
            self._cursor.fill_(self._filled)

    def advance(self) -> None:
        """A row was written at the cursor."""
        self._filled += 1
        self._cursor_at = self._filled

    def annotate(self, value: Tensor) -> None:
        """Put a scalar into the extra column of the row written last."""
        self._notes[self._filled - 1].copy_(value)

    def take(self) -> Block:
        """Hand over the rows written so far, and start again."""
        filled, self._filled = self._filled, 0
        if self.device.type == "cuda":
            host = torch.empty(filled, self.width + 1, pin_memory=True)
            host.copy_(self._buffer[:filled], non_blocking=True)  # the stream keeps later writes behind it
            copied = torch.cuda.Event()
            copied.record()
            return Block(host, copied)
        return Block(self._buffer[:filled].to("cpu", copy=True), None)
