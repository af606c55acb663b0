"""A disk that refuses what is written to some files: for the tests of faults and for `python -m benchmarks.faults`."""

from __future__ import annotations

import errno
import os
from pathlib import Path


class Disk:
    """Counts what is written to files with `suffix` in their path, and takes no more than `room` bytes.

    Attributes:
        refusals: after so many it takes everything again; none: never.
        number: what it says.
    """

    def __init__(self) -> None:
        self.suffix, self.room = "", 0
        self.refusals: int | None = None
        self.number = errno.ENOSPC
        self._write = os.write

    def write(self, descriptor: int, data: bytes) -> int:
        path = str(Path(f"/proc/self/fd/{descriptor}").readlink())
        if self.suffix and self.suffix in path:
            if self.refusals == 0:
                return self._write(descriptor, data)
            if self.room <= 0:
                self.refusals = None if self.refusals is None else self.refusals - 1
                raise OSError(self.number, os.strerror(self.number))
            data = bytes(data)[: self.room]  # a disk takes what still fits
            self.room -= len(data)
        return self._write(descriptor, data)
