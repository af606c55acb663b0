"""Lists eyes in folders `open` and `closed`, with or without `train` and `val` above. Decodes nothing."""

from __future__ import annotations

import re
import shlex
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from trainctl.engine.data.eyes.listing import Listing, parse_split_name
from trainctl.engine.data.image_files import SUFFIXES, Found, entries, images_below, is_folder, named, others_words
from trainctl.engine.data.images import Source
from trainctl.engine.data.split_names import SPLIT_NAMES
from trainctl.engine.errors import UserError
from trainctl.engine.files import is_folder as is_folder_at

CLASS_FOLDERS = ("closed", "open")
"""Folder names by class id; any capitalisation."""

FEW_FOLDERS = 4
"""Up to so many, one whose name tells what it holds is worth naming though no other does."""
EXPECTED = "expected are the folders open and closed, or train and val with these in each"


def list_folders(root: Path, classes: Mapping[str, str] = {}, *, needs_both: bool = True) -> Listing:
    """Every image below the class folders, sorted by path.

    Args:
        root: holds the class folders, or a folder for each split with these in it.
        classes: what folders of other names hold, `open` or `closed`.
        needs_both: refuse a folder without one of the classes, as a training must.

    Raises:
        UserError: when a class folder is missing, empty, unreadable or a file, or a split has an unknown name.
    """
    known = _class_ids(classes)
    children = _children(root, known)
    if children.keys() & known.keys():
        return _listing(root, [(root, None)], known, classes, needs_both)
    folders = [(name, path) for name, paths in sorted(children.items()) for path in paths]
    holds_class = any(_children(path, known).keys() & known.keys() for _, path in folders)
    # One folder called `dev` among many of other names is no split.
    if folders and not holds_class and not all(name in SPLIT_NAMES for name, _ in folders):
        raise _without_classes(root, [path.name for _, path in folders], given=classes)
    splits = [(path, parse_split_name(name, str(root))) for name, path in folders]
    if not splits:
        holds = "holds no folder" if entries(root, EXPECTED) else "is empty"
        raise UserError(f"{root} {holds}", f"{EXPECTED} (photographs as they are: --preset quality/repaired)")
    return _listing(root, splits, known, classes, needs_both)


def is_image_root(root: Path) -> bool:
    """Whether a folder is laid out by class or by split."""
    return any(entry.name.lower() in (*CLASS_FOLDERS, *SPLIT_NAMES) for entry in entries(root, EXPECTED))


def _class_ids(classes: Mapping[str, str]) -> dict[str, int]:
    """Class id of each folder that holds a class, by its name in lower case; what the user says counts most."""
    usual = {name: number for number, name in enumerate(CLASS_FOLDERS)}
    return usual | {name.lower(): usual[held] for name, held in classes.items()}


def _without_classes(
    folder: Path, children: Iterable[str], missing: str = "open or closed", given: Mapping[str, str] = {}
) -> UserError:
    """That folders are called otherwise, and the option that says what they hold: guessed where the names tell.

    Args:
        folder: where the class folders should be.
        children: the folders in it that hold no known class.
        missing: what is not there.
        given: what `--classes` said; the option has to say it again.
    """
    names = sorted(children)
    if not names:
        hint = "both classes are needed; `trainctl predict RUN FOLDER` takes images of any"
        return UserError(f"{folder} has no folder {missing}", f"{hint}; {EXPECTED}")
    there = f", but {', '.join(names[:4])}{', ...' if len(names) > 4 else ''}" if names else ""
    wanted = [held for held in reversed(CLASS_FOLDERS) if held in missing]
    only_one_left = bool(given) and len(names) == len(wanted) == 1
    pairs = {**given, **({names[0]: wanted[0]} if only_one_left else _guessed(names, wanted))}
    said = [f"{name}={held}" for name, held in pairs.items()]
    said += [f"FOLDER={held}" for held in wanted if held not in pairs.values()]
    option = ",".join(said) if len(said) > len(pairs) else shlex.quote(",".join(said))
    return UserError(f"{folder} has no folder {missing}{there}", f"say what they hold: --classes {option}; {EXPECTED}")


