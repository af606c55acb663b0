"""Targets that a network cannot reach soon or at all, and class weights; each beside its healthy relative."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from user_tasks import FEATURES, UserTask, draw, labelled, mlp, regression

from trainctl.engine.data.batch import Batch
from trainctl.engine.diagnosis.differential import diagnose
from trainctl.engine.diagnosis.finding import Finding, Report, Severity
from trainctl.engine.diagnosis.probes.preflight import gather

SECTION = ("labels", "loss")


def examine(
    change: Callable[[Tensor], Tensor] = lambda y: y,
    last: nn.Module | None = None,
    loss: Callable[[Tensor, Tensor], Tensor] = F.mse_loss,
) -> Report:
    tensors = regression(draw(FEATURES))
    tensors["y"] = change(tensors["y"])
    net = lambda: nn.Sequential(*mlp(outputs=1), last or nn.Identity())  # noqa: E731
    step = lambda model, batch: {"mine": loss(model(batch["x"])[:, 0], batch["y"])}  # noqa: E731
    return diagnose(gather(UserTask(tensors, net, step), sections=SECTION, budget_s=600), sections=SECTION)


def found(report: Report, code: str) -> Finding | None:
    return next((finding for finding in report.findings if finding.code == code), None)


@pytest.mark.parametrize(
    "change",
    [lambda y: 3000 + 500 * y, lambda y: 40 + y, lambda y: 1000 * y, lambda y: y / 1e3 + 2, lambda y: 500 + 92 * y],
)
def test_targets_of_another_size_are_found(change: Callable[[Tensor], Tensor]) -> None:
    finding = found(examine(change), "L205")
    assert finding is not None and finding.severity is Severity.WARNING


@pytest.mark.parametrize("change", [lambda y: y, lambda y: 3 + 2 * y, lambda y: 30 + 10 * y, lambda y: y / 100])
def test_targets_that_are_soon_reached_are_healthy(change: Callable[[Tensor], Tensor]) -> None:
    report = examine(change)
    assert "L205" in report.checked and found(report, "L205") is None


@pytest.mark.parametrize(
    ("last", "loss"), [(nn.ReLU(), F.mse_loss), (nn.Sigmoid(), F.l1_loss), (nn.Tanh(), F.mse_loss)]
)
def test_an_activation_that_cannot_give_the_targets_is_found(last: nn.Module, loss: Callable[..., Tensor]) -> None:
    finding = found(examine(last=last, loss=loss), "L208")
    assert finding is not None and finding.severity is Severity.ERROR
    assert float(finding.figures["out_of_reach"]) > 0.1


@pytest.mark.parametrize(
    ("last", "change"),
    [
        (nn.ReLU(), lambda y: y.abs()),
        (nn.Sigmoid(), lambda y: y.sigmoid()),
        (nn.Sigmoid(), lambda y: (y > 0).float()),
        (nn.Tanh(), lambda y: y.tanh()),
        (nn.ReLU(), lambda y: y.clamp(min=-1e-4)),
    ],
)
def test_an_activation_that_suits_the_targets_is_healthy(last: nn.Module, change: Callable[[Tensor], Tensor]) -> None:
    assert found(examine(change, last), "L208") is None


def with_outliers(y: Tensor) -> Tensor:
    y = y.clone()
    y[[5, 77, 140]] = y.std() * torch.tensor([60.0, -45.0, 80.0])
    return y


def test_a_few_targets_that_decide_a_squared_error_are_found() -> None:
    finding = found(examine(with_outliers), "C311")
    assert finding is not None and finding.severity is Severity.WARNING
    assert float(finding.figures["share"]) > 0.75
    assert found(examine(with_outliers, loss=F.huber_loss), "C311") is None, "which does not square them"


@pytest.mark.parametrize(
    "change", [lambda y: y, lambda y: y.sign() * y.square(), lambda y: y.exp(), lambda y: (y * 3).round()]
)
def test_targets_of_long_tails_are_healthy(change: Callable[[Tensor], Tensor]) -> None:
    report = examine(change)
    assert found(report, "C311") is None


def weighted(weight: list[float], shares: list[float]) -> Finding | None:
    tensors = labelled(draw(FEATURES))
    generator = torch.Generator().manual_seed(1)
    tensors["y"] = torch.multinomial(torch.tensor(shares), len(tensors["x"]), replacement=True, generator=generator)

    def step(model: nn.Module, batch: Batch) -> dict[str, Tensor]:
        return {"ce": F.cross_entropy(model(batch["x"]), batch["y"], torch.tensor(weight))}

    report = diagnose(gather(UserTask(tensors, mlp, step, classes=True), sections=SECTION), sections=SECTION)
    return found(report, "C309")


@pytest.mark.parametrize(
    ("weight", "shares"),
    [([1000.0, 1, 1, 1], [0.25] * 4), ([0.9, 0.04, 0.03, 0.03], [0.9, 0.04, 0.03, 0.03])],
)
def test_weights_that_make_classes_more_uneven_are_found(weight: list[float], shares: list[float]) -> None:
    finding = weighted(weight, shares)
    assert finding is not None and "class a" in finding.summary


@pytest.mark.parametrize(
    ("weight", "shares"),
    [
        ([1 / 0.9, 1 / 0.04, 1 / 0.03, 1 / 0.03], [0.9, 0.04, 0.03, 0.03]),
        ([10.0, 1, 1, 1], [0.25] * 4),
        ([1.0] * 4, [0.9, 0.04, 0.03, 0.03]),
    ],
)
def test_weights_that_balance_or_cost_more_are_healthy(weight: list[float], shares: list[float]) -> None:
    assert weighted(weight, shares) is None
