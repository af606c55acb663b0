"""Which built-in task a file of the user's belongs to, where that shows. Reads a header; needs no torch."""

from __future__ import annotations

import csv
from pathlib import Path

WELD_COLUMNS = ("CATEGORY", "SUBDIRS")
MANIFEST = "manifest.csv"


def recognise_task(data: Path) -> tuple[str, str] | None:
    """The task that `data` is meant for, and what it was recognised by; None: not to be told.

    A CSV, or the `manifest.csv` of a folder, with the columns of a weld manifest belongs to `weld`.
    """
    file = data / MANIFEST if data.is_dir() else data
    if file.suffix.lower() != ".csv":
        return None
    try:
        with file.open(encoding="utf-8-sig", newline="") as stream:
            header = {name.strip().upper() for name in next(csv.reader(stream), [])}
    except (OSError, UnicodeDecodeError, csv.Error):
        return None  # whoever reads the data says what is wrong with it
    if not header.issuperset(WELD_COLUMNS):
        return None
    seen = [name for name in (*WELD_COLUMNS, "SPLIT") if name in header]
    return "weld", f"columns {', '.join(seen)} of {file.name}"
