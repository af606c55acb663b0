"""Small files, whole: replaced in one move, read back with the schema checked; and what a full disk is called.

Knows nothing of what the files mean.
"""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import json
import math
import os
import shutil
import threading
from collections.abc import Callable, Generator, Mapping
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np

from trainctl.engine.errors import UserError
from trainctl.engine.files import mended_text, open_regular, parse_json, read_limited
from trainctl.engine.runs.states import SCHEMA

MAX_BYTES = 16 << 20
"""Of a small file: the description of ten thousand columns has two."""


class DamagedFileError(UserError):
    """A file of a run exists but cannot be understood."""


class ShortenedFileError(DamagedFileError):
    """A file has become shorter than it was when its reading began."""


class DiskError(UserError):
    """The disk refuses what was to be written.

    Args:
        message, hint: as of any mistake.
        is_lasting: to try again at once is of no use: it is full, read-only, not ours.
    """

    def __init__(self, message: str, hint: str = "", *, is_lasting: bool = False) -> None:
        super().__init__(message, hint)
        self.is_lasting = is_lasting


LASTING = frozenset(
    (
        *(errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM, errno.ENAMETOOLONG),
        *(errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ELOOP, errno.EINVAL, errno.ENXIO),
    )
)
"""What the disk says of itself or of the path; anything else (EIO, ESTALE, a server that is away) may pass."""


def to_plain(value: Any) -> Any:
    """`value` as strict JSON allows it: NaN and infinities become None, NumPy and dataclasses plain data.

    Text that no file can hold (a name that is not UTF-8, halves of surrogate pairs) is mended.
    """
    if isinstance(value, (np.generic, np.ndarray)):
        value = value.tolist()
    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, str):
        return mended_text(str(value))
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {entry.name: to_plain(getattr(value, entry.name)) for entry in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {mended_text(str(key)): to_plain(item) for key, item in cast("Mapping[Any, Any]", value).items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [to_plain(item) for item in cast("list[Any]", value)]
    if isinstance(value, Path):
        return mended_text(str(value))
    raise ValueError(f"cannot be written as JSON: {type(value).__name__}")


def to_json(value: Any, indent: int | None = None) -> str:
    """Strict JSON of `value`, see `to_plain`.

    Raises:
        ValueError: it holds what JSON cannot, or is nested too deeply.
    """
    try:
        return json.dumps(to_plain(value), allow_nan=False, ensure_ascii=False, indent=indent)
    except RecursionError:
        raise ValueError("cannot be written as JSON: it is nested too deeply") from None


def write_all(descriptor: int, data: bytes) -> None:
    """Hand all of `data` to the kernel: one `write`, more only where the kernel took a part."""
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def write_atomic(path: Path, data: bytes, *, sync: bool = False, verify: Callable[[Path], None] | None = None) -> None:
    """Replace the file `path` by `data`: a reader sees the old content or the new one, never a part.

    Args:
        path: the file; its folder exists.
        data: the whole new content.
        sync: wait until the disk has it (survives a power cut, not only a kill).
        verify: looks at the new file before it takes the old one's place; raises where it must not.

    Raises:
        DiskError: the disk is full, read-only, not ours, or fails; the old file is kept.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}.tmp")
    with disk_errors(path):
        try:
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o666)
            try:
                write_all(descriptor, data)
                if sync:
                    os.fsync(descriptor)
            finally:
                os.close(descriptor)
            if verify is not None:
                verify(temporary)
            temporary.replace(path)
            if sync:
                sync_folder(path.parent)
        except BaseException:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
            raise


def sync_folder(folder: Path) -> None:
    """Wait until the disk has the names in `folder`. A file system that cannot say so is taken at its word."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    except OSError as err:
        if err.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(descriptor)


def write_json_atomic(path: Path, value: Any, *, sync: bool = False) -> None:
    """Replace `path` by the strict JSON of `value`; see `write_atomic` and `to_plain`."""
    write_atomic(path, (to_json(value, indent=1) + "\n").encode(), sync=sync)


def read_json(path: Path) -> dict[str, Any] | None:
    """The object in `path`; None where there is no file yet.

    Raises:
        DamagedFileError: not a JSON object.
        UserError: written by a newer version.
    """
    try:
        data: Any = parse_json(read_limited(path, MAX_BYTES, follow=False))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as err:
        raise DamagedFileError(f"cannot read {path}: {getattr(err, 'strerror', None) or err}") from err
    if not isinstance(data, dict):
        raise DamagedFileError(f"cannot read {path}: not a JSON object")
    found = cast("dict[str, Any]", data)
    check_schema(found, path)
    return found


def open_own(path: Path) -> BinaryIO:
    """A file of a run, for reading.

    Raises:
        FileNotFoundError: there is none yet.
        DamagedFileError: what is there is no regular file, or cannot be opened.
    """
    try:
        return open_regular(path, follow=False)
    except FileNotFoundError:
        raise
    except OSError as err:
        raise DamagedFileError(f"cannot read {path}: {err.strerror or err}") from err


@contextlib.contextmanager
def understanding(path: Path) -> Generator[None]:
    """While the content of `path` is taken apart: what it lacks, or has of another kind, is damage to it.

    Raises:
        DamagedFileError: in place of what taking it apart raised.
    """
    try:
        yield
    except (AttributeError, KeyError, OverflowError, TypeError, ValueError) as err:
        raise DamagedFileError(f"cannot read {path}: {err!r}") from err


def check_schema(data: Mapping[str, Any], path: Path) -> None:
    """Refuse what a newer version wrote.

    Raises:
        UserError: `data["schema"]` is above ours.
    """
    schema = data.get("schema", SCHEMA)
    if not isinstance(schema, int) or isinstance(schema, bool):
        raise DamagedFileError(f"cannot read {path}: schema is {schema!r}")
    if schema > SCHEMA:
        raise UserError(
            f"{path} has schema {schema}, this trainctl reads up to {SCHEMA}",
            "read it with the version that wrote it, or a newer one",
        )


@contextlib.contextmanager
def disk_errors(path: Path) -> Generator[None]:
    """Turn what the disk refuses while writing `path` into one clear line.

    Raises:
        DiskError: whatever it is, in one line.
    """
    try:
        yield
    except OSError as err:
        raise DiskError(*_explain(err, path), is_lasting=err.errno in LASTING) from err


def _explain(err: OSError, path: Path) -> tuple[str, str]:
    if err.errno in (errno.ENOSPC, errno.EDQUOT):
        word = "disk full" if err.errno == errno.ENOSPC else "disk quota reached"
        return f"{word}: cannot write {path}{_free(path)}", "free some space or use --runs-dir on another disk"
    if err.errno == errno.EFBIG:
        return f"file too large: cannot write {path}", "raise the file size limit (ulimit -f)"
    if err.errno == errno.EROFS:
        return f"read-only file system: cannot write {path}", "use --runs-dir on a writable disk"
    if err.errno in (errno.EACCES, errno.EPERM):
        return f"no permission to write {path}", "check its owner, or use --runs-dir"
    if err.errno == errno.ENOENT:
        return f"cannot write {path}: its folder is gone", "choose another folder"
    if err.errno in (errno.ENOTDIR, errno.EEXIST):
        return f"cannot write {path}: a part of the path is a file", "choose another folder"
    return f"cannot write {path}: {err.strerror or err}", "check the disk it lies on"


def _free(path: Path) -> str:
    try:
        return f" ({shutil.disk_usage(path.parent).free // 1_000_000} MB free)"
    except OSError:
        return ""
