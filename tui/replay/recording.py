"""A recorded run as it stood at any moment: records and events up to then, and the status that follows from them.

Everything is found by bisection in the file, so asking costs the same however long the run is. Never looks at
the clock of this machine, at a process, or at what `status.json` says now.
"""

from __future__ import annotations

import bisect
import dataclasses
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from trainctl.engine.errors import UserError
from trainctl.engine.runs.atomic import DamagedFileError
from trainctl.engine.runs.events import Event, EventKind
from trainctl.engine.runs.hardware.samples import HardwareReader, HardwareSample
from trainctl.engine.runs.layout import RunPaths
from trainctl.engine.runs.reader import RunReader
from trainctl.engine.runs.states import RunState
from trainctl.engine.runs.status import Liveness, Status
from trainctl.engine.runs.store import StoredRecords
from trainctl.engine.runs.summary import Summary
from trainctl.engine.runs.validated.history import HistogramReader, Histograms
from trainctl.engine.runs.validated.kept import file_of, sizes_in
from trainctl.engine.runs.validated.samples import WorstSamples, read_samples_in
from trainctl.tui.replay.clock import Sittings
from trainctl.tui.replay.steps import RecordedSteps

RATE_WINDOW_S = 5.0
"""Seconds before the moment over which speeds are measured."""
MIN_RATE_STEPS = 10
"""Steps over which they are measured at least."""
DENSE_BYTES = 4 << 20
"""Of the samples of the hardware: of more than half a day only every so manieth is shown."""


@dataclass(frozen=True)
class Chapter:
    """What the events up to a moment say of the run."""

    since: float = 0.0
    """Seconds since 1970."""
    has_begun: bool = False
    is_paused: bool = False
    is_validating: bool = False
    ending: RunState | None = None
    epochs: int = 0
    total_steps: int = 0

    @property
    def state(self) -> RunState:
        """In the word of `status.json`."""
        if self.ending is not None:
            return self.ending
        if self.is_validating:
            return RunState.VALIDATING
        if self.is_paused:
            return RunState.PAUSED
        return RunState.RUNNING if self.has_begun else RunState.STARTING


