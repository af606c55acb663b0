"""The two checkpoint files of a run: written whole or not at all, and read as tensors and plain data only."""

from __future__ import annotations

import errno
import io
import pickle
import re
import zipfile
from pathlib import Path
from typing import Any

import torch

from trainctl.engine.errors import UserError, first_line
from trainctl.engine.files import is_file, is_there, open_regular
from trainctl.engine.runs.atomic import write_atomic

FORMAT = "trainctl checkpoint"
SCHEMA = 1
ZIP_HEAD = b"PK\x03\x04"
FOREIGN = re.compile(r"Unsupported (?:global: GLOBAL|class|operand) (\S+)")
"""How torch names what it does not load."""
NEEDED = {
    "about": ("task", "classes", "step", "epoch", "weights"),
    "state": ("model", "optimizer", "ema", "weights", "progress", "rng"),
}
"""What every checkpoint of ours holds."""


class DamagedCheckpointError(UserError):
    """A checkpoint that is no longer what was written, or no longer there."""


def save_checkpoint(path: Path, state: dict[str, Any], about: dict[str, Any]) -> None:
    """Replace `path` by a checkpoint. A reader sees the old one or the new one, never half of it.

    The old one stays until the new one lies on the disk and has been read back: each tensor has a checksum (CRC-32, the
    zip format's), which torch does not look at when it loads.

    Args:
        path: the file.
        state: of the run, tensors and plain data.
        about: what an evaluation needs beside the weights (task, classes, metrics).

    Raises:
        UserError: the disk is full or not writable; the old file is kept.
        TypeError: it holds something that `load_checkpoint` would refuse; the old file is kept.
    """
    buffer = io.BytesIO()
    torch.save({"format": FORMAT, "schema": SCHEMA, "about": about, "state": state}, buffer)
    write_atomic(path, buffer.getvalue(), sync=True, verify=_read_back)


def refuse_unloadable(value: Any, what: str) -> None:
    """See that a checkpoint can hold `value`, before there is one.

    Raises:
        UserError: it is more than tensors and plain data; names what.
    """
    buffer = io.BytesIO()
    hint = "give tensors and plain data: numbers, text, lists and dicts of them"
    try:
        torch.save(value, buffer)
        buffer.seek(0)
        torch.load(buffer, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as err:
        raise UserError(f"{what} holds what no checkpoint can{_named(err)}", hint) from err
    except (pickle.PicklingError, AttributeError, TypeError, RecursionError) as err:  # a function, an open file
        raise UserError(f"{what} holds what no checkpoint can: {first_line(err)}", hint) from err


def _named(err: pickle.UnpicklingError) -> str:
    """What torch would not load, as far as it says so."""
    found = FOREIGN.search(str(err))
    return "" if found is None else f": {found[1]}"


def _read_back(path: Path) -> None:
    """Compare what lies there with its checksums, and see that it could be loaded.

    Raises:
        OSError: it is not what was written.
        TypeError: it holds more than tensors and plain data.
    """
    if _damaged_part(path) is not None:
        raise OSError(errno.EIO, "it reads back otherwise than it was written")
    try:
        torch.load(path, map_location="cpu", weights_only=True, mmap=True)  # of the tensors nothing is read
    except pickle.UnpicklingError as err:
        raise TypeError(f"a checkpoint holds tensors and plain data only{_named(err)}") from err
    except Exception:  # some file systems map nothing; then it is looked at when it is loaded
        return


def _damaged_part(path: Path) -> str | None:
    """What is wrong with the parts of a checkpoint; none: all fit their checksums."""
    try:
        with zipfile.ZipFile(path) as archive:
            # Ours are stored as they are; what is packed could unpack to anything, and for ever.
            if any(entry.compress_type != zipfile.ZIP_STORED for entry in archive.infolist()):
                return "it is packed"
            part = archive.testzip()
            return None if part is None else f"{part} does not fit its checksum"
    except Exception as err:  # unknown methods, passwords, lengths and names: by what is damaged in the index
        return first_line(err) or "its index"


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Content of a checkpoint: `about` and `state`, tensors on the CPU. Code in the file is never executed.

    Raises:
        DamagedCheckpointError: it was one of ours, and is gone, cut off or no longer what was written.
        UserError: the file is not a checkpoint of ours, or of a newer version.
    """
    if not is_there(path):
        raise DamagedCheckpointError(f"checkpoint not found: {path}", "give a run directory that holds one")
    if not is_file(path):
        raise _refusal(path, "it is no file")
    if not zipfile.is_zipfile(path):  # a pickle by itself, or half a file, is not even looked into
        try:
            with open_regular(path) as file:
                head = file.read(len(ZIP_HEAD))
        except OSError as err:
            raise UserError(f"cannot read {path}: {err.strerror}", "make it readable") from err
        # After a power failure a file may be there without its content: empty, or nothing but zeros.
        if head == ZIP_HEAD[: len(head)] or not head.strip(b"\0"):
            raise _refusal(path, "it is cut off or damaged", DamagedCheckpointError)
        raise _refusal(path, "it is another kind of file")
    damaged = _damaged_part(path)
    if damaged is not None:
        raise _refusal(path, f"it is damaged ({damaged})", DamagedCheckpointError)
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as err:
        raise _refusal(path, "it holds more than tensors and plain data") from err
    except Exception as err:  # torch raises zip, runtime and end-of-file errors, by content
        raise _refusal(path, "it is damaged", DamagedCheckpointError) from err
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise _refusal(path, "it was written by something else")
    schema = content.get("schema")
    if isinstance(schema, int) and schema > SCHEMA:
        raise UserError(f"{path} was written by a newer trainctl (schema {schema})", "upgrade trainctl")
    for part, keys in NEEDED.items():
        held: Any = content.get(part)
        if not isinstance(held, dict) or any(key not in held for key in keys):
            raise _refusal(path, f"its {part} is incomplete")
    return content


def _refusal(path: Path, reason: str, kind: type[UserError] = UserError) -> UserError:
    return kind(f"{path} is not a trainctl checkpoint: {reason}", "give latest_model.pth or best_model.pth of a run")
