"""What the cockpit knows of a run, in memory: series, events, the newest record. No files, no widgets.

Grows by `RunUpdate`s and by nothing else. Memory is bounded: series are pyramids, events are kept to the newest of
each kind, the console is in the panel.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from trainctl.engine.runs.blocks import BLOCK, Overview
from trainctl.engine.runs.events import Event, EventKind
from trainctl.engine.runs.hardware.samples import HardwareSample
from trainctl.engine.runs.layout import RunPaths
from trainctl.engine.runs.ranks.pace import RankPace
from trainctl.engine.runs.record import RecordLayout, Records
from trainctl.engine.runs.series import SeriesBlock, derive_series, may_be_absent
from trainctl.engine.runs.states import RunState
from trainctl.engine.runs.status import Liveness, Status
from trainctl.engine.runs.summary import Summary
from trainctl.engine.runs.validated.history import Histograms
from trainctl.engine.runs.validated.samples import WorstSamples
from trainctl.tui.charts.positions import XMap
from trainctl.tui.charts.pyramid import Points
from trainctl.tui.run.events import EventLog
from trainctl.tui.run.hardware import HardwareLog
from trainctl.tui.run.places import Places
from trainctl.tui.run.results import WEIGHTS as WEIGHTS
from trainctl.tui.run.results import BestResult as BestResult
from trainctl.tui.run.results import Results
from trainctl.tui.run.series import RunSeries
from trainctl.tui.run.tally import ClassTally, Counts
from trainctl.tui.run.timeline import TimeKnots, epoch_knots

MAX_NEWS = 256
"""Events that `RunView.apply` returns at most: more than anyone reads of a run that is opened."""


@dataclass(frozen=True)
class Glance:
    """A long run from its first record on, as far as it is summed up."""

    overview: Overview
    series: Mapping[str, RunSeries]
    """Made of the overview, for the view to keep."""
    recent: Records | None = None
    """Newest records, the last of the run included, from which classes are counted anew."""
    recent_is_whole: bool = False
    """Whether the first of them is the first of its epoch."""
    first_nonfinite: int | None = None
    """First step in the overview whose loss is not finite."""


@dataclass(frozen=True)
class Detail:
    """Exact samples of the window looked at."""

    first_place: float = 0.0
    """Of the first sample, counted from the run's first step as if each record were one step."""
    series: SeriesBlock | None = None
    """None: nothing in the window, or it is so wide that the blocks do."""


@dataclass(frozen=True)
class RunUpdate:
    """What is new. Fields that do not change are repeated, lists and records hold only what was added."""

    restarted: bool = False
    """The run was resumed and its records start over: forget the earlier ones."""
    layout: RecordLayout | None = None
    records: Records | None = None
    glance: Glance | None = None
    """A run that is long already: the series begin anew with it."""
    detail: Detail | None = None
    """The answer to a request; none: there was no new one."""
    events: tuple[Event, ...] = ()
    events_restarted: bool = False
    """The events start over: forget the earlier ones."""
    hardware: tuple[HardwareSample, ...] = ()
    hardware_restarted: bool = False
    """The samples of the hardware start over: forget the earlier ones."""
    console: tuple[str, ...] = ()
    """Complete lines the process printed."""
    status: Status | None = None
    liveness: Liveness = Liveness.STARTING
    age_s: float = 0.0
    """Since the last sign of life."""
    meta: dict[str, Any] | None = None
    summary: Summary | None = None
    samples: WorstSamples | None = None
    """The worst of the newest validation."""
    histograms: Histograms = field(default_factory=Histograms)
    """Distributions that validations recorded; the same object until something changes."""
    ranks: tuple[RankPace, ...] = ()
    """What each of several processes took of late; empty: one trains alone."""
    exit_code: int | None = None
    """How the process we started ended; none while it runs, or where somebody else started it."""
    problems: tuple[str, ...] = ()
    """Files that cannot be understood."""
    is_gone: bool = False
    """The folder was deleted."""


@dataclass(frozen=True)
class Plan:
    """The learning rate plan in force."""

    points: Points
    """Learning rate over steps."""
    total_steps: int
    warmup_steps: int
    steps_per_epoch: int = 0
    """0 where the plan does not say."""

    @classmethod
    def of(cls, event: Event) -> Plan:
        """From a `plan` event."""
        array = np.array([*_pairs(event.data.get("points"))], np.float64).reshape(-1, 2)
        numbers = (event.whole(name) for name in ("total_steps", "warmup_steps", "steps_per_epoch"))
        return cls(Points(array[:, 0], array[:, 1]), *numbers)


@dataclass(frozen=True)
class Found:
    """What a rule found at a step of the run."""

    step: int
    code: str
    words: str
    """Its name."""


