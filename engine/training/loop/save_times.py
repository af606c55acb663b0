"""When the next checkpoint is due: as often as is wanted, at ends of epochs for no more than a hundredth of the time.

Knows a clock, nothing of what is saved.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from contextlib import contextmanager

LEAST_RATIO = 100
"""Time between two checkpoints at ends of epochs, over the time that the last one took."""


class SaveTimes:
    """When the newest checkpoint was begun, and how long it took.

    Args:
        clock: seconds, never set back.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._began_at = clock()
        self._took_s = 0.0

    @contextmanager
    def saving(self) -> Generator[None]:
        """Within, a checkpoint is written; where that fails, the next one is due as late as after this one."""
        self._began_at = self._clock()
        yield
        self._took_s = self._clock() - self._began_at

    def is_due(self, every_s: float) -> bool:
        """Whether one is due within an epoch; 0: never."""
        return every_s > 0 and self._clock() - self._began_at >= every_s

    def is_due_at_end(self, every_s: float) -> bool:
        """Whether one is due at the end of an epoch; 0: always, whatever it costs."""
        least_s = max(every_s, LEAST_RATIO * self._took_s) if every_s > 0 else 0.0
        return self._clock() - self._began_at >= least_s
