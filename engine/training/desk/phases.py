"""Where the time of a training goes: seconds of each phase so far. Knows no clock of the machine and no file."""

from __future__ import annotations

import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager

from trainctl.engine.runs.hardware.samples import PHASES
from trainctl.engine.runs.record import Records


class Phases:
    """Sums up the phases of one sitting.

    Each phase is told of by one thread: those of a step by the one that makes records of it, the others by the loop.
    Nobody waits for anybody here.

    Attributes:
        names: phases that are measured; a loop that is not ours tells of fewer.
    """

    def __init__(self, names: Sequence[str] = PHASES) -> None:
        self.names = tuple(names)
        self._seconds = dict.fromkeys(PHASES, 0.0)

    def add(self, phase: str, seconds: float) -> None:
        """Something took so long."""
        self._seconds[phase] += seconds

    @contextmanager
    def timing(self, phase: str) -> Generator[None]:
        """Within, the time is that of a phase."""
        started = time.perf_counter()
        try:
            yield
        finally:
            self.add(phase, time.perf_counter() - started)

    def hear(self, records: Records) -> None:
        """Take note of a block of new records."""
        data_s = float(records["data_s"].sum(dtype="f8")) if "data" in self.names else 0.0
        self._seconds["data"] += data_s
        self._seconds["step"] += float(records["step_s"].sum(dtype="f8")) - data_s

    def so_far(self) -> dict[str, float]:
        """Seconds of each phase that is measured."""
        return {name: self._seconds[name] for name in self.names}
