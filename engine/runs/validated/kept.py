"""A folder of files named by their steps, one a validation, thinned so that neither their number nor their size grows.

The newest and the best stay, and the first as long as there is room; of the others goes the one whose neighbours in
time are nearest. Knows no content.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Mapping
from pathlib import Path

from trainctl.engine.runs.atomic import disk_errors, write_atomic

MOST_FILES = 50
MOST_BYTES = 16 << 20
"""Of all files together; the newest and the best alone may have more."""
MOST_WAITING = 4
"""Files that wait for a disk that does not take them; the oldest are lost."""
SUFFIX = ".npz"


class KeptFiles:
    """Writes a folder. What is put in waits in memory until `write_out`, which any one thread may call.

    Args:
        folder: made with its first file.
        most_bytes: of all files together.
    """

    def __init__(self, folder: Path, most_bytes: int = MOST_BYTES) -> None:
        self.folder = folder
        self._most_bytes = most_bytes
        self._lock = threading.Lock()
        self._waiting: dict[int, bytes] = {}
        self._best = -1

    def put(self, step: int, content: bytes, best: int) -> None:
        """Keep what the validation at `step` showed; `best`: step of the best so far."""
        with self._lock:
            self._best = best
            self._waiting.pop(step, None)
            self._waiting[step] = content
            while len(self._waiting) > MOST_WAITING:
                del self._waiting[next(iter(self._waiting))]

    def write_out(self) -> None:
        """Write what waits, then thin the folder.

        Raises:
            DiskError: the disk refuses; what was not written stays.
        """
        with self._lock:
            waiting, best = dict(self._waiting), self._best
        if not waiting:
            return
        with disk_errors(self.folder):
            self.folder.mkdir(exist_ok=True)
        for step, content in waiting.items():
            write_atomic(file_of(self.folder, step), content)
            with self._lock:
                if self._waiting.get(step) is content:
                    del self._waiting[step]
        self._remove(superfluous(sizes_in(self.folder), {best}, most_bytes=self._most_bytes))

    def drop_after(self, step: int) -> None:
        """Remove what came after `step`: a resume goes on from there, and takes it back.

        Raises:
            DiskError: the disk refuses.
        """
        self._remove([kept for kept in sizes_in(self.folder) if kept > step])

    def _remove(self, steps: Collection[int]) -> None:
        with disk_errors(self.folder):
            for step in steps:
                file_of(self.folder, step).unlink(missing_ok=True)


def file_of(folder: Path, step: int) -> Path:
    """The file of a validation."""
    return folder / f"{step:09d}{SUFFIX}"


def sizes_in(folder: Path) -> dict[int, int]:
    """Bytes of each file by its step, the earliest first; files of other names are nobody's business."""
    found: dict[int, int] = {}
    try:
        for path in folder.iterdir():
            if path.suffix == SUFFIX and path.stem.isascii() and path.stem.isdigit() and len(path.stem) < 20:
                found[int(path.stem)] = path.lstat().st_size
    except OSError:  # there is none, or it goes away while we look
        return {}
    return dict(sorted(found.items()))


def superfluous(
    sizes: Mapping[int, int], kept: Collection[int], *, most_files: int = MOST_FILES, most_bytes: int = MOST_BYTES
) -> list[int]:
    """Steps whose files must go, so that as many stay as may; the newest and those of `kept` stay in any case.

    Args:
        sizes: bytes by step.
        kept: steps that stay.
        most_files: that may stay.
        most_bytes: of all that stay together.
    """
    left, gone, total = sorted(sizes), list[int](), sum(sizes.values())
    while len(left) > most_files or total > most_bytes:
        inner = [k for k in range(1, len(left) - 1) if left[k] not in kept]
        edge = [0] if len(left) > 1 and left[0] not in kept else []
        if not inner and not edge:
            break
        drop = min(inner, key=lambda k: left[k + 1] - left[k - 1]) if inner else 0
        total -= sizes[left[drop]]
        gone.append(left.pop(drop))
    return gone
