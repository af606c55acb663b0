"""What can be foreseen of rate, validations and metric; each fault beside plans that look like it and are meant."""

from __future__ import annotations

from typing import Any

import pytest
from toy_task import CLASSES, config

from trainctl.engine.config.layers import ScaleName
from trainctl.engine.config.presets import preset_names
from trainctl.engine.config.schema import RunConfig
from trainctl.engine.diagnosis.differential import diagnose
from trainctl.engine.diagnosis.facts.attempt import AttemptFacts
from trainctl.engine.diagnosis.facts.data import GroupFacts, LabelFacts, OverlapFacts, SplitLabels
from trainctl.engine.diagnosis.facts.evidence import Evidence
from trainctl.engine.diagnosis.facts.plan import plan_facts
from trainctl.engine.diagnosis.finding import Finding, Severity
from trainctl.engine.diagnosis.probes.schedule import measure_schedule
from trainctl.engine.tasks.configured import resolve

BATCHES, EPOCHS = 20, 30


def planned(
    name: str = "constant", *, epochs: int = EPOCHS, batches: int = BATCHES, lr: float = 1e-3, **options: Any
) -> dict[str, Finding]:
    """Findings on a plan; `train__eval_every=2` is an option of another section than the schedule's."""
    values: dict[str, Any] = {"train": {"epochs": epochs}, "optimizer": {"lr": lr}, "schedule": {"name": name}}
    for path, value in options.items():
        section, _, option = path.rpartition("__")
        values.setdefault(section or "schedule", {})[option] = value
    monitor = values["train"].get("monitor", "")
    return judged(RunConfig.model_validate(values), batches, AttemptFacts(monitor=monitor))


def judged(run_config: RunConfig, batches: int, attempt: AttemptFacts | None = None) -> dict[str, Finding]:
    evidence = Evidence(plan=plan_facts(run_config), schedule=measure_schedule(run_config, batches), attempt=attempt)
    codes = ("O606", "O624", "E1006")
    return {finding.code: finding for finding in diagnose(evidence).findings if finding.code in codes}


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("exponentiallr", {"interval": "step", "arguments": {"gamma": 0.95}}, "below a thousandth"),
        ("steplr", {"interval": "step", "arguments": {"step_size": 10}}, "below a thousandth"),
        ("exponentiallr", {"arguments": {"gamma": 0.2}}, "below a thousandth"),
        ("multisteplr", {"arguments": {"milestones": [1, 2], "gamma": 0.05}}, "below a hundredth"),
        ("polynomiallr", {"arguments": {"total_iters": 20, "power": 0.2}}, "exactly 0 for the last"),
        ("constant", {"warmup_epochs": 30}, "the warmup takes 100% of the run"),
        ("cosine", {"warmup_epochs": 20}, "the warmup takes 67% of the run"),
        ("cyclic", {"base_lr": 1e-6, "step_size_up": 5000}, "rises to the end"),
        ("cosine", {"eta_min": 0.1}, "rises to the end"),
        ("cosineannealinglr", {"arguments": {"T_max": 15, "eta_min": 0.0}}, "is back at"),
    ],
)
def test_a_rate_that_was_planned_for_another_length_is_found(name: str, options: dict[str, Any], words: str) -> None:
    finding = planned(name, **options)["O606"]
    assert finding.severity is Severity.WARNING and words in finding.summary


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("constant", {}),
        ("constant", {"warmup_epochs": 5}),
        ("cosine", {}),
        ("cosine", {"eta_min": 0.0, "warmup_epochs": 3}),
        ("cosine_warmup", {"warmup_epochs": 6, "warmup_start_lr": 1e-7}),
        ("onecyclelr", {}),
        ("plateau", {"patience": 5}),
        ("cyclic", {"step_size_up": 150}),
        ("linearlr", {}),
        ("exponentiallr", {"arguments": {"gamma": 0.9}}),
        ("steplr", {"arguments": {"step_size": 10}}),
        ("multisteplr", {"arguments": {"milestones": [15, 25]}}),
        ("polynomiallr", {"arguments": {"total_iters": 30}}),
        ("cosineannealinglr", {}),
        ("cosineannealinglr", {"arguments": {"T_max": 10}}),
        ("cosineannealingwarmrestarts", {"arguments": {"T_0": 10}}),
        ("cosine", {"warmup_epochs": 3, "train__max_steps": 15}),
        ("constant", {"warmup_epochs": 3, "train__max_steps": 40}),
    ],
)
def test_usual_plans_are_healthy(name: str, options: dict[str, Any]) -> None:
    assert planned(name, **options) == {}


def test_a_schedule_that_moved_by_step_is_mended_by_moving_by_epoch() -> None:
    finding = planned("steplr", interval="step", arguments={"step_size": 10})["O606"]
    assert finding.fix.set == {"schedule.interval": "epoch"}
    assert planned("steplr", arguments={"step_size": 10}) == {}


