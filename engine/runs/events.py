"""What happens now and then in a run, a JSON line each. Knows no reaction to any of it."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NewType, cast

from trainctl.engine.runs.atomic import to_json
from trainctl.engine.runs.layout import RunPaths
from trainctl.engine.runs.lines import LineReader, append_lines


class EventKind(StrEnum):
    """Every kind of event, and what its `data` holds."""

    START = "start"
    """Training begins: free data for people, e.g. device and parameter count."""
    PLAN = "plan"
    """Learning rate plan: `epochs`, `steps_per_epoch`, `total_steps`, `warmup_steps`, `points` [[step, lr], ...]."""
    EPOCH = "epoch"
    """End of an epoch: `epoch`, `train` {term: mean}, `seconds`, `samples_per_s`."""
    VALIDATION = "validation"
    """`epoch`, `raw` {metric: value}, `ema` {metric: value} where an average is kept, whether it is the `best` so far
    by the metric `monitor` (`monitor_mode` max or min), `seconds`. Where something was changed at the end of an epoch
    and the split was looked at once more at the same step, `after` says what: `refit`."""
    REFIT = "refit"
    """A part of the network was fitted anew outside the optimiser: `mode`, `epoch`, `agreement` (share of the samples
    whose component kept its number), `matched_agreement` (the same after the best renumbering), `text`."""
    CHECKPOINT = "checkpoint"
    """`which`: latest or best."""
    COMMAND = "command"
    """A command took effect: its `id`, `verb`, `args`, and in words the `effect`."""
    LR = "lr"
    """The plateau schedule cut the learning rate: `from`, `to`."""
    WARNING = "warning"
    """`text`."""
    NONFINITE = "nonfinite"
    """A loss or gradient was not finite at `step`: `text`, and what is known of where."""
    NOTE = "note"
    """`text`, by a person or a task."""
    FINDING = "finding"
    """A rule spoke: `code`, `severity`, `title` and the rule's own data."""
    RESUME = "resume"
    """Training goes on from a checkpoint: `from_step`, `from_epoch` (whole epochs), and how many records after it
    were `dropped`."""
    END = "end"
    """`state`, `exit_reason`."""


MEASURED = ("raw", "ema", "train")
"""Parts of the data that are figures by name; an infinite one stands in the file as a word of `INFINITE`."""
INFINITE = ("-inf", "inf")
PER_EPOCH = (EventKind.EPOCH, EventKind.VALIDATION, EventKind.REFIT)
"""What belongs to the end of the epoch that its data names."""


EventLine = NewType("EventLine", str)
"""An event as it will stand in the file."""


@dataclass(frozen=True)
class Event:
    """One event."""

    kind: EventKind
    step: int
    """Last finished optimiser step, 0 before the first."""
    time: float
    """Seconds since 1970."""
    data: dict[str, Any]

    def whole(self, name: str, default: int = 0) -> int:
        """A whole number of the data; `default` for what is none: a file may hold anything."""
        value = self.data.get(name)
        return int(value) if isinstance(value, (int, float)) else default


class EventWriter:
    """Appends events. Safe from several threads and processes."""

    def __init__(self, paths: RunPaths) -> None:
        self._path = paths.events

    @staticmethod
    def made(kind: EventKind, step: int, data: dict[str, Any], when: float | None = None) -> EventLine:
        """An event ready to be appended later; it happened at `when`, none: now.

        Raises:
            ValueError: `data` holds what JSON cannot.
        """
        return _line(Event(kind, step, time.time() if when is None else when, data))

    def append_all(self, lines: Sequence[EventLine]) -> None:
        """Append several events at once.

        Raises:
            DiskError: the disk refuses.
        """
        append_lines(self._path, lines)

    def append(self, kind: EventKind, step: int, /, **data: Any) -> Event:
        """Append one event, on disk when this returns.

        Raises:
            UserError: the disk refuses.
            ValueError: `data` holds what JSON cannot.
        """
        event = Event(kind, step, time.time(), data)
        append_lines(self._path, [_line(event)])
        return event


class EventReader:
    """Follows the events of a run.

    Attributes:
        generation: goes up where the file was replaced; reading then starts over.
    """

    def __init__(self, paths: RunPaths) -> None:
        self._lines = LineReader(paths.events)
        self._unknown = 0

    @property
    def generation(self) -> int:
        """How often the file shrank."""
        return self._lines.generation

    @property
    def skipped(self) -> int:
        """Lines that were no event."""
        return self._lines.skipped + self._unknown

    @property
    def has_more(self) -> bool:
        """Whether the last reading stopped at its limit."""
        return self._lines.has_more

    def read_new(self, max_bytes: int | None = None) -> list[Event]:
        """Events appended since the last call, about `max_bytes` of them; a torn last line waits for its end."""
        parsed = [_parse(line) for line in self._lines.read_new(max_bytes)]
        self._unknown += parsed.count(None)
        return [event for event in parsed if event is not None]


def current_events(events: Iterable[Event]) -> list[Event]:
    """Events without those a resume took back: what came after the checkpoint it went on from."""
    kept: list[Event] = []
    for event in events:
        if event.kind is EventKind.RESUME:
            kept = [earlier for earlier in kept if not is_taken_back(earlier, event)]
        kept.append(event)
    return kept


def is_taken_back(event: Event, resume: Event) -> bool:
    """Whether an earlier `event` came after the checkpoint that `resume` goes on from.

    At its very step the end of the epoch may still have been due.
    """
    step, epoch = resume.whole("from_step", resume.step), resume.data.get("from_epoch")
    if event.step != step or not isinstance(epoch, (int, float)) or event.kind not in PER_EPOCH:
        return event.step > step
    return event.whole("epoch") > int(epoch)


def _line(event: Event) -> EventLine:
    data = {
        name: _in_words(value) if name in MEASURED and isinstance(value, Mapping) else value
        for name, value in event.data.items()
    }
    return EventLine(to_json({"kind": str(event.kind), "step": event.step, "time": event.time, "data": data}))


def _in_words(figures: Mapping[str, Any]) -> dict[str, Any]:
    """Figures as JSON can hold them: an infinite one is no number there, and must not become unknown."""
    return {
        name: INFINITE[value > 0] if isinstance(value, float) and math.isinf(value) else value
        for name, value in figures.items()
    }


def _in_figures(data: dict[str, Any]) -> dict[str, Any]:
    """The other way round."""
    for name in MEASURED:
        found = data.get(name)
        if isinstance(found, dict):
            figures = cast("dict[str, Any]", found)
            data[name] = {key: float(value) if value in INFINITE else value for key, value in figures.items()}
    return data


def _parse(line: dict[str, Any]) -> Event | None:
    try:
        data = line["data"]
        if not isinstance(data, dict):
            return None
        return Event(
            EventKind(line["kind"]), int(line["step"]), float(line["time"]), _in_figures(cast("dict[str, Any]", data))
        )
    except (KeyError, TypeError, ValueError):
        return None
