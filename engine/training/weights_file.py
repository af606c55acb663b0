"""Writes what is in a checkpoint for use elsewhere: the weights alone, or all of it in one file. Runs no task."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from trainctl.engine.errors import UserError
from trainctl.engine.files import is_there
from trainctl.engine.runs.atomic import write_atomic
from trainctl.engine.training.state.checkpoint import load_checkpoint, save_checkpoint

WeightsFormat = Literal["state_dict", "safetensors"]


def export_weights(
    checkpoint: Path, to: WeightsFormat, path: Path, *, weights: str = "", overwrite: bool = False
) -> dict[str, Any]:
    """Write the network's parameters and buffers, by their names.

    Args:
        checkpoint: `best_model.pth` or `latest_model.pth` of a run.
        to: `state_dict`: for `torch.load(path, weights_only=True)`; `safetensors`: for `safetensors.torch.load_file`.
        path: file to write, in one move.
        weights: raw or ema; empty: the ones the checkpoint was kept for.
        overwrite: replace an existing file.

    Returns:
        `tensors` (their number), `parameters` (all their values), `weights`, `epoch`, and `left_out`: names of what
        is no tensor, which safetensors cannot hold.

    Raises:
        UserError: the checkpoint cannot be used, the extra is not installed, or the file exists.
    """
    if is_there(path) and not overwrite:
        raise UserError(f"{path} exists", "choose another --out, or --force to replace it")
    content = load_checkpoint(checkpoint, only=("model", "ema"))
    about, state = content["about"], content["state"]
    weights = weights or about["weights"]
    source = state["model"] if weights == "raw" else (state["ema"] or {}).get("module")
    if source is None:
        raise UserError(f"{checkpoint} holds no averaged weights", "use --weights raw")
    # Copies: tensors that share memory (tied weights) are written once each, as `load_state_dict` wants them.
    tensors = {name: value.detach().clone().contiguous() for name, value in source.items() if isinstance(value, Tensor)}
    left_out = [] if to == "state_dict" else [name for name in source if name not in tensors]
    if to == "state_dict":
        buffer = io.BytesIO()
        torch.save(dict(source), buffer)
        data = buffer.getvalue()
    else:
        data = _safetensors(tensors, _metadata(about, weights))
    write_atomic(path, data)
    return {
        "tensors": len(tensors),
        "parameters": sum(tensor.numel() for tensor in tensors.values()),
        "weights": weights,
        "epoch": about["epoch"],
        "left_out": left_out,
    }


def export_checkpoint(checkpoint: Path, path: Path, *, overwrite: bool = False) -> dict[str, Any]:
    """Write a checkpoint as one file that has all of it, whatever it lies in.

    Args:
        checkpoint: of a run.
        path: file to write, in one move.
        overwrite: replace an existing file.

    Returns:
        What it says of itself: `step`, `epoch` and others.

    Raises:
        UserError: the checkpoint cannot be used, or does not fit into memory; or the file exists.
    """
    if is_there(path) and not overwrite:
        raise UserError(f"{path} exists", "choose another --out, or --force to replace it")
    content = load_checkpoint(checkpoint)
    save_checkpoint(path, content["state"], content["about"])
    return content["about"]


def _metadata(about: dict[str, Any], weights: str) -> dict[str, str]:
    """What the file says of itself: text only, as the format has it."""
    kept = {key: about.get(key) for key in ("task", "classes", "step", "epoch", "metrics", "task_state")}
    return {"format": "pt", "trainctl": json.dumps({**kept, "weights": weights}, default=str)}


def _safetensors(tensors: dict[str, Tensor], metadata: dict[str, str]) -> bytes:
    try:
        from safetensors.torch import save
    except ImportError as err:
        raise UserError(
            "safetensors is not installed", "pip install 'trainctl-cockpit[safetensors]', or use --to state_dict"
        ) from err
    return save(tensors, metadata)
