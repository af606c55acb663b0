"""Steps, validations and hardware as CSV (RFC 4180), one column per scalar. NaN and infinity are `nan` and `inf`."""

from __future__ import annotations

import csv
from pathlib import Path

from trainctl.engine.runs.export.columns import blocks
from trainctl.engine.runs.export.hardware import hardware_columns, hardware_row
from trainctl.engine.runs.export.tables import Tables
from trainctl.engine.runs.export.validations import metric_names


def write_steps(tables: Tables, path: Path) -> None:
    """One row per step. Floats have the fewest digits that give them back exactly."""
    columns = tables.columns
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow([column.name for column in columns])
        for block in blocks(tables.records):
            writer.writerows(zip(*(column.values(block).astype(str).tolist() for column in columns), strict=True))


def write_validations(tables: Tables, path: Path) -> None:
    """One row per validation and set of weights."""
    names = metric_names(tables.validations)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["step", "epoch", "time", "weights", "best", "after", *names])
        for row in tables.validations:
            metrics = [row.metrics.get(name, "") for name in names]
            best = str(row.best).lower()
            writer.writerow([row.step, row.epoch, row.time, row.weights, best, row.after, *metrics])


def write_hardware(tables: Tables, path: Path) -> None:
    """One row per sample; what is not known is empty."""
    names = hardware_columns(tables.hardware)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, names, restval="")
        writer.writeheader()
        writer.writerows(map(hardware_row, tables.hardware))
