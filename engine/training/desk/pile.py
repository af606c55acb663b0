"""Step records on their way to the disk: one write for all that wait, and a bound on what may wait. Never blocks.

Knows no file format.
"""

from __future__ import annotations

import threading
from typing import Protocol

import numpy as np

from trainctl.engine.runs.record import Records, RecordSink

MOST_BYTES = 64 << 20
"""Records that wait: hundreds of thousands of steps."""


class DurableSink(RecordSink, Protocol):
    """A sink that can say when the disk has it."""

    def sync(self) -> None:
        """Wait until the disk has what was appended. Raises DiskError: it refuses."""
        ...


class Pile:
    """Records between the thread that makes them and the one that writes them.

    Args:
        sink: where they go in the end.
        name: of the file, for messages.
    """

    def __init__(self, sink: DurableSink, name: str) -> None:
        self.name = name
        self._sink = sink
        self._blocks: list[Records] = []
        self._num_bytes = 0
        self._lost: list[int] = []
        self._lock = threading.Lock()

    def append(self, records: Records) -> None:
        """Put records on the pile; those that it has no room for are lost, and counted."""
        with self._lock:
            if self._num_bytes + records.nbytes > MOST_BYTES:
                steps = [int(records["step"][0]), int(records["step"][-1])]
                self._lost = [self._lost[0], steps[1]] if self._lost else steps
                return
            self._blocks.append(records)
            self._num_bytes += records.nbytes

    def close(self) -> None:
        """Nothing more comes; what is there is still to be written."""

    def write_out(self, *, sync: bool = False) -> None:
        """Write all that waits, in one go.

        Raises:
            DiskError: the disk refuses; everything stays.
        """
        with self._lock:
            blocks = list(self._blocks)
        if blocks:
            self._sink.append(np.concatenate(blocks) if len(blocks) > 1 else blocks[0])
            with self._lock:
                del self._blocks[: len(blocks)]
                self._num_bytes -= sum(block.nbytes for block in blocks)
        if sync:
            self._sink.sync()

    def close_sink(self) -> None:
        """Close the file; what still waits is lost."""
        self._sink.close()

    def words_of_lost(self) -> str:
        """Which records were lost, to follow what is said; empty for none. Said once."""
        with self._lock:
            lost, self._lost = self._lost, []
        return f"; the records of steps {lost[0]:,} to {lost[1]:,} are lost" if lost else ""
