"""Which trainings a path holds. Opens no more of a file than it takes to know what it is."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from trainctl.engine.errors import UserError
from trainctl.engine.files import is_there
from trainctl.engine.importing.foreign import Source
from trainctl.engine.importing.sources.logs import log_source


def find_sources(path: Path) -> Sequence[Source]:
    """The trainings at a path, at least one.

    Raises:
        UserError: there is nothing, or nothing that can be read.
    """
    if not is_there(path):
        raise UserError(f"no such file or folder: {path}", "name a log, or a folder of logs")
    return [log_source(path)]
