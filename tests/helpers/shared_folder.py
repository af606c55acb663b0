"""A folder on another machine's disk, as one process sees it: whatever is asked of it takes its time, a file that was
opened a thousand times fails once, what others made is seen late, nothing may be written.

Stands in for the functions of `os` and for `open`, for what lies below the folder. For good: to be installed in a
process that is made for it.
"""

from __future__ import annotations

import builtins
import errno
import io
import os
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

BY_PATH = ("stat", "lstat", "open", "mkdir", "rename", "replace", "link", "unlink", "scandir", "listdir")
BY_DESCRIPTOR = ("fsync", "fdatasync")
LOOKS = ("stat", "lstat", "scandir", "listdir")
WRITES = os.O_WRONLY | os.O_RDWR


@dataclass
class SharedFolder:
    """What is the matter with it."""

    root: Path
    delay_s: tuple[float, float] = (0.0, 0.0)
    """Of each call: at least, at most."""
    stale: int = 0
    """Which opening fails, once, counted from 1; 0: none."""
    number: int = errno.ESTALE
    """How it fails."""
    hidden_s: float = 0.0
    """How long what another process made is not there, from the first look for it on."""
    is_read_only: bool = False
    opened: int = 0
    _chance: random.Random = field(default_factory=random.Random)
    _own: set[str] = field(default_factory=set[str])
    _looked: dict[str, float] = field(default_factory=dict[str, float])

    def install(self) -> None:
        """From now on, for this process."""
        for name in BY_PATH:
            setattr(os, name, self._by_path(name, getattr(os, name)))
        for name in BY_DESCRIPTOR:
            setattr(os, name, self._by_descriptor(getattr(os, name)))
        builtins.open = io.open = self._by_path("open", builtins.open)  # type: ignore[assignment]

    def _by_path(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def asked(path: Any = ".", *given: Any, **named: Any) -> Any:
            if self._has(path):
                self._take_time()
                writes = self._writes(name, given)
                if name == "open":
                    self._open()
                if writes and self.is_read_only:
                    raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))
                if writes:
                    self._own.add(os.fspath(path))
                elif self._is_hidden(os.fspath(path)):
                    raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
            return function(path, *given, **named)

        return asked

    def _by_descriptor(self, function: Callable[[int], None]) -> Callable[[int], None]:
        def asked(descriptor: int) -> None:
            if self._has(os.readlink(f"/proc/self/fd/{descriptor}")):  # noqa: PTH115
                self._take_time()
            function(descriptor)

        return asked

    def _has(self, path: Any) -> bool:
        if not isinstance(path, (str, os.PathLike)):
            return False
        text, root = str(path), str(self.root)
        return text == root or text.startswith(f"{root}/")

    def _take_time(self) -> None:
        least, most = self.delay_s
        if most:
            time.sleep(self._chance.uniform(least, most))

    def _open(self) -> None:
        self.opened += 1
        if self.opened == self.stale:
            raise OSError(self.number, os.strerror(self.number))

    def _writes(self, name: str, given: tuple[Any, ...]) -> bool:
        if name != "open":
            return name not in LOOKS
        mode = given[0] if given else "r"
        return bool(mode & WRITES) if isinstance(mode, int) else bool(set(str(mode)) & set("wax+"))

    def _is_hidden(self, path: str) -> bool:
        if not self.hidden_s or any(path == own or path.startswith(f"{own}/") for own in self._own):
            return False
        now = time.monotonic()
        return now - self._looked.setdefault(path, now) < self.hidden_s
