"""The step store: fixed-width records in `steps.bin`, described by `steps.json`, with an overview beside them.

The writer hands every block of records to the kernel at once, so a kill loses nothing that was handed over;
a reader never blocks it, and never maps what somebody else may cut off. Knows no loss and no task: what a record holds
is the layout's business.
"""

from __future__ import annotations

import bisect
import contextlib
import os
import weakref
from pathlib import Path
from typing import BinaryIO, overload

import numpy as np

from trainctl.engine.errors import UserError
from trainctl.engine.runs.atomic import (
    DamagedFileError,
    ShortenedFileError,
    disk_errors,
    open_own,
    read_json,
    understanding,
    write_all,
    write_json_atomic,
)
from trainctl.engine.runs.layout import RunPaths
from trainctl.engine.runs.overview import OverviewWriter, read_records
from trainctl.engine.runs.record import RecordLayout, Records, converted, dtype_from_json, fitting

VARIABLE = ("terms", "groups", "lr_names", "classes", "scalars", "frozen")
"""Parts of a layout that follow from configuration and data, and must be the same on a resume."""
COPY_BLOCK = 4 << 20
"""Bytes moved at once when a resume shortens the store."""


class StepWriter:
    """Appends step records.

    Args:
        paths: the run.
        layout: what a record holds.
        keep: none for a new run; on a resume the last step to keep, everything after it is dropped.

    Attributes:
        count: records in the file.
        dropped: records a resume removed.
        left_out: columns of the layout that the file lacks because an older version began it; they are not kept.

    Raises:
        UserError: the run has records already, or on a resume another layout; the disk refuses.
    """

    def __init__(self, paths: RunPaths, layout: RecordLayout, keep: int | None = None) -> None:
        self._path = paths.steps
        self._given = self._dtype = layout.dtype
        self.dropped = 0
        self.left_out: tuple[str, ...] = ()
        if keep is None:
            _refuse_existing(paths)
        else:
            self._dtype = _dtype_of_resumed(paths, layout)
            self.left_out = tuple(name for name in layout.dtype.names or () if name not in (self._dtype.names or ()))
            self.dropped = _shorten(paths.steps, self._dtype, keep)
        if not paths.steps_layout.exists() or keep is None:
            write_json_atomic(paths.steps_layout, layout.to_json(), sync=True)
        with disk_errors(self._path):
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
            self._descriptor = os.open(self._path, flags, 0o666)
        self.count = os.fstat(self._descriptor).st_size // self._dtype.itemsize
        self._overview = OverviewWriter(paths, layout, self._dtype)

    def append(self, records: Records) -> None:
        """Append whole records, shape (k,), of the layout's type.

        Raises:
            UserError: the disk refuses; the file then ends at the last block written whole.
        """
        assert records.dtype == self._given, "records of another layout"
        records = converted(records, self._dtype)
        with disk_errors(self._path):
            try:
                write_all(self._descriptor, records.tobytes())
            except OSError:
                with contextlib.suppress(OSError):
                    os.ftruncate(self._descriptor, self.count * self._dtype.itemsize)
                raise
        self.count += len(records)
        self._overview.advance(self.count, len(records))

    def sync(self) -> None:
        """Wait until the disk has the records.

        Raises:
            UserError: it refuses.
        """
        with disk_errors(self._path):
            os.fdatasync(self._descriptor)

    def close(self) -> None:
        """Close the file; again is harmless."""
        if self._descriptor >= 0:
            self._overview.finish(self.count)
            self._overview.close()
            os.close(self._descriptor)
            self._descriptor = -1


