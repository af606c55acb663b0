"""Running statistics of a BatchNorm that are slower than the training is long, beside those that are not."""

from __future__ import annotations

import pytest
from torch import nn
from user_tasks import FEATURES, NUM_CLASSES, UserTask, classify, draw, labelled

from trainctl.engine.config.schema import TrainConfig
from trainctl.engine.diagnosis.differential import diagnose
from trainctl.engine.diagnosis.finding import Finding
from trainctl.engine.diagnosis.probes.preflight import gather

SECTION = ("evaluation",)


def normed(momentum: float | None, *, epochs: int = 30, max_steps: int | None = None, loaded: bool = False) -> UserTask:
    def network() -> nn.Module:
        norm = nn.BatchNorm1d(32, momentum=momentum)
        model = nn.Sequential(nn.Linear(FEATURES, 32), norm, nn.ReLU(), nn.Linear(32, NUM_CLASSES))
        if loaded:
            model.load_state_dict({name: value + 0.01 for name, value in model.state_dict().items()})
        return model

    options = {"train": TrainConfig(epochs=epochs, batch_size=32, max_steps=max_steps)}
    return UserTask(labelled(draw(FEATURES)), network, classify(), classes=True, options=options)


def found(task: UserTask) -> dict[str, Finding]:
    report = diagnose(gather(task, sections=SECTION, budget_s=600), sections=SECTION)
    assert "E1003" in report.checked
    return {finding.code: finding for finding in report.findings if finding.code == "E1003"}


@pytest.mark.parametrize(("momentum", "left"), [(1e-3, 0.79), (1e-5, 0.998), (0.0, 1.0)])
def test_statistics_that_never_leave_their_beginning_are_found(momentum: float, left: float) -> None:
    finding = found(normed(momentum))["E1003"]
    assert float(finding.figures["left"]) == pytest.approx(left, abs=0.01)
    assert finding.primary and "1" in finding.where


@pytest.mark.parametrize("momentum", [0.1, 0.02, 1.0, None])
def test_usual_momentums_and_the_mean_of_all_are_healthy(momentum: float | None) -> None:
    assert not found(normed(momentum))


def test_a_slow_momentum_is_right_for_a_long_training() -> None:
    assert not found(normed(3e-3, epochs=500))


def test_loaded_statistics_are_worth_keeping_and_a_short_look_is_left_alone() -> None:
    assert not found(normed(1e-3, loaded=True))
    assert not found(normed(0.01, epochs=300, max_steps=5))
