"""How far something that takes long has come: the engine says it here, whoever shows it listens. Prints nothing.

Knows neither what is done nor how it is shown. Without a listener, saying it costs next to nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from contextvars import ContextVar

Report = Callable[[str, int, int], None]
"""Told what is being done, how much of it is done, and how much there is; equal when it is finished."""

_LISTENER: ContextVar[Report | None] = ContextVar("listener", default=None)


@contextmanager
def reporting_to(listener: Report) -> Generator[None]:
    """Within, `report` of this thread calls `listener`."""
    token = _LISTENER.set(listener)
    try:
        yield
    finally:
        _LISTENER.reset(token)


def report(what: str, done: int, total: int) -> None:
    """Say how far it is, e.g. `report("reading photographs", 3, 48)`."""
    listener = _LISTENER.get()
    if listener is not None:
        listener(what, done, total)
