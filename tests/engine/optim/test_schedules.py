"""The plan against torch's own schedulers, and its live changes."""

from __future__ import annotations

import math
import warnings
from typing import Any, get_args

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.optim.lr_scheduler import CosineAnnealingLR, CyclicLR, ReduceLROnPlateau

from trainctl.engine.config.schema import ScheduleConfig, ScheduleName
from trainctl.engine.errors import UserError
from trainctl.engine.optim.schedules import DRAWN_POINTS, OWN_SHAPES, LearningRatePlan
from trainctl.engine.optim.torch_schedule import torch_rates

PEAK = 1e-2


def plan_of(epochs: int = 20, steps_per_epoch: int = 5, **options: Any) -> LearningRatePlan:
    return LearningRatePlan(ScheduleConfig(**options), PEAK, steps_per_epoch, epochs)


def torch_optimizer() -> torch.optim.SGD:
    return torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=PEAK, momentum=0.9)


def torch_lrs(scheduler: Any, count: int) -> list[float]:
    lrs = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in range(count):
            lrs.append(scheduler.optimizer.param_groups[0]["lr"])
            scheduler.step()
    return lrs


def test_cosine_without_warmup_is_torchs_cosine() -> None:
    plan = plan_of(name="cosine", eta_min=1e-6)
    expected = torch_lrs(CosineAnnealingLR(torch_optimizer(), T_max=20, eta_min=1e-6), 20)
    assert [plan.at(5 * epoch) for epoch in range(20)] == pytest.approx(expected)


def test_cosine_warmup_is_another_name_of_cosine_with_its_warmup() -> None:
    options: dict[str, Any] = {"warmup_epochs": 10, "warmup_start_lr": 1e-7, "eta_min": 1e-6}
    plans = [plan_of(epochs=50, name=name, **options) for name in ("cosine", "cosine_warmup")]
    assert plans[0].points() == plans[1].points()


def test_cyclic_is_torchs_triangle() -> None:
    plan = plan_of(name="cyclic", base_lr=1e-5, max_lr=1e-3, step_size_up=7)
    scheduler = CyclicLR(torch_optimizer(), base_lr=1e-5, max_lr=1e-3, step_size_up=7)
    assert [plan.at(step) for step in range(50)] == pytest.approx(torch_lrs(scheduler, 50))


metrics = st.lists(st.one_of(st.floats(-2, 2), st.just(math.nan)), min_size=1, max_size=40)


@settings(deadline=None)
@given(
    values=metrics, patience=st.integers(0, 4), mode=st.sampled_from(["min", "max"]), floor=st.sampled_from([0, 3e-3])
)
def test_plateau_cuts_when_torch_cuts(values: list[float], patience: int, mode: Any, floor: float) -> None:
    plan = plan_of(name="plateau", patience=patience, factor=0.5, mode=mode, min_lr=floor)
    optimizer = torch_optimizer()
    # torch ignores cuts of less than 1e-8 unless told otherwise; ours has `min_lr` for that.
    scheduler = ReduceLROnPlateau(optimizer, mode=mode, factor=0.5, patience=patience, min_lr=floor, eps=0)
    for epoch, value in enumerate(values, 1):
        plan.observe({"loss": value}, epoch)
        scheduler.step(value)
        assert plan.at(5 * epoch) == pytest.approx(optimizer.param_groups[0]["lr"], rel=1e-6)


def test_patience_two_acts_on_the_third_bad_epoch() -> None:
    plan = plan_of(name="plateau", patience=2, factor=0.5)
    cuts = [plan.observe({"loss": value}, k) for k, value in enumerate([0.4, 0.41, 0.42, 0.43], 1)]
    assert cuts == [None, None, None, (1.0, 0.5)]


def test_plateau_judges_nothing_during_the_warmup() -> None:
    plan = plan_of(name="plateau", patience=0, warmup_epochs=3)
    assert [plan.observe({"loss": 1.0}, epoch) for epoch in range(1, 4)] == [None, None, None]
    assert plan.observe({"loss": 1.0}, 4) is None  # the first value that counts is the best so far
    assert plan.observe({"loss": 1.0}, 5) == (1.0, 0.5)


def test_warmup_of_the_contrastive_document_starts_at_1e_7_and_peaks_in_epoch_ten() -> None:
    plan = LearningRatePlan(
        ScheduleConfig(name="cosine", warmup_epochs=10, warmup_start_lr=1e-7, eta_min=1e-6), 1e-4, 8, 50
    )
    by_epoch = [plan.at(8 * epoch) for epoch in range(50)]
    assert by_epoch[0] == pytest.approx(1e-7)
    assert by_epoch[9] == pytest.approx(1e-4)
    assert by_epoch[49] == pytest.approx(1e-6)
    assert by_epoch[9:] == sorted(by_epoch[9:], reverse=True)


def test_warmup_without_a_start_is_the_fraction_of_the_peak() -> None:
    plan = plan_of(warmup_epochs=5)
    assert [plan.at(5 * epoch) for epoch in range(7)] == pytest.approx([PEAK * k / 5 for k in (1, 2, 3, 4, 5, 5, 5)])


def test_step_interval_moves_within_the_epoch() -> None:
    plan = plan_of(name="cosine", interval="step", warmup_epochs=2)
    lrs = [plan.at(step) for step in range(100)]
    assert lrs[:10] == sorted(set(lrs[:10]))
    assert lrs[9] == pytest.approx(PEAK)
    assert lrs[9:] == sorted(lrs[9:], reverse=True)
    assert lrs[-1] == pytest.approx(1e-6)


