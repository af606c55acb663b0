"""Reads arrays of an .npz file that somebody else may have made. Knows no data set.

An archive of kilobytes can unpack to terabytes. So the zip directory and the header of each array are read first: what
they declare is held against a limit and against each other before a byte is unpacked, and only arrays that are wanted
are. No Python objects: a pickle is a program.
"""

from __future__ import annotations

import io
import lzma
import math
import struct
import warnings
import zipfile
import zlib
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from trainctl.engine.errors import UserError
from trainctl.engine.files import open_regular

Arrays = dict[str, NDArray[Any]]
MAGICS = (b"PK\x03\x04", b"PK\x05\x06")
"""How a zip archive begins, and an empty one."""
HEADER_BYTES = 1 << 16
"""Of an array: shape and type as text."""
KINDS = frozenset("biufcSU")
"""Kinds of values that are data: no Python objects, no records, no dates."""
BROKEN = (OSError, ValueError, EOFError, RuntimeError, TypeError, KeyError, SyntaxError, MemoryError, OverflowError)
"""What zipfile and NumPy raise on a broken archive, besides what the kinds of compression do."""


@dataclass(frozen=True)
class Npz:
    """What was read of an archive."""

    arrays: Arrays
    """Those that were wanted and are there."""
    names: tuple[str, ...]
    """All arrays that the archive names."""


def is_npz(file: Path) -> bool:
    """Whether a file begins as a zip archive does; False where it cannot be read."""
    try:
        with open_regular(file) as stream:
            return stream.read(4) in MAGICS
    except (OSError, ValueError):
        return False


def read_npz(file: Path, wanted: Collection[str], most_bytes: int) -> Npz:
    """The wanted arrays of an archive.

    Args:
        file: the archive.
        wanted: names of arrays; others are not unpacked.
        most_bytes: that they may take in memory together.

    Raises:
        UserError: it cannot be read, holds Python objects among them, or they are larger; in one line.
    """
    try:
        with open_regular(file) as stream, zipfile.ZipFile(stream) as archive, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of files that Python 2 wrote, and of names that stand there twice
            members = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
            chosen = {name: info for name, info in members.items() if name in wanted}
            _require_small(sum(info.file_size for info in chosen.values()), most_bytes, file)
            arrays = {name: _read(archive, info, name, most_bytes, file) for name, info in chosen.items()}
    except FileNotFoundError:
        raise UserError(f"no file {file}", "check the path") from None
    except PermissionError:
        raise UserError(f"permission denied: {file}", "make the file readable") from None
    except (*BROKEN, zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error) as error:
        reason = getattr(error, "strerror", None) or type(error).__name__
        raise UserError(f"cannot read {file} as .npz: {reason}", "save plain arrays with numpy.savez") from None
    return Npz(arrays, tuple(members))


def size_words(num_bytes: int) -> str:
    """A size for a message, in the unit that fits."""
    unit = "GB" if num_bytes >= 1e9 else "MB"
    return f"{num_bytes / (1e9 if unit == 'GB' else 1e6):,.1f} {unit}"


def _require_small(num_bytes: int, most_bytes: int, file: Path) -> None:
    if num_bytes > most_bytes:
        raise UserError(
            f"{file} unpacks to {size_words(num_bytes)}, the limit is {size_words(most_bytes)}",
            "give fewer rows or samples, or a smaller type such as float16",
        )


def _read(archive: zipfile.ZipFile, info: zipfile.ZipInfo, name: str, most_bytes: int, file: Path) -> NDArray[Any]:
    with archive.open(info) as member:
        stream = cast("BinaryIO", member)
        head = stream.read(HEADER_BYTES)
        shape, is_fortran, dtype, begin = _header(head)
        if dtype.hasobject or dtype.kind not in KINDS or not dtype.itemsize:
            what = "Python objects" if dtype.hasobject else f"values of type {dtype}"
            raise UserError(f"cannot read {file} as .npz: {name} holds {what}", "save plain arrays with numpy.savez")
        num_bytes = math.prod(shape) * dtype.itemsize
        if min(shape, default=0) < 0 or num_bytes != info.file_size - begin:
            _require_small(num_bytes, most_bytes, file)
            raise UserError(
                f"cannot read {file} as .npz: {name} has {info.file_size - begin:,} bytes, its shape "
                f"{'×'.join(map(str, shape[:8])) or 'of one value'} says {num_bytes:,}",
                "save it again with numpy.savez",
            )
        if not num_bytes:
            return np.empty(shape, dtype)
        content = bytearray(head[begin:])
        while len(content) < num_bytes and (more := stream.read(min(1 << 24, num_bytes - len(content)))):
            content += more
        stream.read(1)  # the end: only here the checksum is looked at
    flat = np.frombuffer(content, dtype=dtype, count=math.prod(shape))
    return flat.reshape(shape[::-1]).T if is_fortran else flat.reshape(shape)


def _header(head: bytes) -> tuple[tuple[int, ...], bool, np.dtype[Any], int]:
    """Shape, whether columns come first, type, and where the values begin.

    Raises:
        ValueError: no header of NumPy's, or one longer than can be meant.
    """
    stream = io.BytesIO(head)
    version = np.lib.format.read_magic(stream)
    if version == (1, 0):
        found = np.lib.format.read_array_header_1_0(stream)
    elif version == (2, 0):
        found = np.lib.format.read_array_header_2_0(stream)
    else:  # names of record fields in other scripts: no plain numbers
        raise ValueError("unknown version")
    return *found, stream.tell()
