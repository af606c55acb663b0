"""What a path holds: every kind of source, several trainings in one place, settings beside them."""

from __future__ import annotations

import json
import math
import os
import shutil
import sqlite3
from pathlib import Path

import pytest
from foreign_files import REAL, course, write_csv, write_events, write_mlflow, write_mlruns, write_trackio, write_wandb

from trainctl.engine.diagnosis.logs.table import LogTable
from trainctl.engine.errors import UserError
from trainctl.engine.importing.foreign import Foreign
from trainctl.engine.importing.found import find_sources
from trainctl.engine.runs.states import RunState


def read(path: Path) -> Foreign:
    (source,) = find_sources(path)
    return source.read()


def names(path: Path) -> list[str]:
    return [source.name for source in find_sources(path)]


def series(table: LogTable) -> dict[str, list[float]]:
    return {column.full_name: column.values.tolist() for column in table.columns}


SETTINGS = {"lr": 1e-3, "layers": [1, 2]}
TAGS = {"train/loss", "lr", "grad_norm", "val/loss", "val/acc"}


# --- TensorBoard ----------------------------------------------------------------------------------------------


def test_event_folders_of_a_grid_are_trainings_named_by_their_place(tmp_path: Path) -> None:
    for lr in ("0.1", "0.01"):
        for seed in (1, 2):
            write_events(tmp_path / f"lr-{lr}" / f"seed-{seed}" / "events.out.tfevents.1.host", course(20))
    assert names(tmp_path) == ["lr-0.01/seed-1", "lr-0.01/seed-2", "lr-0.1/seed-1", "lr-0.1/seed-2"]
    assert set(series(find_sources(tmp_path)[0].read().table)) == TAGS


def test_train_and_validation_below_each_of_several_trainings(tmp_path: Path) -> None:
    rows = [{"step": k, "epoch_loss": 1 / (k + 1)} for k in range(5)]
    for run in ("first", "second"):
        write_events(tmp_path / run / "train" / "events.out.tfevents.1.host", rows)
        write_events(tmp_path / run / "validation" / "events.out.tfevents.1.host", rows)
    assert names(tmp_path) == ["first", "second"]
    table = find_sources(tmp_path)[0].read().table
    assert set(series(table)) == {"epoch_loss (train)", "epoch_loss (val)"}


def test_a_folder_of_one_chart_is_a_part_of_the_training_above_it(tmp_path: Path) -> None:
    write_events(tmp_path / "events.out.tfevents.1.host", [{"step": 0, "lr": 1.0}])
    write_events(tmp_path / "Loss_train" / "events.out.tfevents.1.host", [{"step": 0, "Loss": 1.0}])
    write_events(tmp_path / "Loss_val" / "events.out.tfevents.1.host", [{"step": 0, "Loss": 2.0}])
    assert set(series(read(tmp_path).table)) == {"lr", "Loss_train/Loss (train)", "Loss_val/Loss (val)"}


def test_a_training_that_was_resumed_goes_on_in_a_second_file(tmp_path: Path) -> None:
    write_events(tmp_path / "events.out.tfevents.1.host", [{"step": k, "loss": 1.0} for k in range(10)])
    write_events(tmp_path / "events.out.tfevents.2.host", [{"step": k, "loss": 2.0} for k in range(5, 12)])
    table = read(tmp_path).table
    assert table.steps.tolist() == list(range(12))
    assert series(table)["loss"] == [1.0] * 5 + [2.0] * 7


def test_a_test_at_the_end_in_a_file_of_its_own_takes_nothing_back(tmp_path: Path) -> None:
    write_events(tmp_path / "events.out.tfevents.1.host", [{"step": k, "loss": 1.0} for k in range(10)])
    write_events(tmp_path / "events.out.tfevents.2.host", [{"step": 5, "test_acc": 0.5}])
    assert read(tmp_path).table.num_rows == 10


def test_a_real_event_folder_with_settings_pictures_and_histograms() -> None:
    foreign = read(REAL / "tensorboard")
    assert foreign.config == {"seed": 3, "optim": "adamw", "lr": 0.001, "name": "adam", "bias": True}
    assert foreign.table.steps.tolist() == list(range(0, 120, 10))
    assert foreign.table.times is not None
    assert foreign.table.times[:2].tolist() == [1.7e9, 1.7e9 + 1]
    told = series(foreign.table)
    assert told["train/loss"][0] == pytest.approx(1.1)
    assert len(told["val/loss"]) == 3
    assert "hp/hparam/acc" in told


# --- MLflow ---------------------------------------------------------------------------------------------------


