"""Metrics of one network on one split. Draws no random numbers, so that a run with more validations is the same run."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from trainctl.engine.data.feed import Feed
from trainctl.engine.tasks.task import StepOutput, Task
from trainctl.engine.training.loop.precision import Precision


@torch.no_grad()  # not inference_mode, in which a task could not take the gradient that its loss is made of
def validate(
    task: Task,
    model: nn.Module,
    feed: Feed,
    batch_size: int,
    precision: Precision,
    weights: Mapping[str, float],
    on_columns: Callable[[Mapping[str, Tensor]], object] | None = None,
) -> dict[str, float]:
    """`loss` (weighted), every term where there are several, and the task's metrics, over the whole of `feed`.

    The loss terms are averaged over samples, or over what the task counts (`StepOutput.units`), not over batches.
    `on_columns` is shown the per-sample results of the whole split, in its order. The network is back in its mode
    afterwards.
    """
    was_training = model.training
    model.eval()
    sums: dict[str, Tensor] = {}
    columns: defaultdict[str, list[Tensor]] = defaultdict(list)
    count: int | Tensor = 0
    try:
        for stored in feed.slices(batch_size):
            with precision.autocast():
                output = task.step(model, task.prepare(stored))
            size = len(next(iter(stored.values()))) if output.units is None else output.units
            _add_terms(sums, output, size)
            for name, column in output.columns.items():
                columns[name].append(column)
            count = count + size
    finally:
        model.train(was_training)
    means = {name: float(total / count) for name, total in sums.items()}
    metrics = {"loss": sum(weights.get(name, 1.0) * mean for name, mean in means.items())}
    if len(means) > 1:
        metrics |= means
    results = {name: torch.cat(parts) for name, parts in columns.items()}
    if on_columns is not None:
        on_columns(results)
    return metrics | _figures(task.metrics(results))


def _figures(metrics: Mapping[str, Any]) -> dict[str, float]:
    """A task's metrics as plain numbers: what NumPy, torch and others take for one, no checkpoint could hold.

    Raises:
        TypeError: one is none, which is a mistake of the task.
    """
    figures: dict[str, float] = {}
    for name, value in metrics.items():
        try:
            figures[str(name)] = math.nan if value is None else float(value)
        except (TypeError, ValueError, OverflowError, RuntimeError) as err:
            raise TypeError(f"metrics: {name!r} is a {type(value).__name__}, not a number") from err
    return figures


def _add_terms(sums: dict[str, Tensor], output: StepOutput, size: int | Tensor) -> None:
    for name, term in output.terms.items():
        weighted = term.detach().double() * size if term.device.type != "mps" else term.detach() * size
        sums[name] = sums[name] + weighted if name in sums else weighted
