"""Which built-in task a file of the user's belongs to, where that shows. Reads a header; needs no torch."""

from __future__ import annotations

from pathlib import Path

from trainctl.engine.data.csv_table import table_headers
from trainctl.engine.files import is_folder

WELD_COLUMNS = ("CATEGORY", "SUBDIRS")
MANIFEST = "manifest.csv"
KADID_COLUMNS = ("DIST_IMG", "REF_IMG", "DMOS")
KADID_TABLE = "dmos.csv"


def recognise_task(data: Path) -> tuple[str, str] | None:
    """The task that `data` is meant for, and what it was recognised by; None: not to be told.

    A table, whatever it is called, or the `manifest.csv` of a folder, with the columns of a weld manifest belongs to
    `weld`; the `dmos.csv` of KADID-10k, or its folder, to `quality`.
    """
    files = [data / MANIFEST, data / KADID_TABLE] if is_folder(data) else [data]
    for file in files:
        for names in table_headers(file, str.upper):
            header = set(names)
            if header.issuperset(WELD_COLUMNS):
                return "weld", _columns(file, [name for name in (*WELD_COLUMNS, "SPLIT") if name in header])
            if file.name == KADID_TABLE and header.issuperset(KADID_COLUMNS):
                return "quality", _columns(file, [name.lower() for name in KADID_COLUMNS])
    return None


def _columns(file: Path, names: list[str]) -> str:
    return f"columns {', '.join(names)} of {file.name}"
