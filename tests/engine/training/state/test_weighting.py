"""Weights of loss terms over the epochs: ramp, delay, adaptation, live changes; exact under a resume and a fork."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from forks import assert_goes_on_like, fork_toy, said, state_of
from hypothesis import given
from hypothesis import strategies as st
from same_run import OPTIONS, assert_same_run
from toy import NUM_TRAIN, ToyTask, reader_of, resolved, run_toy

from trainctl.engine.config.schema import WeightingConfig
from trainctl.engine.errors import UserError
from trainctl.engine.runs.events import EventKind
from trainctl.engine.runs.layout import RunPaths
from trainctl.engine.training.evaluate import evaluate
from trainctl.engine.training.state.checkpoint import load_checkpoint
from trainctl.engine.training.state.weighting import Weighting, adapted, moving_means, ramp_factor

STEPS = NUM_TRAIN // 16
TRAIN = {"epochs": 4, "batch_size": 16}
RAMPED_AND_ADAPTED: dict[str, Any] = {
    **OPTIONS,
    "train": TRAIN,
    "loss_weights": {"ce": 1.0, "size": 0.5},
    "weighting": {"ramp": {"size": 3}, "delay": {"size": 1}, "adaptive": True, "rate": 0.5},
}
UNBOUNDED = WeightingConfig(adaptive=True, least=0.0, most=1e300)

names = st.sampled_from(["ce", "recon", "gate", "balance"])
weights_by_name = st.dictionaries(names, st.floats(1e-3, 10), min_size=1)
sizes = st.floats(1e-9, 1e6)


def weights_by_epoch(root: Path, term: str) -> list[float]:
    """The weight that the records of each epoch hold; one and the same within an epoch."""
    records = reader_of(root).steps.all()
    found = [np.unique(records[f"weight.{term}"][records["epoch"] == e]) for e in np.unique(records["epoch"])]
    assert all(len(values) == 1 for values in found)
    return [float(values[0]) for values in found]


# --- the rule ---------------------------------------------------------------------------------------------


@given(weights_by_name, st.data(), st.integers(1, 8))
def test_before_clipping_the_sum_of_the_weights_stays(configured: dict[str, float], data: Any, epochs: int) -> None:
    weights = dict(configured)
    for _ in range(epochs):
        weights = adapted(weights, configured, {name: data.draw(sizes) for name in configured}, UNBOUNDED)
    assert sum(weights.values()) == pytest.approx(sum(configured.values()))
    assert all(weight >= 0 for weight in weights.values())


@given(weights_by_name, st.data(), st.floats(0, 1), st.floats(1, 20))
def test_no_weight_leaves_its_bounds(configured: dict[str, float], data: Any, least: float, most: float) -> None:
    config = WeightingConfig(adaptive=True, least=least, most=most)
    means = {name: data.draw(sizes) for name in configured}
    assert all(least <= weight <= most for weight in adapted(configured, configured, means, config).values())


@given(st.lists(names, min_size=1, unique=True), st.floats(0.01, 10), sizes)
def test_equal_weights_of_equal_terms_stay(terms: list[str], weight: float, size: float) -> None:
    weights = dict.fromkeys(terms, weight)
    moved = adapted(weights, weights, dict.fromkeys(terms, size), WeightingConfig(adaptive=True))
    assert moved == pytest.approx(weights)


@given(weights_by_name, st.data())
def test_in_the_end_all_terms_contribute_the_same(configured: dict[str, float], data: Any) -> None:
    means = {name: data.draw(st.floats(0.1, 10)) for name in configured}
    weights = dict(configured)
    for _ in range(400):
        weights = adapted(weights, configured, means, UNBOUNDED)
    contributions = [weights[name] * means[name] for name in configured]
    assert contributions == pytest.approx([contributions[0]] * len(contributions))


def test_two_terms_worked_by_hand() -> None:
    # 1/2 : 1/0.5 = 1 : 4, and the sum is 1.5, so the target is .3 and 1.2; a tenth of the way from 1 and .5
    moved = adapted({"a": 1.0, "b": 0.5}, {"a": 1.0, "b": 0.5}, {"a": 2.0, "b": 0.5}, WeightingConfig())
    assert moved == pytest.approx({"a": 0.93, "b": 0.57})


@given(weights_by_name, st.data())
def test_a_term_without_weight_or_size_takes_no_part(configured: dict[str, float], data: Any) -> None:
    means = {name: data.draw(sizes) for name in configured}
    alone = adapted(configured, configured, means, UNBOUNDED)
    weights = {**configured, "off": 0.0, "solved": 0.7}
    together = adapted(weights, weights, {**means, "off": 3.0, "solved": 0.0}, UNBOUNDED)
    assert together == {**alone, "off": 0.0, "solved": 0.7}


def test_the_first_epoch_starts_a_mean_and_a_negative_term_counts_by_its_size() -> None:
    first = moving_means({}, {"nll": -4.0}, 0.9)
    assert first == {"nll": 4.0}
    assert moving_means(first, {"nll": 2.0}, 0.9) == pytest.approx({"nll": 0.9 * 4 + 0.1 * 2})


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_an_epoch_that_is_not_finite_leaves_the_mean(bad: float) -> None:
    assert moving_means({"ce": 2.0}, {"ce": bad, "size": bad}, 0.9) == {"ce": 2.0}


@given(st.integers(1, 30), st.integers(0, 30), st.integers(1, 80))
def test_a_ramp_is_a_line_behind_its_delay(ramp: int, delay: int, epoch: int) -> None:
    config = WeightingConfig(ramp={"size": ramp}, delay={"size": delay} if delay else {})
    expected = 0.0 if epoch <= delay else min(1.0, (epoch - delay) / ramp)
    assert ramp_factor(config, "size", epoch) == expected
    assert ramp_factor(config, "ce", epoch) == 1.0


@given(st.lists(st.floats(-1e6, 1e6, width=32), min_size=1, max_size=40), st.data())
def test_the_blocks_that_records_come_in_make_no_difference(values: list[float], data: Any) -> None:
    records = np.zeros(len(values), [("term.ce", "<f4"), ("batch_size", "<i4")])
    records["term.ce"], records["batch_size"] = values, np.arange(len(values)) % 7 + 1
    cut = data.draw(st.integers(0, len(values)))
    whole, parts = Weighting(WeightingConfig(adaptive=True)), Weighting(WeightingConfig(adaptive=True))
    for weighting, blocks in ((whole, [records]), (parts, [records[:cut], records[cut:]])):
        weighting.open({"ce": 1.0})
        for block in blocks:
            weighting.hear(block)
    assert whole.state_dict() == parts.state_dict()


# --- in a run ---------------------------------------------------------------------------------------------


def test_the_records_show_the_ramp_from_the_first_step_on(tmp_path: Path) -> None:
    sections = {"train": {**TRAIN, "epochs": 6}, "loss_weights": {"size": 2.0}}
    run_toy(tmp_path / "run", resolved(**sections, weighting={"ramp": {"size": 4}, "delay": {"ce": 2}}))
    assert weights_by_epoch(tmp_path / "run", "size") == [0.5, 1.0, 1.5, 2.0, 2.0, 2.0]
    assert weights_by_epoch(tmp_path / "run", "ce") == [0.0, 0.0, 1.0, 1.0, 1.0, 1.0]
    records = reader_of(tmp_path / "run").steps.all()
    expected = sum(records[f"term.{name}"] * records[f"weight.{name}"] for name in ("ce", "size"))
    np.testing.assert_allclose(records["loss"], expected, rtol=1e-6)


def test_adaptive_weights_follow_the_epoch_means_of_the_records(tmp_path: Path) -> None:
    """The rule step by step: means of each epoch, moving mean, target, a step towards it, clipped."""
    options = {"adaptive": True, "momentum": 0.8, "rate": 0.5, "most": 1.2}
    run_toy(tmp_path / "run", resolved(train={**TRAIN, "epochs": 6}, optimizer={"lr": 0.03}, weighting=options))
    records = reader_of(tmp_path / "run").steps.all()
    weights, means = {"ce": 1.0, "size": 1.0}, {}
    for epoch in range(1, 7):
        for name, weight in weights.items():
            assert weights_by_epoch(tmp_path / "run", name)[epoch - 1] == pytest.approx(weight, rel=1e-6)
        part = records[records["epoch"] == epoch]
        for name in weights:
            size = abs(np.average(part[f"term.{name}"].astype(float), weights=part["batch_size"]))
            means[name] = 0.8 * means[name] + 0.2 * size if epoch > 1 else size
        inverse_sum = sum(1 / mean for mean in means.values())
        target = {name: 2.0 / means[name] / inverse_sum for name in weights}
        weights = {name: min(1.2, 0.5 * weights[name] + 0.5 * target[name]) for name in weights}
    assert weights["ce"] != pytest.approx(1.0, rel=0.01)


def test_a_weight_of_0_stays_0(tmp_path: Path) -> None:
    run_toy(tmp_path / "run", resolved(train=TRAIN, loss_weights={"size": 0.0}, weighting={"adaptive": True}))
    assert weights_by_epoch(tmp_path / "run", "size") == [0.0] * 4
    assert weights_by_epoch(tmp_path / "run", "ce") == [1.0] * 4


def test_validation_weighs_by_the_configured_weights_so_that_epochs_compare(tmp_path: Path) -> None:
    config = resolved(**RAMPED_AND_ADAPTED)
    run_toy(tmp_path / "run", config)
    found = [event for event in reader_of(tmp_path / "run").events if event.kind is EventKind.VALIDATION]
    assert len(found) == 4
    for event in found:
        raw = event.data["raw"]
        assert raw["loss"] == pytest.approx(raw["ce"] + 0.5 * raw["size"])
    measured = evaluate(RunPaths(tmp_path / "run").latest, config, ToyTask, None, weights="raw")
    assert measured.metrics["loss"] == pytest.approx(found[-1].data["raw"]["loss"])


@pytest.mark.parametrize("option", ["ramp", "delay"])
def test_a_term_that_does_not_exist_is_named(tmp_path: Path, option: str) -> None:
    with pytest.raises(UserError, match=rf"weighting\.{option}: no loss term 'sise'; this task has: ce, size"):
        run_toy(tmp_path / "run", resolved(train=TRAIN, weighting={option: {"sise": 3}}))


# --- live changes -----------------------------------------------------------------------------------------


def live(config: WeightingConfig) -> Weighting:
    weighting = Weighting(config)
    weighting.open({"ce": 1.0, "size": 0.5})
    return weighting


def test_a_live_change_is_the_new_configured_weight_and_goes_on_being_ramped() -> None:
    weighting = live(WeightingConfig(ramp={"size": 4}))
    weighting.change("size", 2.0, is_factor=False)
    assert [weighting.at(epoch)["size"] for epoch in (1, 2, 3, 4, 5)] == [0.5, 1.0, 1.5, 2.0, 2.0]
    weighting.change("size", 0.5, is_factor=True)
    assert (weighting.configured["size"], weighting.at(2)["size"]) == (1.0, 0.5)


def test_after_a_live_change_the_weights_adapt_to_the_new_sum() -> None:
    weighting = live(WeightingConfig(adaptive=True))
    weighting.change("size", 3.0, is_factor=False)
    assert weighting.at(1) == {"ce": 1.0, "size": 3.0}
    weighting.means = {"ce": 1.0, "size": 1.0}
    for _ in range(300):
        weighting.sums, weighting.samples = {"ce": 16.0, "size": 16.0}, 16.0
        weighting.end_epoch()
    assert weighting.at(1) == pytest.approx({"ce": 2.0, "size": 2.0})
    weighting.change("size", 0.0, is_factor=False)
    weighting.sums, weighting.samples = {"ce": 16.0, "size": 16.0}, 16.0
    weighting.end_epoch()
    assert weighting.at(1)["size"] == 0.0


def test_the_answer_to_a_live_change_says_where_the_ramp_leads(tmp_path: Path) -> None:
    change = ("set", {"name": "weight", "term": "size", "op": "set", "value": 2.0})
    sections = {"train": {"epochs": 10**6, "batch_size": 16}, "weighting": {"ramp": {"size": 10**6}}}
    run_toy(tmp_path / "run", resolved(**sections), commands=[change, ("stop", {})])
    (effect, _) = [e.data["effect"] for e in reader_of(tmp_path / "run").events if e.kind is EventKind.COMMAND]
    assert effect.startswith("weight.size ") and effect.endswith(", on the way to 2")
    assert state_of(tmp_path / "run")["weighting"]["configured"]["size"] == 2.0


# --- resume and fork --------------------------------------------------------------------------------------


@pytest.mark.few(2)
@pytest.mark.parametrize("steps", [3, STEPS, 8, 2 * STEPS])
def test_a_resumed_run_has_the_weights_of_the_uninterrupted_run(tmp_path: Path, steps: int) -> None:
    run_toy(tmp_path / "whole", resolved(**RAMPED_AND_ADAPTED))
    run_toy(tmp_path / "parts", resolved(**RAMPED_AND_ADAPTED), signal_at=steps)
    run_toy(tmp_path / "parts", resolved(**RAMPED_AND_ADAPTED), resume=True)
    assert_same_run(tmp_path / "whole", tmp_path / "parts")


def test_a_finished_run_that_goes_on_longer_is_the_longer_run(tmp_path: Path) -> None:
    longer = {**RAMPED_AND_ADAPTED, "train": {**TRAIN, "epochs": 6}}
    run_toy(tmp_path / "whole", resolved(**longer))
    run_toy(tmp_path / "parts", resolved(**RAMPED_AND_ADAPTED))
    run_toy(tmp_path / "parts", resolved(**longer), resume=True)
    for term in ("ce", "size"):
        assert weights_by_epoch(tmp_path / "whole", term) == weights_by_epoch(tmp_path / "parts", term)


@pytest.mark.parametrize("step", [3, STEPS, 8])
def test_a_fork_has_the_weights_its_parent_would_have_had(tmp_path: Path, step: int) -> None:
    """Also within an epoch, whose first records only the parent has."""
    run_toy(tmp_path / "whole", resolved(**RAMPED_AND_ADAPTED))
    run_toy(tmp_path / "parent", resolved(**RAMPED_AND_ADAPTED), signal_at=step)
    fork_toy(tmp_path / "fork", tmp_path / "parent", RAMPED_AND_ADAPTED)
    assert_goes_on_like(tmp_path / "whole", tmp_path / "fork", step)


def test_a_fork_of_the_best_checkpoint_has_the_weights_of_the_next_epoch(tmp_path: Path) -> None:
    run_toy(tmp_path / "parent", resolved(**RAMPED_AND_ADAPTED))
    step = load_checkpoint(RunPaths(tmp_path / "parent").best)["about"]["step"]
    longer = {**RAMPED_AND_ADAPTED, "train": {**TRAIN, "epochs": 6}}
    fork_toy(tmp_path / "fork", tmp_path / "parent", RAMPED_AND_ADAPTED, longer, best=True)
    run_toy(tmp_path / "whole", resolved(**longer))
    assert_goes_on_like(tmp_path / "whole", tmp_path / "fork", step)


def test_a_fork_that_adapts_otherwise_starts_from_the_configured_weights(tmp_path: Path) -> None:
    run_toy(tmp_path / "parent", resolved(**RAMPED_AND_ADAPTED), signal_at=8)
    plain = {**RAMPED_AND_ADAPTED, "weighting": {}}
    fork_toy(tmp_path / "fork", tmp_path / "parent", RAMPED_AND_ADAPTED, plain)
    assert weights_by_epoch(tmp_path / "fork", "size") == [0.5] * 3
    assert weights_by_epoch(tmp_path / "fork", "ce") == [1.0] * 3
    note = "the loss weights start from the configured ones, not as the parent's adapted"
    assert note in said(tmp_path / "fork", EventKind.NOTE)


def test_a_fork_with_other_loss_weights_adapts_anew_and_says_so(tmp_path: Path) -> None:
    run_toy(tmp_path / "parent", resolved(**RAMPED_AND_ADAPTED), signal_at=8)
    now = {**RAMPED_AND_ADAPTED, "loss_weights": {"ce": 1.0, "size": 0.75}, "weighting": {"adaptive": True}}
    fork_toy(tmp_path / "fork", tmp_path / "parent", RAMPED_AND_ADAPTED, now)
    assert weights_by_epoch(tmp_path / "fork", "size")[0] == 0.75
    notes = said(tmp_path / "fork", EventKind.NOTE)
    assert "the loss weight of size is 0.75, as configured; the parent's was 0.5" in notes
    assert "the loss weights start from the configured ones, not as the parent's adapted" in notes


def test_a_fork_with_another_ramp_keeps_what_was_adapted(tmp_path: Path) -> None:
    run_toy(tmp_path / "parent", resolved(**RAMPED_AND_ADAPTED), signal_at=8)
    now = {**RAMPED_AND_ADAPTED, "weighting": {**RAMPED_AND_ADAPTED["weighting"], "ramp": {}, "delay": {}}}
    fork_toy(tmp_path / "fork", tmp_path / "parent", RAMPED_AND_ADAPTED, now)
    adapted_size = state_of(tmp_path / "parent")["weighting"]["unramped"]["size"]
    assert weights_by_epoch(tmp_path / "fork", "size")[0] == np.float32(adapted_size)


def test_a_checkpoint_from_before_there_was_any_weighting_still_resumes(tmp_path: Path) -> None:
    change = [("set", {"name": "weight", "term": "size", "op": "set", "value": 0.25}), ("checkpoint", {}), ("stop", {})]
    sections = {**OPTIONS, "train": {"epochs": 40, "batch_size": 16}}
    run_toy(tmp_path / "run", resolved(**sections), commands=change)
    latest = RunPaths(tmp_path / "run").latest
    content = load_checkpoint(latest)
    step = content["state"]["progress"]["step"]
    del content["state"]["weighting"]
    torch.save(content, latest)
    run_toy(tmp_path / "run", resolved(**sections), resume=True)
    records = reader_of(tmp_path / "run").steps.all()
    assert set(records["weight.size"][records["step"] > step]) == {np.float32(0.25)}
