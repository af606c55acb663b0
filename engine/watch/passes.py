"""Passes over loaders: which of their batches a backward pass was about, though some are fetched ahead or skipped.

Knows batches that were fetched and the order of things, no tensors and no steps.
"""

from __future__ import annotations

import itertools
import threading
import weakref
from collections import deque
from typing import Any

from torch.utils.data import DataLoader

from trainctl.engine.watch.heard import BatchReader, Classes, Seen

MARK = "_trainctl_pass"
"""Attribute of an iterator that holds its pass."""
MOST_AHEAD, MOST_SKIPPED = 256, 16
"""Batches of a pass that are remembered until a backward pass follows: of a validation none ever does."""


Fetch = tuple[int, Classes | None, float]
"""A batch that was fetched: size, labels and seconds of `Seen`."""


class Pass:
    """One pass over a loader.

    Args:
        loader: whose; None: nobody heard it begin.
        number: of passes begun in this process, so that of two the later one is known.
        reader: of its batches.
        is_ahead: whether who iterates may fetch batches before they are trained on.
    """

    def __init__(
        self, loader: DataLoader[Any] | None, number: int, reader: BatchReader, *, is_ahead: bool = False
    ) -> None:
        # `for batch in DataLoader(...)` holds the iterator only. A loader with persistent workers holds its iterator,
        # by which this is held: it would never go.
        is_held = loader is None or not getattr(loader, "persistent_workers", False)
        self._held, self._loader = (loader, None) if is_held else (None, weakref.ref(loader))
        self.number, self.reader = number, reader
        self.is_ahead = is_ahead
        self.waiting: deque[Fetch] = deque(maxlen=MOST_AHEAD if is_ahead else MOST_SKIPPED)

    @property
    def loader(self) -> DataLoader[Any] | None:
        """Its loader; None: it is gone, or was never known."""
        return self._held if self._loader is None else self._loader()


class Fetched(threading.local):
    """Batches of a thread that were fetched and not trained on yet.

    Attributes:
        newest: pass of which a batch was fetched since the last backward pass.
    """

    def __init__(self) -> None:
        self.newest: Pass | None = None
        self._trained: Pass | None = None
        """Of which a batch was trained on last."""

    def take(self) -> Seen | None:
        """The batch that a backward pass is about: the newest; of a pass that is fetched ahead the oldest.

        Where none came since the last backward pass it is one of those that came earlier. Where one came of another
        pass (a validation's) while the present one holds batches back, it is of the present one.
        """
        turn, trained = self.newest, self._trained
        self.newest = None
        if turn is not trained and trained is not None and (turn is None or (trained.is_ahead and trained.waiting)):
            turn = trained
        if turn is None or not turn.waiting:
            return None
        self._trained = turn
        size, labels, seconds = turn.waiting.popleft() if turn.is_ahead else turn.waiting.pop()
        return Seen(turn.loader, turn.number, size, labels, seconds)


class Passes:
    """Which pass an iterator of this process belongs to."""

    def __init__(self) -> None:
        self._readers: weakref.WeakKeyDictionary[DataLoader[Any], BatchReader] = weakref.WeakKeyDictionary()
        self._newest: weakref.WeakKeyDictionary[DataLoader[Any], weakref.ref[Pass]] = weakref.WeakKeyDictionary()
        self._numbers = itertools.count(1)

    def begun(self, loader: DataLoader[Any], iterator: Any, is_passed_on: bool) -> None:
        """A pass over a loader begins; what the one before held back is not trained on any more.

        Args:
            loader: whose.
            iterator: that fetches.
            is_passed_on: whether somebody else passes the batches on, and may hold some back.
        """
        before = self._newest[loader]() if loader in self._newest else None
        if before is not None:
            before.waiting.clear()
        reader = self._readers.get(loader)
        if reader is None:
            reader = self._readers[loader] = BatchReader()
        turn = Pass(loader, next(self._numbers), reader, is_ahead=is_passed_on)
        iterator.__dict__[MARK] = turn  # a table of iterators that does not hold them takes ten times as long to ask
        self._newest[loader] = weakref.ref(turn)

    def of(self, iterator: Any) -> Pass:
        """The pass of an iterator."""
        found: Pass | None = iterator.__dict__.get(MARK)
        if found is None:
            found = iterator.__dict__[MARK] = Pass(None, next(self._numbers), BatchReader())
        return found
