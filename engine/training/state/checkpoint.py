"""The two checkpoint files of a run: written whole or not at all, and read as tensors and plain data only."""

from __future__ import annotations

import io
import pickle
import zipfile
from pathlib import Path
from typing import Any

import torch

from trainctl.engine.errors import UserError
from trainctl.engine.runs.atomic import write_atomic

FORMAT = "trainctl checkpoint"
SCHEMA = 1
ZIP_HEAD = b"PK\x03\x04"
NEEDED = {
    "about": ("task", "classes", "step", "epoch", "weights"),
    "state": ("model", "optimizer", "ema", "weights", "progress", "rng"),
}
"""What every checkpoint of ours holds."""


def save_checkpoint(path: Path, state: dict[str, Any], about: dict[str, Any]) -> None:
    """Replace `path` by a checkpoint. A reader sees the old one or the new one, never half of it.

    Args:
        path: the file.
        state: of the run, tensors and plain data.
        about: what an evaluation needs beside the weights (task, classes, metrics).

    Raises:
        UserError: the disk is full or not writable; the old file is kept.
    """
    buffer = io.BytesIO()
    torch.save({"format": FORMAT, "schema": SCHEMA, "about": about, "state": state}, buffer)
    write_atomic(path, buffer.getvalue())


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Content of a checkpoint: `about` and `state`, tensors on the CPU. Code in the file is never executed.

    Raises:
        UserError: the file is missing, damaged, not a checkpoint of ours, or of a newer version.
    """
    if not path.is_file():
        raise UserError(f"checkpoint not found: {path}", "give a run directory that holds one")
    if not zipfile.is_zipfile(path):  # a pickle by itself, or half a file, is not even looked into
        with path.open("rb") as file:
            is_cut_off = file.read(len(ZIP_HEAD)) == ZIP_HEAD
        raise _refusal(path, "it is cut off or damaged" if is_cut_off else "it is another kind of file")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as err:
        raise _refusal(path, "it holds more than tensors and plain data") from err
    except Exception as err:  # torch raises zip, runtime and end-of-file errors, by content
        raise _refusal(path, "it is damaged") from err
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


def _refusal(path: Path, reason: str) -> UserError:
    return UserError(
        f"{path} is not a trainctl checkpoint: {reason}", "give latest_model.pth or best_model.pth of a run"
    )