class StoredRecords:
    """The records a file had when it was opened: each is read when it is asked for, none is kept.

    They stay readable when a resume drops records, because the resume makes a new file.

    Args:
        file: the records, which is closed with this; none: there are none.
        dtype: their type.

    Raises:
        DamagedFileError: the disk fails, or the file was cut off since; by whatever reads it.
    """

    def __init__(self, file: BinaryIO | None, dtype: np.dtype[np.void]) -> None:
        self.dtype = dtype
        self._file, self._count = file, 0
        if file is not None:
            self._count = os.fstat(file.fileno()).st_size // dtype.itemsize
            weakref.finalize(self, file.close)

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, index: int) -> np.void: ...
    @overload
    def __getitem__(self, index: slice) -> Records: ...
    def __getitem__(self, index: int | slice) -> np.void | Records:
        if isinstance(index, slice):
            first, stop, step = index.indices(self._count)
            assert step == 1, "records are read in a row"
            return self._read(first, max(stop - first, 0))
        place = range(self._count)[index]
        return self._read(place, 1)[0]

    def find(self, field: str, value: float, *, right: bool = False) -> int:
        """Index of the first record in which an ascending field is at least `value`, or with `right` above it.

        Reads but a few records.
        """
        halve = bisect.bisect_right if right else bisect.bisect_left
        return halve(range(self._count), value, key=lambda k: self[k][field])

    def _read(self, first: int, count: int) -> Records:
        if self._file is None or count == 0:
            return np.empty(0, self.dtype)
        return read_records(self._file, self.dtype, first, count)


class StepReader:
    """Reads the step records of a run, while it is written or long after.

    A resume drops records. Then `generation` goes up and `read_new` starts over from the first record, so
    whoever collects what it returns starts an empty collection whenever `generation` has changed.

    Attributes:
        generation: how often the records already read turned out to be replaced.
    """

    def __init__(self, paths: RunPaths) -> None:
        self._paths = paths
        self._layout: RecordLayout | None = None
        self._dtype: np.dtype[np.void] | None = None
        self._next = 0
        self._last = b""
        self.generation = 0

    @property
    def layout(self) -> RecordLayout | None:
        """What a record holds; None until the run has written it.

        Raises:
            UserError: damaged, or written by a newer version.
        """
        if self._layout is None:
            self._load_layout()
        return self._layout

    @property
    def dtype(self) -> np.dtype[np.void] | None:
        """The records' type as the writer described it; None until the run has written it."""
        if self._dtype is None:
            self._load_layout()
        return self._dtype

    @property
    def position(self) -> int:
        """Index of the record that `read_new` returns next."""
        return self._next

    def read_new(self, limit: int | None = None) -> Records:
        """Records appended since the last call, shape (k,), as a copy; at most `limit` of them.

        Raises:
            UserError: damaged, written by a newer version, or the disk fails.
        """
        dtype = self.dtype
        if dtype is None:
            return np.empty(0, np.dtype([("step", "<u4")]))
        try:
            with open_own(self._paths.steps) as file:
                return self._read_from(file, dtype, limit)
        except FileNotFoundError:
            return self._read_nothing(dtype)
        except ShortenedFileError:  # this very moment; the next call sees how long it is now
            return np.empty(0, dtype)

    def stored(self) -> StoredRecords:
        """Every whole record, shape (n,): nothing is read until it is asked for."""
        dtype = self.dtype
        if dtype is None:
            return StoredRecords(None, np.dtype([("step", "<u4")]))
        try:
            return StoredRecords(open_own(self._paths.steps), dtype)
        except FileNotFoundError:
            return StoredRecords(None, dtype)

    def all(self) -> Records:
        """Every whole record, shape (n,), in memory: for runs of which it is known that they are short."""
        return self.stored()[:]

    def skip_to(self, index: int) -> None:
        """Let `read_new` go on at record `index`; at most the number of records."""
        records = self.stored()
        self._next = min(index, len(records))
        self._last = records[self._next - 1].tobytes() if self._next > 0 else b""

    def part(self, first: int, stop: int) -> Records:
        """Records [first, stop), shape (k,), as a copy: fewer where there are not as many."""
        return self.stored()[max(first, 0) : max(stop, 0)]

    def find(self, field: str, value: float) -> int:
        """Index of the first record in which an ascending field is at least `value`, reading but a few records."""
        return self.stored().find(field, value)

    def _read_from(self, file: BinaryIO, dtype: np.dtype[np.void], limit: int | None) -> Records:
        count = os.fstat(file.fileno()).st_size // dtype.itemsize
        if self._was_replaced(file, count, dtype.itemsize):
            self._start_over()
        wanted = count - self._next if limit is None else min(count - self._next, limit)
        records = read_records(file, dtype, self._next, wanted)
        if len(records):
            self._next += len(records)
            self._last = records[-1].tobytes()
        return records

    def _read_nothing(self, dtype: np.dtype[np.void]) -> Records:
        if self._next:
            self._start_over()
        return np.empty(0, dtype)

    def _was_replaced(self, file: BinaryIO, count: int, itemsize: int) -> bool:
        # The size alone is not enough: a resumed run may have grown past where we were. Its records
        # carry other times, so the last one we read tells.
        if self._next == 0:
            return False
        try:
            return count < self._next or os.pread(file.fileno(), itemsize, (self._next - 1) * itemsize) != self._last
        except OSError as err:
            raise DamagedFileError(f"cannot read {self._paths.steps}: {err.strerror or err}") from err

    def _start_over(self) -> None:
        self.generation += 1
        self._next = 0
        self._last = b""

    def _load_layout(self) -> None:
        data = read_json(self._paths.steps_layout)
        if data is None:
            return
        with understanding(self._paths.steps_layout):
            dtype = dtype_from_json(data)
            self._dtype, self._layout = dtype, fitting(RecordLayout.from_json(data), dtype)