@given(epochs=st.integers(1, 3000), spe=st.integers(1, 500), warmup=st.integers(0, 50))
def test_the_drawn_plan_is_short_and_reaches_the_end(epochs: int, spe: int, warmup: int) -> None:
    plan = plan_of(epochs, spe, name="cosine", warmup_epochs=warmup)
    points = plan.points()
    assert len(points) <= DRAWN_POINTS + 1
    assert points[0][0] == 0
    assert points[-1][0] == epochs * spe - 1
    assert all(0 <= lr <= PEAK * (1 + 1e-9) for _, lr in points)


def test_a_live_factor_scales_everything_after_it() -> None:
    plan = plan_of(name="cosine")
    before = plan.at(50)
    plan.scale *= 0.5
    assert plan.at(50) == pytest.approx(before / 2)


def test_every_scheduler_of_torch_that_is_a_function_of_the_step_can_be_named() -> None:
    module = torch.optim.lr_scheduler
    found = {
        kind.__name__.lower()
        for kind in vars(module).values()
        if isinstance(kind, type) and issubclass(kind, module.LRScheduler) and not kind.__name__.startswith("_")
    }
    of_functions = {"lambdalr", "multiplicativelr"}
    of_others = {"sequentiallr", "chainedscheduler"}
    rest = found - of_functions - of_others - {"lrscheduler", "reducelronplateau"}
    assert rest == set(get_args(ScheduleName)) - set(OWN_SHAPES)


BY_NAME: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("StepLR", {"step_size": 3, "gamma": 0.5}, {}),
    ("MultiStepLR", {"milestones": [2, 9]}, {}),
    ("ExponentialLR", {"gamma": 0.9}, {}),
    ("LinearLR", {"start_factor": 0.1, "total_iters": 4}, {}),
    ("ConstantLR", {}, {}),
    ("PolynomialLR", {"total_iters": 12, "power": 2.0}, {}),
    ("CosineAnnealingLR", {}, {"T_max": 20}),
    ("CosineAnnealingWarmRestarts", {"T_0": 4, "T_mult": 2}, {}),
]


@pytest.mark.parametrize(("name", "arguments", "filled"), BY_NAME, ids=[case[0] for case in BY_NAME])
def test_a_scheduler_of_torch_by_its_name_moves_once_an_epoch(
    name: str, arguments: dict[str, Any], filled: dict[str, Any]
) -> None:
    plan = plan_of(name=name, arguments=arguments)
    expected = torch_lrs(getattr(torch.optim.lr_scheduler, name)(torch_optimizer(), **arguments, **filled), 20)
    assert [plan.at(step) for step in range(100)] == pytest.approx([lr for lr in expected for _ in range(5)])
    assert plan.points()[0] == (0, pytest.approx(expected[0]))


def test_one_cycle_moves_at_every_step_and_fills_the_run() -> None:
    plan = plan_of(name="OneCycleLR")
    fresh = torch.optim.lr_scheduler.OneCycleLR(torch_optimizer(), max_lr=PEAK, total_steps=100)
    expected = [fresh.optimizer.param_groups[0]["lr"]]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in range(99):
            fresh.step()
            expected.append(fresh.optimizer.param_groups[0]["lr"])
    assert [plan.at(step) for step in range(100)] == pytest.approx(expected)
    assert max(lr for _, lr in plan.points()) == pytest.approx(PEAK)


def test_a_warmup_stands_in_front_of_a_scheduler_of_torch() -> None:
    plan = plan_of(name="StepLR", arguments={"step_size": 2, "gamma": 0.1}, warmup_epochs=3)
    by_epoch = [plan.at(5 * epoch) for epoch in range(7)]
    assert by_epoch == pytest.approx([PEAK / 3, 2 * PEAK / 3, PEAK, PEAK, PEAK, PEAK / 10, PEAK / 10])


def test_another_horizon_is_another_table() -> None:
    plan = plan_of(name="CosineAnnealingLR")
    before = plan.at(50)
    plan.epochs = 40
    assert plan.at(50) > before
    assert plan.at(10**6) == plan.at(199)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"name": "StepLR"}, "StepLR needs step_size; give schedule.arguments.step_size="),
        ({"name": "StepLR", "arguments": {"step_size": 2, "gama": 1}}, "StepLR refuses its arguments.*gama"),
        ({"name": "MultiStepLR", "arguments": {"milestones": 3}}, "MultiStepLR refuses its arguments"),
        ({"name": "StepLR", "arguments": {"step_size": 0}}, "StepLR refuses its arguments"),
        ({"name": "OneCycleLR", "arguments": {"total_steps": 5}}, "OneCycleLR refuses its arguments.*5"),
        ({"name": "LinearLR", "arguments": {"last_epoch": 3}}, "last_epoch: a resume knows where the schedule stands"),
        ({"name": "OneCycleLR", "arguments": {"cycle_momentum": True}}, "momentum is not cycled"),
        ({"name": "cosine", "arguments": {"T_max": 5}}, "cosine has options of its own"),
    ],
)
def test_arguments_that_do_not_fit_are_one_line(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        plan_of(**options).check()


def test_a_course_that_is_too_long_to_compute_is_one_line() -> None:
    with pytest.raises(UserError, match="is computed ahead, and 1,000,000,000 steps are too many"):
        torch_rates("steplr", {"step_size": 3}, 0.1, 10**9)
