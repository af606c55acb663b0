"""Looks into folders that somebody else made: bounded in depth and number, never in a circle. Opens no file."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

DEEPEST = 6
"""Folders below the one that is named."""
MOST = 200_000
"""Entries that are looked at."""


def files_below(folder: Path, is_wanted: Callable[[str], bool], deepest: int = DEEPEST) -> Iterator[Path]:
    """Files in a folder and those below it whose names are wanted; links to folders are not followed.

    A folder that cannot be read is passed over. In the order of their paths.
    """
    left = MOST
    waiting: list[tuple[Path, int]] = [(folder, 0)]
    found: list[Path] = []
    while waiting and left > 0:
        here, depth = waiting.pop()
        for entry in _entries(here):
            left -= 1
            if left <= 0:
                break
            if entry.is_dir(follow_symlinks=False):
                if depth < deepest:
                    waiting.append((Path(entry.path), depth + 1))
            elif is_wanted(entry.name) and _is_file(entry):
                found.append(Path(entry.path))
    yield from sorted(found)


def folders_in(folder: Path) -> Iterator[Path]:
    """The folders in a folder, by name; links are none."""
    yield from sorted(Path(entry.path) for entry in _entries(folder) if entry.is_dir(follow_symlinks=False))


def _entries(folder: Path) -> Iterator[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            yield from entries
    except OSError:
        return


def _is_file(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_file()
    except OSError:
        return False
