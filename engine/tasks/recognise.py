"""Which built-in task a file of the user's belongs to, where that shows. Reads a header; needs no torch."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from trainctl.engine.files import open_regular

WELD_COLUMNS = ("CATEGORY", "SUBDIRS")
MANIFEST = "manifest.csv"
KADID_COLUMNS = ("DIST_IMG", "REF_IMG", "DMOS")
KADID_TABLE = "dmos.csv"


def recognise_task(data: Path) -> tuple[str, str] | None:
    """The task that `data` is meant for, and what it was recognised by; None: not to be told.

    A CSV, or the `manifest.csv` of a folder, with the columns of a weld manifest belongs to `weld`; the `dmos.csv` of
    KADID-10k, or its folder, to `quality`.
    """
    files = [data / MANIFEST, data / KADID_TABLE] if data.is_dir() else [data]
    for file in files:
        header = _header(file)
        if header.issuperset(WELD_COLUMNS):
            return "weld", _columns(file, [name for name in (*WELD_COLUMNS, "SPLIT") if name in header])
        if file.name == KADID_TABLE and header.issuperset(KADID_COLUMNS):
            return "quality", _columns(file, [name.lower() for name in KADID_COLUMNS])
    return None


def _columns(file: Path, names: list[str]) -> str:
    return f"columns {', '.join(names)} of {file.name}"


def _header(file: Path) -> set[str]:
    """Names of the columns of a CSV in capitals; none where it cannot be read: whoever reads the data says why."""
    if file.suffix.lower() != ".csv":
        return set()
    try:
        with io.TextIOWrapper(open_regular(file), encoding="utf-8-sig", newline="") as stream:
            return {name.strip().upper() for name in next(csv.reader(stream), [])}
    except (OSError, UnicodeDecodeError, csv.Error):
        return set()