def _guessed(names: Sequence[str], wanted: Sequence[str]) -> dict[str, str]:
    """What folders seem to hold; nothing where one of the wanted classes is not among it and there are many folders."""
    found = {name: held for name in names if (held := class_by_name(name)) is not None and name not in CLASS_FOLDERS}
    if not set(wanted) <= set(found.values()) and (len(names) > FEW_FOLDERS or any(name.isdigit() for name in found)):
        return {}
    return found


def class_by_name(name: str) -> str | None:
    """Which class the name of a folder speaks of; None where it does not tell, or tells of both."""
    word = name.lower()
    if re.search(r"(?<![a-z])(not|non|no|un)(?![a-z])|unopened|unclosed", word):
        return None
    signs = {"open": ("open", "awake", "睁", "开"), "closed": ("clos", "shut", "闭")}
    said = [held for held, parts in signs.items() if any(part in word for part in parts)]
    return said[0] if len(said) == 1 else {"0": "closed", "1": "open"}.get(word)


def _listing(
    root: Path,
    splits: Sequence[tuple[Path, int | None]],
    known: Mapping[str, int],
    classes: Mapping[str, str],
    needs_both: bool,
) -> Listing:
    """The images of one or more folders that each hold the class folders."""
    paths: list[Path] = []
    class_ids: list[int] = []
    sides: list[int] = []
    others: list[Path] = []
    strange: list[Path] = []
    for folder, side in splits:
        children = _children(folder, known)
        strangers = [path for name in sorted(children) if name not in known for path in children[name]]
        strange += [path for path in strangers if images_below(path).images]
        for class_id, missing in enumerate(CLASS_FOLDERS):
            holding = [path for name in sorted(children) if known.get(name) == class_id for path in children[name]]
            if not holding and needs_both:
                given = {name: held for name, held in classes.items() if name.lower() in children}
                raise _without_classes(folder, [path.name for path in strangers], repr(missing), given)
            for found in map(_images, holding):
                paths += found.images
                class_ids += [class_id] * len(found.images)
                sides += [side] * len(found.images) if side is not None else []
                others += found.others
    notes = [f"{others_words(root, others)} and were left alone"] if others else []
    if strange:
        images = sum(len(images_below(path).images) for path in strange)
        words = named([path.relative_to(root).as_posix() for path in strange])
        notes.append(
            f"{images:,} images in folders of no known class were left out: {words} (--classes says what one holds)"
        )

    def sources() -> Iterator[Source]:
        return iter(paths)

    names = [path.relative_to(root).as_posix() for path in paths]
    labels = np.asarray(class_ids, dtype=np.int64)
    split = np.asarray(sides, dtype=np.int64) if sides else None
    return Listing(str(root), names, labels, sources, split, notes=tuple(notes))


def _children(folder: Path, known: Collection[str]) -> dict[str, list[Path]]:
    """Folders in a folder by lower-case name (`Open` and `open` can both be there); a file named like a class counts,
    to be refused by name later."""
    found: dict[str, list[Path]] = {}
    for entry in sorted(entries(folder, EXPECTED), key=lambda entry: entry.name):
        if is_folder(entry) or entry.name.lower() in known:
            found.setdefault(entry.name.lower(), []).append(Path(entry.path))
    return found


def _images(folder: Path) -> Found:
    """What lies below a class folder.

    Raises:
        UserError: no image.
    """
    if not is_folder_at(folder):
        raise UserError(f"{folder} is a file where a folder is expected", EXPECTED)
    found = images_below(folder)
    if not found.images:
        but = f", but {others_words(folder, found.others)}" if found.others else ""
        hint = f"put images there ({', '.join(sorted(SUFFIXES))}) or check the path"
        raise UserError(f"{folder} holds no image{but}", hint)
    return found
