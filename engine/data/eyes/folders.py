"""Lists eyes in folders `open` and `closed`, with or without `train` and `val` above. Decodes nothing."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from trainctl.engine.data.eyes.listing import SPLIT_NAMES, Listing, parse_split_name
from trainctl.engine.data.images import SUFFIXES, Source
from trainctl.engine.errors import UserError

CLASS_FOLDERS = ("closed", "open")
"""Folder names by class id; any capitalisation."""

EXPECTED = "expected are the folders open and closed, or train and val with these in each"


def list_folders(root: Path) -> Listing:
    """Every image below the class folders, sorted by path.

    Raises:
        UserError: when a class folder is missing, empty, unreadable or a file, or a split has an unknown name.
    """
    children = _children(root)
    if children.keys() & set(CLASS_FOLDERS):
        return _listing(root, [(root, None)])
    splits = [(path, parse_split_name(name, str(root))) for name, path in sorted(children.items())]
    if not splits:
        holds = "holds no folder" if _entries(root) else "is empty"
        raise UserError(f"{root} {holds}", f"{EXPECTED} (photographs as they are: --preset quality/repaired)")
    return _listing(root, splits)


def is_image_root(root: Path) -> bool:
    """Whether a folder is laid out by class or by split."""
    return any(entry.name.lower() in (*CLASS_FOLDERS, *SPLIT_NAMES) for entry in _entries(root))


def _listing(root: Path, splits: Sequence[tuple[Path, int | None]]) -> Listing:
    """The images of one or more folders that each hold the class folders."""
    paths: list[Path] = []
    class_ids: list[int] = []
    sides: list[int] = []
    others = 0
    for folder, side in splits:
        children = _children(folder)
        for class_id, name in enumerate(CLASS_FOLDERS):
            if name not in children:
                raise UserError(f"{folder} has no folder {name!r}", EXPECTED)
            found, skipped = _images(children[name])
            paths += found
            class_ids += [class_id] * len(found)
            sides += [side] * len(found) if side is not None else []
            others += skipped
    notes = (f"{others} files in {root} are no images by their name and were left alone",) if others else ()

    def sources() -> Iterator[Source]:
        return iter(paths)

    names = [path.relative_to(root).as_posix() for path in paths]
    labels = np.asarray(class_ids, dtype=np.int64)
    split = np.asarray(sides, dtype=np.int64) if sides else None
    return Listing(str(root), names, labels, sources, split, notes=notes)


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    """What lies in a folder, without hidden entries and what macOS adds to archives."""
    try:
        with os.scandir(folder) as entries:
            return [entry for entry in entries if not entry.name.startswith((".", "__MACOSX"))]
    except NotADirectoryError as error:
        raise UserError(f"{folder} is a file where a folder is expected", EXPECTED) from error
    except PermissionError as error:
        raise UserError(f"permission denied: {folder}", "make the folder readable") from error


def _children(folder: Path) -> dict[str, Path]:
    """Folders in a folder by lower-case name; a file named like a class counts, to be refused by name later."""
    return {
        entry.name.lower(): Path(entry.path)
        for entry in _entries(folder)
        if entry.is_dir() or entry.name.lower() in CLASS_FOLDERS
    }


def _images(folder: Path) -> tuple[list[Path], int]:
    """Images below a class folder, sorted, and how many other files there are."""
    found: list[Path] = []
    others = 0
    pending = [folder]
    while pending:
        for entry in _entries(pending.pop()):
            if entry.is_dir():
                pending.append(Path(entry.path))
            elif Path(entry.name).suffix.lower() in SUFFIXES:
                found.append(Path(entry.path))
            else:
                others += 1
    if not found:
        raise UserError(
            f"{folder} holds no image", f"put images there ({', '.join(sorted(SUFFIXES))}) or check the path"
        )
    return sorted(found), others
