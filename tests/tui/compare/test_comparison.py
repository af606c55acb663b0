"""Figures side by side, and promises held against them."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from present import present

from trainctl.tui.compare.comparison import (
    CompareRow,
    config_rows,
    figure_rows,
    figures_row,
    has_one_loss,
    lower_is_better,
    monitored_metrics,
)
from trainctl.tui.compare.facts import RunFacts, flat_values, read_config
from trainctl.tui.compare.promises import measured_words, promises_of

RUN = RunFacts(
    name="20260101-120000-eyes-balanced-00aa",
    preset="eyes/balanced",
    state="finished",
    steps=300,
    epochs=3,
    seconds=90.0,
    samples_per_s=1000.0,
    last_loss=0.2,
    epoch_losses=((1, 0.5), (2, 0.3), (3, 0.2)),
    monitor="f1",
    monitor_mode="max",
    validations=(
        (1, 100, "raw", {"loss": 0.6, "f1": 0.7}),
        (1, 100, "ema", {"loss": 0.7, "f1": 0.5}),
        (2, 200, "raw", {"loss": 0.4, "f1": 0.9}),
        (2, 200, "ema", {"loss": 0.3, "f1": 0.92}),
        (3, 300, "raw", {"loss": 0.5, "f1": math.nan}),
    ),
    findings=("S1101",),
    found=({"code": "S1101", "severity": "warning"},),
    num_checks=None,
    first_nonfinite=None,
    interventions=(),
)


def row(rows: Iterable[CompareRow], label: str):
    return next(row for row in rows if row.label.strip() == label)


def test_the_best_result_says_its_epoch_and_its_weights():
    assert RUN.best("f1", lower=False) == (0.92, 2, 200, "ema")
    assert RUN.best("loss", lower=True) == (0.3, 2, 200, "ema")
    assert RUN.best("no such metric", lower=False) is None


def test_fluctuation_is_the_deviation_of_the_change_from_epoch_to_epoch():
    changes = [-0.2, -0.1]
    mean = sum(changes) / 2
    assert RUN.fluctuation() == pytest.approx(math.sqrt(sum((c - mean) ** 2 for c in changes) / 2))
    assert math.isnan(replace(RUN, epoch_losses=RUN.epoch_losses[:2]).fluctuation())


def test_each_line_marks_its_best_in_the_direction_of_its_metric():
    worse = replace(RUN, validations=((1, 1, "raw", {"f1": 0.8, "loss": 0.1}),), last_loss=0.3, samples_per_s=2000.0)
    rows = figure_rows([RUN, worse])
    assert row(rows, "best f1").shown() == ["0.92 *", "0.8"]
    assert row(rows, "weights").cells == ("ema", "raw")
    assert row(rows, "last val loss").shown() == ["0.5", "0.1 *"]
    assert row(rows, "training loss").best == {0} and row(rows, "samples/s").best == {1}
    assert row(rows, "steps").best == frozenset()


def test_equal_figures_and_a_single_one_are_not_called_best():
    assert figures_row("x", [1.0, 1.0], True).best == frozenset()
    assert figures_row("x", [1.0, math.nan], True).best == frozenset()
    assert figures_row("x", [1.0, math.nan], True).cells == ("1", "-")


@given(st.lists(st.floats() | st.just(math.nan), min_size=1, max_size=7), st.booleans())
def test_the_best_of_a_line_is_the_extreme_of_its_finite_values(values: list[float], lower: bool):
    found = figures_row("x", values, lower).best
    finite = [value for value in values if math.isfinite(value)]
    if len(set(finite)) > 1:
        top = min(finite) if lower else max(finite)
        assert found == {k for k, value in enumerate(values) if value == top}
    else:
        assert not found


def test_losses_of_different_kinds_are_not_ranked():
    bce, focal = replace(RUN, config={"loss.name": "bce"}), replace(RUN, config={"loss.name": "focal"}, last_loss=0.01)
    assert not has_one_loss([bce, focal]) and has_one_loss([bce, RUN])
    rows = figure_rows([bce, focal])
    assert row(rows, "training loss").best == frozenset()
    assert row(rows, "best f1").cells == ("0.92", "0.92")


@pytest.mark.parametrize("setting", [{"weighting.adaptive": True}, {"weighting.ramp.size": 3}])
def test_weights_that_change_over_the_epochs_make_another_loss(setting: dict[str, object]):
    fixed = {"weighting.ramp": {}, "weighting.adaptive": False, "weighting.rate": 0.1}
    before_there_was_any = replace(RUN, config={"loss_weights": {}})
    one, other = (replace(RUN, config={"loss_weights": {}, **fixed, **more}) for more in ({}, setting))
    assert not has_one_loss([one, other])
    assert has_one_loss([one, before_there_was_any]) and has_one_loss([other, other])


def test_how_long_until_the_loss_of_the_first_run():
    faster = replace(RUN, epoch_losses=((1, 0.3), (2, 0.15)), last_loss=0.15)
    assert row(figure_rows([RUN, faster]), "epochs to loss 0.2").shown() == ["3", "2 *"]


def test_a_direction_comes_from_the_run_else_from_the_name_else_from_nowhere():
    assert lower_is_better([replace(RUN, monitor="odd", monitor_mode="min")], "odd") is True
    assert lower_is_better([RUN], "val_loss") is True and lower_is_better([RUN], "macro-f1") is False
    assert lower_is_better([RUN], "odd") is None


def test_without_a_monitored_metric_the_first_that_is_no_loss_counts():
    assert monitored_metrics([replace(RUN, monitor="")]) == ["f1"]
    assert monitored_metrics([replace(RUN, monitor="", validations=())]) == []


def test_the_configuration_lists_only_what_differs_and_copes_with_what_is_missing():
    runs = [
        replace(RUN, config={"seed": 1, "optimizer.lr": 1e-4, "clip.norm": None}),
        replace(RUN, config={"seed": 1, "optimizer.lr": 3e-4, "clip.norm": None, "new.key": True}),
        RUN,
    ]
    rows = config_rows(runs)
    assert [(row.label, row.cells) for row in rows] == [
        ("optimizer.lr", ("0.0001", "0.0003", "?")),
        ("new.key", ("-", "true", "?")),
    ]
    assert config_rows([RUN, RUN]) == []


def test_a_configuration_is_read_as_plain_data(tmp_path: Path):
    path = tmp_path / "config.yaml"
    assert read_config(path) is None
    path.write_text(
        "task: my_task.py:Mine\noptimizer: {lr: 3e-4}\nloss_weights: {}\nprovenance: {preset: p, scale: small}\n"
    )
    assert flat_values(present(read_config(path))) == {
        "preset": "p",
        "scale": "small",
        "task": "my_task.py:Mine",
        "optimizer.lr": 3e-4,
        "loss_weights": {},
    }
    path.write_text("a: [")
    assert read_config(path) is None


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("F1 .95", False),
        ("F1 .92", True),
        ("f1 >= 0.9", True),
        ("f1 > 0.92", False),
        ("validation F1 of 92 %", True),
        ("loss 0.3", True),
        ("loss < 0.3", False),
        ("loss <= 0.25", False),
        ("balances performance and stability", None),
        ("recall .9", None),
        ("F1 may rise to 0.9 or more", None),
        ("30 % faster", None),
    ],
)
def test_only_a_promise_of_a_measured_figure_is_judged(text: str, kept: bool | None):
    (promise,) = promises_of(replace(RUN, about={"promises": [text]}))
    assert promise.text == text and promise.kept is kept
    assert bool(promise.measured) is (kept is not None)


def test_known_problems_of_a_preset_are_held_against_the_findings():
    seen, missing = promises_of(replace(RUN, about={"findings": ["S1101", "O605"]}))
    assert seen.measured == "reported in this run" and missing.measured == "not reported so far"


def test_what_was_measured_is_said_with_its_place():
    assert measured_words(RUN).startswith(
        "best f1 0.92 at epoch 2 (ema); training loss 0.2; fluctuation 0.05; 3 epochs in"
    )


def test_runs_that_were_validated_on_other_samples_are_not_ranked() -> None:
    known = {"train": "aa", "val": "bb"}
    one, same = replace(RUN, data="/a", data_id=known), replace(RUN, data="/a", data_id=known, epoch_losses=())
    other = replace(RUN, data="/b", data_id=known | {"val": "cc"}, validations=((1, 100, "raw", {"f1": 0.99}),))
    better = replace(same, validations=((1, 100, "raw", {"f1": 0.99}),))
    assert row(figure_rows([one, better]), "best f1").best == {1}
    assert row(figure_rows([one, other]), "best f1").best == frozenset()
    assert row(figure_rows([one, other]), "last val f1").best == frozenset()
    assert [line.label for line in config_rows([one, same])] == []
    assert [(line.label, line.cells) for line in config_rows([one, other])] == [
        ("data", ("/a", "/b")),
        ("val samples", ("bb", "cc")),
    ]
    assert row(figure_rows([replace(one, data_id={}), better]), "best f1").best == {1}, (
        "of an older run nothing is known"
    )
