"""Reads metrics as MLflow keeps them: a file for each name, with a time stamp, a value and a step in each line."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from trainctl.engine.diagnosis.logs.readers.content import BEGINNING, MOST_BYTES
from trainctl.engine.diagnosis.logs.readers.tagged import Tagged
from trainctl.engine.diagnosis.logs.table import LogTable
from trainctl.engine.errors import UserError
from trainctl.engine.files import read_limited

FORMAT = "MLflow metrics"
METRICS = "metrics"
"""The folder of them in the folder of a run."""
MOST_FILES = 2_000
_LINE = re.compile(r"1\d{12} \S+(?: -?\d+)?(?: \S+)*")
"""Milliseconds since 1970, a value, a step."""


def is_metric(text: str) -> bool:
    """Whether a text is a metric of MLflow, by its first lines; the last may still be written."""
    lines = text[:BEGINNING].splitlines()
    whole = lines[:-1] if len(lines) > 1 else lines
    return bool(whole) and all(_LINE.fullmatch(line.strip()) for line in whole)


def is_metric_folder(folder: Path) -> bool:
    """Whether a folder is of a run of MLflow, or of the metrics of one."""
    return next(_metric_files(folder), None) is not None


def values_of(content: bytes) -> Iterator[tuple[int | None, float, float]]:
    """Step (None: not told), value and time of each line; others, and one that is not whole, are passed over."""
    for line in content[: content.rfind(b"\n") + 1 or len(content)].split(b"\n"):
        words = line.split()
        with contextlib.suppress(ValueError, OverflowError):
            if len(words) in (2, 3):
                yield int(words[2]) if len(words) == 3 else None, float(words[1]), int(words[0]) / 1000


def read_metric(text: str, source: str) -> LogTable:
    """The table of a single metric, which is called as its file."""
    tagged = Tagged()
    _take(tagged, Path(source).name, text.encode())
    return tagged.table(source, FORMAT)


def read_metric_folder(folder: Path) -> LogTable:
    """The table of all metrics of a run.

    Raises:
        UserError: one of them cannot be read.
    """
    tagged = Tagged()
    for name, path in _metric_files(folder):
        _take(tagged, name, content_of(path))
    return tagged.table(folder, FORMAT)


def content_of(path: Path) -> bytes:
    """What is in the file of a metric.

    Raises:
        UserError: it cannot be read, or is too large.
    """
    try:
        return read_limited(path, MOST_BYTES)
    except (OSError, ValueError) as err:
        raise UserError(f"{path} cannot be read: {getattr(err, 'strerror', None) or err}") from err


def _metric_files(folder: Path) -> Iterator[tuple[str, Path]]:
    """Name and file of each metric; a name may have slashes."""
    within = folder / METRICS if (folder / METRICS).is_dir() else folder
    found = within.rglob("*") if within.name == METRICS else within.glob("*")
    for path in sorted(path for path in islice(found, MOST_FILES) if path.is_file()):
        try:
            with path.open("rb") as file:
                beginning = file.read(BEGINNING).decode("utf-8", errors="replace")
        except OSError:
            continue
        if is_metric(beginning):
            yield str(path.relative_to(within)), path


def _take(tagged: Tagged, name: str, content: bytes) -> None:
    for number, (step, value, time) in enumerate(values_of(content)):
        tagged.add(name, number if step is None else step, value, time)
