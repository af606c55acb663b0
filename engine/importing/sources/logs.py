"""Log files of any tool, as the diagnosis reads them: CSV, JSON lines, trainer states, printed text, event files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from trainctl.engine.diagnosis.logs.reading import read_log
from trainctl.engine.diagnosis.logs.table import LogTable
from trainctl.engine.importing.foreign import Foreign, Source, clean_name
from trainctl.engine.importing.sources.settings import beside, json_object, plain

TOOLS = {
    "CSV": "csv",
    "tab-separated values": "tsv",
    "a table": "table",
    "JSON lines": "jsonl",
    "JSON": "json",
    "Hugging Face trainer state": "transformers",
    "TensorBoard events": "tensorboard",
    "text": "text",
}
"""What is called to have written a log of each format."""
STATE_FIELDS = ("best_metric", "train_batch_size", "num_train_epochs", "logging_steps", "eval_steps", "save_steps")
"""Of a trainer's state: settings, as far as it keeps them."""


def log_source(path: Path) -> Source:
    """A log as the training that it is of."""
    name = clean_name(path.stem) or "log"
    return Source(name, path, lambda: (path,), lambda: _read(path, name))


def _read(path: Path, name: str) -> Foreign:
    table = read_log(path)
    tool = _tool(path, table)
    return Foreign(name, tool, path, table, _settings(path, tool))


def _tool(path: Path, table: LogTable) -> str:
    """What wrote it, where its names tell; else its format."""
    names = {column.name for column in table.columns} | {table.step_name, table.epoch_name}
    if {"metrics/mAP50(B)"} & names or ("train/box_loss" in names and "epoch" in names):
        return "ultralytics"
    if path.name == "metrics.csv" and {"step", "epoch"} <= names:
        return "lightning"
    if path.name == "metrics.json" and {"total_loss", "iteration"} <= names:
        return "detectron2"
    return TOOLS.get(table.format, "log")


def _settings(path: Path, tool: str) -> dict[str, Any]:
    if tool == "transformers":
        state = json_object(path)
        return plain({name: state[name] for name in STATE_FIELDS if state.get(name) is not None})
    return beside(path)