@pytest.mark.parametrize(
    ("name", "options", "words", "severity"),
    [
        ("plateau", {"train__eval_every": 40}, "a validation every 40 epochs, in a run of 30", Severity.WARNING),
        ("cosine", {"train__eval_every": 40}, "a validation every 40 epochs, in a run of 30", Severity.INFO),
        ("plateau", {"min_lr": 1e-3}, "may not go below 0.001", Severity.WARNING),
        ("plateau", {"patience": 29}, "cuts after 30 bad validations, and hears of 30", Severity.INFO),
        ("plateau", {"patience": 9, "train__eval_every": 3}, "hears of 10 in all", Severity.INFO),
        ("plateau", {"patience": 3, "warmup_epochs": 26}, "hears of 4 in all", Severity.INFO),
        ("constant", {"early_stopping__patience": 30}, "there are 30 in all", Severity.INFO),
        (
            "plateau",
            {"patience": 5, "early_stopping__patience": 6, "train__monitor": "loss"},
            "ends the run with 6 bad validations",
            Severity.INFO,
        ),
        ("steplr", {"arguments": {"step_size": 600}}, "steplr is to fall, and is at 100%", Severity.INFO),
        ("cosineannealinglr", {"arguments": {"T_max": 6000}}, "cosineannealinglr is to fall", Severity.INFO),
    ],
)
def test_settings_that_never_act_are_found(name: str, options: dict[str, Any], words: str, severity: Severity) -> None:
    finding = planned(name, **options)["O624"]
    assert words in finding.summary and finding.severity is severity


@pytest.mark.parametrize(
    "options",
    [
        {"patience": 5, "early_stopping__patience": 18},
        {"patience": 5, "early_stopping__patience": 6, "train__monitor": "f1"},
        {"patience": 2, "train__eval_every": 5},
        {"patience": 28},
        {"early_stopping__patience": 29},
        {"patience": 50, "train__max_steps": 100},
    ],
)
def test_settings_that_may_act_are_left_alone(options: dict[str, Any]) -> None:
    assert "O624" not in planned("plateau", **options)


@pytest.mark.parametrize("scale", ["small", "full"])
def test_the_plans_of_all_presets_get_no_warning(scale: ScaleName) -> None:
    for name in preset_names():
        found = judged(resolve(name, scale=scale).config, BATCHES)
        assert [one.summary for one in found.values() if one.severity is not Severity.INFO] == [], name


@pytest.mark.parametrize(
    ("metric", "mode", "is_found"),
    [
        ("accuracy", "min", True),
        ("f1.open", "min", True),
        ("srcc", "min", True),
        ("val_mse", "max", True),
        ("error", "max", True),
        ("loss", "max", True),
        ("accuracy", "max", False),
        ("loss", "min", False),
        ("rmse", "min", False),
        ("accuracy_gap", "min", False),
        ("1-accuracy", "min", False),
        ("negative_mse", "max", False),
        ("false_positive_rate", "min", False),
        ("fid", "min", False),
        ("elbo", "min", False),
    ],
)
def test_a_mode_that_the_name_of_the_metric_denies_is_found(metric: str, mode: str, is_found: bool) -> None:
    found = judged(config(), BATCHES, AttemptFacts(monitor=metric, mode=mode))
    assert ("E1006" in found) == is_found
    if is_found:
        assert found["E1006"].fix.set == {"train.monitor_mode": "max" if mode == "min" else "min"}


def test_the_mode_of_a_plateau_is_asked_too() -> None:
    def plateau(metric: str, mode: str) -> dict[str, Finding]:
        sections = {"schedule": {"name": "plateau", "metric": metric, "mode": mode}}
        return judged(RunConfig.model_validate(sections), BATCHES, AttemptFacts(monitor="loss", mode="min"))

    assert plateau("loss", "max")["E1006"].fix.set == {"schedule.mode": "min"}
    assert "E1006" not in plateau("loss", "min") and "E1006" not in plateau("f1", "max")


def counted(train: tuple[int, ...], val: tuple[int, ...], *, groups: bool = False) -> Finding | None:
    labels = LabelFacts(CLASSES, SplitLabels("train", train, 0, 3), SplitLabels("val", val, 0, 3))
    known = GroupFacts(num_train=9, num_val=3, shared=(), num_shared=0, num_val_samples=0) if groups else None
    overlap = OverlapFacts(num_val=sum(val), leak=None, groups=known)
    findings = diagnose(Evidence(labels=labels, overlap=overlap)).findings
    return next((finding for finding in findings if finding.code == "E1024"), None)


def test_a_class_that_no_random_split_would_leave_out_of_validation_is_found() -> None:
    sorted_by_class = counted((100, 100, 100, 40), (0, 0, 0, 60))
    assert sorted_by_class is not None and sorted_by_class.severity is Severity.WARNING
    assert sorted_by_class.summary == "3 of 4 classes are trained and never validated: a, b, c"
    of_persons = counted((100, 100, 100, 40), (0, 60, 60, 60), groups=True)
    assert of_persons is not None and of_persons.severity is Severity.INFO


def test_a_rare_class_that_chance_leaves_out_is_left_alone() -> None:
    assert counted((400, 400, 400, 3), (100, 100, 100, 0)) is None
    assert counted((100, 100, 100, 100), (25, 25, 25, 25)) is None
    assert counted((10, 10, 10, 10), (3, 3, 3, 0)) is None
    assert counted((100, 100, 100, 0), (30, 30, 30, 0)) is None
