"""`overview.bin` beside the records: a long run at a glance, without reading its records.

Derived data: whatever is missing, torn or not of these records is made again, by the writer in the file and by a
reader in memory. Losing it loses nothing, so an overview that cannot be written never ends a run.
"""

from __future__ import annotations

import contextlib
import os
from typing import Any, BinaryIO

import numpy as np

from trainctl.engine.errors import UserError
from trainctl.engine.files import open_regular
from trainctl.engine.runs.atomic import (
    DamagedFileError,
    ShortenedFileError,
    open_own,
    read_json,
    write_all,
    write_json_atomic,
)
from trainctl.engine.runs.blocks import BLOCK, Blocks, Overview, block_dtype, sum_up
from trainctl.engine.runs.layout import RunPaths
from trainctl.engine.runs.record import RecordLayout, Records
from trainctl.engine.runs.series import series_names
from trainctl.engine.runs.states import SCHEMA

MAX_BLOCKS = 64
"""Blocks made at once: a few megabytes of records and a few milliseconds."""
PORTION = 4
"""Blocks the writer waits for: four at once cost little more than one, and a reader makes those that are due."""
LAST_BLOCKS = 2048
"""Bounds the time to close a run whose overview lags behind to a fraction of a second."""


class OverviewWriter:
    """Keeps the overview up with the records. Never raises for what the disk refuses: it then stops writing.

    Args:
        paths: the run; `steps.bin` is there.
        layout: what a record holds.
        dtype: the records' type as the file has it.
    """

    def __init__(self, paths: RunPaths, layout: RecordLayout, dtype: np.dtype[np.void]) -> None:
        self._paths, self._layout = paths, layout
        self._records_dtype = dtype
        self._names = series_names(dtype, layout)
        self._dtype = block_dtype(len(self._names))
        self._source: BinaryIO | None = None
        self._start: float | None = None
        self._descriptor = -1
        self._broken = False
        self.num_blocks = 0
        with self._giving_up():
            self._source = open_regular(paths.steps, follow=False)
            self.num_blocks = self._take_over()

    def advance(self, count: int, appended: int) -> None:
        """Bring the overview up to about `count` records: those `appended` now, and `MAX_BLOCKS` it may lag behind."""
        if count // BLOCK - self.num_blocks >= PORTION:
            self._append_some(count, appended // BLOCK + MAX_BLOCKS)

    def finish(self, count: int) -> None:
        """Bring the overview up to `count` records, by at most `LAST_BLOCKS`."""
        self._append_some(count, LAST_BLOCKS)

    def _append_some(self, count: int, most: int) -> None:
        for _ in range(0, min(count // BLOCK - self.num_blocks, most), MAX_BLOCKS):
            self._append(count)

    def _append(self, count: int) -> None:
        new = min(count // BLOCK - self.num_blocks, MAX_BLOCKS)
        if new <= 0 or self._broken or self._source is None:
            return
        with self._giving_up():
            if self._descriptor < 0:
                self._create()
            if self._start is None:
                self._start = float(read_records(self._source, self._records_dtype, 0, 1)["time"][0])
            records = read_records(self._source, self._records_dtype, self.num_blocks * BLOCK, new * BLOCK)
            write_all(self._descriptor, sum_up(records, self._layout, self._start).tobytes())
            self.num_blocks += new

    def close(self) -> None:
        """Close the files; again is harmless."""
        if self._source is not None:
            self._source.close()
            self._source = None
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _take_over(self) -> int:
        """Go on behind the blocks that are there and fit; returns how many."""
        assert self._source is not None
        if not _describes(self._paths, self._names):
            return 0
        try:
            with open_regular(self._paths.overview, follow=False) as file:
                fitting = _num_fitting(file, self._dtype, self._source, self._records_dtype)
        except FileNotFoundError:
            return 0
        self._open(fitting)
        return fitting

    def _create(self) -> None:
        self._paths.overview.unlink(missing_ok=True)
        description = {"schema": SCHEMA, "block": BLOCK, "itemsize": self._dtype.itemsize, "columns": self._names}
        write_json_atomic(self._paths.overview_layout, description)
        self._open(0)

    def _open(self, num_blocks: int) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        self._descriptor = os.open(self._paths.overview, flags, 0o666)
        os.ftruncate(self._descriptor, num_blocks * self._dtype.itemsize)

    @contextlib.contextmanager
    def _giving_up(self) -> Any:
        try:
            yield
        except (OSError, UserError):
            self._broken = True
            if self._descriptor >= 0:
                with contextlib.suppress(OSError):
                    os.ftruncate(self._descriptor, self.num_blocks * self._dtype.itemsize)


class OverviewReader:
    """The overview of the records a run has now: from the file as far as it fits, the rest made here.

    Holds on to the records it began with: a resume that replaces them meanwhile does not mix into it.

    Args:
        paths: the run; never written to.
        layout: what a record holds.
        dtype: the records' type as the file has it.

    Raises:
        FileNotFoundError: there are no records.
        DamagedFileError: they cannot be read; in what follows as well.
    """

    def __init__(self, paths: RunPaths, layout: RecordLayout, dtype: np.dtype[np.void]) -> None:
        self._layout, self._dtype = layout, dtype
        self._names = series_names(dtype, layout)
        self._source = open_own(paths.steps)
        self.num_records = os.fstat(self._source.fileno()).st_size // dtype.itemsize
        self._first = read_records(self._source, dtype, 0, min(self.num_records, 1))
        self._parts = [read_blocks(paths, self._names, self._source, dtype)]
        self._done = len(self._parts[0])

    @property
    def is_complete(self) -> bool:
        """Whether every whole block is there."""
        return self._done >= self.num_records // BLOCK

    def advance(self) -> None:
        """Make the next `MAX_BLOCKS` blocks that are missing."""
        new = min(self.num_records // BLOCK - self._done, MAX_BLOCKS)
        if new > 0:
            records = read_records(self._source, self._dtype, self._done * BLOCK, new * BLOCK)
            self._parts.append(sum_up(records, self._layout, float(self._first["time"][0])))
            self._done += new

    def overview(self) -> Overview:
        """What is known so far, from the first record on."""
        self._parts = [np.concatenate(self._parts)]
        first_step, start = (
            (int(self._first["step"][0]), float(self._first["time"][0])) if len(self._first) else (0, 0.0)
        )
        return Overview(self._names, self._parts[0], first_step, start)

    def is_current(self, paths: RunPaths) -> bool:
        """Whether the records it began with are still those of the run."""
        try:
            return paths.steps.stat().st_ino == os.fstat(self._source.fileno()).st_ino
        except FileNotFoundError:
            return False

    def close(self) -> None:
        """Close the file; again is harmless."""
        self._source.close()


def read_records(file: BinaryIO, dtype: np.dtype[np.void], first: int, count: int) -> Records:
    """Records [first, first + count) of a file, shape (count,).

    Read, never mapped: a mapped file that is cut off, or whose disk fails, ends the process that looks at it.

    Raises:
        ShortenedFileError: there are not as many.
        DamagedFileError: the disk fails.
    """
    records = np.empty(count, dtype)
    rest, at = records.view(np.uint8).data, first * dtype.itemsize
    while rest:
        try:
            done = os.preadv(file.fileno(), [rest], at)
        except OSError as err:
            raise DamagedFileError(f"cannot read {file.name}: {err.strerror or err}") from err
        if done == 0:
            left = os.fstat(file.fileno()).st_size // dtype.itemsize
            text = f"{file.name} was cut off while it was read: {left:,} records are left"
            raise ShortenedFileError(text, "try again: what is left can be read")
        rest, at = rest[done:], at + done
    return records


def read_blocks(paths: RunPaths, names: tuple[str, ...], source: BinaryIO, dtype: np.dtype[np.void]) -> Blocks:
    """The blocks in the file that fit the records in `source`; none where there is no overview of these columns."""
    blocks = block_dtype(len(names))
    try:
        if not _describes(paths, names):
            return np.empty(0, blocks)
        with open_regular(paths.overview, follow=False) as file:
            return read_records(file, blocks, 0, _num_fitting(file, blocks, source, dtype))
    except (OSError, DamagedFileError):
        return np.empty(0, blocks)


def _describes(paths: RunPaths, names: tuple[str, ...]) -> bool:
    """Whether the file, if there is one, has these columns."""
    try:
        found = read_json(paths.overview_layout)
    except UserError:
        return False
    wanted = {"block": BLOCK, "itemsize": block_dtype(len(names)).itemsize, "columns": list(names)}
    return found is not None and all(found.get(key) == value for key, value in wanted.items())


def _num_fitting(file: BinaryIO, blocks: np.dtype[np.void], source: BinaryIO, dtype: np.dtype[np.void]) -> int:
    """How many blocks from the first on are of the records in `source`.

    A resume replaces records and leaves blocks of the old ones behind. The new records carry other times, and what
    comes after a replaced record is replaced too, so the last block that fits is found by halving.
    """
    sizes = os.fstat(file.fileno()).st_size // blocks.itemsize, os.fstat(source.fileno()).st_size // dtype.itemsize
    fitting, beyond = 0, min(sizes[0], sizes[1] // BLOCK) + 1
    while beyond - fitting > 1:
        middle = (fitting + beyond) // 2
        block = read_records(file, blocks, middle - 1, 1)
        record = read_records(source, dtype, middle * BLOCK - 1, 1)
        if block["step"][0] == record["step"][0] and block["time"][0] == record["time"][0]:
            fitting = middle
        else:
            beyond = middle
    return fitting
