"""Loss functions that are given what they do not take; each beside the right way to say it."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from user_tasks import FEATURES, UserTask, draw, labelled, mlp, regression

from trainctl.engine.data.batch import Batch
from trainctl.engine.diagnosis.differential import diagnose
from trainctl.engine.diagnosis.finding import Finding, Report, Severity
from trainctl.engine.diagnosis.probes.preflight import gather

CODES = ("C303", "C304", "C305", "L206")
Loss = Callable[[Tensor, Tensor], Tensor]


def examine(
    loss: Loss, *, outputs: int = 4, last: nn.Module | None = None, name: str = "ce", of_classes: bool = True
) -> Report:
    net = lambda: nn.Sequential(*mlp(outputs=outputs), last or nn.Identity())  # noqa: E731
    step: Any = lambda model, batch: {name: loss(model(batch["x"]), batch["y"])}  # noqa: E731
    tensors = labelled(draw(FEATURES)) if of_classes else regression(draw(FEATURES))
    return diagnose(gather(UserTask(tensors, net, step, classes=of_classes)))


def found(report: Report) -> dict[str, Finding]:
    return {finding.code: finding for finding in report.findings if finding.code in CODES}


def binary(loss: Callable[..., Tensor]) -> Loss:
    return lambda answer, y: loss(answer[:, 0], (y > 1).float())


@pytest.mark.parametrize("last", [nn.Softmax(1), nn.Sequential(nn.Softmax(1), nn.Flatten())])
def test_a_softmax_before_a_cross_entropy_is_found_with_its_floor(last: nn.Module) -> None:
    finding = found(examine(F.cross_entropy, last=last, name="whatever"))["C303"]
    assert finding.severity is Severity.ERROR and finding.primary
    assert finding.figures["floor"] == pytest.approx(math.log(1 + 3 / math.e))


@pytest.mark.parametrize("loss", [nn.CrossEntropyLoss(), nn.CrossEntropyLoss(label_smoothing=0.1)])
def test_a_module_of_torch_counts_as_its_function(loss: Loss) -> None:
    assert "C303" in found(examine(loss, last=nn.Softmax(1)))
    report = examine(loss)
    assert "C303" in report.checked and not found(report)


def test_logarithms_of_probabilities_suit_both_losses_and_a_focal_factor_too() -> None:
    def focal(logits: Tensor, y: Tensor) -> Tensor:
        logs = logits.log_softmax(1)
        return F.nll_loss((1 - logs.exp()) ** 2 * logs, y)

    for loss in (F.cross_entropy, F.nll_loss):
        assert not found(examine(loss, last=nn.LogSoftmax(1)))
    assert not found(examine(focal))


@pytest.mark.parametrize(("last", "what"), [(nn.Softmax(1), "gets probabilities"), (nn.Identity(), "no logarithms")])
def test_an_nll_without_a_logarithm_is_found(last: nn.Module, what: str) -> None:
    finding = found(examine(F.nll_loss, last=last))["C303"]
    assert what in finding.summary


def test_probabilities_as_targets_are_healthy() -> None:
    assert not found(examine(lambda logits, y: F.cross_entropy(logits, F.one_hot(y, 4) * 0.9 + 0.025)))


@pytest.mark.parametrize(
    ("last", "floor", "severity"),
    [
        (nn.Sigmoid(), math.log(2), Severity.ERROR),
        (nn.ReLU(), math.log(2), Severity.ERROR),
        (nn.Tanh(), math.log(1 + 1 / math.e), Severity.WARNING),
    ],
)
def test_an_activation_before_a_binary_cross_entropy_on_logits_is_found(
    last: nn.Module, floor: float, severity: Severity
) -> None:
    finding = found(examine(binary(F.binary_cross_entropy_with_logits), outputs=1, last=last, name="bce"))["C304"]
    assert finding.severity is severity and finding.figures["floor"] == pytest.approx(floor)


def test_the_binary_cross_entropies_with_what_they_take_are_healthy() -> None:
    assert not found(examine(binary(F.binary_cross_entropy), outputs=1, last=nn.Sigmoid(), name="bce"))
    assert not found(examine(binary(F.binary_cross_entropy_with_logits), outputs=1, name="bce"))


def test_a_sigmoid_before_a_cross_entropy_of_classes_is_found_and_a_scaled_tanh_is_not() -> None:
    finding = found(examine(F.cross_entropy, last=nn.Sigmoid()))["C304"]
    assert finding.figures["floor"] == pytest.approx(math.log(1 + 3 / math.e))
    assert not found(examine(lambda logits, y: F.cross_entropy(10 * logits.tanh(), y)))


def test_a_minus_before_the_loss_is_found_by_its_kind_and_by_its_value() -> None:
    assert found(examine(lambda logits, y: -F.cross_entropy(logits, y)))["C305"].severity is Severity.ERROR
    assert (
        "mse_loss"
        in found(examine(lambda a, y: -F.mse_loss(a[:, 0], y), name="mine", of_classes=False))["C305"].summary
    )


@pytest.mark.parametrize(
    "loss",
    [
        lambda logits, y: -logits.log_softmax(1).gather(1, y[:, None]).mean(),
        lambda logits, y: -F.cosine_similarity(logits, logits.detach().roll(1, 1)).mean() - 3,
        lambda logits, y: F.cross_entropy(logits, y) - 5,
    ],
)
def test_losses_that_may_be_negative_are_not_accused(loss: Loss) -> None:
    assert not found(examine(loss, name="mine"))


def test_a_helping_term_may_be_maximised() -> None:
    def step(model: nn.Module, batch: Batch) -> dict[str, Tensor]:
        logits = model(batch["x"])
        return {
            "ce": F.cross_entropy(logits, batch["y"]),
            "confusion": -F.cross_entropy(logits, batch["y"].roll(1)) / 10,
        }

    assert not found(diagnose(gather(UserTask(labelled(draw(FEATURES)), mlp, step, classes=True))))


@pytest.mark.parametrize(
    "loss",
    [
        F.mse_loss,
        F.l1_loss,
        lambda a, y: (a - y).square().mean(),
        lambda a, y: (y - a).abs().mean(),
        lambda a, y: F.smooth_l1_loss(a[:, 0], y[:, None]),
    ],
)
def test_a_column_of_answers_against_a_row_of_targets_is_an_error(loss: Loss) -> None:
    finding = found(examine(loss, outputs=1, name="mine", of_classes=False))["L206"]
    assert finding.severity is Severity.ERROR and finding.primary and finding.figures["samples"] == 32


@pytest.mark.parametrize(
    "loss",
    [
        lambda a, y: F.mse_loss(a[:, 0], y),
        lambda a, y: F.mse_loss(a, y[:, None]),
        lambda a, y: (a[:, :1] - torch.tensor([0.1, 0.5, 0.9])).square().mean() + (a[:, 0] - y).square().mean(),
        lambda a, y: (a - a[:, 0]).square().mean() + F.mse_loss(a[:, 0], y),
        lambda a, y: F.mse_loss(a, torch.zeros(1)),
    ],
)
def test_shapes_that_are_meant_to_be_stretched_are_healthy(loss: Loss) -> None:
    report = examine(loss, outputs=1, name="mine", of_classes=False)
    assert "L206" in report.checked and "L206" not in found(report)
