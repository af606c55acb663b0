"""Which code outside of trainctl may run as a task: what the user has run under this path, as long as it is the same.

A run directory, a preset or a configuration can come from anybody, and each can name a file of code. So the user's own
words on the command line are enough, but a file's are not: for those the hash of the code, and of what it imported from
beside it, must be the one noted when the user last ran it. The notes are a small JSON file in the user's state folder;
without it nothing is lost but the asking. Imports nothing it judges.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, cast

from trainctl.engine.errors import UserError
from trainctl.engine.files import parse_json, read_limited
from trainctl.engine.runs.atomic import write_json_atomic
from trainctl.engine.user_folders import user_folder

MAX_BYTES = 4 << 20
"""Of the notes, and of a file of code."""
MOST_ENTRIES = 500
"""Pieces of code that are remembered; those that were run last."""
HINT = "read it; if you would run it, add --trust"

Hashes = dict[str, str]
"""SHA-256 of files by path."""


def notes_path() -> Path:
    """Where it is noted."""
    return user_folder("state") / "trusted.json"


def require_trust(code: Path) -> Hashes:
    """What is noted of `code`, a resolved path, if it and all that it imported from beside it are as the user ran them.

    Raises:
        UserError: they were never run, or have changed since.
    """
    noted = _notes().get(str(code))
    if noted is None:
        raise UserError(f"the task would run {code}, which you have not run before", HINT)
    changed = next((path for path, digest in noted.items() if hash_of(Path(path)) != digest), None)
    if changed is not None:
        raise UserError(f"the task would run {code}, but {changed} has changed since you ran it", HINT)
    return noted


def note(code: Path, files: Iterable[Path]) -> None:
    """Remember that the user ran `code`, which imported `files`. Where it cannot be written, nothing is remembered."""
    hashes = {str(path): digest for path in (code, *files) if (digest := hash_of(path)) is not None}
    notes = _notes()
    if notes.get(str(code)) == hashes:
        return
    notes.pop(str(code), None)
    notes[str(code)] = hashes
    path = notes_path()
    with contextlib.suppress(OSError, UserError):
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_json_atomic(path, dict(list(notes.items())[-MOST_ENTRIES:]))
        path.chmod(0o600)


def hash_of(path: Path) -> str | None:
    """SHA-256 of a file; none where it cannot be read."""
    data = read_code(path)
    return None if data is None else hash_of_bytes(data)


def hash_of_bytes(data: bytes) -> str:
    """SHA-256."""
    return hashlib.sha256(data).hexdigest()


def read_code(path: Path) -> bytes | None:
    """What a file holds; none where it cannot be read, or is too large to be code."""
    try:
        return read_limited(path, MAX_BYTES)
    except (OSError, ValueError):
        return None


def _notes() -> dict[str, Hashes]:
    """What is noted; nothing if somebody else could have written it."""
    path = notes_path()
    try:
        if not _is_ours_alone(path) or not _is_ours_alone(path.parent):
            return {}
        data: Any = parse_json(read_limited(path, MAX_BYTES))
    except (OSError, ValueError):
        return {}
    if not isinstance(data, dict):
        return {}
    entries = cast("dict[str, Any]", data)
    return {code: cast("Hashes", hashes) for code, hashes in entries.items() if _is_entry(code, hashes)}


def _is_entry(code: str, hashes: Any) -> bool:
    """Whether something is noted of the code itself; of what else there is, each must hold."""
    return isinstance(hashes, Mapping) and code in hashes


def _is_ours_alone(path: Path) -> bool:
    found = path.stat()
    return found.st_uid == os.geteuid() and not found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
