"""Layers with nothing between them, and layers through which too little goes; each beside those that are meant so."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest
from healthy_tasks import images
from torch import Tensor, nn
from torch.nn import functional as F
from user_tasks import NUM_CLASSES, UserTask, classify, labelled, mlp

from trainctl.engine.data.batch import Batch
from trainctl.engine.diagnosis.differential import diagnose
from trainctl.engine.diagnosis.finding import Finding, Severity
from trainctl.engine.diagnosis.probes.preflight import gather
from trainctl.engine.diagnosis.rules.plan.foreseen.capacity import ONE_LAYER
from trainctl.engine.tasks.task import StepOutput

PIXELS = 3 * 64
Step = Callable[[nn.Module, Batch], StepOutput]


def found(net: Callable[[], nn.Module], code: str, step: Step | None = None) -> Finding | None:
    report = diagnose(gather(UserTask(labelled(images()), net, step or classify(), classes=step is None)))
    unchecked = {gap.code: gap.why for gap in report.not_checked}
    assert unchecked.get(code, ONE_LAYER) == ONE_LAYER
    return next((finding for finding in report.findings if finding.code == code), None)


def dense(*widths: int, between: Callable[[], nn.Module] = nn.ReLU) -> nn.Sequential:
    """Dense layers over the pixels of a picture."""
    layers: list[nn.Module] = [nn.Flatten()]
    for k, (before, after) in enumerate(itertools.pairwise(widths)):
        layers += [between()] if k else []
        layers.append(nn.Linear(before, after))
    return nn.Sequential(*layers)


class Squeezed(nn.Module):
    """Two numbers decide how much of each unit passes; the units themselves go beside them."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.head = nn.Linear(PIXELS, 32), nn.Linear(32, NUM_CLASSES)
        self.squeeze, self.excite = nn.Linear(32, 2), nn.Linear(2, 32)

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.body(x.flatten(1)).relu()
        return self.head(hidden * self.excite(self.squeeze(hidden).relu()).sigmoid())


class Convolved(nn.Module):
    """Convolutions of which a norm, and what is passed in, follow."""

    def __init__(self, between: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.first, self.norm = nn.Conv2d(3, 16, 3, padding=1), nn.BatchNorm2d(16)
        self.second, self.head = nn.Conv2d(16, 16, 3, padding=1), nn.Linear(16, NUM_CLASSES)
        self.between = between

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.second(self.between(self.norm(self.first(x))))
        return self.head(hidden.relu().mean((2, 3)))


@pytest.mark.parametrize(
    "between",
    [nn.Identity, lambda: nn.Dropout(0.2), lambda: nn.BatchNorm1d(48), lambda: nn.Unflatten(1, (48,))],
    ids=["nothing", "dropout", "norm", "another shape"],
)
def test_layers_without_an_activation_are_one_layer(between: Callable[[], nn.Module]) -> None:
    finding = found(lambda: dense(PIXELS, 48, 48, NUM_CLASSES, between=between), "G711")
    assert finding is not None and finding.severity is Severity.WARNING
    assert finding.figures["wasted"] == 2 == finding.figures["layers"]


def test_convolutions_without_an_activation_are_seen_through_their_norm() -> None:
    finding = found(lambda: Convolved(lambda x: 2 * x), "G711")
    assert finding is not None and finding.where == "second"
    assert finding.severity is Severity.INFO, "the head has an activation before it"


@pytest.mark.parametrize(
    "net",
    [
        lambda: dense(PIXELS, 48, 48, NUM_CLASSES),
        lambda: dense(PIXELS, 48, NUM_CLASSES, between=nn.Sigmoid),
        lambda: dense(PIXELS, NUM_CLASSES),
        lambda: nn.Sequential(nn.Flatten(), nn.Linear(PIXELS, 2, bias=False), nn.Linear(2, NUM_CLASSES), nn.Softplus()),
        lambda: Convolved(F.gelu),
        lambda: Squeezed(),
    ],
    ids=["relu", "sigmoid", "one layer", "product of small matrices", "convolutions", "gates"],
)
def test_an_activation_or_a_product_of_small_matrices_is_none(net: Callable[[], nn.Module]) -> None:
    assert found(net, "G711") is None


@pytest.mark.parametrize("width", [1, 2, 3])
@pytest.mark.parametrize("between", [nn.Identity, nn.ReLU, nn.Tanh])
def test_too_few_units_in_the_middle(width: int, between: Callable[[], nn.Module]) -> None:
    finding = found(lambda: dense(PIXELS, 64, width, 64, NUM_CLASSES, between=between), "R802")
    if finding is None:  # one unit may be off for every sample, and then nothing comes through: that is another fault
        assert width < 3 and between is nn.ReLU
        return
    assert finding.severity is Severity.WARNING
    assert finding.figures["width"] == width and finding.figures["after"] == 64


@pytest.mark.parametrize(
    "net",
    [
        lambda: dense(PIXELS, 64, 2, NUM_CLASSES),
        lambda: dense(PIXELS, 64, 8, 64, NUM_CLASSES),
        lambda: Squeezed(),
        lambda: nn.Sequential(nn.Flatten(), mlp(PIXELS)),
    ],
    ids=["features to be drawn", "eight", "gates", "plain"],
)
def test_a_side_path_and_two_features_in_front_of_the_classes_are_none(net: Callable[[], nn.Module]) -> None:
    assert found(net, "R802") is None


def test_two_numbers_of_an_autoencoder_may_be_meant() -> None:
    def rebuild(model: nn.Module, batch: Batch) -> StepOutput:
        flat = batch["x"].flatten(1)
        return StepOutput({"mse": F.mse_loss(model(flat), flat)})

    finding = found(lambda: dense(PIXELS, 64, 2, 64, PIXELS), "R802", rebuild)
    assert finding is not None and finding.severity is Severity.INFO
