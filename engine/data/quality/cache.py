"""Keeps made pictures on disk and finds them again. Nothing here is needed: a cache that fails costs a note.

An entry is a folder named by its key with `images.npy` and `about.json` (shape, checksum and whatever came with it),
complete as soon as it has its name. Knows what is kept by its key only.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import time
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainctl.engine.runs.atomic import to_json, write_all
from trainctl.engine.user_folders import user_folder

LIMIT_BYTES = 4 << 30
"""Room for all entries; those unused for longest make way."""
ABANDONED_S = 3600.0
"""Half-written entries older than this belong to nobody any more."""
IMAGES, ABOUT = "images.npy", "about.json"


@dataclass(frozen=True)
class Entry:
    """What was kept."""

    images: NDArray[np.uint8]
    about: Mapping[str, Any]


def cache_root() -> Path | None:
    """Folder of all entries, `quality` in the user's cache; None where there is no home."""
    try:
        return user_folder("cache") / "quality"
    except RuntimeError:
        return None


def load_entry(root: Path, key: str) -> Entry | None:
    """The entry of a key; None where there is none, or it is damaged."""
    folder = root / key
    try:
        written: dict[str, Any] = json.loads((folder / ABOUT).read_bytes())
        images: NDArray[np.uint8] = np.load(folder / IMAGES, allow_pickle=False)
        entry = Entry(images, written["about"])
        if images.dtype != np.uint8 or _checksum(entry) != written["crc32"]:
            return None
    except (OSError, ValueError, KeyError, TypeError, EOFError):
        return None
    with contextlib.suppress(OSError):
        os.utime(folder)  # used now: others make way first
    return entry


def save_entry(root: Path, key: str, entry: Entry, limit: int = LIMIT_BYTES) -> str:
    """Keep an entry, replacing one of the same key, and let the oldest ones go where room is short.

    Returns:
        Why it could not be kept; empty when it was.
    """
    if entry.images.nbytes > limit:
        return f"{entry.images.nbytes / (1 << 30):.1f} GiB are more than its limit of {limit / (1 << 30):.1f} GiB"
    temporary = root / f".{key}.{os.getpid()}.tmp"
    try:
        temporary.mkdir(parents=True, exist_ok=True)
        make_room(root, limit - entry.images.nbytes, spare=temporary)
        _write_images(temporary / IMAGES, entry.images)
        text = to_json({"crc32": _checksum(entry), "about": entry.about})
        (temporary / ABOUT).write_text(text, encoding="utf-8")
        _remove(root / key)
        temporary.rename(root / key)
    except OSError as err:
        _remove(temporary)
        # Another process may have kept the same pictures in the meantime.
        return "" if load_entry(root, key) is not None else f"{root}: {err.strerror or err}"
    return ""


def make_room(root: Path, limit: int, spare: Path) -> None:
    """Remove entries, those unused for longest first, until the rest takes no more than `limit` bytes."""
    ages: list[tuple[float, int, Path]] = []
    for folder in root.iterdir():
        if folder == spare:
            continue
        with contextlib.suppress(OSError):
            used = folder.stat().st_mtime
            if not folder.name.startswith("."):
                ages.append((used, sum(file.stat().st_size for file in folder.iterdir()), folder))
            elif folder.name.endswith(".tmp") and time.time() - used > ABANDONED_S:
                _remove(folder)
    total = sum(size for _, size, _ in ages)
    for _, size, folder in sorted(ages):
        if total <= limit:
            break
        _remove(folder)
        total -= size


def _checksum(entry: Entry) -> int:
    return zlib.crc32(entry.images.data, zlib.crc32(to_json(entry.about).encode()))


def _write_images(file: Path, images: NDArray[np.uint8]) -> None:
    """As `np.save`, but a full disk is said as what it is."""
    header = BytesIO()
    np.lib.format.write_array_header_1_0(header, np.lib.format.header_data_from_array_1_0(images))
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o666)
    try:
        write_all(descriptor, header.getvalue())
        write_all(descriptor, images.data.cast("B"))  # type: ignore[arg-type]
    finally:
        os.close(descriptor)


def _remove(folder: Path) -> None:
    """Remove an entry of ours, if it is there and may be removed."""
    shutil.rmtree(folder, ignore_errors=True)
