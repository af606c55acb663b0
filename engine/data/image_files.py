"""Finds the images below a folder, and says what it passed over. Opens none of them, knows no data set.

Links to folders are followed, but none that lead to a folder above, and each folder is looked at once, so that one
which contains itself comes to an end.
"""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from trainctl.engine.errors import UserError
from trainctl.engine.files import open_regular

SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".gif", ".pgm", ".ppm", ".jp2", ".j2k"}
)
"""Names that are taken for images in a folder, in lower case: what Pillow reads wherever it is installed."""
NAMED = 3
"""Files named where there are many."""


@dataclass(frozen=True)
class Found:
    """The files below a folder, sorted, but for hidden ones and what macOS adds to archives."""

    images: list[Path]
    others: list[Path]
    """Files that are no images by their name, and what is no file at all: pipes, devices, links to nothing."""


def images_below(folder: Path) -> Found:
    """Every image below `folder` by its name, in subfolders too.

    Raises:
        UserError: a folder cannot be read.
    """
    files = files_below(folder)
    images = [path for path in files if path.suffix.lower() in SUFFIXES]
    taken = set(images)
    return Found(images, [path for path in files if path not in taken])


def files_below(folder: Path) -> list[Path]:
    """Every file below `folder`, whatever its name, sorted, but for hidden ones and what macOS adds to archives.

    Raises:
        UserError: a folder cannot be read.
    """
    return sorted(_files(folder))


def without_copies(files: Sequence[Path]) -> tuple[list[Path], list[tuple[Path, Path]]]:
    """The files without those that are another one byte for byte, and each of these with the one that was kept.

    Only files of one size are read; what cannot be read is kept, for whoever reads it to say so.
    """
    sizes = Counter(size for file in files if (size := _size(file)))
    kept: list[Path] = []
    copies: list[tuple[Path, Path]] = []
    first: dict[bytes, Path] = {}
    for file in files:
        digest = _digest(file) if sizes[_size(file)] > 1 else b""
        if digest and first.setdefault(digest, file) != file:
            copies.append((file, first[digest]))
        else:
            kept.append(file)
    return kept, copies


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except OSError:
        return 0


def _digest(file: Path) -> bytes:
    try:
        with open_regular(file) as stream:
            return hashlib.file_digest(stream, "sha256").digest()  # pyright: ignore[reportArgumentType]
    except OSError:
        return b""


def others_words(root: Path, others: Sequence[Path]) -> str:
    """What was passed over: how many of each ending, with a few names; empty for none."""
    if not others:
        return ""
    endings = Counter(path.suffix.lower() or "without ending" for path in others)
    counts = ", ".join(f"{count:,} {ending}" for ending, count in endings.most_common())
    return f"{len(others):,} files are no images by their name: {counts} ({named([_within(root, p) for p in others])})"


def named(words: Sequence[str], most: int = NAMED) -> str:
    """The first few of them, and that there are more."""
    return ", ".join(words[:most]) + (", …" if len(words) > most else "")


def _within(root: Path, path: Path) -> str:
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)


def entries(folder: Path, hint: str) -> list[os.DirEntry[str]]:
    """What lies in a folder, without hidden entries and what macOS adds to archives.

    Raises:
        UserError: it is no folder, or cannot be read.
    """
    try:
        with os.scandir(folder) as found:
            inside = [entry for entry in found if not entry.name.startswith((".", "__MACOSX"))]
    except NotADirectoryError as error:
        raise UserError(f"{folder} is a file where a folder is expected", hint) from error
    except PermissionError as error:
        raise UserError(f"permission denied: {folder}", "make the folder readable") from error
    except OSError as error:
        raise UserError(f"cannot read {folder}: {error.strerror}", hint) from error
    # Such a folder gives the names of its files and none of the files: said once, not of each of them.
    if inside and not os.access(folder, os.X_OK):
        raise UserError(f"permission denied: {folder} may be listed, not searched", "make the folder searchable")
    return inside


def is_folder(entry: os.DirEntry[str]) -> bool:
    """Whether an entry is a folder or leads to one; what leads in circles does not."""
    try:
        return entry.is_dir()
    except OSError:
        return False


def _identity(folder: Path) -> tuple[int, int]:
    try:
        facts = folder.stat()
    except OSError:
        return (0, 0)
    return (facts.st_dev, facts.st_ino)


def _files(folder: Path) -> Iterator[Path]:
    # The folders above are known too: a link that leads up would find the images of other classes again.
    pending, known = [folder], {_identity(above) for above in (*folder.absolute().parents, *folder.resolve().parents)}
    while pending:
        here = pending.pop()
        identity = _identity(here)
        if identity in known:
            continue
        known.add(identity)
        for entry in entries(here, "make the folder readable"):
            if is_folder(entry):
                pending.append(Path(entry.path))
            else:
                yield Path(entry.path)