def test_a_store_of_mlflow_files(tmp_path: Path) -> None:
    store = tmp_path / "mlruns"
    run = write_mlruns(store, course(30), params={"lr": "0.001", "opt/name": "adam", "amp": "True"}, status=4)
    foreign = read(store)
    assert (foreign.name, foreign.tool, foreign.state) == ("clever-fox", "mlflow", RunState.FAILED)
    assert foreign.config == {"amp": True, "lr": 0.001, "opt/name": "adam"}
    assert (foreign.started, foreign.ended) == (1.7e9, 1.70000009e9)
    assert set(series(foreign.table)) == TAGS
    assert names(store / "1") == names(run) == ["clever-fox"]


def test_experiments_of_mlflow_are_told_apart(tmp_path: Path) -> None:
    write_mlruns(tmp_path, course(5))
    other = tmp_path / "2"
    shutil.copytree(tmp_path / "1", other)
    (other / "meta.yaml").write_text("experiment_id: '2'\nname: second\n")
    assert names(tmp_path) == ["demo/clever-fox", "second/clever-fox"]


def test_a_line_that_is_still_written_waits(tmp_path: Path) -> None:
    run = write_mlruns(tmp_path, [{"step": 0, "loss": 1.0}, {"step": 1, "loss": 2.0}])
    with (run / "metrics" / "loss").open("a") as file:
        file.write("1700000009000 3.14")
    assert series(read(tmp_path).table)["loss"] == [1.0, 2.0]


def test_a_database_of_mlflow(tmp_path: Path) -> None:
    odd = [{"step": 0, "loss": math.nan}, {"step": 1, "loss": math.inf}, {"step": 2, "loss": 1.0, "system/cpu": 5.0}]
    path = write_mlflow(tmp_path / "mlflow.db", {"one": course(30), "two": odd}, {"lr": "1e-3"})
    first, second = (source.read() for source in find_sources(path))
    assert (first.name, first.config, first.state) == ("one", {"lr": 0.001}, RunState.FINISHED)
    assert set(series(first.table)) == TAGS
    assert str(series(second.table)) == str({"loss": [math.nan, math.inf, 1.0]})


# --- trackio --------------------------------------------------------------------------------------------------


def test_a_project_of_trackio(tmp_path: Path) -> None:
    path = write_trackio(
        tmp_path / "demo.db", {"first": course(30), "second": course(10)}, {"lr": 1e-3, "layers": [1, 2]}
    )
    first, second = (source.read() for source in find_sources(path))
    assert (first.name, first.tool, first.config) == ("first", "trackio", SETTINGS)
    assert set(series(first.table)) == TAGS
    assert second.table.num_rows == 10
    assert names(tmp_path) == ["first", "second"]


def test_figures_that_json_has_no_number_for(tmp_path: Path) -> None:
    path = write_trackio(tmp_path / "demo.db", {"r": [{"step": 0, "loss": math.nan}, {"step": 1, "loss": 1.0}]})
    connection = sqlite3.connect(path)
    connection.execute(
        "INSERT INTO metrics (run_id, timestamp, run_name, step, metrics) VALUES ('rr', 'soon', 'r', 2, ?)",
        (json.dumps({"loss": "-Infinity", "text": "hello", "table": {"_type": "x", "n": 3}, "flag": True}),),
    )
    connection.commit()
    connection.close()
    told = series(read(path).table)
    assert str(told["loss"]) == str([math.nan, 1.0, -math.inf])
    assert set(told) == {"loss", "table/n"}


# --- W&B ------------------------------------------------------------------------------------------------------


def test_a_real_file_of_wandb() -> None:
    foreign = read(REAL / "first.wandb")
    assert (foreign.name, foreign.tool, foreign.state) == ("first", "wandb", RunState.FINISHED)
    assert foreign.config == {"lr": 0.001, "opt": {"name": "adam"}, "seed": 0}
    told = series(foreign.table)
    assert foreign.table.steps.tolist() == list(range(13))
    assert told["train/loss"] == pytest.approx([round(math.exp(-k / 5) + 0.1, 4) for k in range(12)])
    assert len(told["val/acc"]) == 3
    assert math.isnan(told["odd"][0])
    assert told["inf"] == [math.inf]
    assert told["nested/a"] == [1.0]
    assert "txt" not in told


