"""Chooses the validation samples with the largest loss, and makes their pictures. Writes nothing."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from trainctl.engine.data.batch import Split
from trainctl.engine.runs.validated.samples import NUM_KEPT, WorstSamples
from trainctl.engine.tasks.classification import Answers
from trainctl.engine.tasks.task import Task


def worst_samples(
    task: Task, split: Split, columns: Mapping[str, Tensor], *, step: int, epoch: int, most: int = NUM_KEPT
) -> WorstSamples | None:
    """The worst samples of a validation; None where the task does not say how bad a sample is.

    Waits for the device once. A loss that is not a number counts as the worst.

    Args:
        task: gives losses, words and pictures.
        split: the samples, in the order of the columns.
        columns: per-sample results of the whole split.
        step: optimiser step after which they were measured.
        epoch: the same in epochs.
        most: samples to keep.
    """
    losses_N = task.sample_losses(columns)
    if losses_N is None or len(losses_N) != len(split):
        return None
    values, rows = losses_N.float().topk(min(most, len(split)))  # NaN stands above everything
    chosen = rows.cpu()
    few = {name: column[rows].cpu() for name, column in columns.items()}
    words, answers = task.describe_samples(few), task.answers(few)
    pictures = task.thumbnails(split.at(chosen))
    if pictures is None:
        pictures = torch.zeros(len(chosen), 0, 0, 3, dtype=torch.uint8)
    return WorstSamples(
        step=step,
        epoch=epoch,
        num_samples=len(split),
        losses=values.cpu().numpy().astype(np.float32),
        truths=tuple(truth for truth, _ in words),
        predictions=tuple(prediction for _, prediction in words),
        names=tuple(str(split.names[row]) if split.names else f"validation sample {row}" for row in chosen.tolist()),
        images=pictures.cpu().numpy(),
        rights=_rights(answers, len(chosen)),
    )


def _rights(answers: Answers | None, num_samples: int) -> tuple[bool, ...]:
    """Whether each sample was answered rightly; nothing where a sample is no single answer, but several."""
    if answers is None or len(answers.truth) != num_samples:
        return ()
    return tuple((answers.truth == answers.answer).tolist())
