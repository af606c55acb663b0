"""Looks through the data of a task as training will see it: balance, notes, sampler, tensors, samples with pictures.

Gives plain data, a section at a time, for whoever shows it. Needs no network; leaves no trace; judges only the
batches, in the words of the sampler check.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from trainctl.engine.data.batch import Batch, Split, Splits
from trainctl.engine.data.overlap import why_not_compared
from trainctl.engine.data.samplers.sampler import Sampler
from trainctl.engine.diagnosis.facts.data import TensorFacts
from trainctl.engine.diagnosis.facts.statistics import expected_distinct, shares
from trainctl.engine.diagnosis.probes.data import (
    looked_at,
    measure_groups,
    measure_labels,
    measure_leak,
    spaced,
    tensor_facts,
)
from trainctl.engine.diagnosis.probes.isolation import Deadline, undisturbed
from trainctl.engine.diagnosis.probes.preflight import load_or_labels
from trainctl.engine.errors import UserError
from trainctl.engine.tasks.task import Task
from trainctl.engine.training.device import choose_device

SECTIONS = ("balance", "sampler", "tensors", "samples")
"""Parts of an audit, in the order in which they are ready."""
PER_CLASS = 4
"""Samples shown of each class; without classes, `MAX_SHOWN` of all."""
MAX_SHOWN = 24
"""Samples shown at most."""
SHOWN_BATCHES = 5
EPOCHS = 20
"""First epochs of the run that are looked at for samples that are never drawn."""
COPIES_BUDGET_S = 10.0
"""How long to look for copies."""

Plain = dict[str, Any]


def audit(task: Task) -> Iterator[tuple[str, Plain]]:
    """Load the data, then give one section after the other as plain data; see `SECTIONS`.

    Raises:
        UserError: the data cannot be used.
    """
    splits, media_missing = load_or_labels(task, _device(task))
    sections: dict[str, Callable[[], Plain]] = {
        "balance": lambda: balance(splits),
        "sampler": lambda: sampler_audit(task, splits),
        "tensors": lambda: tensor_statistics(splits),
        "samples": lambda: preview(task, splits),
    }
    if media_missing:
        sections |= dict.fromkeys(("tensors", "samples"), lambda: {"missing": media_missing})
    for name in SECTIONS:
        with undisturbed(task.config.seed):
            yield name, _answer(name, sections[name])


def _device(task: Task) -> torch.device:
    """That of the run; another where it is not here: to look through data none is needed."""
    try:
        return choose_device(task.config.runtime.device)
    except UserError:
        return torch.device("cpu")


def _answer(name: str, section: Callable[[], Plain]) -> Plain:
    """The section, or why there is none: the task's code is the user's, whatever it raises is the answer."""
    try:
        return section()
    except UserError as err:
        return {"missing": str(err)}
    except Exception as err:
        first = next(iter(str(err).splitlines()), "")
        return {"missing": f"the {name} cannot be looked at: {type(err).__name__}: {first}"}


def balance(splits: Splits) -> Plain:
    """Classes, samples of each in each split with their share, and what the loader had to say."""
    facts = measure_labels(splits)
    counted = {labels.split: labels for labels in facts.splits} if facts else {}
    groups = measure_groups(splits)
    return {
        "classes": list(splits.classes),
        "splits": [
            {
                "name": name,
                "num_samples": len(split),
                "counts": list(counted[name].counts) if name in counted else None,
                "shares": shares(counted[name].counts) if name in counted else None,
                "outside": counted[name].num_outside if name in counted else 0,
            }
            for name, split in (("train", splits.train), ("val", splits.val))
        ],
        "groups": None if groups is None else {"train": groups.num_train, "val": groups.num_val,
                                               "shared": groups.num_shared, "fix": dict(groups.fix)},
        "notes": list(splits.notes),
    }  # fmt: skip


def sampler_audit(task: Task, splits: Splits) -> Plain:
    """The first epoch's batches: sizes, what is drawn how often, and which classes meet.

    Raises:
        UserError: the sampler cannot form a batch.
    """
    sampler = task.sampler(splits.train)
    batches = [indices.cpu() for indices in sampler.batches(0)]
    sizes = [len(indices) for indices in batches]
    drawn = torch.bincount(torch.cat(batches), minlength=len(splits.train)) if batches else torch.zeros(0)
    result: Plain = {
        "kind": type(sampler).__name__,
        "num_samples": len(splits.train),
        "num_batches": len(batches),
        "sizes": [min(sizes), max(sizes)] if sizes else None,
        "drawn": int(drawn.sum()),
        "distinct": int((drawn > 0).sum()),
        "repeated": int((drawn > 1).sum()),
        "left_out": int((drawn == 0).sum()),
        "never": _never_drawn(sampler, drawn, min(EPOCHS, task.config.train.epochs)),
        "epochs": min(EPOCHS, task.config.train.epochs),
        "by_drop_last": _is_remainder(task, len(splits.train), sizes),
        "fitting_batch": fitting_batch(len(splits.train), max(sizes, default=0)),
        "classes": None,
    }
    labels = splits.train.labels
    if labels is not None and splits.classes and batches:
        result["classes"] = _class_audit(batches, labels.cpu(), splits.classes)
    return result


def _never_drawn(sampler: Sampler, drawn: Tensor, epochs: int) -> int:
    """Samples that none of the first epochs draws; `drawn`: how often each is drawn in the first."""
    never = drawn == 0
    for epoch in range(1, epochs):
        if not never.any():
            break
        for indices in sampler.batches(epoch):
            never[indices.cpu()] = False
    return int(never.sum())


def _is_remainder(task: Task, num_samples: int, sizes: list[int]) -> bool:
    """Whether what is left out is the incomplete last batch."""
    return task.config.train.drop_last and 0 < num_samples - sum(sizes) < max(sizes, default=0)


def fitting_batch(num_samples: int, size: int) -> int | None:
    """The largest batch of `size` to half of it that leaves out least of the samples; None where none does better."""
    if not size or not num_samples % size:
        return None
    best = min(range(size, max(size // 2, 1) - 1, -1), key=lambda candidate: num_samples % candidate)
    return best if best != size else None


def _class_audit(batches: list[Tensor], labels: Tensor, classes: tuple[str, ...]) -> Plain:
    """Classes per batch against what chance gives, and the share of each class in what is drawn."""
    counts = np.stack([_count(labels[indices], len(classes)) for indices in batches])
    present = (counts > 0).sum(1)
    data_shares = shares(_count(labels, len(classes)).tolist())
    chance = [expected_distinct(data_shares, int(row.sum())) for row in counts]
    return {
        "names": list(classes),
        "per_batch": [int(present.min()), float(np.median(present)), int(present.max())],
        "expected": float(np.mean(chance)),
        "observed": float(present.mean()),
        "one_class": int(((present == 1) & (counts.sum(1) > 1)).sum()),
        "drawn_shares": shares(counts.sum(0).tolist()),
        "data_shares": data_shares,
        "first": [
            {"counts": row.tolist(), "distinct": int(distinct), "expected": expected}
            for row, distinct, expected in zip(counts[:SHOWN_BATCHES], present, chance, strict=False)
        ],
    }


def _count(labels: Tensor, num_classes: int) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    """Samples of each class; labels outside the classes are not counted."""
    valid = labels[(labels >= 0) & (labels < num_classes)].long()
    return torch.bincount(valid, minlength=num_classes).numpy().astype(np.int64)


def tensor_statistics(splits: Splits) -> Plain:
    """Shape, type and range of every tensor, and samples that stand in the data twice."""
    deadline = Deadline(COPIES_BUDGET_S)
    rows = [
        _tensor_row(name, key, tensor)
        for name, split in (("train", splits.train), ("val", splits.val))
        for key, tensor in looked_at(split).items()
    ]
    leak = measure_leak(splits, deadline)
    copies: Plain = {"missing": why_not_compared(splits, f"{COPIES_BUDGET_S:g} s")}
    if leak is not None:
        copies = {
            "val_in_train": leak.num_shared,
            "num_val": leak.num_val,
            "repeated_in_train": leak.train_repeat_share,
            "example": list(leak.example) if leak.example else None,
            "contradicted": leak.num_contradicted,
            "labelled": leak.num_labelled,
            "contradiction": list(leak.contradiction) if leak.contradiction else None,
            "near": leak.num_near,
            "near_example": list(leak.near_example) if leak.near_example else None,
        }
    return {"tensors": rows, "copies": copies}


def _tensor_row(split: str, key: str, tensor: Tensor) -> Plain:
    samples = spaced(tensor)
    facts: TensorFacts = tensor_facts(key, samples)
    return {
        "split": split,
        "name": key,
        "shape": list(tensor.shape),
        "dtype": facts.dtype,
        "mean": facts.mean,
        "std": facts.std,
        "min": facts.minimum,
        "max": facts.maximum,
        "nonfinite": facts.num_nonfinite,
        "looked_at": len(samples),
    }


def preview(task: Task, splits: Splits) -> Plain:
    """A few training samples of each class: name, and picture as stored and as augmented for training."""
    rows = _chosen(splits.train, len(splits.classes))
    stored = splits.train.at(rows)
    pictures = task.thumbnails(stored)
    augmented = None if pictures is None else _augmented(task, stored)
    labels, names = splits.train.labels, splits.train.names
    samples: list[Plain] = [
        {
            "index": row,
            "name": str(names[row]) if names else f"train sample {row}",
            "class": int(labels[row]) if labels is not None and splits.classes else None,
            "image": None if pictures is None else packed(pictures[k]),
            "augmented": None if augmented is None else packed(augmented[k]),
        }
        for k, row in enumerate(rows.tolist())
    ]
    why = "" if pictures is not None else "nothing in this data can be drawn: it holds no images of 1 or 3 channels"
    return {"classes": list(splits.classes), "samples": samples, "no_pictures": why}


def _chosen(split: Split, num_classes: int) -> Tensor:
    """Rows to show: the same number of each class, evenly spaced over the split."""
    if split.labels is None or not num_classes:
        return _spaced(torch.arange(len(split)), MAX_SHOWN // 2)
    each = max(min(PER_CLASS, MAX_SHOWN // num_classes), 1)
    members = [(split.labels == number).nonzero().squeeze(1).cpu() for number in range(num_classes)]
    return torch.cat([_spaced(rows, each) for rows in members][:MAX_SHOWN])


def _spaced(rows: Tensor, count: int) -> Tensor:
    if len(rows) <= count:
        return rows
    return rows[torch.linspace(0, len(rows) - 1, count).round().long()]


def _augmented(task: Task, stored: Batch) -> Tensor | None:
    """Pictures of what the network would see of these samples; None where augmentation leaves none."""
    generator = torch.Generator().manual_seed(task.config.seed)
    return task.thumbnails(task.augment(task.prepare(stored), generator))


def packed(image_HWC: Tensor) -> Plain:
    """A thumbnail as plain data: height, width, and its bytes in base64, three to a pixel."""
    height, width, _ = image_HWC.shape
    data = base64.b64encode(image_HWC.contiguous().numpy().tobytes()).decode()
    return {"height": height, "width": width, "data": data}
