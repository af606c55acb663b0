"""One writer per run: a lock that the operating system drops when the process ends, however it ends."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
from types import TracebackType
from typing import Self

from trainctl.engine.errors import UserError
from trainctl.engine.runs.atomic import disk_errors, write_all
from trainctl.engine.runs.layout import RunPaths

LOCK_NAME = ".lock"


class RunLock:
    """Held from creation to `release`, or to the end of the process.

    A file system without locks (some network mounts) is not protected.

    Raises:
        UserError: another process writes this run; names it. Or the disk refuses.
    """

    def __init__(self, paths: RunPaths) -> None:
        self._path = paths.root / LOCK_NAME
        with disk_errors(self._path):
            self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            self._take()
        except BaseException:
            self.release()
            raise

    def _take(self) -> None:
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(self._descriptor, 32, 0).decode(errors="replace").strip() or "unknown"
            raise UserError(
                f"{self._path.parent} is being written by process {holder}",
                "stop it first (trainctl send RUN stop), or start a new run",
            ) from None
        except OSError as err:
            if err.errno not in (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS):
                raise
        with disk_errors(self._path):
            os.ftruncate(self._descriptor, 0)
            write_all(self._descriptor, f"{os.getpid()}\n".encode())

    def release(self) -> None:
        """Give the run free; again is harmless."""
        if self._descriptor >= 0:
            with contextlib.suppress(OSError):
                os.close(self._descriptor)
            self._descriptor = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()
