"""Evidence from a run directory: the records, the configuration and what the run wrote at its start.

Reads files only; knows no model and no torch, and imports no task of the user's. What only data or network could
tell is left out, with the reason.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, TypeVar, cast

import numpy as np

from trainctl.engine.diagnosis.facts.data import LabelFacts, SamplerFacts, SplitLabels
from trainctl.engine.diagnosis.facts.ending import end_facts
from trainctl.engine.diagnosis.facts.evidence import EnvironmentFacts, Evidence
from trainctl.engine.diagnosis.facts.gates import NO_GATES
from trainctl.engine.diagnosis.facts.mixture import NO_MIXTURE, NO_SCORES, ScoreFacts
from trainctl.engine.diagnosis.facts.network import NO_CONTRAST
from trainctl.engine.diagnosis.facts.norms import recorded_beginning, recorded_norms
from trainctl.engine.diagnosis.facts.plan import PlanFacts, recorded_plan
from trainctl.engine.diagnosis.facts.run import RecordFacts, WaitFacts
from trainctl.engine.diagnosis.facts.terms import TermsFacts
from trainctl.engine.diagnosis.logs.facts import LogFacts
from trainctl.engine.diagnosis.records.clusters import recorded_clusters
from trainctl.engine.diagnosis.records.contrast import recorded_contrast
from trainctl.engine.diagnosis.records.course import Extent, recorded_course
from trainctl.engine.diagnosis.records.foreign import foreign_facts, is_told
from trainctl.engine.diagnosis.records.gates import recorded_gates
from trainctl.engine.diagnosis.records.imported import ORIGIN, imported_log, imported_records
from trainctl.engine.diagnosis.records.overlap import NOT_RECORDED, recorded_overlap
from trainctl.engine.diagnosis.records.pace import NO_RANKS, recorded_pace
from trainctl.engine.diagnosis.records.scan import RecordScan
from trainctl.engine.diagnosis.records.terms import MOST_END, recorded_terms
from trainctl.engine.diagnosis.records.validations import ValidationHistory
from trainctl.engine.diagnosis.records.waits import NO_WAITS, recorded_waits
from trainctl.engine.errors import UserError
from trainctl.engine.runs.atomic import DamagedFileError
from trainctl.engine.runs.events import Event, EventKind, EventReader
from trainctl.engine.runs.hardware.samples import HardwareSample, newest_samples
from trainctl.engine.runs.layout import RunPaths
from trainctl.engine.runs.meta import read_meta
from trainctl.engine.runs.record import RecordLayout, Records
from trainctl.engine.runs.states import RunState
from trainctl.engine.runs.status import Liveness, liveness, read_status
from trainctl.engine.runs.summary import read_summary

NEEDS_DATA = "needs the data, not only the records of the run"
NEEDS_NETWORK = "needs a batch through the network, not only the records of the run"
NO_VALIDATION = "no validation has named the metric that chooses the best checkpoint"
WHY_MISSING = {
    "data": NEEDS_DATA,
    "batch": NEEDS_NETWORK,
    "relation": NEEDS_DATA,
    "metric": NEEDS_NETWORK,
    "labels": "the run recorded no class counts",
    "overlap": NOT_RECORDED,
    "sampler": "the run recorded no classes of its batches",
    "plan": "the run's configuration cannot be read",
    "contrast": NO_CONTRAST,
    "clusters": NO_MIXTURE,
    "scores": NO_SCORES,
    "monitor": NO_VALIDATION,
    "gates": NO_GATES,
    "terms": "the run has no loss terms",
    "norms": "the run has too few steps with a gradient",
    "beginning": "the first steps of the run are not known",
    "foreign": "the loop is trainctl's own",
    "ending": "the run has too few steps, or a loss that is not finite or negative",
    "waits": NO_WAITS,
    "pace": NO_RANKS,
}
"""Of each part why it is not there, where it is not."""
MOST_BATCHES = 16_384
"""Batches that are judged: the newest. What is wrong with a sampler shows in far fewer."""
MOST_COUNTS = 1 << 21
"""Class counts that are judged, batches times classes: bounds the memory where there are many classes."""


def read_evidence(paths: RunPaths, *, most: int = MOST_BATCHES) -> Evidence:
    """What a running, finished or crashed run says of itself.

    Time and memory are bounded on a run of any length: of the batches only the newest `most` are looked at; the rest
    is as `RecordScan` says.

    Raises:
        UserError: a newer version wrote it, or it has no records.
    """
    return RunEvidence(paths, most=most).read()


class RunEvidence:
    """Gathers the evidence of one run again and again; each time it reads only what was added.

    Args:
        paths: the run; nothing is read yet.
        most: batches that are looked at, the newest.
        ends_as: the state in which the run is about to end; none: as its files say.
    """

    def __init__(self, paths: RunPaths, *, most: int = MOST_BATCHES, ends_as: RunState | None = None) -> None:
        self.paths, self.most, self._ends_as = paths, most, ends_as
        self._heard: list[Event] = []
        self._scan = RecordScan(paths)
        self._events = EventReader(paths)
        self._history = ValidationHistory()
        self._steps_per_epoch: int | None = None
        self._warmup_steps = 0
        self._plan: PlanFacts | None = None
        self._meta: dict[str, Any] | None = None
        self.records: RecordFacts | None = None
        """What the records say as a whole, as of the last reading; none before."""

    def read(self, keep_going: Callable[[], bool] = lambda: True) -> Evidence:
        """What the run says of itself now. Where `keep_going` says no, it is that of fewer records.

        Raises:
            UserError: a newer version wrote it, or it has no records.
        """
        self._read_events()
        if self._meta is None or not is_told(self._meta):
            self._meta = _tolerant(lambda: read_meta(self.paths)) or self._meta
        if ORIGIN in (self._meta or {}):
            return self._imported()
        self._scan.advance(keep_going)
        layout = self._scan.reader.layout
        if layout is None or not self._scan.count:
            said = f"{self.paths.root} has no step records yet"
            raise UserError(said, "wait for its first step, or name another run")
        self._plan = self._plan or _plan(self.paths)
        meta, plan = self._meta or {}, self._plan
        stored = self._scan.reader.stored()
        newest, beginning = stored[-self._most_judged(layout) :], stored[:MOST_END]
        first = beginning[:1]
        state, is_crashed = self._state()
        self.records = records = self._scan.facts(str(state), is_crashed=is_crashed)
        labels = _labels(meta)
        contrast = recorded_contrast(newest, layout, records, plan, self._steps_per_epoch)
        parts: dict[str, Any] = {
            "labels": labels,
            "overlap": recorded_overlap(meta),
            "sampler": self._sampler(newest, layout, plan),
            "plan": plan,
            "contrast": contrast,
            "clusters": recorded_clusters(newest, first, layout, records, plan, self._steps_per_epoch, self._history),
            "scores": self._scores(records),
            "monitor": self._history.monitor(),
            "gates": recorded_gates(first, newest, layout, plan),
            "terms": self._terms(beginning, newest, layout, records),
            "norms": recorded_norms(beginning, newest),
            "beginning": recorded_beginning(beginning),
            "foreign": foreign_facts(meta, newest),
            "ending": end_facts(*self._scan.course.rows()[2:]),
            "waits": self._waits(newest, layout, records),
            "pace": recorded_pace(self.paths, str((self._meta or {}).get("device", ""))),
        }
        return Evidence(
            **parts,
            records=records,
            course=self._course(layout, labels, contrast.early if contrast else ""),
            environment=_environment(meta),
            missing={name: why for name, why in WHY_MISSING.items() if parts.get(name) is None},
        )

    def _imported(self) -> Evidence:
        """A run that was made of another tool's log is judged as that log."""
        stored = self._scan.reader.stored()
        if not len(stored):
            raise UserError(f"{self.paths.root} has no step records yet", "wait for its first row")
        state, is_crashed = self._state()
        self.records = imported_records(stored, str(state), is_crashed=is_crashed)
        events = self._history.validations()
        return Evidence(log=imported_log(stored, events, self._meta or {}, self.paths.root.name))

    def _state(self) -> tuple[RunState, bool]:
        return _state(self.paths) if self._ends_as is None else (self._ends_as, False)

    def _terms(
        self, beginning: Records, newest: Records, layout: RecordLayout, records: RecordFacts
    ) -> TermsFacts | None:
        extent = Extent(self._warmup_steps, self._steps_per_epoch or 0)
        useful = (self._meta or {}).get("useful_weights")
        early = extent.too_early(records.last_step)
        return recorded_terms(
            beginning, newest, layout, self._history, num_steps=records.num_steps, early=early, useful=useful
        )

    def _waits(self, newest: Records, layout: RecordLayout, records: RecordFacts) -> WaitFacts | None:
        device = str((self._meta or {}).get("device", ""))

        def samples() -> list[HardwareSample]:
            return newest_samples(self.paths)

        return recorded_waits(newest, layout, samples, device=device, num_steps=records.num_steps)

    def _course(self, layout: RecordLayout, labels: LabelFacts | None, early: str) -> LogFacts:
        extent = Extent(self._warmup_steps, self._steps_per_epoch or 0)
        classes = len(labels.classes) if labels else None
        held = self._history.validations()
        course = recorded_course(
            self._scan.course,
            held,
            extent,
            num_classes=classes,
            layout=layout,
        )
        return replace(course, early=early or course.early)

    def listen(self) -> list[Event]:
        """The events since the last call."""
        self._read_events()
        heard, self._heard = self._heard, []
        return heard

    def _read_events(self) -> None:
        generation = self._events.generation
        new = self._events.read_new()
        if self._events.generation != generation:
            self._history = ValidationHistory()
        self._history.hear(new)
        self._heard += new
        for event in new:
            steps = event.data.get("steps_per_epoch")
            if event.kind is EventKind.PLAN and isinstance(steps, int):
                self._steps_per_epoch, self._warmup_steps = steps, event.whole("warmup_steps")

    def _sampler(self, records: Records, layout: RecordLayout, plan: PlanFacts | None) -> SamplerFacts | None:
        """The newest batches as they were recorded. An accumulated step counts as one batch."""
        if "classes" not in (records.dtype.names or ()) or not len(records):
            return None
        is_exact = plan is not None and plan.accumulation == 1
        return SamplerFacts(
            source="records",
            sizes=tuple(records["batch_size"].tolist()),
            counts=records["classes"].astype(np.int64),
            batches_per_epoch=self._steps_per_epoch if is_exact else None,
            last_size=None,
            repeats=None,
            classes=layout.classes,
        )

    def _scores(self, records: RecordFacts) -> ScoreFacts | None:
        return self._history.scores(is_over=records.is_over)

    def _most_judged(self, layout: RecordLayout) -> int:
        """Records that are judged, the newest: only these are read from the file."""
        return max(min(self.most, MOST_COUNTS // max(len(layout.classes), 1)), 1)


def _state(paths: RunPaths) -> tuple[RunState, bool]:
    """Where the run says it stands, and whether its process is gone without a word."""
    summary, status = _tolerant(lambda: read_summary(paths)), _tolerant(lambda: read_status(paths))
    if summary is not None and (status is None or status.state.is_over):
        return summary.state, False
    alive, _ = liveness(status, time.time(), is_summed_up=summary is not None)
    return (status.state if status else RunState.STARTING), alive is Liveness.CRASHED


T = TypeVar("T")


def _tolerant(read: Callable[[], T | None]) -> T | None:
    """What can be read; none where the file is damaged: the records still speak."""
    with contextlib.suppress(DamagedFileError):
        return read()
    return None


def _labels(meta: dict[str, Any]) -> LabelFacts | None:
    classes: Any = meta.get("classes")
    counts: Any = meta.get("class_counts")
    if not isinstance(classes, list) or not isinstance(counts, dict):
        return None
    names, of_splits = cast("list[Any]", classes), cast("dict[str, Any]", counts)
    # The file may come from anywhere: counts that do not belong to the classes say nothing.
    if not names or "train" not in of_splits or not all(_are_counts(found, len(names)) for found in of_splits.values()):
        return None
    splits = {name: _split_labels(name, values) for name, values in of_splits.items()}
    return LabelFacts(tuple(map(str, names)), splits["train"], splits.get("val"))


def _are_counts(values: Any, size: int) -> bool:
    if not isinstance(values, list) or len(cast("list[Any]", values)) != size:
        return False
    return all(type(value) is int and value >= 0 for value in cast("list[Any]", values))


def _split_labels(name: str, counts: Sequence[int]) -> SplitLabels:
    present = [index for index, count in enumerate(counts) if count]
    return SplitLabels(name, tuple(counts), min(present, default=0), max(present, default=0))


def _plan(paths: RunPaths) -> PlanFacts | None:
    with contextlib.suppress(UserError):
        return recorded_plan(paths.config)
    return None


def _environment(meta: dict[str, Any]) -> EnvironmentFacts | None:
    if not meta:
        return None
    versions: dict[str, Any] = meta.get("versions") or {}
    return EnvironmentFacts(
        python=str(meta.get("python", "?")),
        torch=str(meta.get("torch") or versions.get("torch", "?")),
        device=str(meta.get("device", "?")),
    )
