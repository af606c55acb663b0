"""Log files of any tool, as the diagnosis reads them: CSV, JSON lines, trainer states, printed text, event files."""

from __future__ import annotations

from pathlib import Path

from trainctl.engine.diagnosis.logs.reading import read_log
from trainctl.engine.importing.foreign import Foreign, Source, clean_name

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


def log_source(path: Path) -> Source:
    """A log as the training that it is of."""
    name = clean_name(path.stem) or "log"
    return Source(name, path, lambda: (path,), lambda: _read(path, name))


def _read(path: Path, name: str) -> Foreign:
    table = read_log(path)
    return Foreign(name, TOOLS.get(table.format, "log"), path, table)
