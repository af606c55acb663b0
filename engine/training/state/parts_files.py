"""Files of tensors in parts as they lie on a disk: for good, with checksums, seen by all ranks, and looked into before
they are read.

Knows files and what torch.distributed.checkpoint wants of them; no tensor.
"""

from __future__ import annotations

import errno
import io
import os
import time
import zipfile
import zlib
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from torch.distributed.checkpoint.filesystem import FileSystem

from trainctl.engine.errors import first_line
from trainctl.engine.files import is_folder, open_regular
from trainctl.engine.ranks import present_ranks
from trainctl.engine.runs.atomic import DiskError

PATIENCE_S = 10.0
"""How late a shared folder may show what another machine has made."""
BLOCK = 1 << 20
"""Bytes that are written or looked at together."""


class NoPieceError(ValueError):
    """What lies in a file is no piece of a tensor as torch writes it."""


def first_damage(folder: Path, files: Mapping[str, Sequence[int]]) -> str:
    """What is wrong with the first file that is not what was written; empty: all are."""
    for name, (size, checksum) in files.items():
        try:
            found = looked_at(folder / name)
        except OSError as err:
            return f"{folder.name}/{name}: {words_of(err)}"
        if found != (size, checksum):
            return f"{folder.name}/{name} does not fit its checksum"
    return ""


def look_into(path: Path, begin: int, length: int) -> None:
    """See that a piece is stored as it is: what is packed could unpack to anything, and for ever.

    Raises:
        NoPieceError: it is not.
    """
    with open_regular(path, follow=False) as file:
        try:
            entries = zipfile.ZipFile(io.BufferedReader(_Piece(file, begin, length))).infolist()
        except Exception as err:  # by what is wrong with its index
            raise NoPieceError(first_line(err)) from err
    if any(entry.compress_type != zipfile.ZIP_STORED or entry.file_size > length for entry in entries):
        raise NoPieceError("it is packed")


class _Piece(io.RawIOBase):
    """A part of a file, as a file."""

    def __init__(self, file: BinaryIO, begin: int, length: int) -> None:
        super().__init__()
        self._file, self._begin, self._length, self._at = file, begin, length, 0

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        """As in any file."""
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._length}[whence]
        self._at = max(start + offset, 0)
        return self._at

    def readinto(self, buffer: Any, /) -> int:
        """As any file."""
        self._file.seek(self._begin + self._at)
        data = self._file.read(max(min(len(buffer), self._length - self._at), 0))
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)


class Written(io.FileIO):
    """A new file that notes the checksum of what went into it, and what the disk said: torch makes errors of its own
    of that. Closed, it lies on the disk."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, "xb")
        self.size = self.checksum = 0
        self.refusal: OSError | None = None

    def write(self, data: Any, /) -> int:
        """As any file."""
        with self._noting():
            count = super().write(data) or 0
        self.checksum = zlib.crc32(memoryview(data).cast("B")[:count], self.checksum)
        self.size += count
        return count

    def close(self) -> None:
        """Once the disk has it."""
        try:
            if not self.closed and self.refusal is None:
                with self._noting():
                    os.fsync(self.fileno())
        finally:
            super().close()

    @contextmanager
    def _noting(self) -> Generator[None]:
        try:
            yield
        except OSError as err:
            self.refusal = self.refusal or err
            raise


class PartFiles(FileSystem):
    """The files as torch sees them: regular ones, no links; folders are there already, or they are not ours.

    Attributes:
        written: size and checksum of each new file.
    """

    def __init__(self) -> None:
        self.written: dict[str, list[int]] = {}

    @contextmanager
    def create_stream(self, path: str | os.PathLike[str], mode: str) -> Generator[Any]:
        """A file to read, or a new one that is on the disk afterwards."""
        where = Path(path)
        if mode == "rb":
            with open_regular(where, follow=False) as stream:
                yield stream
            return
        raw = Written(where)
        try:
            with io.BufferedWriter(raw, BLOCK) as stream:
                yield stream
        except Exception as err:
            if raw.refusal is not None and err is not raw.refusal:
                raise raw.refusal from err
            raise
        if looked_at(where) != (raw.size, raw.checksum):
            raise OSError(errno.EIO, "it reads back otherwise than it was written", str(where))
        self.written[where.name] = [raw.size, raw.checksum]

    def mkdir(self, path: str | os.PathLike[str]) -> None:
        """Nothing: the rank that leads has made it, and where it is not to be seen this rank sees another disk."""
        where = Path(path)
        if not comes(lambda: is_folder(where, strict=False)):
            raise unseen(where.parent, present_ranks().rank)


def comes(is_there: Callable[[], bool]) -> bool:
    """Whether something that another machine has made is to be seen here; on a shared folder it may be late."""
    until = time.monotonic() + PATIENCE_S
    while not is_there():
        if time.monotonic() > until:
            return False
        time.sleep(0.05)
    return True


def unseen(path: Path, rank: int) -> DiskError:
    """What to say where a rank does not see what another has made."""
    what = f"{path}: rank {rank} does not see what the others write there"
    return DiskError(what, "all machines need the folder of the run, on one shared disk", is_lasting=True)


def looked_at(path: Path) -> tuple[int, int]:
    """Bytes and checksum of a file."""
    size = checksum = 0
    with open_regular(path, follow=False) as file:
        while block := file.read(BLOCK):
            size, checksum = size + len(block), zlib.crc32(block, checksum)
    return size, checksum


def words_of(err: BaseException) -> str:
    """What went wrong with a file, in a line."""
    return (err.strerror if isinstance(err, OSError) else None) or first_line(err)
