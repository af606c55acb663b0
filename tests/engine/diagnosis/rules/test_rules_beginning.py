"""Weights that begin too large or too small for anything to come through; each beside recipes that are in use."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from healthy_tasks import Convolutions, images
from torch import Tensor, nn
from torch.nn import functional as F
from user_tasks import FEATURES, NUM_CLASSES, UserTask, classify, draw, labelled, mlp

from trainctl.engine.diagnosis.differential import diagnose
from trainctl.engine.diagnosis.finding import Finding, Severity
from trainctl.engine.diagnosis.probes.preflight import gather

SECTION = ("gradient flow",)


def asked(net: Callable[[], nn.Module], x: Tensor | None = None) -> Finding | None:
    task = UserTask(labelled(draw(FEATURES) if x is None else x), net, classify(), classes=True)
    report = diagnose(gather(task, sections=SECTION, budget_s=600), sections=SECTION)
    assert "G712" in report.checked
    return next((finding for finding in report.findings if finding.code == "G712"), None)


def drawn(start: Callable[[Tensor], object], make: Callable[[], nn.Module] = mlp) -> nn.Module:
    model = make()
    for weight in model.parameters():
        if weight.dim() > 1:
            start(weight)
    return model


class Scaled(nn.Linear):
    """Weights of size 1, scaled whenever they are used."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs)
        nn.init.normal_(self.weight)

    def forward(self, input: Tensor) -> Tensor:
        return F.linear(input, self.weight / math.sqrt(self.in_features), self.bias)


@pytest.mark.parametrize(("deviation", "way"), [(2.0, 1), (1e-3, -1), (1e-6, -1)])
def test_weights_beyond_every_recipe_are_found(deviation: float, way: int) -> None:
    finding = asked(lambda: drawn(lambda weight: nn.init.normal_(weight, std=deviation)))
    assert finding is not None and finding.severity is Severity.WARNING
    assert math.copysign(1, math.log(float(finding.figures["median"]))) == way
    assert finding.figures["odd"] == finding.figures["matrices"] == 3


RECIPES: dict[str, Callable[[Tensor], object]] = {
    "Kaiming": lambda weight: nn.init.kaiming_normal_(weight, nonlinearity="relu"),
    "Kaiming by outputs": lambda weight: nn.init.kaiming_normal_(weight, mode="fan_out"),
    "Xavier, for tanh": lambda weight: nn.init.xavier_uniform_(weight, gain=5 / 3),
    "orthogonal": lambda weight: nn.init.orthogonal_(weight, gain=math.sqrt(2)),
    "of language models": lambda weight: nn.init.normal_(weight, std=0.02),
}


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)
def test_recipes_in_use_are_healthy(recipe: Callable[[Tensor], object]) -> None:
    assert asked(lambda: drawn(recipe)) is None


def test_weights_that_are_scaled_where_they_are_used_are_no_more_than_worth_knowing() -> None:
    net = nn.Sequential(Scaled(FEATURES, 64), nn.ReLU(), Scaled(64, 64), nn.ReLU(), Scaled(64, NUM_CLASSES))
    finding = asked(lambda: net)
    assert finding is None or finding.severity is Severity.INFO


def test_a_norm_undoes_the_size_of_the_weights_before_it() -> None:
    torch.manual_seed(0)
    finding = asked(lambda: drawn(lambda weight: nn.init.normal_(weight, std=3.0), Convolutions), images())
    assert finding is not None and finding.severity is Severity.INFO
