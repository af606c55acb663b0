"""Small files of plain arrays, in NumPy's own format without pickle, bounded before they are unpacked."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from trainctl.engine.errors import UserError
from trainctl.engine.files import read_limited
from trainctl.engine.runs.atomic import DamagedFileError

Content = TypeVar("Content")


def packed(arrays: Mapping[str, Any]) -> bytes:
    """The content of a file."""
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def read_packed(path: Path, most_bytes: int, read: Callable[[Any], Content]) -> Content | None:
    """What `read` makes of the arrays of a file, by name; None where there is no file.

    Args:
        path: its file.
        most_bytes: of the file, packed or not.
        read: may raise anything where the arrays do not fit; a UserError goes out as it is.

    Raises:
        DamagedFileError: the file cannot be understood.
    """
    try:
        content = io.BytesIO(read_limited(path, most_bytes, follow=False))
        with zipfile.ZipFile(content) as files:
            if sum(entry.file_size for entry in files.infolist()) > most_bytes:
                raise ValueError(f"it unpacks to more than {_size(most_bytes)}")
        with np.load(content, allow_pickle=False) as arrays:
            return read(arrays)
    except FileNotFoundError:
        return None
    except UserError:
        raise
    except Exception as err:  # zipfile, zlib and NumPy raise nearly anything, by content
        raise DamagedFileError(f"cannot read {path}: {getattr(err, 'strerror', None) or err}") from err


def _size(num_bytes: int) -> str:
    return f"{num_bytes // 1000} kB" if num_bytes < 1_000_000 else f"{num_bytes // 1_000_000} MB"
