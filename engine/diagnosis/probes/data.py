"""Looks at the tensors and labels of the splits: statistics, non-finite values, what stands on both sides of the split.

Reads only; draws no random numbers. Judges nothing: that is the rules' part.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from trainctl.engine.data.batch import Batch, Split, Splits
from trainctl.engine.data.equal_samples import chunks
from trainctl.engine.data.overlap import find_copies, find_shared_groups, why_not_compared
from trainctl.engine.diagnosis.facts.data import (
    DataFacts,
    GroupFacts,
    LabelFacts,
    LeakFacts,
    OverlapFacts,
    Place,
    SplitFacts,
    SplitLabels,
    Tail,
    TensorFacts,
)
from trainctl.engine.diagnosis.probes.isolation import Deadline

STATISTICS_SAMPLES = 4096
"""Samples that means and standard deviations are taken from, evenly spaced."""
LEAST_VARIED, FEW_VARIED = 8, 512
LEAST_OF_A_TAIL = 100
"""Samples from which on what never varies is worth a word, and that are asked for it."""
FEW_SAMPLES = 256
"""The same of a Dataset, whose samples are read one by one."""


def measure_data(splits: Splits) -> DataFacts:
    """Facts about the tensors of both splits."""
    train, val = _split_facts("train", splits.train), _split_facts("val", splits.val)
    return DataFacts(train, val, tuple(splits.notes))


def measure_names(splits: Splits, why: str) -> DataFacts:
    """What is known of data whose labels alone could be read; `why` says why the rest could not."""
    train, val = (SplitFacts(name, len(part), (), ()) for name, part in (("train", splits.train), ("val", splits.val)))
    return DataFacts(train, val, tuple(splits.notes), why)


def measure_overlap(splits: Splits, deadline: Deadline) -> OverlapFacts:
    """What stands on both sides of the split, as far as there is time to look."""
    leak = None if deadline.has_passed else measure_leak(splits, deadline)
    why = "" if leak else why_not_compared(splits, f"{deadline.budget_s:g} s")
    return OverlapFacts(len(splits.val), leak, measure_groups(splits), why)


def overlapping_names(splits: Splits, why: str) -> OverlapFacts:
    """The same where only labels and groups could be read."""
    return OverlapFacts(len(splits.val), None, measure_groups(splits), why)


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
    tensors, names = looked_at(split), split.names
    if split.dataset is not None:
        names = [str(split.names[row]) if split.names else f"sample {row}" for row in split.few_rows(FEW_SAMPLES)]
    places = (_first_nonfinite(name, key, tensor, names) for key, tensor in tensors.items())
    return SplitFacts(
        name=name,
        num_samples=len(split),
        tensors=tuple(_with_columns(key, spaced(tensor)) for key, tensor in tensors.items()),
        nonfinite=tuple(place for place in places if place is not None),
    )


def _with_columns(name: str, tensor: Tensor) -> TensorFacts:
    """Facts with what varies of features and channels; of indices, masks and flags nothing is to be said."""
    facts, whole, tensor = tensor_facts(name, tensor), tensor, spaced(tensor, FEW_VARIED)
    is_picture = tensor.dtype == torch.uint8 and tensor.dim() > 3
    if not (tensor.is_floating_point() or is_picture) or len(tensor) < LEAST_VARIED or not tensor.numel():
        return facts
    if facts.minimum == facts.maximum == 1:  # a mask, or weights that weigh nothing
        return facts
    dim = 1 if tensor.dim() > 3 else tensor.dim() - 1
    columns = tensor.unsqueeze(1) if dim == 0 else tensor.transpose(1, dim)
    rows = columns.flatten(2) if columns.dim() > 2 else columns[:, :, None]
    is_constant = (rows == rows[:1]).all(2).all(0)
    varying = rows[:, ~is_constant]
    return replace(
        facts,
        num_columns=len(is_constant),
        num_constant=int(is_constant.sum()),
        zeros=1 - int(varying.count_nonzero()) / varying.numel() if varying.numel() else 0.0,
        tail=_tail(whole) if whole.numel() == len(whole) else None,
    )


def _tail(values: Tensor) -> Tail | None:
    """Of the hundredth that is farthest from the median."""
    finite = values.flatten().double()
    finite = finite[finite.isfinite()]
    if len(finite) < LEAST_OF_A_TAIL or bool((finite == finite.round()).all()):
        return None
    apart = (finite - finite.median()).abs()
    order = apart.sort().values
    few = order[-(len(order) // 100) :]
    usual, squares = float(order.median()), float(order.square().sum())
    return Tail(
        share=float(few.square().sum()) / squares if squares > 0 else 0.0,
        distance=float(few.median()) / usual if usual > 0 else math.inf,
        farthest=float(finite[apart.argmax()]),
    )


def looked_at(split: Split) -> Batch:
    """What is in memory, whole and where it lies; of a Dataset, which is not, a few samples."""
    return dict(split.tensors) if split.dataset is None else split.few(FEW_SAMPLES)


def spaced(tensor: Tensor, most: int = STATISTICS_SAMPLES) -> Tensor:
    """The samples that statistics are taken from, on the CPU."""
    return tensor[:: max(1, len(tensor) // most)].cpu()


def _first_nonfinite(split: str, key: str, tensor: Tensor, names: Sequence[str]) -> Place | None:
    """The first sample with NaN or infinity, and how many there are; integers have none."""
    if not (tensor.is_floating_point() or tensor.is_complex()):
        return None
    bad = torch.cat([~part.flatten(1).isfinite().all(1) for part in chunks(tensor.reshape(len(tensor), -1))])
    if not bad.any():
        return None
    index = int(bad.int().argmax())
    return Place(split, key, index, names[index] if names else "", int(bad.sum()))


def _split_labels(name: str, split: Split, num_classes: int) -> SplitLabels | None:
    if split.counted is None or len(split.counted) == 0:
        return None
    labels, is_of_samples = split.counted.cpu(), split.labels is not None
    outside = (labels < 0) | (labels >= num_classes)
    counts = torch.bincount(labels[~outside].long(), minlength=num_classes)
    example = None
    if outside.any():
        index = int(outside.int().argmax())
        named = split.names[index] if split.names and is_of_samples else ""
        example = Place(name, "label", index, named, 1)
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
    copies = find_copies(splits, lambda: not deadline.has_passed)
    if copies is None:
        return None
    near = splits.leak
    return LeakFacts(
        num_val=copies.compared,
        num_shared=copies.shared,
        train_repeat_share=copies.repeated_share,
        example=copies.example,
        num_near=None if near is None else near.count,
        near_example=None if near is None else near.example,
        num_labelled=copies.samples,
        num_contradicted=copies.contradicted,
        contradiction=copies.contradiction,
    )


def measure_groups(splits: Splits) -> GroupFacts | None:
    """Groups in both splits; None where the data names none."""
    found = find_shared_groups(splits)
    if found is None:
        return None
    return GroupFacts(found.train, found.val, found.named, found.shared, found.val_samples, found.fix)
