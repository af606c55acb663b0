"""Layers in the wrong mode, and norms of few samples; each beside those who do the like on purpose."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from healthy_networks import Loaded
from healthy_tasks import Convolutions, images
from torch import Tensor, nn
from torch.nn import functional as F
from user_tasks import FEATURES, NUM_CLASSES, UserTask, classify, draw, labelled, mlp

from trainctl.engine.config.schema import TrainConfig
from trainctl.engine.data.batch import Batch
from trainctl.engine.diagnosis.differential import diagnose
from trainctl.engine.diagnosis.finding import Finding, Report, Severity
from trainctl.engine.diagnosis.probes.preflight import gather
from trainctl.engine.tasks.task import StepOutput

Step = Callable[[nn.Module, Batch], StepOutput]


def examine(net: Callable[[], nn.Module], step: Step | None = None, batch_size: int = 32) -> Report:
    options = {"train": TrainConfig(epochs=30, batch_size=batch_size)}
    return diagnose(gather(UserTask(labelled(images()), net, step or classify(), classes=True, options=options)))


def found(report: Report, code: str) -> Finding | None:
    return next((finding for finding in report.findings if finding.code == code), None)


class Dropping(nn.Module):
    """Dense layers with dropout by a function."""

    def __init__(self, attends: bool = False) -> None:
        super().__init__()
        self.body, self.head, self.attends = mlp(3 * 64, 16), nn.Linear(16, NUM_CLASSES), attends

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.body(x.flatten(1)).relu()
        if self.attends:
            hidden = F.scaled_dot_product_attention(hidden[:, None], hidden[:, None], hidden[:, None], dropout_p=0.2)[
                :, 0
            ]
        return self.head(F.dropout(hidden, 0.3, training=self.training and not self.attends))


def with_mode(call: Callable[[nn.Module], object], *, restores: bool = False) -> Step:
    """A step that sets a mode before it runs the network."""

    def step(model: nn.Module, batch: Batch) -> StepOutput:
        was = model.training
        call(model)
        output = classify()(model, batch)
        if restores:
            model.train(was)
        return output

    return step


@pytest.mark.parametrize("net", [Convolutions, Dropping])
def test_a_step_that_leaves_the_network_in_evaluation_mode_is_an_error(net: Callable[[], nn.Module]) -> None:
    finding = found(examine(net, with_mode(lambda model: model.eval())), "G713")
    assert finding is not None and finding.severity is Severity.ERROR and finding.primary


def test_a_network_without_modes_may_be_in_either() -> None:
    report = examine(lambda: nn.Sequential(nn.Flatten(), *mlp(3 * 64)), with_mode(lambda model: model.eval()))
    assert not found(report, "G713") and "G713" in {entry.code for entry in report.not_checked}


def test_a_fresh_norm_that_is_kept_in_evaluation_mode_is_told_from_a_loaded_one() -> None:
    class Kept(Convolutions):
        def train(self, mode: bool = True) -> Kept:
            super().train(mode)
            for module in self.modules():
                if isinstance(module, nn.BatchNorm2d):
                    module.eval()
            return self

    fresh = found(examine(Kept), "G713")
    assert fresh is not None and fresh.severity is Severity.WARNING and "body.1" in fresh.summary
    assert not found(examine(Loaded), "G713")


def test_labels_that_the_network_makes_in_evaluation_mode_are_healthy() -> None:
    def step(model: nn.Module, batch: Batch) -> StepOutput:
        was = model.training
        model.eval()
        with torch.no_grad():
            made = model(batch["x"]).argmax(1)
        model.train(was)
        return StepOutput({"ce": F.cross_entropy(model(batch["x"]), torch.where(batch["y"] > 0, batch["y"], made))})

    report = examine(Convolutions, step)
    assert {"G713", "E1001"} <= set(report.checked) and not {"G713", "E1001"} & {f.code for f in report.findings}


@pytest.mark.parametrize("restores", [True, False])
def test_a_validation_in_training_mode_is_found(restores: bool) -> None:
    finding = found(examine(Convolutions, with_mode(lambda model: model.train(), restores=restores)), "E1001")
    assert finding is not None and finding.severity is Severity.ERROR and "batch norm" in finding.summary


def test_dropout_that_knows_no_mode_is_found_in_a_function_and_in_attention() -> None:
    class Always(Dropping):
        def forward(self, x: Tensor) -> Tensor:
            return self.head(F.dropout(self.body(x.flatten(1)).relu(), 0.3))

    for net in (Always, lambda: Dropping(attends=True)):
        finding = found(examine(net), "E1001")
        assert finding is not None and finding.severity is Severity.WARNING and "dropout" in finding.summary
    assert not found(examine(Dropping), "E1001")


def test_norms_of_one_or_two_samples_are_found_and_of_groups_are_not() -> None:
    for size, severity in ((1, Severity.WARNING), (2, Severity.WARNING), (4, Severity.INFO)):
        finding = found(examine(Convolutions, batch_size=size), "R805")
        assert finding is not None and finding.severity is severity and finding.figures["batch_size"] == size
    assert not found(examine(Convolutions), "R805")
    grouped = examine(lambda: Convolutions(lambda width: nn.GroupNorm(2, width)), batch_size=2)
    assert "R805" in grouped.checked and not found(grouped, "R805")


def test_a_norm_of_few_values_is_found_in_a_batch_of_four() -> None:
    net = lambda: nn.Sequential(nn.Linear(FEATURES, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, NUM_CLASSES))  # noqa: E731
    options = {"train": TrainConfig(epochs=30, batch_size=4)}
    task = UserTask(labelled(draw(FEATURES)), net, classify(), classes=True, options=options)
    finding = found(diagnose(gather(task)), "R805")
    assert finding is not None and finding.severity is Severity.WARNING and finding.figures["values"] == 4


@pytest.mark.parametrize(("p", "severity"), [(0.3, None), (0.5, None), (0.6, Severity.INFO), (0.9, Severity.WARNING)])
def test_a_dropout_that_leaves_next_to_nothing_is_found(p: float, severity: Severity | None) -> None:
    finding = found(examine(lambda: nn.Sequential(nn.Flatten(), nn.Dropout(p), mlp(3 * 64))), "R804")
    assert (finding and finding.severity) == severity
