"""Steps, validations and hardware as Parquet, one column per scalar, each with its own width. Needs pyarrow."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from trainctl.engine.errors import UserError
from trainctl.engine.runs.export.columns import blocks
from trainctl.engine.runs.export.hardware import hardware_columns, hardware_row
from trainctl.engine.runs.export.tables import Tables
from trainctl.engine.runs.export.validations import metric_names

ROW_GROUP = 131_072
"""Records per row group: large enough to compress, small enough to hold."""


def write_steps(tables: Tables, path: Path) -> None:
    """One row per step.

    Raises:
        UserError: pyarrow is not installed.
    """
    arrow, parquet = _import()
    columns = tables.columns
    schema = arrow.schema(
        [(column.name, arrow.from_numpy_dtype(column.values(tables.records[:0]).dtype)) for column in columns]
    )
    with parquet.ParquetWriter(path, schema) as writer:
        for block in blocks(tables.records, ROW_GROUP):
            arrays = [arrow.array(column.values(block).copy()) for column in columns]
            writer.write_table(arrow.Table.from_arrays(arrays, schema=schema))


def write_validations(tables: Tables, path: Path) -> None:
    """One row per validation and set of weights; a metric it did not have is null.

    Raises:
        UserError: pyarrow is not installed.
    """
    arrow, parquet = _import()
    rows = tables.validations
    table = {
        "step": [row.step for row in rows],
        "epoch": [row.epoch for row in rows],
        "time": [row.time for row in rows],
        "weights": [row.weights for row in rows],
        "best": [row.best for row in rows],
        "after": [row.after for row in rows],
    }
    metrics = {name: [row.metrics.get(name) for row in rows] for name in metric_names(rows)}
    parquet.write_table(
        arrow.table(table | {name: arrow.array(v, arrow.float64()) for name, v in metrics.items()}), path
    )


def write_hardware(tables: Tables, path: Path) -> None:
    """One row per sample; what is not known is null.

    Raises:
        UserError: pyarrow is not installed.
    """
    arrow, parquet = _import()
    whole = {"step": arrow.int64(), "cores": arrow.int64()}
    rows = [hardware_row(sample) for sample in tables.hardware]
    columns = {
        name: arrow.array([row.get(name) for row in rows], whole.get(name, arrow.float64()))
        for name in hardware_columns(tables.hardware)
    }
    parquet.write_table(arrow.table(columns), path)


def _import() -> tuple[Any, Any]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as err:
        raise UserError("Parquet needs pyarrow", "pip install 'trainctl-cockpit[parquet]'") from err
    return pyarrow, pyarrow.parquet