@dataclass
class RunView:
    """The state behind every panel.

    `series` holds a pyramid for each plotted column, see `trainctl.engine.runs.series.series_names`; positions are
    optimiser steps.
    """

    paths: RunPaths
    layout: RecordLayout | None = None
    series: dict[str, RunSeries] = field(default_factory=dict[str, RunSeries])
    last: np.void | None = None
    """Newest step record."""
    plan: Plan | None = None
    """Of the newest `plan` event in force."""
    first_nonfinite: int | None = None
    """First step whose loss is not finite."""
    status: Status | None = None
    liveness: Liveness = Liveness.STARTING
    age_s: float = 0.0
    meta: dict[str, Any] | None = None
    summary: Summary | None = None
    samples: WorstSamples | None = None
    histograms: Histograms = field(default_factory=Histograms)
    ranks: tuple[RankPace, ...] = ()
    exit_code: int | None = None
    problems: tuple[str, ...] = ()
    is_gone: bool = False
    found: tuple[Found, ...] = ()
    """Findings that name a step, of the newest judgement; of a replay also those it has not come to yet."""
    hardware: HardwareLog = field(default_factory=HardwareLog)
    asked: dict[str, str] = field(default_factory=dict[str, str])
    """Commands sent and not acknowledged yet: id to words."""
    _log: EventLog = field(default_factory=EventLog)
    _results: Results = field(default_factory=Results)
    _tally: ClassTally = field(default_factory=ClassTally)
    _times: TimeKnots = field(default_factory=TimeKnots)
    _places: Places = field(default_factory=lambda: Places(0.0))
    _start: float | None = None
    """Time of the run's first record, seconds since 1970."""
    _kept: dict[Any, tuple[int, Any]] = field(default_factory=dict[Any, tuple[int, Any]])
    """Answers that hold until something changes, with the version they belong to."""

    @property
    def state(self) -> RunState:
        """Where the run stands, as it says itself."""
        if self.summary is not None and self.liveness is not Liveness.LIVE:
            return self.summary.state
        return self.status.state if self.status else RunState.STARTING

    @property
    def is_over(self) -> bool:
        """Whether nobody reads commands any more."""
        is_ended = self.state.is_over or self.liveness is Liveness.CRASHED or self.exit_code is not None
        return is_ended or self.is_gone

    @property
    def step(self) -> int:
        """Last finished optimiser step."""
        recorded = int(self.last["step"]) if self.last is not None else 0
        return max(recorded, self.status.step if self.status else 0)

    @property
    def preset(self) -> str:
        """Full name of the preset, empty while unknown."""
        if self.status:
            return self.status.preset
        return str((self.meta or {}).get("preset", ""))

    @property
    def obeys(self) -> frozenset[str] | None:
        """Verbs that mean something to this run; None: all, its loop is trainctl's own."""
        watched = (self.meta or {}).get("watched")
        verbs = watched.get("obeys") if isinstance(watched, dict) else None
        return frozenset(map(str, verbs)) if isinstance(verbs, list) else None

    @property
    def epoch(self) -> int:
        """Epoch of the newest record, 1 for the first; 0 before any."""
        return self._tally.epoch

    @property
    def epoch_counts(self) -> Counts | None:
        """Samples of each class seen in the epoch in progress."""
        return self._tally.counts

    @property
    def last_epoch_counts(self) -> Counts | None:
        """The same over the whole previous epoch; none where not all of it was read."""
        return self._tally.last_counts

    @property
    def counts_since_step(self) -> int | None:
        """First step in `epoch_counts` where they do not cover the epoch from its start, else none."""
        return self._tally.since_step

    @property
    def events(self) -> list[Event]:
        """In force, oldest first, the newest of each kind: without those a resume took back. Do not change."""
        return self.of_kind(*EventKind)

    @property
    def stride(self) -> int:
        """Steps that the finest blocks of the series stand for. Where it is above 1, a close look needs the
        records themselves: `RunFeed.request_detail`."""
        return max((series.stride for series in self.series.values()), default=1)

    def apply(self, update: RunUpdate) -> list[Event]:
        """Take in what is new; returns the events added, at most the newest `MAX_NEWS`."""
        if update.restarted:
            self._forget_records()
        self.layout = update.layout or self.layout
        if update.glance is not None:
            self._take_glance(update.glance)
        if update.records is not None and len(update.records):
            self._take_records(update.records)
        if update.detail is not None:
            self._take_detail(update.detail)
        if update.events_restarted:
            self._log, self._results = EventLog(), Results()
            self._kept.clear()
        self._take_events(update.events)
        if update.hardware_restarted:
            self.hardware = HardwareLog()
        self.hardware.add(update.hardware)
        self.status, self.meta = update.status or self.status, update.meta or self.meta
        self.liveness, self.age_s = update.liveness, update.age_s
        self.summary, self.problems = update.summary, update.problems
        self.samples, self.is_gone = update.samples, update.is_gone
        self.ranks = update.ranks
        self.histograms = update.histograms
        self.exit_code = update.exit_code
        return list(update.events[-MAX_NEWS:])

    def of_kind(self, *kinds: EventKind) -> list[Event]:
        """Events of these kinds, oldest first. The list is shared: do not change it."""
        return self._log.of_kind(*kinds)

    def validation(self, which: str, metric: str) -> Points:
        """A validation metric over the steps; `which` is `raw` or `ema`."""
        return self._results.points(which, metric)

    def metrics(self) -> list[str]:
        """Names of the validation metrics, in the order in which they first appeared."""
        return list(self._results.metrics)

    @property
    def best(self) -> BestResult | None:
        """The validation that gave the best checkpoint; none before it, or where the run does not name its metric."""
        return self._results.best(self.summary)

    def x_map(self, unit: str) -> XMap | None:
        """What stands on the x axis for a step: `epoch` (finished epochs) or `time` (seconds since the first record).

        None for `step`, and while nothing is known to map by.
        """
        version = self._log.version(EventKind.PLAN, EventKind.EPOCH) if unit == "epoch" else self._times.version
        if self._kept.get(unit, (-1,))[0] != version:
            knots = self._knots(unit)
            self._kept[unit] = (version, None if knots is None else XMap(*knots, unit))
        return self._kept[unit][1]

    def batch_counts(self) -> Counts | None:
        """Samples of each class in the newest batch."""
        if self.last is None or "classes" not in (self.last.dtype.names or ()):
            return None
        return np.asarray(self.last["classes"], np.int64)

    def _knots(self, unit: str) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
        if unit == "time":
            return self._times.knots()
        if unit == "epoch":
            return epoch_knots(self.plan.steps_per_epoch if self.plan else 0, self.of_kind(EventKind.EPOCH))
        return None

    def _forget_records(self) -> None:
        self.series, self.last, self.first_nonfinite, self._start = {}, None, None, None
        self._tally, self._times = ClassTally(), TimeKnots()
        self._kept.pop("time", None)

    def _take_events(self, events: tuple[Event, ...]) -> None:
        self._log.add(events)
        if {EventKind.PLAN, EventKind.RESUME} & {event.kind for event in events}:
            plans = self.of_kind(EventKind.PLAN)
            self.plan = Plan.of(plans[-1]) if plans else None
        if any(event.kind is EventKind.RESUME for event in events):
            self._results = Results(self.of_kind(EventKind.VALIDATION))
            events = tuple(event for event in events if event.kind is not EventKind.VALIDATION)
        for event in events:
            if event.kind is EventKind.VALIDATION:
                self._results.add(event)
            elif event.kind is EventKind.COMMAND:
                self.asked.pop(str(event.data.get("id")), None)

    def _take_glance(self, glance: Glance) -> None:
        """Begin the series anew with the blocks of an overview."""
        if glance.recent is not None and len(glance.recent):
            self.last = glance.recent[-1].copy()
            self._tally.start_from(glance.recent, is_whole=glance.recent_is_whole)
        overview = glance.overview
        self.series, self.first_nonfinite, self._start = dict(glance.series), glance.first_nonfinite, overview.start
        self._times, self._places = TimeKnots(), Places(float(overview.first_step))
        self._places.extend([overview.first_step], [0])
        self._places.extend(overview.blocks["step"], BLOCK * np.arange(1, len(overview.blocks) + 1) - 1)
        for series in self.series.values():
            series.places = self._places
        self._kept.pop("time", None)
        if self.layout is not None and "time" in self.layout.unmeasured:
            return
        steps, times = overview.blocks["step"], overview.blocks["time"] - overview.start
        self._times.extend(np.append(overview.first_step, steps), np.append(0.0, times))

    def _take_detail(self, detail: Detail) -> None:
        rows = dict(detail.series.items()) if detail.series is not None else {}
        for name, series in self.series.items():
            series.offer_detail(detail.first_place, rows.get(name))

    def _take_records(self, records: Records) -> None:
        self.last = records[-1].copy()  # a view would keep all of them
        self._tally.add(records)
        self._note_nonfinite(records)
        if self.layout is not None and "time" in (records.dtype.names or ()):
            self._draw(records, self.layout)

    def _draw(self, records: Records, layout: RecordLayout) -> None:
        """Append records to the series."""
        if self._start is None:
            self._start = float(records["time"][0])
        first = float(records["step"][0])
        if not self.series:
            self._places = Places(first)
        self._places.extend(records["step"])
        for name, values in derive_series(records, layout, self._start).items():
            if name not in self.series:
                self.series[name] = RunSeries(first, is_sparse=may_be_absent(name, layout), places=self._places)
            self.series[name].extend(values)
        if "time" not in layout.unmeasured:
            self._times.extend(records["step"], records["time"] - self._start)

    def _note_nonfinite(self, records: Records) -> None:
        is_known = "loss" in (records.dtype.names or ()) and not (self.layout and "loss" in self.layout.unmeasured)
        if self.first_nonfinite is None and is_known:
            wrong = np.flatnonzero(~np.isfinite(records["loss"]))
            if len(wrong):
                self.first_nonfinite = int(records["step"][wrong[0]])


def _pairs(points: Any) -> Iterable[list[float]]:
    """What of a plan are two numbers: a file may hold anything."""
    for pair in cast("list[Any]", points) if isinstance(points, list) else ():
        if isinstance(pair, list) and [type(value) in (int, float) for value in cast("list[Any]", pair)] == [True] * 2:
            yield cast("list[float]", pair)
