"""Means of a whole split: over samples, or over what the task counts, whichever samples met in a batch."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
import torch
from torch import Tensor, nn
from toy import ToyTask, resolved

from trainctl.engine.config.schema import PrecisionConfig
from trainctl.engine.data.batch import Batch, Split
from trainctl.engine.data.feed import Feed
from trainctl.engine.tasks.task import StepOutput
from trainctl.engine.training.loop.precision import Precision
from trainctl.engine.training.loop.validation import Validation

CPU = torch.device("cpu")


class Ragged(ToyTask):
    """Samples of different lengths; the term is a mean over all their parts."""

    def step(self, model: nn.Module, batch: Batch) -> StepOutput:
        there = batch["x"] >= 0
        return StepOutput({"mean": batch["x"][there].mean()}, units=there.sum())

    def metrics(self, columns: Mapping[str, Tensor]) -> dict[str, float]:
        return {}


class WithoutUnits(Ragged):
    def step(self, model: nn.Module, batch: Batch) -> StepOutput:
        return StepOutput(super().step(model, batch).terms)


def loss_of(task: type[ToyTask], batch_size: int) -> float:
    x = torch.tensor([[1.0, -1, -1], [2, 3, 4], [5, 6, -1], [7, -1, -1], [8, 9, 10]])
    made = task(resolved().config)
    model = nn.Linear(1, 1)
    precision = Precision(PrecisionConfig(), CPU)
    validation = Validation(made, precision, Feed(Split({"x": x}), CPU), batch_size)
    return validation.measure(model, {"mean": 1.0})["loss"]


@pytest.mark.parametrize("batch_size", [1, 2, 3, 5])
def test_a_mean_over_parts_does_not_depend_on_the_batches(batch_size: int) -> None:
    assert loss_of(Ragged, batch_size) == pytest.approx(5.5)


def test_without_a_count_the_samples_count() -> None:
    assert loss_of(WithoutUnits, 1) == pytest.approx((1 + 3 + 5.5 + 7 + 9) / 5)
    assert loss_of(WithoutUnits, 5) == pytest.approx(5.5)
