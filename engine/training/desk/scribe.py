"""A background thread of a run, for what must not hold up the loop.

A run has two: one reads what comes from the device, one waits for the disk, so that a disk that answers nobody holds up
neither the loop nor the alarm.

Jobs run one after the other in the order they were given. An error is kept and raised in the loop's own thread, at its
next look.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable

TICK_S = 0.1


class Scribe:
    """Runs jobs and periodic tasks in one daemon thread.

    Args:
        name: of the thread.
    """

    def __init__(self, name: str = "trainctl-scribe") -> None:
        self.error: BaseException | None = None
        self._jobs: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._periodic: list[tuple[float, Callable[[], None]]] = []
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def every(self, period_s: float, task: Callable[[], None]) -> None:
        """Run `task` about every `period_s` seconds. Call before `start`."""
        self._periodic.append((period_s, task))

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def submit(self, job: Callable[[], None]) -> None:
        """Run `job` soon, in order."""
        self._jobs.put(job)

    def raise_error(self) -> None:
        """Raise, in the caller's thread, what went wrong in this one."""
        if self.error is not None:
            error, self.error = self.error, None
            raise error

    def drain(self) -> None:
        """Wait until all jobs given so far are done."""
        if self._thread.is_alive() and self.error is None:
            done = threading.Event()
            self.submit(done.set)
            while not done.wait(TICK_S):
                if not self._thread.is_alive():
                    break
        self.raise_error()

    def close(self, limit_s: float | None = None) -> bool:
        """Finish the jobs and end the thread; whether it ended within `limit_s`."""
        if self._thread.is_alive():
            self._jobs.put(None)
            self._thread.join(limit_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        due = [0.0] * len(self._periodic)
        while True:
            try:
                job = self._jobs.get(timeout=TICK_S)
                if job is None:
                    return
                job()
            except queue.Empty:
                pass
            except BaseException as err:  # kept for the loop's thread; this one goes on, a disk may recover
                self.error = self.error or err
            now = time.monotonic()
            for index, (period_s, task) in enumerate(self._periodic):
                if now >= due[index]:
                    due[index] = now + period_s
                    self._guarded(task)

    def _guarded(self, task: Callable[[], None]) -> None:
        try:
            task()
        except BaseException as err:
            self.error = self.error or err
