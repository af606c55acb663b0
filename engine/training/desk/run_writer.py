"""Writes a run directory: its beginning, where it comes from, what happens, where it stands, how it ended.

Knows the files and their order, no task, no network and no loop: whoever trains says what there is to say.
`SilentWriter` has the same to offer and writes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from trainctl.engine.errors import ExitCode, UserError
from trainctl.engine.runs.atomic import write_atomic
from trainctl.engine.runs.events import EventKind, EventWriter
from trainctl.engine.runs.layout import RunPaths
from trainctl.engine.runs.meta import collect_meta, write_meta
from trainctl.engine.runs.record import RecordLayout, Records, RecordSink
from trainctl.engine.runs.samples import WorstSamples, write_samples
from trainctl.engine.runs.states import RunState
from trainctl.engine.runs.status import Status, write_status
from trainctl.engine.runs.store import StepReader, StepWriter
from trainctl.engine.runs.summary import Summary, write_summary
from trainctl.engine.training.state.checkpoint import save_checkpoint


@dataclass(frozen=True)
class Ending:
    """Why a training ended."""

    state: RunState
    reason: str
    code: ExitCode


class RunWriter:
    """Writes one run.

    Every method raises UserError where the disk refuses.
    """

    def __init__(self, paths: RunPaths) -> None:
        self.paths = paths
        self._events = EventWriter(paths)

    def begin(self, config: str, step: int, about: Mapping[str, Any] | None) -> None:
        """The configuration, and the event that says what starts; `about` none: it goes on, nothing starts."""
        write_atomic(self.paths.config, config.encode())
        if about is not None:
            self.event(EventKind.START, step, **about)

    def meta(self, argv: Sequence[str], seed: int, about: Mapping[str, Any]) -> None:
        """Where the run comes from. Last of what is written once: with it a run can be resumed, before it is none."""
        write_meta(self.paths, collect_meta(argv, seed, about))

    def event(self, kind: EventKind, step: int, /, **data: Any) -> None:
        """Something happened."""
        self._events.append(kind, step, **data)

    def notes(self, kind: EventKind, step: int, texts: Sequence[str]) -> None:
        """What people should know, an event each."""
        for text in texts:
            self.event(kind, step, text=text)

    def status(self, status: Status) -> None:
        """Where the run stands."""
        write_status(self.paths, status)

    def records(self, layout: RecordLayout, keep: int | None) -> RecordSink:
        """Where step records go; `keep`: on a resume, the step after which older ones are dropped."""
        writer = StepWriter(self.paths, layout, keep)
        if writer.left_out:
            names = ", ".join(writer.left_out)
            text = f"records go on as the version that began the run wrote them, without {names}"
            self.event(EventKind.NOTE, keep or 0, text=text)
        return writer

    def recorded(self) -> Records:
        """Every step record so far."""
        return StepReader(self.paths).all()

    def checkpoint(self, which: str, step: int, state: dict[str, Any], about: dict[str, Any]) -> None:
        """`latest` or `best`, and the event that says so."""
        save_checkpoint(self.paths.best if which == "best" else self.paths.latest, state, about)
        self.event(EventKind.CHECKPOINT, step, which=which)

    def samples(self, worst: WorstSamples) -> None:
        """The worst samples of a validation. Before the event that speaks of them."""
        write_samples(self.paths, worst)

    def end(self, ending: Ending, step: int, summary: Summary) -> list[UserError]:
        """The last words, as many as the disk takes; what it refused."""
        words: tuple[Callable[[], object], ...] = (
            lambda: self.event(EventKind.END, step, state=str(ending.state), exit_reason=ending.reason),
            lambda: write_summary(self.paths, summary),
        )
        return [refusal for write in words if (refusal := _refusal(write)) is not None]


def _refusal(write: Callable[[], object]) -> UserError | None:
    try:
        write()
    except UserError as err:
        return err
    return None


class SilentWriter(RunWriter):
    """Writes nothing: for a process that trains along with one that writes, and for loops that are only measured."""

    def begin(self, config: str, step: int, about: Mapping[str, Any] | None) -> None:
        """Nothing."""

    def meta(self, argv: Sequence[str], seed: int, about: Mapping[str, Any]) -> None:
        """Nothing."""

    def event(self, kind: EventKind, step: int, /, **data: Any) -> None:
        """Nothing."""

    def status(self, status: Status) -> None:
        """Nothing."""

    def records(self, layout: RecordLayout, keep: int | None) -> RecordSink:
        """Nowhere."""
        return _Nowhere()

    def checkpoint(self, which: str, step: int, state: dict[str, Any], about: dict[str, Any]) -> None:
        """Nothing."""

    def samples(self, worst: WorstSamples) -> None:
        """Nothing."""

    def end(self, ending: Ending, step: int, summary: Summary) -> list[UserError]:
        """Nothing, which nothing refuses."""
        return []


class _Nowhere:
    def append(self, records: Records) -> None:
        del records

    def close(self) -> None:
        pass
