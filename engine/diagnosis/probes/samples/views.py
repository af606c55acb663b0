"""Samples as rows of a table: what the network gets of them, as a few hundred columns, and what it is to answer.

Knows nothing of learners. Draws only from a generator of its own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from trainctl.engine.data.batch import Batch, Split
from trainctl.engine.diagnosis.logs.table import Floats
from trainctl.engine.tasks.task import Task

MOST_COLUMNS, MOST_SIDE, MOST_TIMES = 1024, 16, 32
"""Columns of a tensor, pixels of a side and places in time that are kept; more are averaged."""
MOST_TOKENS, FEWEST_TOKENS = 512, 8
"""Tokens that are told apart; and those of a sample below which they are names of things, not a text."""
MOST_VALUES = 20_000_000
"""Values that are looked at in all: bounds memory and time where samples are large."""
TARGETS = re.compile(r"y|ys|(target|label|truth|score|class|answer)(e?s)?(_.*)?|.*_(target|label|score)s?")
"""Names of what is to be answered."""


@dataclass(frozen=True)
class View:
    """Some samples."""

    blocks: Mapping[str, Floats]
    """Columns of each input tensor by its name, shape (n, columns)."""
    classes: NDArray[np.int64] | None
    """Class of each; None: it has none."""
    target: Floats | None
    """A single figure that is to be answered, shape (n,); None: there is none, or nobody knows which it is."""


def few_rows(split: Split, most: int) -> Tensor:
    """Indices of the samples that are looked at, evenly spaced; fewer where a sample is large."""
    size = sum(tensor[0].numel() for tensor in split.at(torch.zeros(1, dtype=torch.int64)).values())
    count = max(min(most, MOST_VALUES // max(size, 1), len(split)), 1)
    return torch.linspace(0, len(split) - 1, count).round().long()


def view(task: Task, split: Split, rows: Tensor, generator: torch.Generator | None = None) -> View:
    """Samples as the network gets them in a validation; with a generator as in training, augmented by it."""
    stored = {name: tensor.clone() for name, tensor in split.at(rows).items()}
    labels = split.labels[rows] if split.labels is not None and len(split.labels) == len(split) else None
    targets = {name: tensor for name, tensor in stored.items() if TARGETS.fullmatch(name.lower())}
    batch = task.prepare(stored)
    if generator is not None:
        batch = task.augment(batch, generator)
    blocks = {
        name: block
        for name, tensor in batch.items()
        if not TARGETS.fullmatch(name.lower()) and (block := _columns(tensor)) is not None
    }
    return View(blocks, None if labels is None else labels.numpy().astype(np.int64), _target(targets))


def _target(targets: Batch) -> Floats | None:
    """The one target that is a figure."""
    figures = [one for one in targets.values() if one.is_floating_point() and one[0].numel() == 1]
    return figures[0].double().flatten().numpy() if len(figures) == 1 else None


def _columns(tensor: Tensor) -> Floats | None:
    """A tensor as columns; None: it is no input that could be compared (a flag, an index, a figure of each sample)."""
    tensor = tensor.detach().cpu()
    if tensor.dim() < 2 or tensor[0].numel() < 2 or tensor.is_complex():
        return None
    if not tensor.is_floating_point() and not (tensor.dtype == torch.uint8 and tensor.dim() > 3):
        return _counted(tensor)
    values = tensor.float()
    if values.dim() == 4 and max(values.shape[2:]) > MOST_SIDE:
        sides = min(values.shape[2], MOST_SIDE), min(values.shape[3], MOST_SIDE)
        values = F.adaptive_avg_pool2d(values, sides)
    elif values.dim() == 3 and max(values.shape[1:]) > MOST_TIMES:
        long = values if values.shape[2] >= values.shape[1] else values.transpose(1, 2)
        values = F.adaptive_avg_pool1d(long, MOST_TIMES)
    values = values.flatten(1)
    if values.shape[1] > MOST_COLUMNS:
        values = F.adaptive_avg_pool1d(values[:, None], MOST_COLUMNS)[:, 0]
    found: Any = values.double().numpy()
    return found if np.isfinite(found).all() else None


def _counted(tensor: Tensor) -> Floats | None:
    """How often each token is in a sample, as a share."""
    tokens = tensor.flatten(1)
    if tokens.shape[1] < FEWEST_TOKENS or tokens.dtype == torch.bool or int(tokens.min()) < 0 or int(tokens.max()) < 2:
        return None
    width = min(int(tokens.max()) + 1, MOST_TOKENS)
    counts = torch.zeros(len(tokens), MOST_TOKENS, dtype=torch.float64)
    counts.scatter_add_(1, tokens.long() % MOST_TOKENS, torch.ones(tokens.shape, dtype=torch.float64))
    return (counts / tokens.shape[1]).numpy() if width > 1 else None
