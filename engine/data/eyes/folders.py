"""Lists eyes in folders `open` and `closed`, with or without `train` and `val` above. Decodes nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from trainctl.engine.data.eyes.listing import Listing, parse_split_name
from trainctl.engine.data.image_files import SUFFIXES, Found, entries, images_below, is_folder, others_words
from trainctl.engine.data.images import Source
from trainctl.engine.data.split_names import SPLIT_NAMES
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
        holds = "holds no folder" if entries(root, EXPECTED) else "is empty"
        raise UserError(f"{root} {holds}", f"{EXPECTED} (photographs as they are: --preset quality/repaired)")
    return _listing(root, splits)


def is_image_root(root: Path) -> bool:
    """Whether a folder is laid out by class or by split."""
    return any(entry.name.lower() in (*CLASS_FOLDERS, *SPLIT_NAMES) for entry in entries(root, EXPECTED))


def _listing(root: Path, splits: Sequence[tuple[Path, int | None]]) -> Listing:
    """The images of one or more folders that each hold the class folders."""
    paths: list[Path] = []
    class_ids: list[int] = []
    sides: list[int] = []
    others: list[Path] = []
    for folder, side in splits:
        children = _children(folder)
        for class_id, name in enumerate(CLASS_FOLDERS):
            if name not in children:
                raise UserError(f"{folder} has no folder {name!r}", EXPECTED)
            found = _images(children[name])
            paths += found.images
            class_ids += [class_id] * len(found.images)
            sides += [side] * len(found.images) if side is not None else []
            others += found.others
    notes = (f"{others_words(root, others)} and were left alone",) if others else ()

    def sources() -> Iterator[Source]:
        return iter(paths)

    names = [path.relative_to(root).as_posix() for path in paths]
    labels = np.asarray(class_ids, dtype=np.int64)
    split = np.asarray(sides, dtype=np.int64) if sides else None
    return Listing(str(root), names, labels, sources, split, notes=notes)


def _children(folder: Path) -> dict[str, Path]:
    """Folders in a folder by lower-case name; a file named like a class counts, to be refused by name later."""
    return {
        entry.name.lower(): Path(entry.path)
        for entry in entries(folder, EXPECTED)
        if is_folder(entry) or entry.name.lower() in CLASS_FOLDERS
    }


def _images(folder: Path) -> Found:
    """What lies below a class folder.

    Raises:
        UserError: no image.
    """
    if not folder.is_dir():
        raise UserError(f"{folder} is a file where a folder is expected", EXPECTED)
    found = images_below(folder)
    if not found.images:
        but = f", but {others_words(folder, found.others)}" if found.others else ""
        hint = f"put images there ({', '.join(sorted(SUFFIXES))}) or check the path"
        raise UserError(f"{folder} holds no image{but}", hint)
    return found
