"""Steps and events of a run as one stream in the order in which they happened, from the start or from now on.

Prints nothing and waits for nothing.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator

import numpy as np

from trainctl.engine.runs.events import Event, EventKind
from trainctl.engine.runs.export.columns import blocks
from trainctl.engine.runs.reader import RunReader
from trainctl.engine.runs.store import Records, StoredRecords

Item = np.void | Event
"""A step record or an event."""


class History:
    """What happened in a run.

    Args:
        reader: of the run; polled here.
    """

    def __init__(self, reader: RunReader) -> None:
        self.reader = reader
        self._num_events = 0
        self._generation = 0

    def past(self, most: int | None = None) -> Iterator[Item]:
        """What has happened so far, without what a resume took back; the last `most`, or everything.

        Afterwards `new` goes on from there.
        """
        self.reader.poll()
        records, events = self.reader.steps.stored(), self.reader.current_events()
        self.reader.steps.skip_to(len(records))
        self._num_events = len(self.reader.events)
        if most is None:
            return _merged(_each(records), events)
        if most == 0:
            return iter(())
        items = list(_merged(_each(records[-most:]), events[-most:]))
        return iter(items[-most:])

    def new(self) -> Iterator[Item]:
        """What has happened since."""
        self.reader.poll()
        records = self._new_records()
        if len(self.reader.events) < self._num_events:  # the file was replaced
            self._num_events = 0
        events, self._num_events = self.reader.events[self._num_events :], len(self.reader.events)
        return _merged(_each(records), events)

    def _new_records(self) -> Records:
        steps = self.reader.steps
        records = steps.read_new()
        if steps.generation == self._generation:
            return records
        # A resume dropped records and reading has started over: what it kept has been seen.
        self._generation = steps.generation
        self.reader.poll()
        kept = _resumed_after(self.reader.events)
        steps.skip_to(steps.stored().find("step", kept, right=True))
        return steps.read_new()


def _resumed_after(events: Iterable[Event]) -> int:
    steps = [event.whole("from_step", event.step) for event in events if event.kind is EventKind.RESUME]
    return steps[-1] if steps else 0


def _each(records: Records | StoredRecords) -> Iterator[np.void]:
    for block in blocks(records):
        yield from block


def _merged(records: Iterable[np.void], events: Iterable[Event]) -> Iterator[Item]:
    return heapq.merge(records, events, key=item_time)


def item_time(item: Item) -> float:
    """Seconds since 1970."""
    return item.time if isinstance(item, Event) else float(item["time"])
