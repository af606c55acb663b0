"""Follows the step records of one run for `RunFeed`: the overview of a long run first, then records as they come.

Runs in the feed's thread, touches no widget. Nothing here maps or reads a run over its whole length.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass

import numpy as np

from trainctl.engine.runs.atomic import ShortenedFileError
from trainctl.engine.runs.blocks import BLOCK, Overview
from trainctl.engine.runs.layout import RunPaths
from trainctl.engine.runs.overview import OverviewReader
from trainctl.engine.runs.record import RecordLayout, Records
from trainctl.engine.runs.series import SeriesBlock, derive_series, may_be_absent, series_names
from trainctl.engine.runs.store import StepReader, StoredRecords
from trainctl.tui.run.series import RunSeries
from trainctl.tui.run.view import Detail, Glance

MAX_RECORDS = 1 << 16
"""Records in one update, and the longest run that is read whole: bounds the time the screen is busy with it."""
MAX_DETAIL = 1 << 17
"""Longest window whose records are read. A wider one has at least two blocks of the overview per 500th part."""
PORTION = 1 << 14
"""Records handled at once."""
BUILD_S = 0.15
"""Time in one poll for what is missing of an overview."""
GROWTH = 2.0
"""An overview in the making is shown again when it has grown by this factor: the screen then does little twice."""


@dataclass(frozen=True)
class StepNews:
    """What one poll found."""

    restarted: bool = False
    records: Records | None = None
    glance: Glance | None = None
    detail: Detail | None = None


class StepFeed:
    """What is new of the step records.

    Args:
        paths: the run.
        steps: its reader, for this feed alone.

    Attributes:
        behind: whether there is more to read at once.
    """

    def __init__(self, paths: RunPaths, steps: StepReader) -> None:
        self._paths, self._steps = paths, steps
        self._generation = 0
        self._is_open = False
        self._builder: OverviewReader | None = None
        self._shown = 0
        self._lock = threading.Lock()
        self._wanted: tuple[float, float] | None = None
        self._is_due = False
        self.behind = False

    @property
    def is_long(self) -> bool:
        """Whether the run has more records than are read at once."""
        return self._steps.layout is not None and len(self._steps.stored()) > MAX_RECORDS

    def request(self, window: tuple[float, float] | None) -> None:
        """Ask for the records of steps [start, stop) with the next poll; None: no longer. From any thread."""
        with self._lock:
            self._wanted, self._is_due = window, True

    def poll(self) -> StepNews:
        """What is new.

        Raises:
            UserError: a newer version wrote this run.
        """
        layout = self._steps.layout
        if layout is None:
            return StepNews()
        try:
            return self._look(layout)
        except (ShortenedFileError, FileNotFoundError):  # somebody cut it off while we read: begin anew with the rest
            self._steps.read_new(0)
            self._begin_anew()
            self.behind = True
            return StepNews(restarted=True)

    def _look(self, layout: RecordLayout) -> StepNews:
        restarted = self._notice_restart()
        glance = self._glance(layout)
        records = self._steps.read_new(MAX_RECORDS) if self._is_open and self._builder is None else None
        has_all = self._is_open and self._builder is None and (records is None or len(records) < MAX_RECORDS)
        self.behind = not has_all
        if self._notice_restart():  # while we read: it may be of both the old records and the new
            self.behind = True
            return StepNews(restarted=True)
        with self._lock:
            wanted, is_due = self._wanted, self._is_due or (self._wanted is not None and glance is not None)
            self._is_due = False
        return StepNews(restarted, records, glance, self._detail(wanted, layout) if is_due else None)

    def _notice_restart(self) -> bool:
        """Whether a resume replaced the records; the next opening then begins anew."""
        self._steps.read_new(0)
        if self._steps.generation == self._generation:
            return False
        self._begin_anew()
        return True

    def _begin_anew(self) -> None:
        self._generation = self._steps.generation
        self._close_builder()
        self._is_open = False
        self._steps.skip_to(0)

    def _stored(self) -> StoredRecords:
        """The records there are.

        Raises:
            ShortenedFileError: there are none any more.
        """
        records = self._steps.stored()
        if not len(records):
            raise ShortenedFileError(f"{self._paths.steps} is empty")
        return records

    # --- opening ------------------------------------------------------------------------------------------

    def _glance(self, layout: RecordLayout) -> Glance | None:
        """A longer run as far as its overview is known, when that is worth showing."""
        is_first = not self._is_open
        if is_first:
            self._open(layout)
        builder = self._builder
        if builder is None:
            return None
        until = time.monotonic() + BUILD_S
        while not builder.is_complete:
            builder.advance()
            if time.monotonic() >= until:
                break
        overview = builder.overview()
        if builder.is_complete:
            self._close_builder()
        elif overview.count < GROWTH * self._shown:
            return None
        self._shown = overview.count
        recent, is_whole = self._recent() if is_first else (None, False)
        return Glance(overview, self._series(overview, layout), recent, is_whole, self._first_nonfinite(overview))

    def _open(self, layout: RecordLayout) -> None:
        """Decide how the run is read: whole, or by its overview."""
        dtype, self._shown = self._steps.dtype, 0
        assert dtype is not None
        if len(self._steps.stored()) <= MAX_RECORDS or not {"time", "step", "epoch"} <= set(dtype.names or ()):
            self._is_open = True
            return
        builder = OverviewReader(self._paths, layout, dtype)
        self._steps.skip_to(builder.num_records // BLOCK * BLOCK)
        if builder.is_current(self._paths):
            self._builder, self._is_open = builder, True
        else:  # a resume came between the two
            builder.close()
            self._steps.skip_to(0)

    def _close_builder(self) -> None:
        if self._builder is not None:
            self._builder.close()
            self._builder = None

    def _recent(self) -> tuple[Records, bool]:
        """The newest records, at most `MAX_RECORDS`: from the start of the previous epoch, or of the present one, if
        that is not too far back, and whether it is not."""
        records = self._stored()
        epoch = int(records[-1]["epoch"])
        for wanted in (epoch - 1, epoch):
            first = records.find("epoch", wanted)
            if len(records) - first <= MAX_RECORDS:
                return records[first:], True
        return records[-MAX_RECORDS:], False

    def _series(self, overview: Overview, layout: RecordLayout) -> dict[str, RunSeries]:
        """The series made of an overview; their newest sample is the newest of the run."""
        newest = dict(derive_series(self._stored()[-1:], layout, overview.start).items())
        found: dict[str, RunSeries] = {}
        for name, lo, hi, mean, bad in overview.columns():
            found[name] = RunSeries(overview.first_step, is_sparse=may_be_absent(name, layout))
            found[name].load(BLOCK, lo, hi, mean, bad, overview.count, float(newest[name][-1]))
        return found

    def _first_nonfinite(self, overview: Overview) -> int | None:
        block = overview.first_bad("loss")
        if block is None:
            return None
        records = self._steps.part(block * BLOCK, (block + 1) * BLOCK)
        wrong = records["step"][~np.isfinite(records["loss"])]
        return int(wrong[0]) if len(wrong) else None

    # --- a closer look ------------------------------------------------------------------------------------

    def _detail(self, window: tuple[float, float] | None, layout: RecordLayout) -> Detail:
        """The series over a window, with a margin; empty where it is too wide or nothing lies in it."""
        if window is None:
            return Detail()
        stored = self._steps.stored()
        first = max(stored.find("step", window[0]) - BLOCK, 0)
        stop = min(stored.find("step", window[1]) + BLOCK, self._steps.position, len(stored))
        if not 0 < stop - first <= MAX_DETAIL:
            return Detail()
        start = float(stored[0]["time"])
        names = series_names(stored.dtype, layout)
        values = np.empty((len(names), stop - first), np.float32)
        for at in range(first, stop, PORTION):
            records = stored[at : min(at + PORTION, stop)]
            values[:, at - first : at - first + len(records)] = derive_series(records, layout, start).values
        return Detail(float(stored[0]["step"]) + first, SeriesBlock(names, values))