class Recording:
    """What a run directory holds when this is made; a run that goes on is recorded up to now.

    Attributes:
        steps: the step records.
        events: every event, in the order in which they were written.
        samples_of_hardware: as they were written, thinned where there are very many.

    Raises:
        UserError: a newer version wrote this run.
    """

    def __init__(self, paths: RunPaths) -> None:
        reader = RunReader(paths)
        reader.poll()
        self.paths = paths
        self.steps = RecordedSteps(paths, reader.steps)
        self.records: StoredRecords = self.steps.records
        self.events: Sequence[Event] = tuple(reader.events)
        self.meta: dict[str, Any] | None = reader.meta
        self.problems = tuple(reader.problems.values())
        self.samples_of_hardware = _hardware(paths)
        self._hardware_times = list(itertools.accumulate((sample.time for sample in self.samples_of_hardware), max))
        self._status, self._summary, self._samples = reader.status, reader.summary, reader.samples
        histograms = HistogramReader(paths.histograms)
        histograms.poll()
        self._every_histogram, self._histograms = histograms.found, Histograms()
        self._past_steps = list(sizes_in(paths.past_samples))
        self._past: tuple[int, WorstSamples | None] = (-1, None)
        """What was read last of the earlier validations, by its step."""
        # A clock may have been set back; what was written later is never shown as earlier.
        self._event_times = list(itertools.accumulate((event.time for event in self.events), max))
        self._chapters = chapters(self.events)
        self._chapter_times = [chapter.since for chapter in self._chapters]
        self.sittings = Sittings(self._spans())

    @property
    def is_empty(self) -> bool:
        """Whether nothing was recorded."""
        return not self.events and not len(self.records)

    def count_until(self, moment: float) -> int:
        """Records finished by then (seconds since 1970)."""
        return self.records.find("time", moment, right=True)

    def num_events_until(self, moment: float) -> int:
        """Events written by then."""
        return bisect.bisect_right(self._event_times, moment)

    def num_hardware_until(self, moment: float) -> int:
        """Samples of the hardware taken by then."""
        return bisect.bisect_right(self._hardware_times, moment)

    def chapter(self, moment: float) -> Chapter:
        """What the events said by then."""
        index = bisect.bisect_right(self._chapter_times, moment) - 1
        return self._chapters[index] if index >= 0 else Chapter()

    def status(self, moment: float, count: int) -> Status | None:
        """The status as of a moment at which `count` records were there; none before the first sign of life."""
        chapter = self.chapter(moment)
        if count:
            chapter = dataclasses.replace(chapter, has_begun=True)
        elif not chapter.has_begun:
            return None
        step = int(self.records[count - 1]["step"]) if count else 0
        steps_per_s, samples_per_s = self._rates(moment, count)
        left = max(chapter.total_steps - step, 0)
        return Status(
            state=chapter.state,
            pid=0,
            host="",
            step=step,
            epoch=int(self.records[count - 1]["epoch"]) if count else 1,
            epochs=chapter.epochs,
            total_steps=chapter.total_steps,
            started=self.sittings.moment(0.0),
            heartbeat=moment,
            steps_per_s=steps_per_s,
            samples_per_s=samples_per_s,
            eta_s=left / steps_per_s if steps_per_s > 0 and chapter.total_steps else None,
            device=self._status.device if self._status else str((self.meta or {}).get("device", "")),
            preset=self._status.preset if self._status else str((self.meta or {}).get("preset", "")),
        )

    def liveness(self, moment: float, count: int) -> tuple[Liveness, float]:
        """Alive until its end, of which the age is given in seconds. What is played is never presumed crashed."""
        chapter = self.chapter(moment)
        if chapter.ending is not None:
            return Liveness.OVER, max(moment - chapter.since, 0.0)
        return (Liveness.LIVE if count or chapter.has_begun else Liveness.STARTING), 0.0

    def told_until(self, moment: float, step: int) -> int:
        """Step up to which validations have come to their end; the one at `step` may be under way."""
        return step - 1 if self.chapter(moment).is_validating else step

    def samples(self, step: int) -> WorstSamples | None:
        """The worst of the newest validation up to a step, of those that the run keeps; the same are one object."""
        newest = self._samples.step if self._samples is not None else -1
        past = [kept for kept in self._past_steps if kept <= step]
        if newest <= step and (not past or newest >= past[-1]):
            return self._samples
        if not past:
            return None
        if past[-1] != self._past[0]:
            self._past = past[-1], self._read_samples(past[-1])
        return self._past[1]

    def histograms(self, step: int) -> Histograms:
        """Distributions of the validations up to a step; the same object as long as there is no other."""
        count = sum(kept <= step for kept in self._every_histogram)
        if count != len(self._histograms):
            self._histograms = dict(list(self._every_histogram.items())[:count])
        return self._histograms

    def _read_samples(self, step: int) -> WorstSamples | None:
        try:
            return read_samples_in(file_of(self.paths.past_samples, step))
        except UserError:  # damaged: nothing is known of that time
            return None

    def summary(self, moment: float) -> Summary | None:
        """How the run ended, once the last of its endings is reached."""
        last = self._chapters[-1] if self._chapters else None
        is_told = last is not None and last.ending is not None and moment >= last.since
        return self._summary if is_told else None

    def _time_of(self, index: int) -> float:
        return float(self.records[index]["time"])

    def _spans(self) -> list[tuple[float, float]]:
        """From the first sign of life to the last, without the time before each resume in which nothing ran."""
        times = [event.time for event in self.events]
        if len(self.records):
            times += [self._time_of(0), self._time_of(len(self.records) - 1)]
        if not times:
            return [(0.0, 0.0)]
        spans: list[tuple[float, float]] = []
        begin = min(times)
        for index, event in enumerate(self.events):
            if event.kind is EventKind.RESUME and index:
                count = self.count_until(event.time)
                before = max(self._event_times[index - 1], self._time_of(count - 1) if count else begin)
                if begin <= before < event.time:
                    spans.append((begin, before))
                    begin = event.time
        return [*spans, (begin, max(times))]

    def _rates(self, moment: float, count: int) -> tuple[float, float]:
        """Steps and samples per second shortly before a moment; NaN where it cannot be told."""
        first = max(min(self.count_until(moment - RATE_WINDOW_S), count - MIN_RATE_STEPS), 0)
        part = self.records[first:count]
        seconds = float(part["time"][-1] - part["time"][0]) if len(part) > 1 else 0.0
        if seconds <= 0.0:
            return np.nan, np.nan
        return (len(part) - 1) / seconds, float(part["batch_size"][1:].sum()) / seconds


def _hardware(paths: RunPaths) -> Sequence[HardwareSample]:
    try:
        return HardwareReader(paths).read_new(DENSE_BYTES)
    except DamagedFileError:
        return ()


def chapters(events: Sequence[Event]) -> list[Chapter]:
    """The states of a run one after the other, ascending in time, from its events."""
    changes: list[tuple[float, dict[str, Any]]] = []
    for event in events:
        changes += _changes(event)
    found = [Chapter()]
    for since, change in sorted(changes, key=lambda entry: entry[0]):
        found.append(dataclasses.replace(found[-1], since=since, **change))
    return found[1:]


def _changes(event: Event) -> list[tuple[float, dict[str, Any]]]:
    """What an event says of the state, and from when on (seconds since 1970)."""
    data, when = event.data, event.time
    match event.kind:
        case EventKind.START:
            return [(when, {"has_begun": True})]
        case EventKind.PLAN:
            plan = {name: int(data.get(name) or 0) for name in ("epochs", "total_steps")}
            return [(when, plan)]
        case EventKind.RESUME:
            return [(when, {"has_begun": True, "ending": None, "is_paused": False, "is_validating": False})]
        case EventKind.COMMAND if data.get("verb") in ("pause", "resume"):
            is_refused = str(data.get("effect", "")).startswith("refused")
            return [] if is_refused else [(when, {"is_paused": data["verb"] == "pause"})]
        case EventKind.VALIDATION:
            seconds = data.get("seconds")
            began = when - (float(seconds) if isinstance(seconds, (int, float)) else 0.0)
            return [(began, {"is_validating": True}), (when, {"is_validating": False})]
        case EventKind.END:
            states = tuple(RunState)
            return [(when, {"ending": RunState(data["state"]) if data.get("state") in states else RunState.STOPPED})]
        case _:
            return []
