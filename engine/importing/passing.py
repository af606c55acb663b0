"""Foreign trainings as runs for as long as somebody looks at them: in a folder of their own that is removed.

Knows what is a run's name and what a foreign path; follows nothing (`following.py` does).
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from trainctl.engine.files import is_file, is_folder
from trainctl.engine.runs.index import LATEST, looks_like_run, run_names
from trainctl.engine.runs.layout import RunPaths

PREFIX = "trainctl-foreign-"


def foreign_path(ref: str, runs_dir: Path) -> Path | None:
    """The file or folder of another tool that the user means; None: it is a run, or nothing.

    A word that is in the name of a run in `runs_dir` means that run.
    """
    if ref in ("", LATEST, "last"):
        return None
    path = Path(ref).expanduser()
    is_word = "/" not in ref and ref not in (".", "..")
    if is_word and any(ref in name for name in run_names(runs_dir)):
        return None
    if is_file(path):
        return path
    return path if is_folder(path) and not looks_like_run(path.resolve()) else None


class Passing:
    """Makes runs of foreign paths, and removes them on `close`."""

    def __init__(self, runs_dir: Path) -> None:
        self._runs_dir = runs_dir
        self._folder: Path | None = None

    def runs_of(self, ref: str, columns: str = "") -> Sequence[RunPaths]:
        """The runs that a foreign path holds; empty: it is none.

        Raises:
            UserError: it holds no training that can be read.
        """
        path = foreign_path(ref, self._runs_dir)
        if path is None:
            return ()
        from trainctl.engine.importing.found import find_sources
        from trainctl.engine.importing.keeping import Shelf

        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix=PREFIX))
        shelf = Shelf(self._folder)
        return [shelf.keep(source, columns, force=True).run for source in find_sources(path)]

    def close(self) -> None:
        """Remove what was made; again is harmless."""
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
