"""Distorted copies of reference pictures, made now or found in the cache. Knows nothing of scores and splits."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from trainctl.engine.data.image_files import others_words, without_copies
from trainctl.engine.data.progress import Report
from trainctl.engine.data.quality.cache import Entry, cache_root, load_entry, save_entry
from trainctl.engine.data.quality.made import choose_kinds, kinds, make_copies
from trainctl.engine.data.quality.photographs import (
    References,
    built_in_references,
    list_photographs,
    photograph_references,
)
from trainctl.engine.files import is_there

if TYPE_CHECKING:
    from trainctl.engine.data.quality.options import QualityData

MAKERS = (
    "images.py",
    "quality/crops.py",
    "quality/photographs.py",
    "quality/made.py",
    "distortions",
    "augment/colour.py",
)
"""Code under `engine/data` that decides what a copy looks like: a change to it makes the cache's entries useless."""


@dataclass(frozen=True)
class Made:
    """Copies of references."""

    images: NDArray[np.uint8]
    """Shape (R · M, 3, S, S), the copies of a reference next to each other."""
    kinds: NDArray[np.int64]
    """Of the copies, as indices into `made.kinds`, shape (R, M)."""
    names: list[str]
    """Of the references."""
    groups: list[str]
    """Of the references: those of one group stand next to each other, groups in random order."""
    notes: tuple[str, ...]


def made_built_in(data: QualityData, seed: int, tell: Report) -> Made:
    """Copies of tiles of the built-in photographs.

    Raises:
        UserError: no tile of that size fits.
    """
    return _found_or_made(
        lambda: cache_key("built-in", [], data, seed),
        lambda: built_in_references(data.references, data.image_size, seed),
        data,
        seed,
        tell,
    )


def made_of_photographs(data: QualityData, root: Path, seed: int, tell: Report) -> Made:
    """Copies of crops of the photographs below `root`.

    Raises:
        UserError: the photographs cannot be used.
    """
    found = list_photographs(root)
    files, copies = without_copies(found.images)
    made = _found_or_made(
        lambda: cache_key(str(root.resolve()), files, data, seed),
        lambda: photograph_references(root, files, data.references, data.image_size, seed, tell),
        data,
        seed,
        tell,
    )
    others = (f"{others_words(root, found.others)} and were left alone",) if found.others else ()
    return replace(made, notes=(*made.notes, *_copies_words(root, copies), *others))


def _copies_words(root: Path, copies: Sequence[tuple[Path, Path]]) -> tuple[str, ...]:
    """That photographs were left out because they would stand on both sides of a split."""
    if not copies:
        return ()
    one, other = (file.relative_to(root).as_posix() for file in copies[0])
    return (f"{len(copies):,} photographs are others byte for byte and were left out, e.g. {one} = {other}",)


def _found_or_made(
    key_of: Callable[[], str], references_of: Callable[[], References], data: QualityData, seed: int, tell: Report
) -> Made:
    """From the cache where it has them; what was made is kept there, if it can be."""
    folder = cache_root() if data.cache else None
    if folder is None:
        return _make(references_of(), data, seed, tell)
    key = key_of()
    entry = load_entry(folder, key)
    found = None if entry is None else _of_entry(entry, data, seed)
    if found is not None:
        return replace(found, notes=(*found.notes, f"copies found in {folder / key}"))
    made = _make(references_of(), data, seed, tell)
    about = {"names": made.names, "groups": made.groups, "notes": made.notes}
    problem = save_entry(folder, key, Entry(made.images, about))
    note = f"copies not kept for the next time: {problem}" if problem else f"copies kept in {folder / key}"
    return replace(made, notes=(*made.notes, note))


def cache_key(origin: str, files: Sequence[Path], data: QualityData, seed: int) -> str:
    """Hexadecimal digest of all that decides the copies: photographs, options, seed, code and its libraries."""
    import PIL
    import torch

    digest = hashlib.sha256()
    options = (data.references, data.images, data.image_size, data.pristine, seed, torch.__version__, PIL.__version__)
    digest.update(repr((origin, options)).encode())
    for file in files:
        facts = file.stat() if is_there(file, strict=False) else None  # what cannot be read is said where it is
        age = (facts.st_size, facts.st_mtime_ns) if facts else ()
        digest.update(repr((str(file), age)).encode())
    for source in _sources():
        digest.update(source.read_bytes())
    return digest.hexdigest()[:32]


def _sources() -> Iterable[Path]:
    folder = Path(__file__).parents[1]
    for name in MAKERS:
        path = folder / name
        yield from sorted(path.glob("*.py")) if path.is_dir() else (path,)


def _make(references: References, data: QualityData, seed: int, tell: Report) -> Made:
    chosen_RM = _kinds(len(references.names), data, seed)
    images = make_copies(references.images, chosen_RM, pristine=data.pristine, seed=seed, progress=tell)
    return Made(images.numpy(), chosen_RM, references.names, references.groups, references.notes)


def _kinds(num_references: int, data: QualityData, seed: int) -> NDArray[np.int64]:
    return choose_kinds(num_references, data.images, len(kinds(pristine=data.pristine)), seed)


def _of_entry(entry: Entry, data: QualityData, seed: int) -> Made | None:
    """What an entry holds, if it is as this code writes it."""
    names, groups, notes = (list(map(str, entry.about.get(name, ()))) for name in ("names", "groups", "notes"))
    if not names or len(groups) != len(names):
        return None
    chosen_RM = _kinds(len(names), data, seed)
    if entry.images.shape != (chosen_RM.size, 3, data.image_size, data.image_size):
        return None
    return Made(entry.images, chosen_RM, names, groups, tuple(notes))
