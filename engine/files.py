"""Opens and parses files that somebody else may have made. Knows nothing of what they mean.

A run directory, a configuration or a log can come from anywhere. So: regular files only, opened without waiting (a pipe
would block, a device never ends), no more bytes than such a file can sensibly have, and numbers and text that the rest
of the program can work with. What does not fit is an OSError or a ValueError whose text says why, in one line.
"""

from __future__ import annotations

import errno
import json
import math
import os
import re
import stat
from pathlib import Path
from typing import Any, BinaryIO, cast

from trainctl.engine.errors import UserError

LARGEST = 2**63 - 1
"""Whole number: what fits 64 bits."""
_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFSOCK: "a socket",
}
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
_LONG, _LARGE = re.compile(rb"\d{19}"), re.compile(rb"[eE]\+?\d{3}")
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")


_NOT_THERE = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG})


def is_there(path: Path, *, strict: bool = True) -> bool:
    """Whether anything lies at a path that the user named, which may be no possible name.

    `Path.exists` and its like say no where nothing is, and raise where nobody can tell, or the name is too long.

    Args:
        path: anything.
        strict: refuse where nobody can tell, instead of saying no: a folder above may not be searched, the disk fails.

    Raises:
        UserError: see `strict`.
    """
    return _kind_at(path, strict) != 0


def is_file(path: Path) -> bool:
    """Whether a regular file lies there, or a link to one.

    Raises:
        UserError: nobody can tell.
    """
    return stat.S_ISREG(_kind_at(path, strict=True))


def is_folder(path: Path, *, strict: bool = True) -> bool:
    """Whether a folder lies there, or a link to one.

    Raises:
        UserError: as `is_there`.
    """
    return stat.S_ISDIR(_kind_at(path, strict))


def _kind_at(path: Path, strict: bool) -> int:
    """What kind of thing it is, by its mode; 0: nothing."""
    try:
        return path.stat().st_mode
    except ValueError:  # a null byte, half of a surrogate pair
        return 0
    except OSError as err:
        if not strict or err.errno in _NOT_THERE:
            return 0
        if isinstance(err, PermissionError):
            raise UserError(f"permission denied: {path}", "make the folders above it searchable") from err
        raise UserError(f"cannot look at {path}: {err.strerror}", "check the disk") from err


def open_regular(path: Path, *, follow: bool = True) -> BinaryIO:
    """The file at `path`, for reading, unbuffered like any other; never waits for whoever is at its other end.

    Args:
        path: the file.
        follow: whether it may be a link. In a directory that came from elsewhere a link can point at anything.

    Raises:
        FileNotFoundError: there is none.
        OSError: it is no regular file, or cannot be opened.
    """
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY | (0 if follow else os.O_NOFOLLOW)
    try:
        descriptor = os.open(path, flags)
    except OSError as err:
        if err.errno == errno.ELOOP and not follow:
            raise OSError(errno.ELOOP, "it is a link, not a file") from err
        raise
    kind = stat.S_IFMT(os.fstat(descriptor).st_mode)
    if kind != stat.S_IFREG:
        os.close(descriptor)
        raise OSError(errno.EINVAL, f"it is {_KINDS.get(kind, 'something else')}, not a file")

    def opened(*_: object) -> int:  # by its path, so that the file knows its name
        return descriptor

    return open(path, "rb", opener=opened)


def read_limited(path: Path, most: int, *, follow: bool = True) -> bytes:
    """The whole content of a regular file.

    Raises:
        FileNotFoundError, OSError: as `open_regular`.
        ValueError: it has more than `most` bytes.
    """
    with open_regular(path, follow=follow) as file:
        # A size that is too large is believed before half a gigabyte is read; one of 0 may be that of /proc.
        is_large = os.fstat(file.fileno()).st_size > most
        content = b"" if is_large else file.read(most + 1)
    if is_large or len(content) > most:
        raise ValueError(f"it is larger than {most // 1_000_000} MB")
    return content


def open_to_others(folder: Path) -> str:
    """Why somebody else could put a file into `folder`, or another folder into its place; empty: nobody could.

    Root is nobody else. In a folder with the sticky bit, as /tmp has it, nobody can replace what is another's.
    """
    real = folder.resolve()  # a folder named by a link, or as `.`, has another above it than its name says
    above = [(path, "in the folder above,") for path in {folder.parent: None, real.parent: None} if path != folder]
    for path, what in ((folder, "in"), *above):
        found = path.stat()
        if found.st_uid not in (os.geteuid(), 0):
            return f"{path} belongs to somebody else"
        is_sticky = path != folder and found.st_mode & stat.S_ISVTX
        if found.st_mode & _OTHERS_WRITE and not is_sticky:
            return f"others may write {what} {path} (mode {stat.S_IMODE(found.st_mode):04o}); chmod go-w it"
    return ""


def written_by_others(path: Path) -> str:
    """Why somebody else could have written into a file of a folder that is not `open_to_others`; empty: nobody could.

    One that was put there while the folder was open stays in the hands of whoever put it there.
    """
    found = path.lstat()
    if found.st_uid not in (os.geteuid(), 0):
        return f"{path} belongs to somebody else"
    is_reached = path.parent.stat().st_mode & (stat.S_IXGRP | stat.S_IXOTH)
    if is_reached and found.st_mode & _OTHERS_WRITE:
        return f"others may write {path} (mode {stat.S_IMODE(found.st_mode):04o}); chmod go-w it"
    return ""


def parse_json(text: bytes) -> Any:
    """A JSON value as the standard has it: no NaN and no infinity, numbers of 64 bits, text that can be encoded.

    Raises:
        ValueError: not JSON, a number out of range, or deeper than Python can follow.
    """
    # Calling back for every number takes twice as long: only where one might be out of range.
    is_suspect = _LONG.search(text) is not None or _LARGE.search(text) is not None
    try:
        value: Any = (_STRICT if is_suspect else _DECODER).decode(text.decode())
        return _mended(value) if _SURROGATE.search(text) else value
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def mended_text(text: str) -> str:
    """`text` with halves of surrogate pairs replaced: they cannot be written to a terminal or a file."""
    return text if text.isascii() else text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _integer(digits: str) -> int:
    if len(digits) > 20 or abs(int(digits)) > LARGEST:
        raise ValueError(f"the number {digits[:6]}… is out of range")
    return int(digits)


def _number(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"the number {text[:12]} is out of range")
    return value


def _refuse_constant(word: str) -> None:
    raise ValueError(f"{word} is no JSON value")


_DECODER = json.JSONDecoder(parse_constant=_refuse_constant)
_STRICT = json.JSONDecoder(parse_int=_integer, parse_float=_number, parse_constant=_refuse_constant)


def _mended(value: Any) -> Any:
    """With every text mended."""
    if isinstance(value, str):
        return mended_text(value)
    if isinstance(value, list):
        return [_mended(item) for item in cast("list[Any]", value)]
    if isinstance(value, dict):
        return {_mended(key): _mended(item) for key, item in cast("dict[str, Any]", value).items()}
    return value
