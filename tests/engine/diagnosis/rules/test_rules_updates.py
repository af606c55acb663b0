"""What rates, clips and decays do in the first steps; each fault beside settings that look like it and train well."""

from __future__ import annotations

from typing import Any

import pytest
from healthy_networks import HEALTHY
from torch import nn
from two_groups import Rivals
from user_tasks import FEATURES, UserTask, classify, draw, labelled, mlp, regression, squared

from trainctl.engine.config.schema import ClipConfig, OptimizerConfig, RunConfig, ScheduleConfig, TrainConfig
from trainctl.engine.diagnosis.differential import diagnose
from trainctl.engine.diagnosis.finding import Finding, Report, Severity
from trainctl.engine.diagnosis.probes.preflight import gather
from trainctl.engine.tasks.task import Task

CODES = ("O601", "O602", "O609", "O611")
SECTION = ("optimiser and schedule",)


def examine(task: Task) -> Report:
    return diagnose(gather(task, sections=SECTION, budget_s=600), sections=SECTION)


def found(report: Report) -> dict[str, Finding]:
    return {finding.code: finding for finding in report.findings if finding.code in CODES}


def classifier(name: str = "adamw", lr: float = 1e-3, *, epochs: int = 30, act: Any = nn.ReLU, **more: Any) -> UserTask:
    sections = {key: more.pop(key) for key in ("schedule", "clip") if key in more}
    options = {
        "optimizer": OptimizerConfig(name=name, lr=lr, **more),  # type: ignore[arg-type]
        "train": TrainConfig(epochs=epochs, batch_size=32),
        **sections,
    }
    return UserTask(labelled(draw(FEATURES)), lambda: mlp(act=act), classify(), classes=True, options=options)


@pytest.mark.parametrize(("name", "lr"), [("adam", 1.0), ("adamw", 3.0), ("sgd", 30.0), ("rmsprop", 1.0)])
@pytest.mark.parametrize("act", [nn.ReLU, nn.Tanh])
def test_a_rate_at_which_the_first_steps_overshoot_is_found(name: str, lr: float, act: Any) -> None:
    finding = found(examine(classifier(name, lr, act=act)))["O601"]
    assert finding.fix.set == {"optimizer.lr": pytest.approx(lr / 10)}
    assert float(finding.figures["highest"]) > 2


@pytest.mark.parametrize(
    ("name", "lr"), [("adam", 1e-2), ("adamw", 3e-2), ("sgd", 0.1), ("rmsprop", 1e-2), ("adagrad", 0.1)]
)
def test_high_rates_at_which_the_loss_falls_are_healthy(name: str, lr: float) -> None:
    report = examine(classifier(name, lr))
    assert {"O601", "O602"} <= set(report.checked) and not found(report)


def test_a_regression_that_diverges_to_infinity_is_an_error() -> None:
    options = {"optimizer": OptimizerConfig(name="sgd", lr=10.0)}
    net = lambda: nn.Sequential(nn.Linear(FEATURES, 32), nn.ReLU(), nn.Linear(32, 1))  # noqa: E731
    finding = found(examine(UserTask(regression(draw(FEATURES)), net, squared, options=options)))["O601"]
    assert finding.severity is Severity.ERROR and finding.primary


def test_a_linear_model_finds_back_from_any_rate() -> None:
    options = {"optimizer": OptimizerConfig(lr=3.0)}
    net = lambda: nn.Linear(FEATURES, 4)  # noqa: E731
    assert not found(examine(UserTask(labelled(draw(FEATURES)), net, classify(), classes=True, options=options)))


def test_a_peak_behind_a_warmup_is_judged_by_what_an_update_would_replace() -> None:
    def warmed(lr: float) -> UserTask:
        schedule = ScheduleConfig(warmup_epochs=5, interval="step", warmup_start_lr=1e-4)
        return classifier("adamw", lr, schedule=schedule)

    finding = found(examine(warmed(2.0)))["O601"]
    assert finding.severity is Severity.WARNING and float(finding.figures["update_ratio"]) > 1
    assert not found(examine(warmed(0.02)))


