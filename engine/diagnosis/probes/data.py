"""Looks at the tensors and labels of the splits: statistics, non-finite values, copies and groups across the split.

Reads only; draws no random numbers. Judges nothing: that is the rules' part.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from trainctl.engine.data.batch import Split, Splits
from trainctl.engine.diagnosis.facts.evidence import (
    DataFacts,
    GroupFacts,
    LabelFacts,
    LeakFacts,
    Place,
    SplitFacts,
    SplitLabels,
    TensorFacts,
)
from trainctl.engine.diagnosis.probes.isolation import Deadline

CHUNK_BYTES = 1 << 24
STATISTICS_SAMPLES = 4096
"""Samples that means and standard deviations are taken from, evenly spaced."""


def measure_data(splits: Splits, deadline: Deadline) -> DataFacts:
    """Facts about the tensors of both splits."""
    leak = None if deadline.has_passed else measure_leak(splits, deadline)
    return DataFacts(
        train=_split_facts("train", splits.train),
        val=_split_facts("val", splits.val),
        leak=leak,
        groups=measure_groups(splits),
        notes=tuple(splits.notes),
        leak_missing="" if leak else str(deadline),
    )


def measure_names(splits: Splits, why: str) -> DataFacts:
    """What is known of data whose labels alone could be read; `why` says why the rest could not."""
    train, val = (SplitFacts(name, len(part), (), ()) for name, part in (("train", splits.train), ("val", splits.val)))
    return DataFacts(train, val, None, measure_groups(splits), tuple(splits.notes), why)


def measure_labels(splits: Splits) -> LabelFacts | None:
    """Facts about the class labels; None where the task has no classes."""
    num_classes = len(splits.classes)
    train = _split_labels("train", splits.train, num_classes)
    if not num_classes or train is None:
        return None
    return LabelFacts(tuple(splits.classes), train, _split_labels("val", splits.val, num_classes))


def tensor_facts(name: str, tensor: Tensor) -> TensorFacts:
    """Statistics of a tensor over its finite values."""
    values = tensor.detach().reshape(-1)
    finite = values[values.isfinite()].double() if values.is_floating_point() else values.double()
    has_values = finite.numel() > 0
    return TensorFacts(
        name=name,
        shape=tuple(tensor.shape),
        dtype=str(tensor.dtype).removeprefix("torch."),
        mean=float(finite.mean()) if has_values else float("nan"),
        std=float(finite.std(unbiased=False)) if has_values else float("nan"),
        minimum=float(finite.min()) if has_values else float("nan"),
        maximum=float(finite.max()) if has_values else float("nan"),
        num_nonfinite=values.numel() - finite.numel(),
    )


def _split_facts(name: str, split: Split) -> SplitFacts:
    stride = max(1, len(split) // STATISTICS_SAMPLES)
    places = (_first_nonfinite(name, key, tensor, split.names) for key, tensor in split.tensors.items())
    return SplitFacts(
        name=name,
        num_samples=len(split),
        tensors=tuple(tensor_facts(key, tensor[::stride]) for key, tensor in split.tensors.items()),
        nonfinite=tuple(place for place in places if place is not None),
    )


def _first_nonfinite(split: str, key: str, tensor: Tensor, names: Sequence[str]) -> Place | None:
    """The first sample with NaN or infinity, and how many there are; integers have none."""
    if not (tensor.is_floating_point() or tensor.is_complex()):
        return None
    bad = torch.cat([~part.flatten(1).isfinite().all(1) for part in _chunks(tensor.reshape(len(tensor), -1))])
    if not bad.any():
        return None
    index = int(bad.int().argmax())
    return Place(split, key, index, names[index] if names else "", int(bad.sum()))


def _chunks(rows: Tensor) -> Iterator[Tensor]:
    """Parts of a tensor of a few megabytes, so that no intermediate is as large as the data."""
    row_bytes = max(1, rows[:1].nbytes)
    return iter(rows.split(max(1, CHUNK_BYTES // row_bytes)))


def _split_labels(name: str, split: Split, num_classes: int) -> SplitLabels | None:
    if split.labels is None or len(split.labels) == 0:
        return None
    labels = split.labels.cpu()
    outside = (labels < 0) | (labels >= num_classes)
    counts = torch.bincount(labels[~outside].long(), minlength=num_classes)
    example = None
    if outside.any():
        index = int(outside.int().argmax())
        example = Place(name, "label", index, split.names[index] if split.names else "", 1)
    return SplitLabels(
        split=name,
        counts=tuple(int(count) for count in counts),
        lowest=int(labels.min()),
        highest=int(labels.max()),
        num_outside=int(outside.sum()),
        example=example,
    )


def measure_leak(splits: Splits, deadline: Deadline) -> LeakFacts | None:
    """Samples that are in both splits byte for byte, and those the loader found to be nearly so; None: time ran out."""
    train, val = _digests(splits.train, deadline), _digests(splits.val, deadline)
    if train is None or val is None:
        return None
    first_of = {digest: index for index, digest in reversed(list(enumerate(train))) if digest is not None}
    compared = [(index, digest) for index, digest in enumerate(val) if digest is not None]
    shared = [(index, first_of[digest]) for index, digest in compared if digest in first_of]
    num_train = sum(1 for digest in train if digest is not None)
    example = None
    if shared:
        in_val, in_train = shared[0]
        example = (_name(splits.val, "val", in_val), _name(splits.train, "train", in_train))
    return LeakFacts(
        num_val=len(compared),
        num_shared=len(shared),
        train_repeat_share=1 - len(first_of) / num_train if num_train else 0.0,
        example=example,
        num_near=None if splits.leak is None else splits.leak.count,
        near_example=None if splits.leak is None else splits.leak.example,
    )


def _digests(split: Split, deadline: Deadline) -> list[bytes | None] | None:
    """Hash of each sample's inputs, None for a blank one (one value throughout).

    Inputs are the tensors with more than one value a sample; a task that has none is hashed whole.
    """
    inputs = [tensor for tensor in split.tensors.values() if tensor.numel() > len(tensor)]
    inputs = inputs or list(split.tensors.values())
    rows_of = [_byte_rows(tensor) for tensor in inputs]
    blank = torch.stack([_is_blank(tensor) for tensor in inputs]).all(0).tolist()
    digests: list[bytes | None] = []
    for index in range(len(split)):
        if index % 1024 == 0 and deadline.has_passed:
            return None
        digest = hashlib.blake2b(digest_size=16)
        for rows in rows_of:
            digest.update(rows[index])
        digests.append(None if blank[index] else digest.digest())
    return digests


def _byte_rows(tensor: Tensor) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """The bytes of each sample, shape (N, bytes)."""
    flat = tensor.detach().cpu().contiguous().reshape(len(tensor), -1)
    return flat.view(torch.uint8).numpy()


def _is_blank(tensor: Tensor) -> Tensor:
    """Whether all values of a sample are the same, shape (N,). A single value says nothing: not blank."""
    rows = tensor.detach().reshape(len(tensor), -1)
    if rows.shape[1] < 2:
        return torch.zeros(len(rows), dtype=torch.bool)
    return torch.cat([(part == part[:, :1]).all(1) for part in _chunks(rows)]).cpu()


def measure_groups(splits: Splits) -> GroupFacts | None:
    """Groups in both splits; None where the data names none."""
    if not splits.train.groups or not splits.val.groups:
        return None
    train, val = set(splits.train.groups), set(splits.val.groups)
    shared = train & val
    return GroupFacts(
        num_train=len(train),
        num_val=len(val),
        shared=tuple(sorted(shared)[:3]),
        num_shared=len(shared),
        num_val_samples=sum(1 for group in splits.val.groups if group in shared),
    )


def _name(split: Split, name: str, index: int) -> str:
    return split.names[index] if split.names else f"{name} sample {index}"
