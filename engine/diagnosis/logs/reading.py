"""Recognises the format of a log and reads it. Knows the readers, no rule."""

from __future__ import annotations

from pathlib import Path

from trainctl.engine.diagnosis.logs.places import settle_places
from trainctl.engine.diagnosis.logs.readers.content import BEGINNING, MOST_BYTES, UNDERSTOOD, text_of
from trainctl.engine.diagnosis.logs.readers.cut import without_cut_figure
from trainctl.engine.diagnosis.logs.readers.events import is_event_file, read_event_folder, read_events
from trainctl.engine.diagnosis.logs.readers.objects import read_objects
from trainctl.engine.diagnosis.logs.readers.printed import read_printed
from trainctl.engine.diagnosis.logs.readers.separated import find_layout, read_separated
from trainctl.engine.diagnosis.logs.table import LogTable
from trainctl.engine.errors import UserError


def read_log(path: Path) -> LogTable:
    """Read a log file, or a folder of TensorBoard event files.

    Raises:
        UserError: it cannot be read, is empty, binary or too large, or has no figures.
    """
    if path.is_dir():
        return _with_figures(settle_places(read_event_folder(path)))
    try:
        with path.open("rb") as file:
            if is_event_file(path, file.read(BEGINNING)):
                return _with_figures(settle_places(read_events([path], str(path))))
            file.seek(0)
            data = [file.read(MOST_BYTES + 1)]
    except OSError as err:
        raise UserError(f"{path} cannot be read: {err.strerror or err}") from err
    if len(data[0]) > MOST_BYTES:
        raise UserError(f"{path} is larger than {MOST_BYTES >> 20} MiB", "give a part of it, e.g. through `tail`")
    return parse_log(data.pop(), str(path))


def parse_log(data: bytes, source: str) -> LogTable:
    """Read the bytes of a log that is no event file; gzip is unpacked.

    Raises:
        UserError: empty, binary, or without figures.
    """
    text = text_of(data, source).lstrip("\ufeff")
    del data  # a large log need not be held twice
    if not text or text.isspace():
        raise UserError(f"{source} is empty", UNDERSTOOD)
    table = read_objects(text, source)
    if table is None:
        layout = find_layout(text)
        table = read_printed(text, source) if layout is None else read_separated(text, source, layout)
    return _with_figures(settle_places(without_cut_figure(table, text)))


def _with_figures(table: LogTable) -> LogTable:
    if not table.columns:
        raise UserError(f"{table.source} has no figures with names", UNDERSTOOD)
    return table
