"""Writes a run directory: its beginning, where it comes from, what happens, where it stands, how it ended.

Knows the files and their order, no task, no network and no loop: whoever trains says what there is to say. From
`begin_posting` on only checkpoints are written where they are asked for, the rest by a thread that waits for the disk.
`SilentWriter` has the same to offer and writes nothing.
"""

from __future__ import annotations

import contextlib
import math
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from trainctl.engine.errors import ExitCode, UserError
from trainctl.engine.files import is_folder
from trainctl.engine.runs.atomic import DiskError, write_atomic
from trainctl.engine.runs.events import EventKind
from trainctl.engine.runs.layout import RunPaths
from trainctl.engine.runs.lines import append_lines
from trainctl.engine.runs.meta import collect_meta, write_meta
from trainctl.engine.runs.record import RecordLayout, Records, RecordSink
from trainctl.engine.runs.states import RunState
from trainctl.engine.runs.status import Status, write_status
from trainctl.engine.runs.store import StepReader, StepWriter
from trainctl.engine.runs.summary import Summary, write_summary
from trainctl.engine.runs.validated.histogram import Histogram, packed_histograms
from trainctl.engine.runs.validated.kept import KeptFiles
from trainctl.engine.runs.validated.samples import WorstSamples, packed_samples, write_samples
from trainctl.engine.training.desk.outbox import Outbox
from trainctl.engine.training.desk.scribe import Scribe
from trainctl.engine.training.ranks.team import ALONE_TEAM, Team
from trainctl.engine.training.state.checkpoint import forget_parts, save_checkpoint


@dataclass(frozen=True)
class Ending:
    """Why a training ended."""

    state: RunState
    reason: str
    code: ExitCode


WRITE_S = 0.1
"""Seconds between two writings; what comes in between goes out together."""
CHECKPOINT_PAUSES_S = (0.1, 0.4, 1.0)
"""Before a checkpoint that the disk would not take is tried again."""
GONE_S = 60.0
"""How long a run whose folder is not there goes on without a checkpoint."""
READ_BLOCK = 16_384
"""Records of before that are read at once."""
MOST_SAMPLES = 100
"""Samples of the hardware that wait for the disk: of ten minutes."""
LAST_S = 5.0
"""How long the end of a run waits for a disk that takes nothing to take the last words."""
MOST_LAST_S = 20.0
"""How long for one that takes some: launchers that end a process by a signal give it 30 s."""


