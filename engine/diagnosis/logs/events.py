"""Reads TensorBoard event files through tensorboard's own reader, where the optional extra is installed (no torch)."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from trainctl.engine.diagnosis.logs.table import LogTable, TableBuilder
from trainctl.engine.errors import UserError

FILE_MARK = "tfevents"
FIRST_RECORD = b"brain.Event:"
"""Stands in the first record of every event file."""


def is_event_file(path: Path, beginning: bytes) -> bool:
    """Whether a file holds TensorBoard events, by its name or its first bytes."""
    return FILE_MARK in path.name or FIRST_RECORD in beginning[:64]


def event_files(folder: Path) -> list[Path]:
    """The event files in a folder, in the order of their names, which begin with the time."""
    return sorted(folder.glob(f"*{FILE_MARK}*"))


def read_events(paths: Sequence[Path], source: str) -> LogTable:
    """The scalars of some event files; what was logged at one step is one row.

    Raises:
        UserError: tensorboard is not installed, or a file is damaged.
    """
    loader, make_ndarray = _import()
    by_step: dict[int, list[tuple[str, float]]] = {}
    for path in paths:
        for step, tag, value in _scalars(loader, make_ndarray, path):
            by_step.setdefault(step, []).append((tag, value))
    builder = TableBuilder(source, "TensorBoard events")
    for step in sorted(by_step):
        builder.start_row(step=step)
        for tag, value in by_step[step]:
            builder.add(tag, value)
    return builder.build()


def _scalars(loader: Any, make_ndarray: Any, path: Path) -> Iterator[tuple[int, str, float]]:
    try:
        for event in loader(str(path)).Load():
            for value in event.summary.value:
                number = _number(value, make_ndarray)
                if number is not None:
                    yield int(event.step), str(value.tag), number
    except UserError:
        raise
    except Exception as err:  # the reader raises errors of its own and of protobuf for a damaged record
        raise UserError(f"{path} cannot be read as TensorBoard events", f"{type(err).__name__}: {err}") from err


def _number(value: Any, make_ndarray: Any) -> float | None:
    """The value of a scalar summary, old or new; None: pictures, histograms, text."""
    if value.HasField("simple_value"):
        return float(value.simple_value)
    if value.HasField("tensor"):
        array = make_ndarray(value.tensor)
        if array.size == 1 and array.dtype.kind in "fiu":
            return float(array.reshape(()))
    return None


def _import() -> tuple[Any, Any]:
    try:
        loading = importlib.import_module("tensorboard.backend.event_processing.event_file_loader")
        tensors = importlib.import_module("tensorboard.util.tensor_util")
    except ImportError as err:
        raise UserError("TensorBoard files need tensorboard", "pip install 'trainctl-cockpit[tensorboard]'") from err
    return loading.LegacyEventFileLoader, tensors.make_ndarray
