"""What must be known of every record of a run, however long: gathered once, in blocks, and carried on as it grows.

Reads the record file and its overview; memory does not depend on the length of the run. Knows no rule.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from trainctl.engine.diagnosis.facts.run import NonfiniteStep, RecordFacts
from trainctl.engine.diagnosis.records.course import LossCourse
from trainctl.engine.files import open_regular
from trainctl.engine.runs.atomic import DamagedFileError
from trainctl.engine.runs.blocks import BLOCK, Blocks
from trainctl.engine.runs.layout import RunPaths
from trainctl.engine.runs.overview import read_blocks
from trainctl.engine.runs.record import RecordLayout, Records
from trainctl.engine.runs.series import series_names
from trainctl.engine.runs.store import StepReader, StoredRecords

WINDOW = 50
"""Steps before the first that is not finite which tell how it came about."""
FINE = 128
"""Blocks of an overview that show the course finely enough; of fewer the records themselves are read."""
RECENT = 5
"""Newest steps whose loss is judged by its size."""
CHUNK_BYTES = 4 << 20

Mask = np.ndarray[Any, np.dtype[np.bool_]]


class RecordScan:
    """A single pass over the records, taken up again where it stopped.

    Where the run has an overview, only the blocks in which it shows something bad are read.

    Args:
        paths: the run; nothing is read yet.

    Attributes:
        reader: of the records; others may ask it for the layout and for what is stored.
        count: records passed.
        course: how the loss went over them.
    """

    def __init__(self, paths: RunPaths) -> None:
        self._paths = paths
        self.reader = StepReader(paths)
        self._generation = 0
        self._forget()

    def _forget(self) -> None:
        self.count = 0
        self.course = LossCourse()
        self._num_bad = 0
        self._max_norm = float("nan")
        self._first_bad: NonfiniteStep | None = None
        self._first_loss: float | None = None
        self._last: np.void | None = None
        self._before: Records | None = None
        """The newest `WINDOW` records passed."""

    def advance(self, keep_going: Callable[[], bool] = lambda: True) -> None:
        """Take in the records written since the last call, as long as `keep_going` allows.

        Raises:
            UserError: damaged, or written by a newer version.
        """
        layout, dtype = self.reader.layout, self.reader.dtype
        if layout is None or dtype is None:
            return
        chunk = max(CHUNK_BYTES // dtype.itemsize, 1)
        while keep_going():
            if self.count == 0:
                self._leap(layout, dtype, chunk)
            records = self.reader.read_new(chunk)
            if self.reader.generation != self._generation:  # a resume dropped records; these are the new first ones
                self._generation = self.reader.generation
                self._forget()
            if not len(records):
                return
            self._take(records, layout)
            self.course.add(records, layout)
            self.count += len(records)
            self._last = records[-1]

    def facts(self, state: str, *, is_crashed: bool = False) -> RecordFacts:
        """What the records passed so far say as a whole; `state` is the run's."""
        layout, last, first = self.reader.layout, self._last, self._first_bad
        return RecordFacts(
            num_steps=self.count,
            state=state,
            first_nonfinite=None if first is None else replace(first, num_steps=self._num_bad),
            groups=layout.groups if layout else (),
            frozen=layout.frozen if layout else (),
            max_grad_norm=self._max_norm,
            first_loss=float("nan") if self._first_loss is None else self._first_loss,
            last_loss=float("nan") if last is None else float(last["loss"]),
            last_step=0 if last is None else int(last["step"]),
            recent_loss=self._recent_loss(),
            is_crashed=is_crashed,
        )

    def _recent_loss(self) -> float:
        newest = np.empty(0) if self._before is None else self._before["loss"][-RECENT:]
        finite = newest[np.isfinite(newest)]
        return float(np.median(finite)) if len(finite) else float("nan")

    def _leap(self, layout: RecordLayout, dtype: np.dtype[np.void], chunk: int) -> None:
        """Pass what the overview covers, reading only its bad blocks."""
        try:
            self._leap_blocks(layout, dtype, chunk)
        except (OSError, DamagedFileError):  # whoever reads record by record says what is wrong
            self._forget()
            self.reader.skip_to(0)

    def _leap_blocks(self, layout: RecordLayout, dtype: np.dtype[np.void], chunk: int) -> None:
        with open_regular(self._paths.steps, follow=False) as source:
            names = series_names(dtype, layout)
            blocks = read_blocks(self._paths, names, source, dtype)
            if not len(blocks):
                return
            records = self.reader.stored()
            if len(records) < len(blocks) * BLOCK:
                return
            self._first_loss = float(records[0]["loss"])
            self._pass_blocks(blocks, names, records, layout, chunk)
            if len(blocks) >= FINE:
                self.course.leap(blocks, names, layout)
            else:
                for start in range(0, len(blocks) * BLOCK, chunk):
                    self.course.add(records[start : min(start + chunk, len(blocks) * BLOCK)], layout)
            self.count = len(blocks) * BLOCK
            self._before, self._last = records[self.count - WINDOW : self.count], records[self.count - 1]
            self.reader.skip_to(self.count)

    def _pass_blocks(
        self, blocks: Blocks, names: tuple[str, ...], records: StoredRecords, layout: RecordLayout, chunk: int
    ) -> None:
        loss, norm = names.index("loss"), names.index("grad_norm")
        is_bad = (blocks["bad"][:, loss] > 0) | (blocks["bad"][:, norm] > 0)
        self._raise_norm(blocks["hi"][~is_bad, norm])
        edges = np.flatnonzero(np.diff(np.concatenate(([False], is_bad, [False]))))
        for first, end in edges.reshape(-1, 2) * BLOCK:
            for start in range(first, end, chunk):
                self._before = records[max(start - WINDOW, 0) : start]
                self._take(records[start : min(start + chunk, end)], layout)

    def _take(self, records: Records, layout: RecordLayout) -> None:
        is_bad = bad_steps(records, layout)
        if is_bad.any():
            self._num_bad += int(is_bad.sum())
            if self._first_bad is None:
                index = int(is_bad.argmax())
                before = records[max(index - WINDOW, 0) : index]
                if self._before is not None and index < WINDOW:
                    before = np.concatenate([self._before, before])[-WINDOW:]
                self._first_bad = nonfinite_step(records[index], before, layout)
        if self._first_loss is None:
            self._first_loss = float(records["loss"][0])
        self._raise_norm(records["grad_norm"])
        tail = records[-WINDOW:]
        if self._before is not None and len(tail) < WINDOW:
            tail = np.concatenate([self._before, tail])[-WINDOW:]
        self._before = tail.copy()

    def _raise_norm(self, norms: np.ndarray[Any, Any]) -> None:
        finite = norms[np.isfinite(norms)]
        if len(finite):
            self._max_norm = float(np.fmax(self._max_norm, finite.max()))


