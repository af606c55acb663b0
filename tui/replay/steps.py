"""The step records of a run as they stood when there were fewer of them: in portions, at a glance, closely.

Reads what is asked for and no more; the overview beside the records, where there is one, saves the reading.
"""

from __future__ import annotations

import contextlib

import numpy as np

from trainctl.engine.runs.blocks import BLOCK, Overview
from trainctl.engine.runs.layout import RunPaths
from trainctl.engine.runs.overview import OverviewReader
from trainctl.engine.runs.record import RecordLayout, Records
from trainctl.engine.runs.series import derive_series, may_be_absent
from trainctl.engine.runs.store import StepReader, StoredRecords
from trainctl.tui.run.series import RunSeries
from trainctl.tui.run.step_feed import MAX_DETAIL, MAX_RECORDS
from trainctl.tui.run.view import Detail, Glance


class RecordedSteps:
    """The records a run has now, of which ever more are shown.

    Args:
        paths: the run.
        reader: of its records.

    Attributes:
        layout: what a record holds; None where there is none.
        records: all of them, read when they are asked for.
    """

    def __init__(self, paths: RunPaths, reader: StepReader) -> None:
        self.layout: RecordLayout | None = reader.layout
        self.records: StoredRecords = reader.stored()
        self._builder: OverviewReader | None = None
        if self.layout is not None and len(self.records) > MAX_RECORDS:
            with contextlib.suppress(FileNotFoundError):  # removed a moment ago; what was opened before can be read
                builder = OverviewReader(paths, self.layout, self.records.dtype)
                if builder.is_current(paths) and builder.num_records >= len(self.records):
                    self._builder = builder

    def prepare(self) -> None:
        """Sum up a little more of what the run has no overview of; cheap, and nothing once all is there."""
        if self._builder is not None and not self._builder.is_complete:
            self._builder.advance()

    def part(self, first: int, stop: int) -> Records:
        """Records [first, stop)."""
        return self.records[first:stop]

    def glance(self, count: int) -> Glance | None:
        """The first `count` records summed up by the block, as far as that is known; the last few may be missing.

        None where it is not worth it.
        """
        if self._builder is None:
            return None
        whole = self._builder.overview()
        num_blocks = min(count // BLOCK, len(whole.blocks))
        if num_blocks * BLOCK <= MAX_RECORDS:
            return None
        overview = Overview(whole.names, whole.blocks[:num_blocks], whole.first_step, whole.start)
        recent, is_whole = self._recent(overview.count)
        return Glance(overview, self._series(overview), recent, is_whole, self._first_nonfinite(overview))

    def detail(self, window: tuple[float, float] | None, count: int) -> Detail:
        """The series of steps [start, stop) among the first `count` records; empty where that is too wide."""
        if window is None or self.layout is None:
            return Detail()
        first = max(self.records.find("step", window[0]) - BLOCK, 0)
        stop = min(self.records.find("step", window[1]) + BLOCK, count)
        if not 0 < stop - first <= MAX_DETAIL:
            return Detail()
        series = derive_series(self.part(first, stop), self.layout, float(self.records[0]["time"]))
        return Detail(float(self.records[0]["step"]) + first, series)

    def _series(self, overview: Overview) -> dict[str, RunSeries]:
        """The series made of an overview; their newest sample is its last record's."""
        assert self.layout is not None
        newest = dict(derive_series(self.part(overview.count - 1, overview.count), self.layout, overview.start).items())
        found: dict[str, RunSeries] = {}
        for name, lo, hi, mean, bad in overview.columns():
            found[name] = RunSeries(overview.first_step, is_sparse=may_be_absent(name, self.layout))
            found[name].load(BLOCK, lo, hi, mean, bad, overview.count, float(newest[name][-1]))
        return found

    def _recent(self, count: int) -> tuple[Records, bool]:
        """The newest of the first `count` records, from the start of the previous epoch or of the present one, if
        that is not too far back, and whether it is not."""
        epoch = int(self.records[count - 1]["epoch"])
        for wanted in (epoch - 1, epoch):
            first = self.records.find("epoch", wanted)
            if count - first <= MAX_RECORDS:
                return self.part(first, count), True
        return self.part(count - MAX_RECORDS, count), False

    def _first_nonfinite(self, overview: Overview) -> int | None:
        block = overview.first_bad("loss")
        if block is None:
            return None
        records = self.part(block * BLOCK, (block + 1) * BLOCK)
        wrong = records["step"][~np.isfinite(records["loss"])]
        return int(wrong[0]) if len(wrong) else None
