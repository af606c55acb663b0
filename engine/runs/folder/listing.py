"""The list of a folder of runs, kept: a second look reads only the runs whose small files have changed.

A folder of a thousand runs is looked at every other second; to read three files of each would take longer than that.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from trainctl.engine.runs.folder.trial import TRIAL_NAME
from trainctl.engine.runs.index import RunInfo, SmallFiles, info_of, read_small_files, run_names
from trainctl.engine.runs.layout import RunPaths
from trainctl.engine.runs.status import Liveness

Stamp = tuple[int, int, int] | None
"""Number, time of the last change (ns) and size of a file; None: there is none."""


@dataclass
class _Kept:
    stamps: tuple[Stamp, ...]
    files: SmallFiles
    info: RunInfo


class RunListing:
    """The runs of a folder. Not for several threads at once.

    Args:
        root: the folder; it need not exist.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._kept: dict[str, _Kept] = {}

    def refresh(self, limit: int | None = None, now: float | None = None) -> list[RunInfo]:
        """The runs, newest name first; at most `limit`.

        Of a run about which nothing has changed the same object as before is returned: its `age_s` is then as old as
        the object, its `seen` still holds.

        Raises:
            UserError: the folder cannot be read.
        """
        when = time.time() if now is None else now
        names = run_names(self._root)
        for gone in self._kept.keys() - set(names):
            del self._kept[gone]
        return [self._look_at(name, when) for name in names[:limit]]

    def _look_at(self, name: str, now: float) -> RunInfo:
        folder = f"{self._root}/{name}/"
        stamps = tuple(_stamp(folder + file) for file in _FILES)
        kept = self._kept.get(name)
        if kept is None or kept.stamps != stamps:
            paths = RunPaths(self._root / name)
            files = read_small_files(paths)
            kept = self._kept[name] = _Kept(stamps, files, info_of(paths, files, now))
        elif kept.info.liveness is not Liveness.OVER:  # only time, or the end of its process, changes the others
            info = info_of(kept.info.paths, kept.files, now)
            kept.info = kept.info if _says_the_same(info, kept.info) else info
        return kept.info


def _stamp(path: str) -> Stamp:
    try:
        found = os.lstat(path)
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size


def _says_the_same(info: RunInfo, before: RunInfo) -> bool:
    return replace(info, age_s=before.age_s) == before


def _file_names() -> Sequence[str]:
    paths = RunPaths(Path())
    return (paths.meta.name, paths.status.name, paths.summary.name, TRIAL_NAME)


_FILES = _file_names()
