"""Bars of Keras: of each epoch the last counts, and what `evaluate()` prints is a test."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from courses import grave
from log_files import first_line

from trainctl.engine.diagnosis.logs.facts import LogFacts, read_facts
from trainctl.engine.diagnosis.logs.reading import parse_log

BARS = ["{0}/{0} [======] - 5s 83ms/step", "{0}/{0} - 5s", "{0}/{0} - 5s 83ms/step", "{0}/{0} ━━━━━━━━━━ 5s 83ms/step"]


def read(text: str) -> LogFacts:
    return read_facts(parse_log(text.encode(), "log"))


def told(log: LogFacts) -> dict[tuple[str, str], int]:
    return {(one.column.name, one.meaning.split): len(one.values) for one in log.series}


def loss(epoch: int) -> float:
    return 0.7 * 0.85**epoch


def overfitting(epoch: int) -> float:
    return 0.6 + 0.02 * epoch**2


def healthy(epoch: int) -> float:
    return 0.8 * 0.9**epoch


def with_validation(bar: str, course: Callable[[int], float], preview: str = "") -> str:
    return "".join(
        f"Epoch {epoch}/12\n{preview}{bar.format(63)} - loss: {loss(epoch):.4f} - val_loss: {course(epoch):.4f}\n"
        for epoch in range(1, 13)
    )


@pytest.mark.parametrize("bar", BARS, ids=first_line)
def test_an_evaluation_is_no_epoch(bar: str) -> None:
    log = read(with_validation(bar, healthy) + f"\n{bar.format(6)} - loss: 2.4\n")
    assert told(log) == {("loss", "train"): 12, ("val_loss", "val"): 12, ("loss", "test"): 1}


@pytest.mark.parametrize("bar", BARS, ids=first_line)
def test_an_evaluation_on_as_many_batches_is_no_epoch(bar: str) -> None:
    log = read(with_validation(bar, healthy) + f"{bar.format(63)} - loss: 2.4\n")
    assert told(log)["loss", "train"] == 12


@pytest.mark.parametrize("bar", BARS, ids=first_line)
def test_an_overfitting_is_found_before_an_evaluation(bar: str) -> None:
    evaluation = f"{bar.format(6)} - loss: 3.4\n"
    assert "R801" in grave(with_validation(bar, overfitting) + evaluation)
    assert not grave(with_validation(bar, healthy) + evaluation)


@pytest.mark.parametrize(
    "preview",
    [
        "62/63 [====>.] - ETA: 0s - loss: 0.9\n",
        "63/63 [======] - ETA: 0s - loss: 0.9\n",
        "63/63 ━━━━━━ 0s 7ms/step - loss: 0.9\n",
    ],
    ids=first_line,
)
def test_a_bar_before_the_validation_is_told_again(preview: str) -> None:
    log = read(with_validation(BARS[0], healthy, preview))
    assert told(log) == {("loss", "train"): 12, ("val_loss", "val"): 12}
    assert log.series[0].values[0] == round(loss(1), 4)


def test_states_of_a_bar_count_in_few_epochs_only() -> None:
    states = "".join(f"{done}/63 [==>...] - ETA: 9s - loss: 0.9\n" for done in (1, 20, 40))
    assert told(read(with_validation(BARS[0], healthy, states)))["loss", "train"] == 12
    assert told(read(states + "63/63 [======] - 5s - loss: 0.5\n"))["loss", "train"] == 4


def test_epochs_that_are_fitted_one_by_one() -> None:
    log = read("".join(f"Epoch 1/1\n{BARS[0].format(63)} - loss: {loss(epoch):.4f}\n" for epoch in range(6)))
    assert told(log) == {("loss", "train"): 6}


def test_a_second_bar_of_each_epoch_is_the_validation() -> None:
    log = read(
        "".join(
            f"Epoch {epoch}/6\n{BARS[0].format(63)} - loss: {loss(epoch):.4f}\n{BARS[0].format(9)} - loss: 0.5\n"
            for epoch in range(1, 7)
        )
    )
    assert told(log) == {("loss", "train"): 6, ("loss", "val"): 6}


def test_a_log_that_begins_behind_a_heading() -> None:
    first = f"{BARS[0].format(63)} - loss: 0.9\n\nEpoch 00002: val_loss did not improve\n"
    rest = "".join(f"Epoch {epoch}/9\n{BARS[0].format(63)} - loss: 0.5\n" for epoch in range(3, 6))
    assert read(first + rest).table.epochs.tolist() == [2, 3, 4, 5]
