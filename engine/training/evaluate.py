"""Measures a checkpoint on data: figures, class by class, and sample by sample. Writes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor
from torch.utils.data import ConcatDataset, Dataset

from trainctl.engine.config.resolve import Resolved
from trainctl.engine.data.batch import Split, Splits
from trainctl.engine.data.feed import Feed
from trainctl.engine.data.placement import made_on
from trainctl.engine.errors import UserError
from trainctl.engine.tasks.classification import Answers
from trainctl.engine.tasks.task import Task
from trainctl.engine.training.device import choose_device
from trainctl.engine.training.loop.precision import Precision
from trainctl.engine.training.loop.validation import Validation
from trainctl.engine.training.restore import Trained, restore, saved_task_state
from trainctl.engine.training.setup import check_splits


@dataclass(frozen=True)
class Sample:
    """How one sample fared."""

    name: str
    truth: str
    """In words; empty where the task does not say."""
    answer: str
    loss: float


@dataclass(frozen=True)
class Evaluation:
    """What was measured."""

    trained: Trained
    part: str
    """Of the data: `train`, `val`, `test`, `all`, or the name of a further validation set."""
    num_samples: int
    classes: tuple[str, ...]
    metrics: dict[str, float]
    answers: Answers | None
    """None where the task answers no classes."""
    samples: list[Sample] | None
    """In the order of the data; None where the task does not say how bad a sample is."""
    notes: tuple[str, ...]
    """Of the loader: how it would split, what it left out."""


def evaluate(
    checkpoint: Path,
    resolved: Resolved,
    task_type: type[Task],
    data_path: Path | None,
    *,
    weights: str = "",
    part: str = "val",
) -> Evaluation:
    """Measure a checkpoint.

    Args:
        checkpoint: of the run.
        resolved: configuration of the run.
        task_type: its task.
        data_path: the data.
        weights: raw or ema; empty: the ones the checkpoint was kept for.
        part: which samples: those that the loader would train on, those it would validate on, those of the data's own
            test split that it keeps out of both, all, or a further validation set by its name.

    Raises:
        UserError: the checkpoint or the data cannot be used.
    """
    config = resolved.config
    task = task_type(config, data_path)
    task.load_state(saved_task_state(task_type, checkpoint))
    with made_on(choose_device(config.runtime.device)):
        whole = task.load_whole() if part == "all" else None
        splits = whole or task.load()
    check_splits(splits if whole is None else replace(whole, train=whole.val))
    known = splits if whole is None else None
    trained = restore(checkpoint, resolved, task_type, data_path, weights=weights, splits=known)
    _check_classes(trained, splits)
    split = splits.val if whole is not None else chosen_split(splits, part)
    seen: dict[str, Tensor] = {}
    # the task that loaded the data may have measured it (class weights), so it is the one that is asked
    precision = Precision(config.precision, trained.device)
    feed = Feed(split, trained.device, config.train.workers, config.seed)
    validation = Validation(task, precision, feed, config.train.validation_batch_size)
    metrics = validation.measure(trained.model, trained.loss_weights, seen.update)
    with torch.no_grad():
        answers, samples = task.answers(seen), _samples(task, split, seen)
    notes = tuple(note for note in splits.notes if part != "all" or note not in splits.of_split)
    return Evaluation(trained, part, len(split), splits.classes, metrics, answers, samples, notes)


def chosen_split(splits: Splits, part: str) -> Split:
    """The samples of a part; of all, first those of training, last those of the test split.

    Raises:
        UserError: there is no such part, or it cannot be read.
    """
    if part in ("train", "val"):
        return splits.train if part == "train" else splits.val
    if part == "test":
        return _test_split(splits)
    if part in splits.more_val:
        return splits.more_val[part]
    if part != "all":
        known = ", ".join(("train", "val", "test", "all", *splits.more_val))
        raise UserError(f"--split {part}: the data have no such part", f"there are: {known}")
    parts = [splits.train, splits.val, *([_test_split(splits)] if splits.test is not None else [])]
    labels = [split.labels for split in parts if split.labels is not None]
    tensors = {name: torch.cat([split.tensors[name] for split in parts]) for name in splits.train.tensors}
    names = [name for split in parts for name in split.names] if all(split.names for split in parts) else ()
    given = [split.dataset for split in parts if split.dataset is not None]
    dataset = ConcatDataset(cast("list[Dataset[Any]]", given)) if given else None
    joined = torch.cat(labels) if len(labels) == len(parts) else None
    return Split(tensors, joined, names, dataset=dataset, fields=splits.train.fields)


def _test_split(splits: Splits) -> Split:
    if splits.test is None:
        raise UserError(
            "the data keep no test samples apart from those that train and validate", "use --split val, train or all"
        )
    split = splits.test()
    check_splits(replace(splits, val=split))
    return split


def _check_classes(trained: Trained, splits: Splits) -> None:
    known = tuple(trained.about["classes"])
    if known != splits.classes:
        raise UserError(
            f"the network knows the classes {', '.join(known) or 'none'}, the data has {', '.join(splits.classes)}",
            "evaluate it on data with the classes it was trained on",
        )


def _samples(task: Task, split: Split, columns: Mapping[str, Tensor]) -> list[Sample] | None:
    losses_N = task.sample_losses(columns)
    if losses_N is None or len(losses_N) != len(split):
        return None
    words = task.describe_samples({name: column.cpu() for name, column in columns.items()})
    names = split.names or [f"sample {row}" for row in range(len(split))]
    losses: list[float] = losses_N.float().cpu().tolist()
    return [
        Sample(str(name), truth, answer, loss) for name, (truth, answer), loss in zip(names, words, losses, strict=True)
    ]
