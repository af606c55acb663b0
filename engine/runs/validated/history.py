"""The distributions of all validations that a run keeps, brought up to date as files come and go."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from trainctl.engine.errors import UserError
from trainctl.engine.runs.validated.histogram import Histogram, read_histograms
from trainctl.engine.runs.validated.kept import MOST_FILES, file_of, sizes_in

Histograms = dict[int, Mapping[str, Histogram]]
"""By step, the earliest first, and name."""


class HistogramReader:
    """Follows a folder of distributions.

    Args:
        folder: it may come later, or never.

    Attributes:
        found: what there is; another object when something has changed.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._stamp = (0, 0)
        self.found: Histograms = {}

    def poll(self) -> bool:
        """Read what is new; whether anything has changed. A file that cannot be understood is passed over."""
        try:
            info = self._folder.stat()
            stamp = (info.st_ino, info.st_mtime_ns)
        except OSError:
            stamp = (0, 0)
        if stamp == self._stamp:
            return False
        self._stamp = stamp
        steps = list(sizes_in(self._folder))[-MOST_FILES - 1 :]  # one more may stand there for a moment
        # The newest may have been written anew, as after a part of the network was fitted anew.
        self.found = {step: self._read(step, is_known=step != steps[-1]) for step in steps}
        return True

    def _read(self, step: int, *, is_known: bool) -> Mapping[str, Histogram]:
        if is_known and step in self.found:
            return self.found[step]
        try:
            return read_histograms(file_of(self._folder, step))
        except UserError:
            return {}
