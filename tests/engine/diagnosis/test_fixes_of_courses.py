"""Settings that findings over a course propose: values that follow from what was measured, and that the task takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from courses import NAN, epochs, falling, noise, steps, with_bad
from log_files import Row, as_csv

from trainctl.engine.config.resolve import Resolved
from trainctl.engine.diagnosis.differential import diagnose
from trainctl.engine.diagnosis.facts.evidence import Evidence
from trainctl.engine.diagnosis.facts.plan import plan_facts
from trainctl.engine.diagnosis.facts.run import MonitorFacts, NonfiniteStep, RecordFacts
from trainctl.engine.diagnosis.finding import Finding
from trainctl.engine.diagnosis.logs.facts import read_facts
from trainctl.engine.diagnosis.logs.reading import parse_log
from trainctl.engine.tasks.configured import resolve, with_overrides
from trainctl.tui.health.fixes import fix_overrides

RATE = 1e-3
EYES = ("eyes/balanced", f"optimizer.lr={RATE}", "optimizer.weight_decay=1e-3", "train.epochs=40")


def configured(preset: str, *options: str) -> Resolved:
    return resolve(preset, scale="small", overrides=["runtime.device=cpu", *options])


def found(rows: Sequence[Row], resolved: Resolved | None, **known: Any) -> dict[str, Finding]:
    facts = read_facts(parse_log(as_csv(rows).encode(), "log"), **known)
    plan = plan_facts(resolved.config) if resolved else None
    return {one.code: one for one in diagnose(Evidence(log=facts, plan=plan)).findings}


def rising(count: int = 60) -> Any:
    return np.concatenate([falling(30), 0.8 * 1.2 ** np.arange(count - 30)])


NORMS = np.concatenate([np.linspace(0.5, 1.5, 30), np.geomspace(1.5, 900, 30)])
TERMS = epochs(recon_loss=0.14 + noise(30, 0.002), kl_loss=[4e-7] * 30, loss=0.14 + noise(30, 0.002))
VALIDATED = {"train_loss": falling(40, 8), "val_loss": 1 + 0.05 * np.abs(np.arange(40) - 10)}
SIXTEENTHS = np.random.default_rng(3).binomial(16, 0.7, 16) / 16

# fmt: off
CASES: dict[str, tuple[str, Sequence[Row], tuple[str, ...], dict[str, Any], dict[str, Any]]] = {
    "came apart": ("O601", steps(loss=rising(), grad_norm=NORMS),
        EYES, {}, {"optimizer.lr": 1e-4, "clip.grad_norm": 1.4}),
    "updates too large": ("O601", steps(loss=2.3 + noise(80), update_ratio=[2.0] * 80),
        EYES, {}, {"optimizer.lr": 5e-6}),
    "updates too small": (
        "O602",
        steps(loss=2.3 + noise(80, 1e-3), update_ratio=[1e-6] * 80),
        (EYES[0], "optimizer.lr=1e-6"),
        {},
        {"optimizer.lr": 1e-3},
    ),
    "no rate": ("O602", steps(loss=2.3 + noise(80, 1e-3), lr=[1e-8] * 80),
        (EYES[0], "optimizer.lr=1e-8"), {}, {"optimizer.lr": 1e-3}),
    "endless warmup": (
        "O602",
        steps(loss=2.3 + noise(80, 1e-3), lr=[1e-8] * 80),
        (*EYES, "schedule.name=cosine", "schedule.warmup_epochs=30"),
        {},
        {"schedule.warmup_epochs": 4},
    ),
    "spent": (
        "O606",
        epochs(loss=falling(60), lr=[1e-2 * 0.1 ** (k // 4) for k in range(60)]),
        (*EYES, "schedule.name=StepLR", "schedule.arguments.step_size=4"),
        {},
        {"schedule.name": "cosine", "schedule.arguments": {}},
    ),
    "spikes": (
        "O603",
        steps(
            loss=np.where(np.isin(np.arange(300), [120, 180, 240]), 9.0, falling(300, 60)),
            grad_norm=[1.0, 2.0] * 150,
        ),
        EYES,
        {},
        {"clip.grad_norm": 2.0},
    ),
    "overfits": ("R801", epochs(**VALIDATED), EYES, {}, {"optimizer.weight_decay": 1e-2, "early_stopping.patience": 4}),
    "worse": ("E1015", epochs(train_loss=2.0 + noise(20, 0.001), val_loss=np.linspace(1, 1.6, 20)),
        EYES, {}, {"optimizer.lr": 3.3e-4}),
    "half precision": (
        "N902",
        steps(loss=[2.0] * 20 + [1.7] * 40, grad_norm=[1.1] * 20 + [NAN] * 40),
        (*EYES, "precision.amp=fp16"),
        {},
        {"precision.amp": "bf16"},
    ),
    "nan out of calm": ("N901", steps(loss=with_bad(falling(60), 40)),
        (*EYES, "precision.amp=bf16"), {}, {"precision.amp": "off"}),
    "nan early": ("N901", steps(loss=with_bad(falling(30), 2)), EYES, {}, {"optimizer.lr": 1e-4}),
    "few samples": (
        "E1005",
        epochs(loss=falling(16), val_acc=SIXTEENTHS, val_loss=falling(16) + 0.1),
        (*EYES, "data.val_fraction=0.1"),
        {},
        {"data.val_fraction": 0.33},
    ),
    "posterior collapse": ("C318", TERMS, EYES, {"weights": {"recon": 1.0, "kl": 0.5}}, {"loss_weights.kl": 0.05}),
    "frozen": (
        "G701",
        steps(loss=2.3 + noise(80, 0.001), grad_norm=[0.0] * 80),
        (*EYES, "freeze=[stem]"),
        {},
        {"freeze": []},
    ),
    "contrast": (
        "K401",
        steps(supcon_loss=np.log(31) + noise(100, 1e-4)),
        ("weld/warmup",),
        {"batch_size": 32},
        {"loss.temperature": 0.2},
    ),
    "one-hot": (
        "Q501",
        epochs(cluster_loss=[-0.9999] * 10, entropy_loss=[-0.001] * 10),
        ("quality/balanced",),
        {},
        {"model.projection": 16},
    ),
}
# fmt: on


@pytest.mark.parametrize("case", CASES)
def test_a_finding_over_a_course_proposes_settings_that_follow_from_it(case: str) -> None:
    code, rows, options, known, settings = CASES[case]
    resolved = configured(*options)
    proposed = found(rows, resolved, **known)[code].fix.set
    assert proposed is not None and list(proposed) == list(settings)
    assert all(
        value == (pytest.approx(settings[path]) if isinstance(value, float) else settings[path])
        for path, value in proposed.items()
    )
    fixed = with_overrides(resolved, fix_overrides(settings))
    assert fixed.config != resolved.config
    assert found(rows, None, **known)[code].fix.set is None, "of a log whose configuration is not known"


def test_options_that_a_task_does_not_have_or_that_are_in_force_are_not_proposed() -> None:
    rows = epochs(cluster_loss=[-0.9999] * 10, entropy_loss=[-0.001] * 10)
    tempered = configured("quality/balanced", "model.temper=dimension", "model.projection=16")
    assert found(rows, tempered)["Q501"].fix.set is None
    few = epochs(loss=falling(16), val_acc=SIXTEENTHS, val_loss=falling(16) + 0.1)
    assert found(few, configured("weld/warmup", "data.val_fraction=0.1"))["E1005"].fix.set == {
        "data.val_fraction": 0.33
    }
    plan = plan_facts(configured("eyes/balanced").config)
    without = replace(plan, settings=replace(plan.settings, values={"train.epochs": 3}))
    facts = read_facts(parse_log(as_csv(few).encode(), "log"))
    assert {one.code: one.fix.set for one in diagnose(Evidence(log=facts, plan=without)).findings}["E1005"] is None


def records(**changes: Any) -> RecordFacts:
    values: dict[str, Any] = {
        "num_steps": 200, "state": "failed", "first_nonfinite": None, "groups": ("body",), "frozen": (),
        "max_grad_norm": 2.0, "first_loss": 1.0, "last_loss": 1.0, "last_step": 200, "recent_loss": 1.0,
    }  # fmt: skip
    return RecordFacts(**(values | changes))


def bad_step(**changes: Any) -> NonfiniteStep:
    values: dict[str, Any] = {
        "step": 50, "epoch": 1, "loss": NAN, "terms": ("ce",), "groups": (), "num_parameters": 3, "lr": 1e-2,
        "norm_before": 0.5, "norm_last": 40.0, "num_before": 50, "update_ratio": 0.01, "num_steps": 1,
    }  # fmt: skip
    return NonfiniteStep(**(values | changes))


@pytest.mark.parametrize(
    ("step", "options", "settings"),
    [
        (bad_step(), EYES, {"optimizer.lr": 1e-3, "clip.grad_norm": 1.0}),
        (bad_step(update_ratio=4.0), EYES, {"optimizer.lr": 1e-3}),
        (bad_step(norm_last=0.6), (*EYES, "precision.amp=fp16"), {"precision.amp": "bf16"}),
        (bad_step(norm_last=0.6), EYES, None),
    ],
    ids=["exploded", "destroyed", "calm in half precision", "calm"],
)
def test_a_step_that_was_not_finite_proposes_what_came_before_asks_for(
    step: NonfiniteStep, options: tuple[str, ...], settings: dict[str, Any] | None
) -> None:
    plan = plan_facts(configured(*options[:1], *options[2:], "optimizer.lr=1e-2").config)
    report = diagnose(Evidence(records=records(first_nonfinite=step), plan=plan))
    assert {one.code: one.fix.set for one in report.findings}["N901"] == settings


def test_a_loss_that_blew_up_and_a_metric_that_is_none_propose_a_lower_rate_and_another_metric() -> None:
    monitor = MonitorFacts("srcc", (NAN, NAN), (1, 2), 0, 2)
    plan = plan_facts(configured(*EYES).config)
    report = diagnose(Evidence(records=records(recent_loss=1e5), monitor=monitor, plan=plan))
    settings = {one.code: one.fix.set for one in report.findings}
    assert settings["O607"] == {"optimizer.lr": 1e-4}
    assert settings["E1014"] == {"train.monitor": "loss", "train.monitor_mode": "min"}
