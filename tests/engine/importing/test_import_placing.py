"""Where the rows of a log lie in the training: steps, epochs, resumes, and what belongs to which step."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainctl.engine.diagnosis.logs.reading import parse_log
from trainctl.engine.diagnosis.logs.table import LogTable
from trainctl.engine.importing.placing import joined, placed


def table_of(steps: list[float], epochs: list[float] | None = None, unit: str = "step") -> LogTable:
    told = [np.nan] * len(steps) if epochs is None else epochs
    return LogTable("log", "CSV", len(steps), (), np.array(steps, float), np.array(told, float), step_unit=unit)


def rows(count: int) -> np.ndarray:
    return np.arange(count)


def test_steps_are_those_of_the_log() -> None:
    places = placed(table_of([0, 50, 100]), rows(3))
    assert (places.steps.tolist(), places.unit, places.num_taken_back) == ([0, 50, 100], "step", 0)


def test_a_row_for_each_epoch_counts_epochs() -> None:
    places = placed(table_of([np.nan] * 3, [0, 1, 2]), rows(3))
    assert (places.steps.tolist(), places.epochs.tolist(), places.unit) == ([1, 2, 3], [1, 2, 3], "epoch")


def test_without_any_counter_rows_are_counted() -> None:
    places = placed(table_of([np.nan] * 4), np.array([1, 3]))
    assert (places.steps.tolist(), places.unit, places.epochs.tolist()) == ([1, 2], "row", [0, 0])


def test_parts_of_epochs_belong_to_the_epoch_they_are_in() -> None:
    places = placed(table_of([10, 20, 30, 40], [0.5, 1.0, 1.5, 2.0]), rows(4))
    assert places.epochs.tolist() == [1, 1, 2, 2]


def test_batches_that_begin_anew_in_each_epoch_go_on() -> None:
    places = placed(table_of([0, 10, 20, 0, 10, 20], [1, 1, 1, 2, 2, 2], "batch"), rows(6))
    assert places.steps.tolist() == [0, 10, 20, 30, 40, 50]
    assert places.steps_per_epoch == 30


def test_batches_without_epochs_begin_one_where_they_fall() -> None:
    places = placed(table_of([1, 2, 3, 1, 2, 3], unit="batch"), rows(6))
    assert (places.steps.tolist(), places.epochs.tolist()) == ([1, 2, 3, 4, 5, 6], [1, 1, 1, 2, 2, 2])


def test_a_resume_takes_back_what_came_after_its_step() -> None:
    places = placed(table_of([10, 20, 30, 40, 30, 40, 50]), rows(7))
    assert places.steps.tolist() == [10, 20, 30, 40, 50]
    assert places.rows.tolist() == [0, 1, 4, 5, 6]
    assert places.num_taken_back == 2


def test_a_second_training_in_the_same_file_replaces_the_first() -> None:
    places = placed(table_of([1, 2, 3, 1, 2]), rows(5))
    assert (places.rows.tolist(), places.num_taken_back) == ([3, 4], 3)


def test_one_stray_row_at_the_end_replaces_nothing() -> None:
    places = placed(table_of([*range(100), 0]), rows(101))
    assert places.steps.tolist() == list(range(100))


def test_what_is_measured_between_lies_at_its_own_step_or_the_one_before() -> None:
    table = table_of([0, 10, 15, 20, np.nan, 30])
    places = placed(table, np.array([0, 1, 3, 5]))
    stands, steps, _ = places.of(np.array([2, 4]))
    assert (stands.tolist(), steps.tolist()) == ([True, True], [15, 20])


def test_what_was_measured_before_a_resume_is_taken_back_with_it() -> None:
    table = table_of([10, 20, 20, 10, 10, 20])
    places = placed(table, np.array([0, 1, 3, 5]))
    stands, steps, _ = places.of(np.array([2, 4]))
    assert (stands.tolist(), steps.tolist()) == ([False, True], [20, 10])


@pytest.mark.parametrize("step", [2.0**32, 1e30, -5.0, 0.5])
def test_counters_that_no_record_can_hold_are_none(step: float) -> None:
    places = placed(table_of([step, step + 1, step + 2]), rows(3))
    assert (places.steps.tolist(), places.unit) == ([1, 2, 3], "row")


def test_rows_of_one_step_are_one_row_unless_a_name_would_be_twice() -> None:
    text = "step,epoch,lr,train_loss,val_loss\n10,0,0.1,,\n10,0,,2.0,\n10,0,,,3.0\n20,0,,1.0,\n20,0,,1.5,\n"
    table = joined(parse_log(text.encode(), "log"))
    assert table.steps.tolist() == [10, 20, 20]
    assert {column.name: column.rows.tolist() for column in table.columns} == {
        "lr": [0],
        "train_loss": [0, 1, 2],
        "val_loss": [0],
    }


@given(
    steps=st.lists(st.one_of(st.integers(-3, 60), st.floats(allow_nan=True, allow_infinity=True)), max_size=40),
    epochs=st.data(),
    unit=st.sampled_from(["step", "batch", "iteration", "second", "sample"]),
)
def test_whatever_a_log_counts_the_steps_rise(steps: list[float], epochs: st.DataObject, unit: str) -> None:
    told = epochs.draw(st.lists(st.floats(allow_nan=True, width=32), min_size=len(steps), max_size=len(steps)))
    table = table_of(list(map(float, steps)), told, unit)
    places = placed(table, rows(len(steps)))
    assert (np.diff(places.steps) > 0).all()
    assert (np.diff(places.epochs) >= 0).all()
    assert (places.steps >= 0).all()
    stands, at, of = places.of(rows(len(steps)))
    assert len(stands) == len(at) == len(of) == len(steps)
    assert (np.isin(places.rows, np.flatnonzero(stands))).all()
