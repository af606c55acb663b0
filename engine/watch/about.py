"""What a watched run says of itself: its configuration and where it comes from, as far as anybody can see.

Plain data out of optimiser, loader and what the user gave; writes nothing.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.optim import Optimizer
from torch.utils.data import BatchSampler, DataLoader, RandomSampler, SequentialSampler

from trainctl.engine.runs.atomic import to_plain

Labels = np.ndarray[Any, np.dtype[np.int64]]
"""Classes, shape (N,)."""
TASK = "watch"
"""Where a run of ours names its task."""
MOST_LABELS = 5_000_000
"""Labels of a data set that are counted."""
LABELS = ("targets", "labels", "y")
"""Attributes under which data sets hold their classes."""


def configuration(
    optimizer: Optimizer | None,
    loader: DataLoader[Any] | None,
    given: Mapping[str, Any],
    *,
    epochs: int,
    accumulation: int,
    amp: bool,
    batch_size: int,
) -> dict[str, Any]:
    """Content of `config.yaml`: what was seen, where a run has its options, and under `user` what was given."""
    options = {} if optimizer is None else {**optimizer.defaults, **_without_params(optimizer)}
    return {
        "task": TASK,
        "seed": int(torch.initial_seed() % 2**31),
        "train": {
            "epochs": epochs,
            "max_steps": None,
            "batch_size": batch_size,
            "accumulation": accumulation,
            "drop_last": bool(getattr(loader, "drop_last", False)),
        },
        "optimizer": {"name": type(optimizer).__name__.lower(), **_plain(options)},
        "schedule": {"name": "the loop's own", "warmup_epochs": 0},
        "precision": {"amp": "fp16" if amp else "off"},
        "freeze": [],
        "user": to_plain(dict(given)),
    }


def _without_params(optimizer: Optimizer) -> dict[str, Any]:
    return {name: value for name, value in optimizer.param_groups[0].items() if name != "params"}


def _plain(options: Mapping[str, Any]) -> dict[str, Any]:
    """Options as plain data. A tensor's value is left out: reading it would be waiting for its device."""
    kept: dict[str, Any] = {}
    for name, value in options.items():
        if isinstance(value, Tensor):
            value = float(value) if value.device.type == "cpu" and value.numel() == 1 else "a tensor"
        if isinstance(value, (bool, int, float, str, type(None))):
            kept[name] = value
        elif isinstance(value, (list, tuple)):
            kept[name] = to_plain([float(one) if isinstance(one, Tensor) else one for one in value])
    return {"lr": 0.0, **kept} if not isinstance(kept.get("lr"), (int, float)) else kept


def loader_about(loader: DataLoader[Any] | None) -> dict[str, Any]:
    """How the training data come, for `meta.json`; empty: no loader is known."""
    if loader is None:
        return {}
    sampler, is_plain = _sampler(loader)
    order = "custom"
    if isinstance(sampler, SequentialSampler) and is_plain:
        order = "sequential"
    elif isinstance(sampler, RandomSampler):
        order = "shuffled"
    return {
        "order": order,
        "sampler": type(sampler).__name__,
        "batch_size": getattr(loader, "batch_size", None),
        "drop_last": bool(getattr(loader, "drop_last", False)),
        "num_samples": _length(getattr(loader, "dataset", None)),
        "num_batches": _length(loader),
        "workers": int(getattr(loader, "num_workers", 0)),
    }


def _sampler(loader: DataLoader[Any]) -> tuple[Any, bool]:
    """What draws the samples, and whether batches are made of them as they come.

    A loader that was given a sampler of batches has one of samples too, which it does not ask.
    """
    batches: Any = getattr(loader, "batch_sampler", None)
    is_plain = type(batches) is BatchSampler
    while batches is not None and not isinstance(batches, BatchSampler) and hasattr(batches, "batch_sampler"):
        batches = batches.batch_sampler  # Accelerate's, which deal out another's batches
        is_plain = type(batches) is BatchSampler
    return getattr(batches, "sampler", None) or getattr(loader, "sampler", None), is_plain


def _length(thing: Any) -> int | None:
    try:
        return len(thing)
    except Exception:  # an iterable data set has none, and says so in its own way
        return None


def dataset_labels(loader: DataLoader[Any] | None) -> Labels | None:
    """Classes of all training samples, where the data set holds them in one piece; None: it does not."""
    dataset: Any = getattr(loader, "dataset", None)
    found: Any = next((getattr(dataset, name) for name in LABELS if hasattr(dataset, name)), None)
    tensors = getattr(dataset, "tensors", None)
    if found is None and isinstance(tensors, (tuple, list)) and tensors:
        found = tensors[-1]
    with contextlib.suppress(Exception):  # whatever the attribute is, it was not meant for us
        values = found.detach().cpu().numpy() if isinstance(found, Tensor) else np.asarray(found)
        if values.ndim == 1 and values.dtype.kind in "iu" and 0 < len(values) <= MOST_LABELS and values.min() >= 0:
            return values.astype(np.int64)
    return None


def class_names(loader: DataLoader[Any] | None, labels: Labels | None, seen: int) -> tuple[str, ...]:
    """Names of the classes: the data set's, else their numbers; empty: there are none.

    Args:
        loader: of the training data.
        labels: of all its samples.
        seen: classes that the first batches had, the largest number and one.
    """
    count = seen if labels is None else int(labels.max()) + 1
    if not count:
        return ()
    names: Any = getattr(getattr(loader, "dataset", None), "classes", None)
    if isinstance(names, Sequence) and not isinstance(names, str) and len(names) >= count:
        return tuple(str(name)[:60] for name in names)
    return tuple(str(number) for number in range(count))


def script_name(argv: Sequence[str]) -> str:
    """What a run is called where nobody says: the script."""
    name = Path(argv[0]).stem if argv and argv[0] else ""
    return name if name and not name.startswith(("-", "ipykernel")) else "watch"
