"""What a run has to say and the disk has not taken yet. Written by one thread, so that nobody else waits for a disk.

Putting something in costs no more than memory. What the disk refuses stays and is tried again: events and records in
their order, of everything else only the newest. So a hiccup costs nothing, and a disk that stays away costs records
and figures, never the training; each fault is said once, when it begins and when it is over.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from trainctl.engine.runs.atomic import DiskError
from trainctl.engine.runs.events import EventKind, EventLine, EventWriter
from trainctl.engine.runs.layout import RunPaths
from trainctl.engine.runs.record import RecordSink
from trainctl.engine.training.desk.pile import DurableSink, Pile

LAST_PAUSES_S = (0.1, 0.3, 0.8, 0.0)
"""At the end, before what was refused is tried again."""
SLOW_S = 5.0
"""A disk that takes longer for what has come in a tenth of a second is worth a word."""
MOST_EVENTS = 10_000
"""Events that wait; the oldest are lost where the disk takes none for so long."""


class Outbox:
    """Everything of one run that goes to the disk while it trains, but for checkpoints.

    Args:
        paths: the run.
    """

    def __init__(self, paths: RunPaths) -> None:
        self._paths = paths
        self._events: list[EventLine] = []
        self._num_gone = 0
        """Events that are written, or lost."""
        self._writer = EventWriter(paths)
        self._newest: dict[str, Callable[[], object]] = {}
        self._pile: Pile | None = None
        self._lock, self._writing = threading.Lock(), threading.Lock()
        self._step = 0
        self.refused: dict[str, DiskError] = {}
        """What the disk does not take at present, by the file's name."""
        self.num_taken = 0
        """How often it took something."""

    def event(self, kind: EventKind, step: int, data: dict[str, Any]) -> None:
        """Something happened.

        Raises:
            ValueError: `data` holds what JSON cannot.
        """
        line = self._writer.made(kind, step, data)
        with self._lock:
            self._step = max(self._step, step)
            self._events.append(line)
            if len(self._events) > MOST_EVENTS:
                del self._events[0]
                self._num_gone += 1

    def replace(self, name: str, write: Callable[[], object]) -> None:
        """Write a file anew; where an older content still waits, that is forgotten."""
        with self._lock:
            self._newest[name] = write

    def records(self, sink: DurableSink) -> RecordSink:
        """Where step records are put, on their way to `sink`."""
        self._pile = Pile(sink, self._paths.steps.name)
        return self._pile

    def write_out(self, *, sync: bool = False) -> None:
        """Hand everything to the disk that it takes; `sync`: and wait until it has the records."""
        began = time.monotonic()
        with self._writing:
            self._write_out(sync=sync)
        took = time.monotonic() - began
        if took > SLOW_S:
            lost = "" if self._pile is None else self._pile.words_of_lost()
            self._say(f"the disk took {took:.0f} s for one write: records and events came late{lost}")

    def _write_out(self, *, sync: bool) -> None:
        if self._pile is not None:
            pile = self._pile
            self._try(pile.name, lambda: pile.write_out(sync=sync))
        for name in list(self._newest):
            with self._lock:
                write = self._newest.pop(name)
            if not self._try(name, write):
                with self._lock:
                    self._newest.setdefault(name, write)
        if self._events:
            self._try(self._paths.events.name, self._write_events)

    def close(self) -> None:
        """Hand over what is left, with patience, and close the records."""
        for pause_s in LAST_PAUSES_S:
            self.write_out(sync=True)
            if all(error.is_lasting for error in self.refused.values()):
                break
            time.sleep(pause_s)
        if self._pile is not None:
            self._pile.close_sink()

    def _write_events(self) -> None:
        with self._lock:
            first, waiting = self._num_gone, list(self._events)
        self._writer.append_all(waiting)
        with self._lock:
            num_written = max(first + len(waiting) - self._num_gone, 0)
            del self._events[:num_written]
            self._num_gone += num_written

    def _try(self, name: str, write: Callable[[], object]) -> bool:
        try:
            write()
        except DiskError as err:
            if name not in self.refused:
                self._say(f"{err.message}: the training goes on without; it is tried again")
            self.refused[name] = err
            return False
        self.num_taken += 1
        if self.refused.pop(name, None) is not None:
            lost = self._pile.words_of_lost() if self._pile is not None and name == self._pile.name else ""
            self._say(f"{name} is written again{lost}")
        return True

    def _say(self, text: str) -> None:
        self.event(EventKind.WARNING, self._step, {"text": text})