class RunWriter:
    """Writes one run.

    What is written at once raises DiskError where the disk refuses; what is posted is tried again, see `Outbox`.
    """

    def __init__(self, paths: RunPaths) -> None:
        self.paths = paths
        self.clerk = Scribe("trainctl-clerk")
        """The thread that waits for the disk, from `begin_posting` on."""
        self._outbox = Outbox(paths)
        self._past_samples, self._histograms = KeptFiles(paths.past_samples), KeptFiles(paths.histograms)
        self._is_posting = self._is_called = False
        self._meta: dict[str, Any] = {}
        self._gone_since = math.inf
        """When the folder was first missed, by the monotonic clock."""
        self._samples: deque[str] = deque(maxlen=MOST_SAMPLES)
        self._delivery = threading.Event()
        self._delivery.set()

    def begin_posting(self) -> None:
        """From now on, nobody but the clerk waits for the disk."""
        self.clerk.every(WRITE_S, self._outbox.write_out)
        self.clerk.start()
        self._is_posting = True

    def begin(self, config: str, step: int, about: Mapping[str, Any] | None) -> None:
        """The configuration, and the event that says what starts; `about` none: it goes on, nothing starts."""
        write_atomic(self.paths.config, config.encode(), sync=True)
        if about is not None:
            self.event(EventKind.START, step, **about)

    def meta(self, argv: Sequence[str], seed: int, about: Mapping[str, Any]) -> None:
        """Where the run comes from. Last of what is written once: with it a run can be resumed, before it is none."""
        self._meta = collect_meta(argv, seed, about)
        write_meta(self.paths, self._meta)

    def more_meta(self, about: Mapping[str, Any]) -> None:
        """What became known of the run since it began, in place of what stands under the same names."""
        self._meta = whole = {**self._meta, **about}
        self._outbox.replace(self.paths.meta.name, lambda: write_meta(self.paths, whole))
        self._post()

    def event(self, kind: EventKind, step: int, /, **data: Any) -> None:
        """Something happened."""
        self._outbox.event(kind, step, data)
        self._post()

    def notes(self, kind: EventKind, step: int, texts: Sequence[str]) -> None:
        """What people should know, an event each."""
        for text in texts:
            self.event(kind, step, text=text)

    def status(self, status: Status) -> None:
        """Where the run stands."""
        self._outbox.replace(self.paths.status.name, lambda: write_status(self.paths, status))
        self._post()

    def hardware(self, line: str) -> None:
        """A sample of hardware and time; called by the clerk. What the disk refuses waits for the next one."""
        self._samples.append(line)
        self._outbox.replace(self.paths.hardware.name, self._write_samples)
        self._post()

    def _write_samples(self) -> None:
        # Samples are worth no warning, and no run fails for them: what keeps the others from the disk is said there.
        with contextlib.suppress(DiskError):
            append_lines(self.paths.hardware, list(self._samples))
            self._samples.clear()

    def records(self, layout: RecordLayout, keep: int | None) -> RecordSink:
        """Where step records go; `keep`: on a resume, the step after which older ones are dropped."""
        writer = StepWriter(self.paths, layout, keep)
        if keep is not None:
            self._past_samples.drop_after(keep)
            self._histograms.drop_after(keep)
        if writer.left_out:
            names = ", ".join(writer.left_out)
            text = f"records go on as the version that began the run wrote them, without {names}"
            self.event(EventKind.NOTE, keep or 0, text=text)
        return self._outbox.records(writer)

    def recorded(self, epoch: int) -> Iterator[Records]:
        """The step records of an epoch that are in the file, some at a time: an epoch may be all of a long run.

        Raises:
            UserError: they cannot be read.
        """
        records = StepReader(self.paths).stored()
        stop = records.find("epoch", epoch + 1)
        for first in range(records.find("epoch", epoch), stop, READ_BLOCK):
            yield records[first : min(first + READ_BLOCK, stop)]

    def checkpoint(
        self, which: str, step: int, state: dict[str, Any], about: dict[str, Any], team: Team = ALONE_TEAM
    ) -> None:
        """`latest` or `best`, and the event that says so. The one thing the caller waits for.

        Args:
            which, step, state, about: of the checkpoint.
            team: ranks that write it together, each its part of the state; alone: it is whole.
        """
        self.keep(which, state, about, team)
        self.event(EventKind.CHECKPOINT, step, which=which)

    def keep(self, which: str, state: dict[str, Any], about: dict[str, Any], team: Team = ALONE_TEAM) -> None:
        """The same without the event.

        Raises:
            DiskError: the disk does not take it, after some tries.
        """
        path = self.paths.best if which == "best" else self.paths.latest
        for pause_s in (*CHECKPOINT_PAUSES_S, None):
            try:
                if team.is_alone:
                    save_checkpoint(path, state, about)
                    forget_parts(path)
                else:
                    from trainctl.engine.training.state.saving_in_parts import save_in_parts  # a second to import

                    save_in_parts(path, state, about, team)
                return
            except DiskError as err:
                is_lasting = team.lead(self._is_lasting(err))
                if is_lasting or pause_s is None:
                    raise DiskError(err.message, err.hint, is_lasting=is_lasting) from err
                time.sleep(pause_s)

    def _is_lasting(self, err: DiskError) -> bool:
        """Whether to try again is of no use.

        A folder that is not there may come back: a mount that hiccups, a name that was changed by mistake.
        """
        if is_folder(self.paths.root, strict=False):
            self._gone_since = math.inf
            return err.is_lasting
        self._gone_since = min(self._gone_since, time.monotonic())
        return time.monotonic() - self._gone_since > GONE_S

    def samples(self, worst: WorstSamples, best: int) -> None:
        """The worst samples of a validation. Before the event that speaks of them.

        Args:
            worst: of this validation.
            best: step of the best validation so far, whose samples are kept.
        """
        self._outbox.replace(self.paths.samples.name, lambda: write_samples(self.paths, worst))
        self._keep(self._past_samples, worst.step, packed_samples(worst), best)

    def histograms(self, found: Mapping[str, Histogram], step: int, best: int) -> None:
        """Distributions of a validation; `best`: as above."""
        self._keep(self._histograms, step, packed_histograms(found), best)

    def _keep(self, kept: KeptFiles, step: int, content: bytes, best: int) -> None:
        kept.put(step, content, best)
        self._outbox.replace(f"{kept.folder.name}/", kept.write_out)
        self._post()

    def deliver(self, limit_s: float) -> bool:
        """Wait until the disk has everything so far, records for good, at most `limit_s`; whether it has.

        Does not wait where it did not take an earlier delivery in time, and has not yet.
        """
        if not self._is_posting:
            self._outbox.write_out(sync=True)
            return True
        if self._delivery.is_set():
            self._delivery = taken = threading.Event()

            def write() -> None:
                try:
                    self._outbox.write_out(sync=True)
                finally:  # whatever went wrong is raised in the loop; later deliveries are not to wait for this one
                    taken.set()

            self.clerk.submit(write)
            return taken.wait(limit_s)
        return False

    def end(self, ending: Ending, step: int, summary: Summary) -> list[UserError]:
        """The last words, as many as the disk takes; what it refused."""
        self._outbox.event(EventKind.END, step, {"state": str(ending.state), "exit_reason": ending.reason})
        self._outbox.replace(self.paths.summary.name, lambda: write_summary(self.paths, summary))
        if self._is_posting:
            self.clerk.submit(self._outbox.close)
            if not self._is_taken():
                return [DiskError(f"{self.paths.root}: the disk does not answer", "its last records are lost")]
            self.clerk.raise_error()
        else:
            self._outbox.close()
        return list(self._outbox.refused.values())

    def _is_taken(self) -> bool:
        """Whether the disk takes the last words. A slow one is waited for while it takes one thing after another."""
        until, num_taken = time.monotonic() + MOST_LAST_S, self._outbox.num_taken
        while not self.clerk.close(LAST_S):
            if self._outbox.num_taken == num_taken or time.monotonic() > until:
                return False
            num_taken = self._outbox.num_taken
        return True

    def _post(self) -> None:
        """What was put into the outbox goes out as soon as the clerk can; before there is one, now."""
        if self._is_posting:
            if not self._is_called:
                self._is_called = True
                self.clerk.submit(self._heed_call)
            return
        self._outbox.write_out()
        for refusal in self._outbox.refused.values():
            raise refusal

    def _heed_call(self) -> None:
        self._is_called = False  # first: what is put in from here on may be too late for this time
        self._outbox.write_out()


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

    def hardware(self, line: str) -> None:
        """Nothing."""

    def begin_posting(self) -> None:
        """There is nothing to post; but the clerk hears what is asked of the run."""
        self.clerk.start()

    def deliver(self, limit_s: float) -> bool:
        """Nothing, which the disk has."""
        return True

    def records(self, layout: RecordLayout, keep: int | None) -> RecordSink:
        """Nowhere."""
        return _Nowhere()

    def keep(self, which: str, state: dict[str, Any], about: dict[str, Any], team: Team = ALONE_TEAM) -> None:
        """Nothing, but this rank's part of what is written together."""
        if not team.is_alone:
            super().keep(which, state, about, team)

    def samples(self, worst: WorstSamples, best: int) -> None:
        """Nothing."""

    def histograms(self, found: Mapping[str, Histogram], step: int, best: int) -> None:
        """Nothing."""

    def end(self, ending: Ending, step: int, summary: Summary) -> list[UserError]:
        """Nothing, which nothing refuses."""
        self.clerk.close(LAST_S)
        return []


class _Nowhere:
    def append(self, records: Records) -> None:
        del records

    def close(self) -> None:
        pass