def count_after(paths: RunPaths, step: int) -> int:
    """How many records lie after `step`, which a resume there takes back."""
    records = StepReader(paths).stored()
    return len(records) - records.find("step", step, right=True)


def drop_after(paths: RunPaths, step: int) -> int:
    """Drop the records after `step`; returns how many. A run without records has none to drop.

    Raises:
        UserError: damaged, written by a newer version, or the disk refuses.
    """
    dtype = StepReader(paths).dtype
    return 0 if dtype is None else _shorten(paths.steps, dtype, step)


def _refuse_existing(paths: RunPaths) -> None:
    if paths.steps.exists() and paths.steps.stat().st_size > 0:
        raise UserError(f"{paths.root} already holds a run", "resume it, or start a new one")


def _dtype_of_resumed(paths: RunPaths, layout: RecordLayout) -> np.dtype[np.void]:
    """The type of the records in the file, which an older version may have begun with fewer columns.

    Raises:
        UserError: the parts that the configuration decides are others.
    """
    existing, wanted = read_json(paths.steps_layout), layout.to_json()
    if existing is None:
        return layout.dtype
    changed = [key for key in VARIABLE if list(existing.get(key, ())) != wanted[key]]
    changed += ["lr_groups"] if existing.get("lr_groups") != wanted["lr_groups"] else []
    if changed:
        raise UserError(
            f"{paths.root} was recorded with another {', '.join(changed)}",
            "resume with its own configuration, or start a new run",
        )
    with understanding(paths.steps_layout):
        return dtype_from_json(existing)


def _shorten(path: Path, dtype: np.dtype[np.void], keep: int) -> int:
    """Leave the records up to step `keep`; returns how many were dropped."""
    if not path.exists():
        return 0
    with open_own(path) as file:
        records = StoredRecords(file, dtype)
        kept = records.find("step", keep, right=True)
        with disk_errors(path):
            if kept == len(records):
                os.truncate(path, kept * dtype.itemsize)  # only a torn tail, which no reader shows
            else:
                _copy_head(file, path, kept * dtype.itemsize)
    return len(records) - kept


def _copy_head(file: BinaryIO, path: Path, size: int) -> None:
    # A new file, not a truncated one: a cockpit may be looking at these records, and keeps the old ones.
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as target:
            file.seek(0)
            while size > 0:
                size -= target.write(file.read(min(size, COPY_BLOCK)))
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