def test_a_folder_of_wandb_and_one_of_which_only_the_summary_is_left(tmp_path: Path) -> None:
    home = tmp_path / "wandb" / "offline-run-1"
    (home / "files").mkdir(parents=True)
    shutil.copy(REAL / "first.wandb", home / "run-first.wandb")
    assert names(tmp_path / "wandb") == ["first"]
    alone = tmp_path / "run-2" / "files"
    alone.mkdir(parents=True)
    (alone / "wandb-summary.json").write_text(json.dumps({"_step": 99, "loss": 0.5, "_wandb": {}, "name": "x"}))
    (alone / "config.yaml").write_text("lr:\n  value: 0.1\nwandb_version: 1\n")
    foreign = read(alone)
    assert (foreign.name, foreign.config, series(foreign.table)) == ("run-2", {"lr": 0.1}, {"loss": [0.5]})
    assert foreign.notes


def test_the_optimisers_steps_go_before_the_calls_that_logged(tmp_path: Path) -> None:
    rows = [{"step": k, "trainer/global_step": 50 * k, "loss": 1.0} for k in range(9)]
    table = read(write_wandb(tmp_path / "run-a.wandb", rows)).table
    assert table.steps.tolist() == [50 * k for k in range(9)]
    assert set(series(table)) == {"loss"}


@pytest.mark.parametrize(("code", "state"), [(0, RunState.FINISHED), (1, RunState.FAILED), (None, RunState.RUNNING)])
def test_how_a_run_of_wandb_ended(tmp_path: Path, code: int | None, state: RunState) -> None:
    path = write_wandb(tmp_path / "run-a.wandb", course(5), code)
    assert read(path).state is state


def test_entries_that_span_blocks(tmp_path: Path) -> None:
    rows = [{"step": k, "loss": float(k), **{f"scalar/{n}": 0.5 for n in range(200)}} for k in range(20)]
    path = write_wandb(tmp_path / "run-a.wandb", rows)
    assert path.stat().st_size > 2 * 32768
    assert series(read(path).table)["loss"] == [float(k) for k in range(20)]


# --- logs in folders ------------------------------------------------------------------------------------------


def test_the_newest_trainer_state_of_hugging_face(tmp_path: Path) -> None:
    for step in (5, 10, 100):
        folder = tmp_path / f"checkpoint-{step}"
        folder.mkdir()
        log = [{"step": k, "epoch": k / 50, "loss": 1 / k, "learning_rate": 0.1} for k in range(1, step)]
        state = {"log_history": log, "train_batch_size": 8, "num_train_epochs": 2}
        (folder / "trainer_state.json").write_text(json.dumps(state))
    (source,) = find_sources(tmp_path)
    foreign = source.read()
    assert (source.name, foreign.tool, foreign.table.num_rows) == (tmp_path.name, "transformers", 99)
    assert foreign.config == {"train_batch_size": 8, "num_train_epochs": 2}


def test_logs_of_lightning_with_their_hyperparameters(tmp_path: Path) -> None:
    for version in (0, 1):
        folder = tmp_path / "lightning_logs" / f"version_{version}"
        folder.mkdir(parents=True)
        rows = [{"epoch": 0, "step": 49 + 50 * k, "train_loss": 1 / (k + 1)} for k in range(5)]
        write_csv(folder / "metrics.csv", rows)
        (folder / "hparams.yaml").write_text(f"lr: 0.1\nversion: {version}\n")
    sources = find_sources(tmp_path)
    assert [source.name for source in sources] == ["lightning_logs/version_0", "lightning_logs/version_1"]
    foreign = sources[1].read()
    assert (foreign.tool, foreign.config) == ("lightning", {"lr": 0.1, "version": 1})


def test_hyperparameters_that_would_run_code_are_left_alone(tmp_path: Path) -> None:
    write_csv(tmp_path / "metrics.csv", [{"epoch": 0, "step": k, "train_loss": 1.0} for k in range(5)])
    flag = tmp_path / "flag"
    (tmp_path / "hparams.yaml").write_text(f"x: !!python/object/apply:os.system ['touch {flag}']\n")
    assert read(tmp_path).config == {}
    assert not flag.exists()


@pytest.mark.parametrize("make", ["empty", "words"])
def test_a_folder_without_a_log_is_refused_in_a_line(tmp_path: Path, make: str) -> None:
    if make == "words":
        (tmp_path / "notes.md").write_text("nothing")
    with pytest.raises(UserError, match="holds no log of a training"):
        find_sources(tmp_path)


def test_what_is_not_there_and_what_is_a_run_already(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such file or folder"):
        find_sources(tmp_path / "nowhere")
    (tmp_path / "meta.json").write_text("{}")
    with pytest.raises(UserError, match="is a run already"):
        find_sources(tmp_path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_file_that_may_not_be_read(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "log.csv", course(5))
    path.chmod(0)
    with pytest.raises(UserError, match="cannot be read"):
        read(path)
