"""A log as the rival tools like to read it: a CSV and JSON lines, with the names that all of them know.

They see what our own readers see: which loss is trained and which is of the validation is told to them, and where a
log has the terms of a loss and no total, their sum; of a policy or of rivals the total that the log has, which our own
rules leave alone. Other figures keep their names.
"""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from trainctl.engine.diagnosis.logs.course import training_loss, validation_loss
from trainctl.engine.diagnosis.logs.facts import LogFacts, Series, read_facts
from trainctl.engine.diagnosis.logs.names import TRAIN, Kind
from trainctl.engine.diagnosis.logs.reading import read_log
from trainctl.engine.diagnosis.logs.table import Floats, LogTable
from trainctl.engine.diagnosis.logs.vocabulary import ADVERSARIAL

Flags = NDArray[np.bool_]

STEP, LOSS, VAL_LOSS, LR, GRAD_NORM = "step", "loss", "val_loss", "lr", "grad_norm"
"""Names that every rival understands."""


def prepare(log: Path, folder: Path) -> tuple[Path, Path]:
    """Write what a log says as CSV and as JSON lines.

    Args:
        log: of any tool, or the export of a run.
        folder: where both files are made, under the log's name.

    Raises:
        UserError: the log cannot be read.
    """
    facts = read_facts(read_log(log))
    columns = _columns(facts)
    is_trained = columns[LOSS][1] if LOSS in columns else np.ones(facts.table.num_rows, np.bool_)
    rows = [
        {STEP: step} | {name: float(values[row]) for name, (values, is_there) in columns.items() if is_there[row]}
        for row, step in enumerate(_steps(facts.table, is_trained))
    ]
    return _write([row for row in rows if len(row) > 1], folder / log.name)


def _columns(log: LogFacts) -> dict[str, tuple[Floats, Flags]]:
    """The values of each name at the rows, and at which rows it has one."""
    known = _known(log)
    found = {name: _placed(one, log) for name, one in known.items()}
    if LOSS not in found and (summed := _summed(log)) is not None:
        found[LOSS] = summed
    for one in log.series:
        if not any(one is other for other in known.values()):
            found[f"other {one.name}" if one.name in (*found, STEP) else one.name] = _placed(one, log)
    return found


def _known(log: LogFacts) -> dict[str, Series]:
    """The series that have a name which all tools know."""
    series = {
        LOSS: training_loss(log) or _total(log),
        VAL_LOSS: validation_loss(log),
        LR: next(iter(log.of(Kind.LR)), None),
        GRAD_NORM: min(log.of(Kind.GRAD_NORM), key=lambda one: len(one.name), default=None),
    }
    return {name: one for name, one in series.items() if one is not None}


def _total(log: LogFacts) -> Series | None:
    """The total of the training, whatever it is made of."""
    totals = log.of(Kind.TOTAL, split=TRAIN) or log.of(Kind.TOTAL, split="")
    return max(totals, key=lambda one: len(one.values), default=None)


def _placed(one: Series, log: LogFacts) -> tuple[Floats, Flags]:
    is_there = np.zeros(log.table.num_rows, np.bool_)
    is_there[one.rows] = True
    return one.column.at_rows(log.table.num_rows), is_there


def _summed(log: LogFacts) -> tuple[Floats, Flags] | None:
    """The sum of the terms of a loss at the rows that have them all; None: there are no terms, or those of rivals."""
    terms = log.of(Kind.TERM, split=TRAIN) or log.of(Kind.TERM, split="")
    if not terms or any(term.meaning.words & ADVERSARIAL for term in log.of(Kind.TERM)):
        return None
    placed = [_placed(term, log) for term in terms]
    return np.sum([values for values, _ in placed], axis=0), np.all([there for _, there in placed], axis=0)


def _steps(table: LogTable, is_trained: Flags) -> list[int]:
    """A whole step for each row: the log's own, else the epoch, else the training rows are counted.

    Each training row has a step of its own, as all tools expect.
    """
    for places in (table.steps, table.epochs):
        filled = _filled(places)
        is_whole = len(filled) > 0 and bool((filled == np.rint(filled)).all())
        if is_whole and (np.diff(filled) >= 0).all() and (np.diff(filled[is_trained]) > 0).all():
            return [int(step) for step in filled]
    return [int(step) for step in np.cumsum(is_trained)]


def _filled(places: Floats) -> Floats:
    """Rows without a place stand where the one before stands; nothing where the first has none."""
    is_known = np.isfinite(places)
    if not len(places) or not is_known[0]:
        return np.empty(0)
    return places[np.maximum.accumulate(np.where(is_known, np.arange(len(places)), 0))]


def _write(rows: list[dict[str, float]], stem: Path) -> tuple[Path, Path]:
    as_csv, as_json = stem.with_name(f"{stem.name}.csv"), stem.with_name(f"{stem.name}.jsonl")
    with as_csv.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(dict.fromkeys(name for row in rows for name in row)), restval="")
        writer.writeheader()
        writer.writerows(rows)
    as_json.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return as_csv, as_json
