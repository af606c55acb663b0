"""The two checkpoint files of a run: written whole or not at all, and read as tensors and plain data only."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import torch

from trainctl.engine.errors import UserError
from trainctl.engine.runs.atomic import write_atomic

FORMAT = "trainctl checkpoint"
SCHEMA = 1


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
    """Content of a checkpoint: `about` and `state`, tensors on the CPU.

    Raises:
        UserError: the file is missing, damaged, not a checkpoint of ours, or of a newer version.
    """
    if not path.is_file():
        raise UserError(f"checkpoint not found: {path}", "give a run directory that holds one")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as err:  # torch raises pickle, zip, runtime and end-of-file errors, by content
        reason = str(err).strip().splitlines()[0][:120] if str(err).strip() else type(err).__name__
        raise UserError(f"{path} is not a trainctl checkpoint ({reason})", "give one that trainctl wrote") from err
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise UserError(f"{path} is not a trainctl checkpoint", "give latest_model.pth or best_model.pth of a run")
    if content["schema"] > SCHEMA:
        raise UserError(f"{path} was written by a newer trainctl (schema {content['schema']})", "upgrade trainctl")
    return content