def bad_steps(records: Records, layout: RecordLayout | None = None) -> Mask:
    """Steps that were not finite, without those that a gradient scaler skipped by design; shape (n,)."""
    is_known = layout is None or "loss" not in layout.unmeasured
    loss_bad = ~np.isfinite(records["loss"]) & is_known
    gradient_bad = records["nonfinite"] > 0
    has_scaler = np.isfinite(records["amp_scale"])
    return loss_bad | (gradient_bad & ~has_scaler)


def nonfinite_step(row: np.void, before: Records, layout: RecordLayout) -> NonfiniteStep:
    """What is known of a step that was not finite, and of those `before` it, shape (at most WINDOW,)."""
    norms, ratios = before["grad_norm"], before["update_ratio"]
    ratios = ratios[~np.isnan(ratios)]
    return NonfiniteStep(
        step=int(row["step"]),
        epoch=int(row["epoch"]),
        loss=float(row["loss"]),
        terms=tuple(name for name in layout.terms if not np.isfinite(row[f"term.{name}"])),
        groups=tuple(name for name in layout.groups if not np.isfinite(row[f"grad_norm.{name}"])),
        num_parameters=int(row["nonfinite"]),
        lr=float(row["lr"][0]),
        norm_before=float(np.median(norms)) if len(norms) else float("nan"),
        norm_last=float(norms[-1]) if len(norms) else float("nan"),
        num_before=len(before),
        update_ratio=float(ratios.max()) if len(ratios) else float("nan"),
        num_steps=1,
    )
