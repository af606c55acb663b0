"""Every mistake in a configuration is one line that says what, where and what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from trainctl.engine.errors import UserError
from trainctl.engine.tasks.configured import resolve


def complaint_about_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> str:
    monkeypatch.chdir(tmp_path)
    Path("my.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(UserError) as caught:
        resolve("current", files=[Path("my.yaml")])
    return str(caught.value)


def complaint_about(*overrides: str) -> str:
    with pytest.raises(UserError) as caught:
        resolve("current", overrides=overrides)
    message = str(caught.value)
    assert "\n" not in message
    return message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "\n\noptimizer:\n  leraning_rate: 3e-4\n",
            "my.yaml:4: unknown key optimizer.leraning_rate; did you mean optimizer.lr?",
        ),
        ("lr: 3e-4\n", "my.yaml:1: unknown key lr; did you mean optimizer.lr?"),
        ("seed: 1\noptimizer:\n  lr: fast\n", "my.yaml:3: optimizer.lr must be a number, got fast"),
        ("optimizer: {lr: 0}\n", "my.yaml:1: optimizer.lr must be greater than 0, got 0"),
        (
            "optimizer:\n  name: adamm\n",
            "my.yaml:2: optimizer.name must be one of adamw, adam, sgd, adadelta, adafactor, adagrad, adamax, asgd, "
            "muon, nadam, radam, rmsprop, rprop, got adamm; did you mean adam?",
        ),
        ("ema: 0.9\n", "my.yaml:1: ema must be a mapping (key: value), got 0.9"),
        (
            "train:\n  epochs: -1\n  batch: 3\nemma: {}\n",
            "my.yaml:3: unknown key train.batch; did you mean train.batch_size? (and 2 more)",
        ),
        ("train:\n  epochs: 1\n  epochs: 2\n", "my.yaml:3: key train.epochs given twice (first on line 2)"),
        ("task: 3\n", "my.yaml:1: task must be text"),
        ("extends: current\n", "my.yaml:1: extends only counts in a preset; use --preset my.yaml"),
    ],
)
def test_a_mistake_in_a_file_names_file_line_and_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, message: str
) -> None:
    assert complaint_about_file(tmp_path, monkeypatch, text) == message


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("train.epochs=1.5", "train.epochs must be a whole number, got 1.5"),
        ("train.epochs=true", "train.epochs must be a whole number, got true"),
        ("train.epochs='3'", "train.epochs must be a whole number, got '3'"),
        ("train.epochs=null", "train.epochs must be a whole number, got null"),
        ("optimizer.nesterov=1", "optimizer.nesterov must be true or false, got 1"),
        ("optimizer.betas=.9", "optimizer.betas must be a list, e.g. [1, 2], got 0.9"),
        ("optimizer.betas=[.9]", "optimizer.betas must be a list of 2 values"),
        ("optimizer.betas=[.9,.9,.9]", "optimizer.betas must be a list of 2 values"),
        ("optimizer.betas=[.9,2]", "each value of optimizer.betas must be at most 1, got 2"),
        ("optimizer.lr=.inf", "optimizer.lr must be a finite number, got .inf"),
        ("optimizer.lr=", "optimizer.lr must be a number, got ''"),
        ("schedule.factor=1", "schedule.factor must be less than 1, got 1"),
        ("loss.pos_weight=x", "loss.pos_weight must be auto or a number, got x"),
        ("loss_weights.a=-1", "loss_weights.a must be at least 0, got -1"),
        ("loss_weights=3", "loss_weights must be a mapping (key: value), got 3"),
    ],
)
def test_a_value_that_does_not_fit_says_what_would(override: str, message: str) -> None:
    assert complaint_about(override) == f"command line: {message}"


def test_an_override_without_a_value_says_how_to_write_one() -> None:
    assert complaint_about("optimizer.lr") == "'optimizer.lr' is not KEY=VALUE; write e.g. optimizer.lr=3e-4"
    assert complaint_about("=3") == "'=3' is not KEY=VALUE; write e.g. optimizer.lr=3e-4"


def test_an_unknown_key_without_a_similar_one_lists_what_there_is() -> None:
    message = complaint_about("ema.zzz=1")
    assert message == "command line: unknown key ema.zzz; ema has: decay, ramp, buffers"


def test_a_long_value_is_shortened_in_the_message() -> None:
    assert len(complaint_about(f"train.epochs={'x' * 500}")) < 160


def test_a_mistake_in_the_environment_names_the_variable() -> None:
    with pytest.raises(UserError) as caught:
        resolve("current", environ={"TRAINCTL__OPTIMISER__LR": "1"})
    assert str(caught.value) == (
        "environment variable TRAINCTL__OPTIMISER__LR: unknown key optimiser.lr; did you mean optimizer.lr?"
    )


def test_an_unknown_task_names_the_known_ones() -> None:
    with pytest.raises(UserError, match="unknown task 'eyess'; built in: eyes"):
        resolve(task="eyess")
