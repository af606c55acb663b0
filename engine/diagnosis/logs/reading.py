"""Recognises the format of a log and reads it. Knows the readers, no rule."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from pathlib import Path

from trainctl.engine.diagnosis.logs.labels import told_apart
from trainctl.engine.diagnosis.logs.names import Kind, meaning_of, words_of
from trainctl.engine.diagnosis.logs.numbers import parse_number
from trainctl.engine.diagnosis.logs.places import settle_places
from trainctl.engine.diagnosis.logs.readers.content import BEGINNING, MOST_BYTES, UNDERSTOOD, first_lines, text_of
from trainctl.engine.diagnosis.logs.readers.cut import without_cut_figure
from trainctl.engine.diagnosis.logs.readers.events import (
    event_files,
    is_event_file,
    read_event_folder,
    read_events,
)
from trainctl.engine.diagnosis.logs.readers.mlflow import (
    is_metric,
    is_metric_folder,
    read_metric,
    read_metric_folder,
)
from trainctl.engine.diagnosis.logs.readers.objects import read_objects
from trainctl.engine.diagnosis.logs.readers.printed import read_printed
from trainctl.engine.diagnosis.logs.readers.separated import find_layout, read_separated
from trainctl.engine.diagnosis.logs.table import Column, LogTable
from trainctl.engine.diagnosis.logs.trainings import one_training
from trainctl.engine.errors import UserError

EXPORT = {("wall", "time"), ("step",), ("value",)}
"""Words of the names in a scalar that TensorBoard's page exports."""
VALUE = "Value"
LOOKED_AT = 60
MOSTLY = 0.8
"""Share of the lines that must have as many cells, half of them numbers at least, for a table without a header."""
_TAG = re.compile(r"(?:run-(?P<run>.*)-tag-)?(?P<tag>.+)")


def read_log(path: Path) -> LogTable:
    """Read a log file, a folder of TensorBoard event files, or one of MLflow's metrics.

    Raises:
        UserError: it cannot be read, is empty, binary or too large, or has no figures.
    """
    if path.is_dir() and not event_files(path) and is_metric_folder(path):
        return _with_figures(read_metric_folder(path))
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
    if is_metric(text):
        return _with_figures(read_metric(text, source))
    table = read_objects(text, source)
    if table is None:
        layout = find_layout(text)
        table = read_printed(text, source) if layout is None else read_separated(text, source, layout)
    if not table.columns and (cells := _cells_without_names(text)):
        raise UserError(
            f"{source} has no header: {cells} cells in a row, and nothing says what they are",
            "put a line of names above them, e.g. epoch,loss,val_loss",
        )
    table = told_apart(settle_places(without_cut_figure(_named_by_file(table, source), text)))
    return one_training(_with_figures(table))


def _with_figures(table: LogTable) -> LogTable:
    if not table.columns:
        raise UserError(f"{table.source} has no figures with names", UNDERSTOOD)
    return table


def _named_by_file(table: LogTable, source: str) -> LogTable:
    """The table of a single exported scalar under the name that the file has, if that says what it is."""
    if {tuple(words_of(column.name)) for column in table.columns} != EXPORT:
        return table
    found = _TAG.fullmatch(Path(source).stem)
    if found is None or meaning_of(found["tag"]).kind is Kind.OTHER:
        return table
    split = meaning_of(found["run"] or "").split
    return replace(table, columns=tuple(_named(column, found["tag"], split) for column in table.columns))


def _named(column: Column, tag: str, split: str) -> Column:
    return replace(column, name=tag, split="" if meaning_of(tag).split else split) if column.name == VALUE else column


def _cells_without_names(text: str) -> int:
    """How many cells the rows of a table have that has no header; 0: it is none."""
    lines = first_lines(text, LOOKED_AT)
    for delimiter in (",", "\t", ";", None):
        rows = [line.strip().split(delimiter) for line in lines]
        cells, count = Counter(map(len, rows)).most_common(1)[0]
        told = sum(_is_of_numbers(row) for row in rows if len(row) == cells)
        if cells > 1 and min(count, told) >= max(2, MOSTLY * len(rows)):
            return cells
    return 0


def _is_of_numbers(row: list[str]) -> bool:
    return 2 * sum(parse_number(cell) is not None for cell in row) >= len(row)
