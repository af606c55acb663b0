"""Runs that a column tells apart: one is judged; rows of a run each are results; what alternates tells no run."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable

import pytest
from courses import found, grave

from trainctl.engine.diagnosis.logs.facts import LogFacts, read_facts
from trainctl.engine.diagnosis.logs.reading import parse_log

Row = dict[str, str | float]
LATER = range(3, 13)
"""Epochs of an excerpt: none begins where the run before began."""


def read(text: str) -> LogFacts:
    return read_facts(parse_log(text.encode(), "log"))


def run(epochs: Iterable[int], scale: float = 1.0, **names: str | int) -> list[Row]:
    return [
        {**names, "epoch": k, "train_loss": round(scale * 0.9**k, 5), "val_loss": round(scale * (0.1 + 0.92**k), 5)}
        for k in epochs
    ]


def as_json(rows: list[Row]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def as_csv(rows: list[Row]) -> str:
    return "\n".join([",".join(rows[0]), *(",".join(str(value) for value in row.values()) for row in rows)]) + "\n"


@pytest.mark.parametrize("written", [as_json, as_csv])
@pytest.mark.parametrize("name", ["run_id", "run", "run_name", "experiment", "exp_name", "model", "stage", "dataset"])
def test_a_name_tells_runs_apart(written: Callable[[list[Row]], str], name: str) -> None:
    first, second = run(range(5, 21), 0.01, **{name: "small"}), run(LATER, 8.0, **{name: "large"})
    text = written(first + second)
    log = read(text)
    assert log.table.num_rows == len(second)
    assert log.table.notes == (f"2 runs by {name}; the last, rows 17 to 26, is judged",)
    assert not grave(text)


def test_a_run_that_is_too_short_is_passed_over() -> None:
    log = read(as_json(run(range(2, 12), run_id="a") + run(range(1, 4), run_id="b")))
    assert log.table.notes == ("2 runs by run_id; number 1, rows 1 to 10, is judged",)


@pytest.mark.parametrize("again", [10, 8])
def test_a_run_that_is_taken_up_is_the_same_training(again: int) -> None:
    log = read(as_json(run(range(10), run_id="a") + run(range(again, 20), run_id="b")))
    assert log.table.num_rows == 10 + 20 - again
    assert not log.table.notes


def test_folds_are_trainings() -> None:
    log = read(as_csv([row for fold in range(3) for row in run(range(8), fold=fold)]))
    assert log.table.num_rows == 8


@pytest.mark.parametrize("names", [("train", "val"), ("G", "D")])
def test_what_alternates_tells_no_run(names: tuple[str, str]) -> None:
    rows: list[Row] = [{"stage": name, "epoch": k, "loss": 0.9**k} for k in range(10) for name in names]
    assert read(as_json(rows)).table.num_rows == 20


def test_a_row_of_each_run_is_no_course() -> None:
    rates = [0.91, 0.2, 0.88, 0.31, 0.93, 0.22, 0.9, 0.27, 0.92, 0.24]
    rows: list[Row] = [
        {"experiment_name": f"net_{k // 2}_{k % 2}", "seed": k % 2, "val_acc": rate, "loss": 1 - rate}
        for k, rate in enumerate(rates)
    ]
    log = read(as_json(rows))
    assert log.table.notes == ("10 runs by experiment_name, seed, a row each: results, and no course",)
    assert not found(as_json(rows))
    unnamed: list[Row] = [{"dataset": "ab"[k // 5], "seed": k % 5, "loss": 1 - rate} for k, rate in enumerate(rates)]
    assert read(as_csv(unnamed)).table.num_rows == 1


def test_trials_that_are_counted_are_a_course() -> None:
    log = read("trial,reward\n" + "".join(f"{k},{0.5 * k}\n" for k in range(20)))
    assert log.table.num_rows == 20


def test_marks_are_no_figures() -> None:
    rows: list[Row] = [{"epoch": k, "loss": 0.9**k, "config_hash": "1e999", "git_sha": "0498875"} for k in range(6)]
    assert [one.name for one in read(as_json(rows)).series] == ["loss"]
    assert [one.name for one in read(as_csv(rows)).series] == ["loss"]


def test_the_end_of_a_training_that_is_not_shown_is_none_of_the_next() -> None:
    bars = "".join(f"Epoch {k}/5\n - 28s - loss: {9 - 0.1 * k:.4f}\n" for k in range(1, 6))
    log = read(f" - 28s - loss: 4.8816\n{bars}{bars}")
    assert log.table.num_rows == 5
    assert read(f" - 28s - loss: 4.8816\n{bars}Epoch 1/5\n - 28s - loss: 8.9\n").series[0].values[0] == 8.9
