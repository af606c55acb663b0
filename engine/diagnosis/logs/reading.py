"""Recognises the format of a log and reads it. Knows the readers, no rule."""

from __future__ import annotations

from pathlib import Path

from trainctl.engine.diagnosis.logs.events import event_files, is_event_file, read_events
from trainctl.engine.diagnosis.logs.objects import read_objects
from trainctl.engine.diagnosis.logs.printed import read_printed
from trainctl.engine.diagnosis.logs.separated import find_delimiter, read_separated
from trainctl.engine.diagnosis.logs.table import LogTable
from trainctl.engine.errors import UserError

UNDERSTOOD = "understood: CSV with a header, JSON lines, trainer_state.json, TensorBoard events, printed text"
MOST_BYTES = 512 << 20
BEGINNING = 4096
"""Bytes by which a file is recognised."""


def read_log(path: Path) -> LogTable:
    """Read a log file, or a folder of TensorBoard event files.

    Raises:
        UserError: it cannot be read, is empty, binary or too large, or has no figures.
    """
    if path.is_dir():
        return read_events(event_files(path), str(path))
    try:
        with path.open("rb") as file:
            beginning = file.read(BEGINNING)
            if is_event_file(path, beginning):
                return _with_figures(read_events([path], str(path)))
            rest = file.read(MOST_BYTES)
    except OSError as err:
        raise UserError(f"{path} cannot be read: {err.strerror or err}") from err
    if len(rest) == MOST_BYTES:
        raise UserError(f"{path} is larger than {MOST_BYTES >> 20} MiB", "give a part of it, e.g. through `tail`")
    return parse_log(beginning + rest, str(path))


def parse_log(data: bytes, source: str) -> LogTable:
    """Read the bytes of a log that is no event file.

    Raises:
        UserError: empty, binary, or without figures.
    """
    text = _decode(data, source)
    if not text.strip():
        raise UserError(f"{source} is empty", UNDERSTOOD)
    lines = text.split("\n")
    table = read_objects(text, lines, source)
    if table is None:
        delimiter = find_delimiter(lines)
        table = read_printed(lines, source) if delimiter is None else read_separated(lines, source, delimiter)
    return _with_figures(table)


def _with_figures(table: LogTable) -> LogTable:
    if not table.columns:
        raise UserError(f"{table.source} has no figures with names", UNDERSTOOD)
    return table


def _decode(data: bytes, source: str) -> str:
    for mark, encoding in ((b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"), (b"\xef\xbb\xbf", "utf-8-sig")):
        if data.startswith(mark):
            return data.decode(encoding, errors="replace")
    if b"\0" in data[:BEGINNING]:
        raise UserError(f"{source} is a binary file", UNDERSTOOD)
    return data.decode("utf-8", errors="replace")
