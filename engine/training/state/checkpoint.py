"""The two checkpoint files of a run: written whole or not at all, and read as tensors and plain data only.

Where the tensors lie in parts (`ranks.checkpoint`), the file holds all else, and a table of the parts: they stand in a
folder of their own beside it. Who replaces the file has replaced the checkpoint.
"""

from __future__ import annotations

import contextlib
import errno
import io
import pickle
import re
import shutil
import zipfile
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from trainctl.engine.errors import UserError, first_line
from trainctl.engine.files import is_file, is_there, open_regular
from trainctl.engine.runs.atomic import write_atomic

FORMAT = "trainctl checkpoint"
SCHEMA = 1
SCHEMA_IN_PARTS = 2
"""Of a file that is not all of its checkpoint: who does not know of parts must not take it for one."""
SUFFIX = ".parts"
"""Of the folder in which parts stand, in place of that of the file."""
PLACE = re.compile(r"(?!\.)[^/\0]+\.parts/\d+-[0-9a-f]{8}")
"""Where the parts of one checkpoint stand, from the folder of the file: by its step, and what tells it from others."""
MOST_TRIES = 3
"""A run that goes on may replace a checkpoint while it is read."""
ZIP_HEAD = b"PK\x03\x04"
FOREIGN = re.compile(r"Unsupported (?:global: GLOBAL|class|operand) (\S+)")
"""How torch names what it does not load."""
NEEDED = {
    "about": ("task", "classes", "step", "epoch", "weights"),
    "state": ("model", "optimizer", "ema", "weights", "progress", "rng"),
}
"""What every checkpoint of ours holds."""


Blank = Callable[[Sequence[int], torch.dtype], Tensor]
"""Makes the tensor that a tensor in parts is loaded into, of its whole shape: whole, or as rows of it."""
Check = Callable[[Path, Mapping[str, Sequence[int]]], str]
"""Told the folder and the sizes and checksums of the files in it; says what is wrong with them, or nothing."""


class DamagedCheckpointError(UserError):
    """A checkpoint that is no longer what was written, or no longer there."""


def save_checkpoint(
    path: Path, state: dict[str, Any], about: dict[str, Any], parts: Mapping[str, Any] | None = None
) -> None:
    """Replace `path` by a checkpoint. A reader sees the old one or the new one, never half of it.

    The old one stays until the new one lies on the disk and has been read back: each tensor has a checksum (CRC-32, the
    zip format's), which torch does not look at when it loads.

    Args:
        path: the file.
        state: of the run, tensors and plain data.
        about: what an evaluation needs beside the weights (task, classes, metrics).
        parts: where the tensors stand that `state` has None for, already on the disk; none: it has all.

    Raises:
        UserError: the disk is full or not writable; the old file is kept.
        TypeError: it holds something that `load_checkpoint` would refuse; the old file is kept.
    """
    buffer = io.BytesIO()
    content: dict[str, Any] = {"format": FORMAT, "schema": SCHEMA, "about": about, "state": state}
    if parts is not None:
        content |= {"schema": SCHEMA_IN_PARTS, "parts": dict(parts)}
    torch.save(content, buffer)
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


def load_checkpoint(
    path: Path, *, blank: Blank | None = None, check: Check | None = None, only: Collection[str] = ()
) -> dict[str, Any]:
    """Content of a checkpoint: `about` and `state`, tensors on the CPU. Code in the file is never executed.

    Args:
        path: the file.
        blank: where the tensors lie in parts: what they are loaded into; none: whole tensors, of all ranks' rows.
        check: looks at the files of parts; none: all of them are looked at here.
        only: parts of the state, by their names, that are wanted of what lies in parts; else None stands for tensors.
            Empty: all.

    Raises:
        DamagedCheckpointError: it was one of ours, and is gone, cut off or no longer what was written.
        UserError: the file is not a checkpoint of ours, or of a newer version; or it is too large for this machine.
    """
    for tries in range(1, MOST_TRIES + 1):
        content = load_rest(path)
        if "parts" not in content:
            return content
        try:
            _fill(path, content, blank, check, only)
            return content
        except DamagedCheckpointError:
            now = load_rest(path).get("parts")
            if tries == MOST_TRIES or now == content["parts"]:
                raise
    raise AssertionError


def _fill(path: Path, content: dict[str, Any], blank: Blank | None, check: Check | None, only: Collection[str]) -> None:
    """Put the tensors that lie in parts to their places."""
    from trainctl.engine.training.state.parts import PartsError, fill_parts  # with what it knows of torch: a second

    parts: Any = content["parts"]
    place = parts.get("folder") if isinstance(parts, dict) else None
    if not isinstance(place, str) or not PLACE.fullmatch(place):
        raise _refusal(path, "it does not say where its parts are")
    try:
        fill_parts(path.parent / place, content["state"], parts, blank=blank, check=check, only=only)
    except PartsError as err:
        raise _refusal(path, str(err), DamagedCheckpointError if err.is_damage else UserError) from err
    except MemoryError as err:
        hint = "go on with several processes and ranks.shard=true, or where there is more memory"
        raise UserError(f"{path} does not fit into the memory of this machine: it lies in parts", hint) from err


def forget_parts(path: Path, keep: str = "") -> None:
    """Remove the parts of checkpoints that `path` was before; what the disk does not let go of stays.

    Args:
        path: the file.
        keep: the folder that it is of now; empty: it is whole.
    """
    folder = path.with_suffix(SUFFIX)
    with contextlib.suppress(OSError):
        for old in folder.iterdir():
            if old.name != keep and PLACE.fullmatch(f"{folder.name}/{old.name}"):
                shutil.rmtree(old, ignore_errors=True)
        if not keep:
            folder.rmdir()


def load_rest(path: Path) -> dict[str, Any]:
    """Content of the file alone: where tensors lie in parts, None stands for them and `parts` says where they are.

    Raises:
        DamagedCheckpointError, UserError: as `load_checkpoint`.
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
    if isinstance(schema, int) and schema > SCHEMA_IN_PARTS:
        raise UserError(f"{path} was written by a newer trainctl (schema {schema})", "upgrade trainctl")
    for part, keys in NEEDED.items():
        held: Any = content.get(part)
        if not isinstance(held, dict) or any(key not in held for key in keys):
            raise _refusal(path, f"its {part} is incomplete")
    return content


def _refusal(path: Path, reason: str, kind: type[UserError] = UserError) -> UserError:
    return kind(f"{path} is not a trainctl checkpoint: {reason}", "give latest_model.pth or best_model.pth of a run")
