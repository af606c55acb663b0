"""Which run of a folder is the newest, for whoever always wants to look at it. Reads names only; knows no widget."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from trainctl.engine.errors import UserError
from trainctl.engine.runs.index import run_names
from trainctl.engine.runs.layout import RunPaths

_DATED = re.compile(r"\d{8}-\d{6}-")


@dataclass
class Newest:
    """The wish to look at the newest run of a folder always.

    Args:
        folder: that holds the runs.
        is_on: whether it is wished.
    """

    folder: Path
    is_on: bool = False

    def look(self) -> RunPaths | None:
        """The run that began last, by the date in its name; None where there is none."""
        try:
            names = run_names(self.folder)
        except UserError:
            return None
        dated = next((name for name in names if _DATED.match(name)), None)
        return RunPaths(self.folder.resolve() / dated) if dated else None
