"""Signals that do not get through a network; each fault beside networks that begin like it and learn."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from healthy_networks import HEALTHY
from torch import Tensor, nn
from user_tasks import FEATURES, UserTask, classify, draw, labelled, mlp

from trainctl.engine.config.schema import OptimizerConfig
from trainctl.engine.diagnosis.differential import diagnose
from trainctl.engine.diagnosis.finding import Finding, Report, Severity
from trainctl.engine.diagnosis.probes.preflight import gather
from trainctl.engine.tasks.task import Task

CODES = {"G704", "G706", "G708", "G715"}
SECTION = ("gradient flow", "optimiser and schedule")


def examine(task: Task) -> Report:
    return diagnose(gather(task, sections=SECTION, budget_s=600), sections=SECTION)


def found(report: Report) -> dict[str, Finding]:
    return {finding.code: finding for finding in report.findings if finding.code in CODES}


def classifier(net: Callable[[], nn.Module], name: Any = "adamw", lr: float = 1e-3) -> UserTask:
    options = {"optimizer": OptimizerConfig(name=name, lr=lr)}
    return UserTask(labelled(draw(FEATURES)), net, classify(), classes=True, options=options)


def deep(act: Callable[[], nn.Module], layers: int) -> nn.Module:
    """Many dense layers as torch draws them."""
    middle = [layer for _ in range(layers) for layer in (act(), nn.Linear(32, 32))]
    return nn.Sequential(nn.Linear(FEATURES, 32), *middle, act(), nn.Linear(32, 4))


def filled(value: float, *, biases: float = 0.0) -> nn.Module:
    """Every weight the same."""
    model = mlp()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.fill_(value if parameter.dim() > 1 else biases)
    return model


@pytest.mark.parametrize(("act", "layers"), [(nn.Sigmoid, 8), (nn.Sigmoid, 14), (nn.ReLU, 30)])
def test_a_gradient_that_vanishes_with_depth_is_found(act: Callable[[], nn.Module], layers: int) -> None:
    finding = found(examine(classifier(lambda: deep(act, layers))))["G704"]
    assert finding.severity is not Severity.INFO and "0.weight" in finding.summary
    assert float(finding.figures["share"]) < 1e-4 and float(finding.figures["trend"]) > 0.8


@pytest.mark.parametrize(("act", "layers"), [(nn.ReLU, 6), (nn.Tanh, 8), (nn.Sigmoid, 1), (nn.GELU, 5)])
def test_networks_of_some_depth_that_learn_are_healthy(act: Callable[[], nn.Module], layers: int) -> None:
    report = examine(classifier(lambda: deep(act, layers)))
    assert "G704" in report.checked and not found(report)


@pytest.mark.parametrize(("optimizer", "lr"), [("adamw", 1e-3), ("sgd", 1e-2)])
@pytest.mark.parametrize(
    "name",
    [
        "branch_scaled_by_zero",
        "branch_scaled_by_a_millionth",
        "last_layers_at_zero",
        "head_at_zero",
        "low_rank_adapter",
    ],
)
def test_branches_that_begin_at_nothing_are_healthy(name: str, optimizer: Any, lr: float) -> None:
    task = HEALTHY[name]()
    task.config = task.config.model_copy(update={"optimizer": OptimizerConfig(name=optimizer, lr=lr)})
    assert not found(examine(task))


def test_weights_that_are_all_zero_are_found_and_explain_what_follows() -> None:
    report = examine(classifier(lambda: filled(0.0)))
    findings = found(report)
    assert findings["G708"].primary and findings["G708"].severity is Severity.ERROR
    assert "stay at their first value" in findings["G708"].summary
    assert findings["G715"].consequence_of is not None


def test_weights_of_one_value_are_units_that_stay_the_same() -> None:
    finding = found(examine(classifier(lambda: filled(0.1, biases=0.05))))["G708"]
    assert "move by the same" in finding.summary and int(finding.figures["same"]) >= 2


def test_scales_that_begin_at_one_are_no_symmetric_units() -> None:
    class Scaled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner, self.scale = mlp(), nn.Parameter(torch.ones(3, FEATURES))

        def forward(self, x: Tensor) -> Tensor:
            parts = self.inner(x * self.scale[0]) + self.inner(x * self.scale[1] ** 2)
            return parts + self.inner(x * self.scale[2]).tanh()

    assert not found(examine(classifier(Scaled))) and not found(examine(classifier(Scaled, "sgd", 1e-2)))


def test_biases_that_switch_all_units_off_are_found() -> None:
    def built() -> nn.Module:
        model = mlp()
        with torch.no_grad():
            model.get_parameter("0.bias").fill_(-20)
        return model

    findings = found(examine(classifier(built)))
    assert findings["G706"].figures["dead"] == 1
    assert findings["G715"].consequence_of == "G706"


def test_units_that_the_first_steps_switch_off_are_the_doing_of_the_rate() -> None:
    report = examine(classifier(mlp, name="sgd", lr=30.0))
    by_code = {finding.code: finding for finding in report.findings}
    assert by_code["G706"].consequence_of == "O601"
    assert "lower learning rate" in by_code["G706"].fix.text


def test_an_input_that_is_dropped_on_the_way_is_found() -> None:
    class Deaf(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = mlp()

        def forward(self, x: Tensor) -> Tensor:
            return self.inner(0 * x)

    assert found(examine(classifier(Deaf)))["G715"].severity is Severity.ERROR


def test_half_of_the_matrices_behind_a_product_with_zero_are_named() -> None:
    class Cut(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.left, self.right, self.head = mlp(outputs=8), mlp(outputs=8), nn.Linear(8, 4)

        def forward(self, x: Tensor) -> Tensor:
            return self.head(self.right(x) + 0 * self.left(x)) + 0 * self.left(x)[:, :4]

    def wide() -> nn.Module:
        model = Cut()
        model.right = nn.Linear(FEATURES, 8)  # type: ignore[assignment]
        return model

    finding = found(examine(classifier(wide)))["G704"]
    assert "left" in finding.where and finding.figures["zero"] == 3


def test_matrices_that_begin_at_zero_one_behind_the_other_are_found_whatever_their_biases() -> None:
    def zeroed() -> nn.Module:
        model = mlp()
        with torch.no_grad():
            for weight in model.parameters():
                if weight.dim() > 1:
                    weight.zero_()
        return model

    finding = found(examine(classifier(zeroed)))["G708"]
    assert finding.severity is Severity.ERROR and finding.figures["matrices"] == 3
