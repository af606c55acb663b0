"""What the task's metric makes of answers of untrained networks: again, in other orders, of halves, of other networks.

Works on private copies of the task, from generators of its own. Judges nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import torch
from torch import Tensor

from trainctl.engine.data.batch import Splits
from trainctl.engine.diagnosis.facts.samples.metric import MetricFacts
from trainctl.engine.diagnosis.probes.bench import Bench, open_bench
from trainctl.engine.diagnosis.probes.isolation import undisturbed
from trainctl.engine.diagnosis.probes.samples.views import few_rows
from trainctl.engine.errors import UserError
from trainctl.engine.tasks.task import Task

MOST, FEWEST = 200, 20
"""Samples that are answered."""
NETWORKS, REPEATS, ORDERS, HALVES = 3, 3, 5, 8
FRONT = (2, 4, 8, 16, 32)
"""Numbers of samples at the front that may decide the metric alone."""
COLLAPSED = 1e-3
"""Of the size of a column, below which what tells its samples apart is as good as nothing."""
APART = 1e-6
"""Of a column's deviation: what is added so that no two answers are equal, whose order would be any."""

DIFFERENT = 0.1
"""Share of the samples that two networks answer differently, from which on they are two."""

Columns = Mapping[str, Tensor]


def measure_metric(task: Task, splits: Splits, device: torch.device) -> MetricFacts:
    """Facts about the monitored metric.

    Raises:
        UserError: the task monitors its loss, has no such metric, or too few samples validate.
    """
    name, seed = task.monitor.metric, task.config.seed
    rows = few_rows(splits.val, MOST)
    if name == "loss" or len(rows) < FEWEST:
        raise UserError("the loss is monitored" if name == "loss" else "too few samples validate")
    answers: list[Columns] = []
    for k in range(NETWORKS):
        with undisturbed(seed + k):
            bench = open_bench(task, splits, device)
            answers.append(_answers(bench, rows, splits))
    with undisturbed(seed):
        bench = open_bench(task, splits, device)
        return _facts(name, answers, lambda columns: float(bench.task.metrics(columns)[name]), seed)


@torch.no_grad()
def _answers(bench: Bench, rows: Tensor, splits: Splits) -> Columns:
    """Per-sample results of an untrained network in evaluation mode, those that are figures all different."""
    bench.model.eval()
    columns = bench.step(bench.fetch(rows, splits.val)).columns
    if any(len(column) != len(rows) for column in columns.values()):
        raise UserError("the results are not one a sample")
    if any(_is_collapsed(column) for column in columns.values()):
        raise UserError("the untrained network answers all samples alike")
    return {name: _untied(column.detach()) for name, column in columns.items()}


def _is_collapsed(column: Tensor) -> bool:
    """Whether figures are different, but hardly: which of them is the larger is then an accident."""
    if not column.is_floating_point() or len(column.unique()) <= 2:
        return False
    spread = (column - column.mean(0)).square().mean().sqrt()
    return bool(spread < COLLAPSED * column.square().mean().sqrt())


def _untied(column: Tensor) -> Tensor:
    if not column.is_floating_point() or len(column.unique()) <= 2:
        return column
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(column.shape, generator=generator).to(column)
    return column + APART * column.std() * noise


def _facts(name: str, answers: list[Columns], measure: Callable[[Columns], float], seed: int) -> MetricFacts:
    columns, *others = answers
    size = len(next(iter(columns.values())))
    generator = torch.Generator().manual_seed(seed)
    value = measure(columns)
    orders = [torch.randperm(size, generator=generator) for _ in range(ORDERS)]
    halves = [torch.randperm(size, generator=generator)[: size // 2].sort().values for _ in range(HALVES)]
    return MetricFacts(
        name=name,
        num_samples=size,
        value=value,
        repeats=_spread([value, *(measure(columns) for _ in range(REPEATS))]),
        orders=_spread([value, *(measure(_at(columns, order)) for order in orders)]),
        halves=_spread([measure(_at(columns, half)) for half in halves]),
        others=tuple(measure(one) for one in others),
        are_others=any(_differ(columns, one) for one in others),
        first=_front(columns, value, measure, size),
    )


def _at(columns: Columns, rows: Tensor) -> Columns:
    return {name: column[rows.to(column.device)] for name, column in columns.items()}


def _spread(values: list[float]) -> float:
    return float(np.std(values))


def _differ(columns: Columns, others: Columns) -> bool:
    """Whether two networks answer a tenth of the samples differently."""
    differing = (column != others[name] for name, column in columns.items())
    return any(float(one.reshape(len(one), -1).any(1).float().mean()) > DIFFERENT for one in differing)


def _front(columns: Columns, value: float, measure: Callable[[Columns], float], size: int) -> int | None:
    """The least number of samples at the front that give the value of all, as do all larger numbers."""
    found, most = None, max((count for count in FRONT if count <= size // 4), default=0)
    for count in reversed([count for count in FRONT if count <= most]):
        try:
            is_same = measure(_at(columns, torch.arange(count))) == value
        except Exception:  # a metric of the user's, which may need more than these
            break
        if not is_same:
            break
        found = count
    return found if found != most else None
