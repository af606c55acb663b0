"""The events in force of a run, by kind, without those a resume took back. Knows no panel and no file.

Panels ask for a few kinds many times a second: an answer is made once and kept until an event of those kinds arrives.
Memory is bounded: of each kind the newest stay.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterable

from trainctl.engine.runs.events import Event, EventKind, is_taken_back

MAX_EVENTS = 2_048
"""Events kept of a kind."""
MAX_OF_KIND = {EventKind.EPOCH: 16_384, EventKind.VALIDATION: 16_384, EventKind.PLAN: 64}
"""What is drawn as a series keeps more; a plan is long, and only the newest in force matters."""

_Numbered = tuple[int, Event]


class EventLog:
    """Events, oldest first, with the newest `MAX_EVENTS` of each kind."""

    def __init__(self) -> None:
        self._count = 0
        self._by_kind: dict[EventKind, deque[_Numbered]] = {}
        self._versions: dict[EventKind, int] = {}
        self._answers: dict[tuple[EventKind, ...], tuple[int, list[Event]]] = {}

    def add(self, events: Iterable[Event]) -> None:
        """Append events; one that tells of a resume removes what it took back."""
        for event in events:
            if event.kind is EventKind.RESUME:
                self._take_back(event)
            kept = self._by_kind.setdefault(event.kind, deque(maxlen=MAX_OF_KIND.get(event.kind, MAX_EVENTS)))
            kept.append((self._count, event))
            self._count += 1
            self._touch(event.kind)

    def of_kind(self, *kinds: EventKind) -> list[Event]:
        """Events of these kinds, oldest first. The list is shared: do not change it."""
        version = self.version(*kinds)
        known = self._answers.get(kinds)
        if known is None or known[0] != version:
            found = heapq.merge(*(self._by_kind.get(kind, ()) for kind in set(kinds)))
            known = self._answers[kinds] = (version, [event for _, event in found])
        return known[1]

    def version(self, *kinds: EventKind) -> int:
        """A number that goes up when events of these kinds come or go."""
        return sum(self._versions.get(kind, 0) for kind in kinds)

    def _take_back(self, resume: Event) -> None:
        for kind, kept in self._by_kind.items():
            left = [entry for entry in kept if not is_taken_back(entry[1], resume)]
            if len(left) < len(kept):
                self._by_kind[kind] = deque(left, maxlen=kept.maxlen)
                self._touch(kind)

    def _touch(self, kind: EventKind) -> None:
        self._versions[kind] = self._versions.get(kind, 0) + 1