@pytest.mark.parametrize(("name", "lr"), [("adamw", 1e-7), ("adam", 3e-7), ("sgd", 1e-6)])
def test_a_rate_at_which_nothing_can_be_learned_in_time_is_found(name: str, lr: float) -> None:
    finding = found(examine(classifier(name, lr)))["O602"]
    assert finding.severity is Severity.WARNING
    assert finding.fix.set == {"optimizer.lr": 1e-2 if name == "sgd" else 1e-3}


def test_the_same_small_rate_is_right_for_a_long_training() -> None:
    assert "O602" in found(examine(classifier("adamw", 2e-6)))
    assert not found(examine(classifier("adamw", 2e-6, epochs=20_000)))


@pytest.mark.parametrize(
    "schedule",
    [
        ScheduleConfig(warmup_epochs=10, interval="step", warmup_start_lr=1e-9),
        ScheduleConfig(name="onecyclelr"),
        ScheduleConfig(name="cosine", eta_min=0.0),
    ],
)
def test_a_first_rate_of_almost_nothing_is_not_the_rate_of_the_run(schedule: ScheduleConfig) -> None:
    report = examine(classifier("adamw", 3e-3, schedule=schedule))
    assert "O602" in report.checked and not found(report)


@pytest.mark.parametrize("name", ["low_rank_adapter", "head_at_zero", "branch_scaled_by_zero", "deep_plain_network"])
def test_networks_that_begin_small_are_judged_by_a_usual_size(name: str) -> None:
    assert not found(examine(HEALTHY[name]()))


def test_a_clip_that_makes_a_training_crawl_is_told_from_one_that_adam_does_not_notice() -> None:
    tiny = found(examine(classifier("sgd", 1e-2, clip=ClipConfig(grad_norm=1e-5))))
    assert tiny["O609"].severity is Severity.WARNING
    assert tiny["O609"].fix.set is not None and "clip.grad_norm" in tiny["O609"].fix.set
    assert tiny["O602"].consequence_of == "O609"
    adam = found(examine(classifier("adamw", 1e-3, clip=ClipConfig(grad_norm=1e-3))))
    assert adam["O609"].severity is Severity.INFO and "O602" not in adam


@pytest.mark.parametrize("clip", [0.1, 1.0, 5.0])
def test_usual_clips_are_healthy(clip: float) -> None:
    report = examine(classifier("sgd", 0.05, clip=ClipConfig(grad_norm=clip)))
    assert "O609" in report.checked and not found(report)


@pytest.mark.parametrize(
    ("name", "lr", "decay"), [("adamw", 2e-3, 20.0), ("sgd", 0.05, 0.3), ("adam", 2e-3, 1.0), ("adamw", 1e-3, 100.0)]
)
def test_a_decay_that_shrinks_faster_than_is_learned_is_found(name: str, lr: float, decay: float) -> None:
    finding = found(examine(classifier(name, lr, epochs=200, weight_decay=decay)))["O611"]
    assert finding.severity is Severity.WARNING
    assert finding.fix.set is not None and finding.fix.set["optimizer.weight_decay"] < decay / 5


def test_a_decay_that_takes_more_than_there_is_is_an_error() -> None:
    assert found(examine(classifier("adamw", 1e-2, weight_decay=150.0)))["O611"].severity is Severity.ERROR


@pytest.mark.parametrize(
    ("name", "lr", "decay", "epochs"),
    [
        ("adamw", 1e-3, 0.01, 30),
        ("adamw", 1e-3, 1.0, 30),  # strong, and the run is short
        ("adamw", 1e-3, 0.1, 20_000),  # weak, and the run is long: updates make up for it
        ("sgd", 0.1, 5e-4, 2_000),
        ("adam", 1e-3, 1e-4, 2_000),
    ],
)
def test_usual_decays_are_healthy_in_short_and_long_runs(name: str, lr: float, decay: float, epochs: int) -> None:
    report = examine(classifier(name, lr, epochs=epochs, weight_decay=decay))
    assert "O611" in report.checked and not found(report)


def test_networks_against_each_other_have_no_loss_to_judge() -> None:
    report = examine(Rivals(RunConfig(task="rivals")))
    assert {"O601", "O602"} <= {entry.code for entry in report.not_checked}
