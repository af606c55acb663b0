"""What a sweep may vary: ranges and choices that fit the configuration, and one line for whatever does not."""

from __future__ import annotations

from pathlib import Path

import pytest

from trainctl.engine.config.resolve import Resolved
from trainctl.engine.errors import UserError
from trainctl.engine.tasks.configured import resolve, with_overrides
from trainctl.tui.cli.sweep.space import Parameter, overrides_of, parse_space, read_space


@pytest.fixture(scope="module")
def balanced() -> Resolved:
    return resolve("eyes/balanced", scale="small")


def read(folder: Path, resolved: Resolved, text: str, *said: str) -> list[Parameter]:
    path = folder / "space.yaml"
    path.write_text(text)
    return list(read_space(path, resolved, said).parameters)


def test_ranges_and_choices_are_what_the_options_take(tmp_path: Path, balanced: Resolved) -> None:
    found = read(
        tmp_path,
        balanced,
        "optimizer.lr: {low: 1e-4, high: 1e-2, log: true}\n"
        "train.batch_size: {low: 16, high: 130, step: 16}\n"
        "model.dropout: {low: 0, high: 0.5}\n"
        "train.max_steps: {low: 10, high: 500, log: true}\n"
        "loss_weights.bce: {low: 0, high: 2}\n"
        "ema.decay: {choices: [null, 0.99]}\n"
        "optimizer.betas: {choices: [[0.9, 0.99], [0.8, 0.9]]}\n",
    )
    by_key = {one.key: one for one in found}
    assert by_key["optimizer.lr"] == Parameter("optimizer.lr", 1e-4, 1e-2, log=True)
    assert by_key["train.batch_size"] == Parameter("train.batch_size", 16, 128, step=16, whole=True)
    assert not by_key["model.dropout"].whole and not by_key["loss_weights.bce"].whole
    assert by_key["train.max_steps"].whole and by_key["train.max_steps"].log
    assert by_key["ema.decay"].choices == (None, 0.99)
    # What is chosen reaches the configuration as it is.
    params = {"optimizer.betas": [0.8, 0.9], "ema.decay": None, "optimizer.lr": 1.5e-05, "train.batch_size": 48}
    values = with_overrides(balanced, overrides_of(params)).values()
    assert {key: values[key] for key in params} == params


def test_a_space_is_read_back_from_plain_data(tmp_path: Path, balanced: Resolved) -> None:
    path = tmp_path / "space.yaml"
    path.write_text("optimizer.lr: {low: 1e-4, high: 1, step: 0.1}\noptimizer.name: {choices: [adamw, sgd]}\n")
    space = read_space(path, balanced, [])
    assert parse_space(space.as_json()).parameters == space.parameters


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "names no option to vary"),
        ("- 1", "1: expected `key: value` lines"),
        ("optimizer.lr: 3", "1: optimizer.lr says no range and no choices"),
        ("optimizer.lr: {low: 1}", "1: optimizer.lr lacks high"),
        ("optimizer.lr: {high: 1}", "1: optimizer.lr lacks low"),
        ("\noptimizer.lrr: {low: 1, high: 2}", "2: unknown key optimizer.lrr; did you mean optimizer.lr?"),
        ("learning_rate: {low: 1, high: 2}", "did you mean optimizer.lr?"),
        ("optimizer: {lr: {low: 1, high: 2}}", "optimizer is a section; vary an option of it: optimizer.NAME"),
        ("optimizer.lr: {low: 2, high: 1}", "low 2 is above high 1"),
        ("optimizer.lr: {low: 0, high: 1, log: true}", "a logarithm has no 0"),
        ("optimizer.lr: {low: -1, high: 1, log: true}", "a logarithm has no -1"),
        ("optimizer.lr: {low: 0, high: 1}", "optimizer.lr must be greater than 0, got 0"),
        ("optimizer.lr: {low: .nan, high: 1}", "low must be a number, got nan"),
        ("optimizer.lr: {low: 1e-3, high: .inf}", "high must be a number, got inf"),
        ("optimizer.lr: {low: true, high: 2}", "low must be a number, got True"),
        ("optimizer.lr: {low: 1, high: two}", "high must be a number, got two"),
        ("optimizer.lr: {low: 1, high: 2, log: 1}", "log must be true or false, got 1"),
        ("optimizer.lr: {low: 1, high: 2, step: 0}", "step 0 is not between 0 and 1"),
        ("optimizer.lr: {low: 1, high: 2, step: 3}", "step 3 is not between 0 and 1"),
        ("optimizer.lr: {low: 1, high: 2, step: 1, log: true}", "has both log and step"),
        ("optimizer.lr: {low: 0.1, high: 2, int: true}", "is to be whole, and its bounds are not"),
        ("optimizer.lr: {low: 1, high: 2, lgo: true}", "unknown key optimizer.lr: lgo"),
        ("optimizer.lr: {low: 1, choices: [1]}", "has both choices and low"),
        ("optimizer.name: {choices: []}", "choices must be a list of values"),
        ("optimizer.name: {choices: sgd}", "choices must be a list of values"),
        ("optimizer.name: {choices: [sgd, sgd]}", "sgd is among its choices twice"),
        ("optimizer.name: {choices: [sgd, sdg]}", "got sdg; did you mean sgd?"),
        ("optimizer.name: {low: 1, high: 2}", "optimizer.name must be one of"),
        ("train.epochs: {low: 1.5, high: 2.5}", "train.epochs must be a whole number, got 1.5"),
        ("train.epochs: {low: 0, high: 2}", "train.epochs must be at least 1, got 0"),
        ("task: {choices: [eyes, weld]}", "task decides what is measured"),
        ("train.monitor: {choices: [f1, loss]}", "train.monitor decides what is measured"),
        ("optimizer.lr: {low: 1, high: 2}\noptimizer.lr: {low: 1, high: 2}", "given twice"),
    ],
)
def test_a_space_that_cannot_be_is_one_line(tmp_path: Path, balanced: Resolved, text: str, says: str) -> None:
    with pytest.raises(UserError) as err:
        read(tmp_path, balanced, text)
    assert says in str(err.value) and str(err.value).startswith(str(tmp_path)) and "\n" not in str(err.value)


def test_what_the_command_line_sets_is_not_varied(tmp_path: Path, balanced: Resolved) -> None:
    with pytest.raises(UserError, match="is set on the command line as well"):
        read(tmp_path, balanced, "optimizer.lr: {low: 1, high: 2}", "train.epochs", "optimizer.lr")


def test_a_grid_needs_steps_or_choices() -> None:
    assert Parameter("a", 0.1, 0.3, step=0.1).grid() == pytest.approx([0.1, 0.2, 0.3])
    assert Parameter("a", 2, 5, whole=True).grid() == [2, 3, 4, 5]
    assert Parameter("a", choices=(None, "x")).grid() == [None, "x"]
    with pytest.raises(UserError, match="a is a range without steps"):
        Parameter("a", 0.1, 0.3).grid()
    with pytest.raises(UserError, match="a has 1,000,001 values"):
        Parameter("a", 0, 1_000_000, whole=True).grid()
