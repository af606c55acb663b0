"""Gives a run another name. Its date and its id stay: they order the list, and people and forks know it by them."""

from __future__ import annotations

import os
import re
from pathlib import Path

from trainctl.engine.errors import UserError
from trainctl.engine.runs.atomic import disk_errors
from trainctl.engine.runs.folder.removal import check_run, point_latest, unwritten
from trainctl.engine.runs.index import LATEST
from trainctl.engine.runs.layout import RunPaths

MOST_BYTES = 255
"""Of a name, on every common file system."""
_PARTS = re.compile(r"(\d{8}-\d{6}-)(.+)(-[0-9a-f]{4})")
_RESERVED = (LATEST, "last", ".", "..")


def label_of(name: str) -> str:
    """The part of a run's name that may be given: what stands between date and id, or all of it."""
    parts = _PARTS.fullmatch(name)
    return parts[2] if parts else name


def renamed(name: str, wish: str) -> str:
    """The name that a run would have.

    Args:
        name: the present one.
        wish: the new label, `<label>` of `<YYYYmmdd-HHMMSS>-<label>-<id>`; or the whole new name, with the same date
            and id. Of a run without date and id the whole name.

    Raises:
        UserError: it is no file name, or has another date or id.
    """
    wish = wish.strip()
    _check(wish)
    parts, given = _PARTS.fullmatch(name), _PARTS.fullmatch(wish)
    if parts is None:
        new = wish
    elif given is None:
        new = f"{parts[1]}{wish}{parts[3]}"
    elif (given[1], given[3]) == (parts[1], parts[3]):
        new = wish
    else:
        raise UserError(f"{wish} has another date or id than {name}", "give the part between them")
    if len(os.fsencode(new)) > MOST_BYTES:
        raise UserError(f"a name of {len(os.fsencode(new))} bytes is too long", f"at most {MOST_BYTES}")
    return new


def rename_run(root: Path, name: str, wish: str) -> RunPaths:
    """Rename a run; returns where it is now.

    Raises:
        UserError: there is no such run or it is live; the name is none or is taken; or the disk refuses.
    """
    paths, new = check_run(root, name), renamed(name, wish)
    if new == name:
        return paths
    target = RunPaths(root / new)
    with unwritten(paths), disk_errors(target.root):
        try:
            target.root.mkdir(mode=0o700)  # fails where there is anything of this name, as a move alone would not
        except FileExistsError:
            raise UserError(f"there is a {new} in {root} already", "choose another name") from None
        try:
            paths.root.rename(target.root)
        except OSError:
            target.root.rmdir()
            raise
    point_latest(root, name, new)
    return target


def _check(wish: str) -> None:
    if not wish:
        raise UserError("a name has at least one character", "give one")
    if "/" in wish or not wish.isprintable():
        raise UserError(f"{wish!r} is no file name", "give one without / and without control characters")
    if wish in _RESERVED or wish[0] in ".-":
        raise UserError(f"a run cannot be called {wish}", "choose another name")
    try:
        os.fsencode(wish)
    except UnicodeEncodeError as err:
        raise UserError(f"{wish!r} is no file name", "give one that can be written") from err
