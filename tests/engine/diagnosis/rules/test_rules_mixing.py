"""Samples that reach each other, and networks and losses in which they may."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from healthy_networks import HEALTHY
from torch import Tensor, nn
from torch.nn import functional as F
from user_tasks import FEATURES, NUM_CLASSES, Step, UserTask, classify, draw, labelled, mlp

from trainctl.engine.data.batch import Batch
from trainctl.engine.diagnosis.differential import diagnose
from trainctl.engine.diagnosis.finding import Finding, Report, Severity
from trainctl.engine.diagnosis.probes.preflight import gather
from trainctl.engine.tasks.task import StepOutput


class Mixing(nn.Module):
    """Dense layers with an operation between them."""

    def __init__(self, between: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.body, self.head, self.between = nn.Linear(FEATURES, 16), nn.Linear(16, NUM_CLASSES), between

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.between(self.body(x).relu()))


class Sequences(nn.Module):
    """A layer over sequences that may take them the wrong way round."""

    def __init__(self, cells: nn.Module) -> None:
        super().__init__()
        self.cells, self.head = cells, nn.LazyLinear(NUM_CLASSES)
        self(torch.zeros(2, 10, 8))

    def forward(self, x: Tensor) -> Tensor:
        out = self.cells(x)
        return self.head((out[0] if isinstance(out, tuple) else out)[:, -1])


def examine(net: Callable[[], nn.Module], step: Step | None = None, x: Tensor | None = None) -> Report:
    return diagnose(
        gather(UserTask(labelled(draw(FEATURES) if x is None else x), net, step or classify(), classes=True))
    )


def found(report: Report) -> Finding | None:
    return next((finding for finding in report.findings if finding.code == "G710"), None)


@pytest.mark.parametrize(
    "between",
    [
        lambda h: h.t().reshape(h.shape),
        lambda h: h.softmax(0),
        lambda h: h - h.mean(0),
        lambda h: torch.cat([h[:1] * 0.1 + h[1:], h[:1]]),
    ],
)
def test_an_operation_over_the_samples_is_found(between: Callable[[Tensor], Tensor]) -> None:
    finding = found(examine(lambda: Mixing(between)))
    assert finding is not None and finding.severity is Severity.ERROR and finding.primary


@pytest.mark.parametrize(
    "between", [lambda h: h - h.mean(1, keepdim=True), lambda h: h.softmax(1), lambda h: h.flip(1), lambda h: h[:, :16]]
)
def test_the_same_within_a_sample_is_healthy(between: Callable[[Tensor], Tensor]) -> None:
    report = examine(lambda: Mixing(between))
    assert "G710" in report.checked and found(report) is None


@pytest.mark.parametrize("is_batch_first", [False, True])
@pytest.mark.parametrize("kind", ["lstm", "attention"])
def test_a_sequence_model_that_takes_samples_for_places_is_found(kind: str, is_batch_first: bool) -> None:
    def built() -> nn.Module:
        layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=is_batch_first)
        return Sequences(nn.LSTM(8, 12, batch_first=is_batch_first) if kind == "lstm" else layer)

    report = examine(built, x=draw(10, 8))
    assert "G710" in report.checked and (found(report) is None) == is_batch_first


def test_a_softmax_over_the_batch_in_the_loss_is_found_too() -> None:
    def step(model: nn.Module, batch: Batch) -> StepOutput:
        logits = model(batch["x"])
        return StepOutput({"ce": F.nll_loss(logits.log_softmax(0), batch["y"])}, {"logits": logits.detach()})

    finding = found(examine(mlp, step))
    assert finding is not None and "not over the 4 classes" in finding.summary


@pytest.mark.parametrize("name", ["views_of_a_sample", "two_towers", "hardest_half_of_a_batch", "mixture_of_experts"])
def test_losses_of_pairs_and_networks_that_sort_samples_are_healthy(name: str) -> None:
    assert found(diagnose(gather(HEALTHY[name]()))) is None


def test_a_norm_over_the_batch_is_meant() -> None:
    norms = [nn.BatchNorm1d(16), nn.BatchNorm1d(16, track_running_stats=False)]
    for norm in norms:
        assert found(examine(lambda norm=norm: nn.Sequential(nn.Linear(FEATURES, 16), norm, nn.Linear(16, 4)))) is None
