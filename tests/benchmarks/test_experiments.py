"""Experiments are read from run directories and told in tables as they are; nothing is trained here."""

from __future__ import annotations

import math
import xml.etree.ElementTree as ET
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.experiments import __main__ as command_line
from benchmarks.experiments import diagnoses, plots, runs, tables, weld_tables
from benchmarks.experiments import weld_cases as weld
from benchmarks.experiments.look_alikes import OneClassBatches, SingleClassSampler
from benchmarks.experiments.runs import Experiment
from trainctl.engine.data.batch import Split
from trainctl.engine.errors import UserError
from trainctl.engine.runs.events import EventKind, EventWriter
from trainctl.engine.runs.layout import RunPaths
from trainctl.engine.runs.record import RecordLayout
from trainctl.engine.runs.states import RunState
from trainctl.engine.runs.store import StepWriter
from trainctl.engine.runs.summary import Summary, write_summary
from trainctl.engine.tasks.configured import resolve
from trainctl.engine.tasks.weld.config import WeldConfig

NEAR = Experiment("near", "weld/batch-32", ("loss.temperature=0.2",))
LAYOUT = RecordLayout(terms=("supcon",), groups=(), classes=(), scalars=("mean_cosine",))


def recorded(
    root: Path, seed: int, *, state: RunState = RunState.FINISHED, name: str = "20260101-000000-x"
) -> RunPaths:
    """A run of two epochs of two steps, as the experiment `near` would leave it."""
    paths = RunPaths(runs.folder_of(root, NEAR, seed) / name)
    paths.root.mkdir(parents=True)
    resolved = resolve(NEAR.preset, scale="small", overrides=NEAR.words(seed))
    paths.config.write_text(resolved.to_yaml(), encoding="utf-8")
    rows = np.zeros(4, LAYOUT.dtype)
    rows["step"], rows["epoch"] = [1, 2, 3, 4], [1, 1, 2, 2]
    rows["scalar.mean_cosine"] = [0.5, 0.7, 0.2, 0.4]
    writer = StepWriter(paths, LAYOUT)
    writer.append(rows)
    writer.close()
    events = EventWriter(paths)
    for epoch, loss in ((1, 3.0), (2, 2.0 + seed)):
        events.append(EventKind.EPOCH, 2 * epoch, epoch=epoch, train={"loss": loss, "supcon": loss})
        metrics = {"knn_accuracy": epoch / 4, "loss": loss}
        events.append(EventKind.VALIDATION, 2 * epoch, epoch=epoch, raw=metrics, ema={"knn_accuracy": 1.0}, best=True)
    metrics = {"knn_accuracy": 0.5}
    told: dict[str, Any] = {"checkpoint": "best_model.pth", "exit_reason": "all epochs done"}
    write_summary(paths, Summary(state, 4, 2, 1.0, 1.0, metrics, **told))
    return paths


def test_curves_are_by_epoch_and_of_the_weights_asked_for(tmp_path: Path) -> None:
    recorded(tmp_path, 1)
    run = runs.find(tmp_path, NEAR, 1)
    assert run is not None
    assert run.train() == {1: 3.0, 2: 3.0} == run.validation("loss")
    assert run.validation("knn_accuracy") == {1: 0.25, 2: 0.5}
    assert run.validation("knn_accuracy", "ema") == {1: 1.0, 2: 1.0}
    assert run.by_epoch("scalar.mean_cosine") == pytest.approx({1: 0.6, 2: 0.3})
    assert runs.last(run.by_epoch("scalar.mean_cosine")) == pytest.approx(0.3)


@pytest.mark.parametrize("state", [RunState.FAILED, RunState.STOPPED, RunState.PREEMPTED])
def test_a_run_that_did_not_finish_does_not_count(tmp_path: Path, state: RunState) -> None:
    recorded(tmp_path, 1, state=state)
    assert runs.find(tmp_path, NEAR, 1) is None


def test_of_two_finished_runs_the_newer_one_counts(tmp_path: Path) -> None:
    recorded(tmp_path, 1)
    newer = recorded(tmp_path, 1, name="20260102-000000-x")
    run = runs.find(tmp_path, NEAR, 1)
    assert run is not None and run.paths == newer


def test_a_run_of_another_configuration_is_not_taken_for_the_experiment(tmp_path: Path) -> None:
    recorded(tmp_path, 1)
    assert runs.find(tmp_path, Experiment("near", NEAR.preset, ("loss.temperature=0.1",)), 1) is None
    runs.folder_of(tmp_path, NEAR, 1).rename(tmp_path / NEAR.name / "seed-2")
    assert runs.find(tmp_path, NEAR, 2) is None


def test_what_has_finished_is_not_trained_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trained: list[tuple[str, int]] = []

    def train_one(experiment: Experiment, seed: int, root: Path) -> str:
        trained.append((experiment.name, seed))
        return ""

    monkeypatch.setattr(runs, "train_one", train_one)
    recorded(tmp_path, 1)
    assert runs.train_all([(NEAR, 1), (NEAR, 2)], tmp_path, workers=2) == 1
    assert trained == [("near", 2)]


def test_a_missing_seed_is_named(tmp_path: Path) -> None:
    recorded(tmp_path, 1)
    with pytest.raises(UserError, match=r"near has no finished run of seeds \[2, 5\]"):
        runs.found(tmp_path, NEAR, [1, 2, 5])


def test_a_training_that_fails_names_the_file_with_its_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "TRAINCTL", "no_such_module_at_all")
    with pytest.raises(RuntimeError, match=r"near with seed 3 ended with 1: see .*output\.txt"):
        runs.train_one(NEAR, 3, tmp_path)
    assert "no_such_module_at_all" in (runs.folder_of(tmp_path, NEAR, 3) / runs.OUTPUT).read_text()


def test_a_training_has_one_thread_and_none_of_the_users_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRAINCTL__TRAIN__EPOCHS", "1")
    assert not [key for key in runs.environment() if key.startswith("TRAINCTL")]
    assert runs.environment()["OMP_NUM_THREADS"] == "1"
    config = NEAR.config(7)
    assert (config.seed, config.runtime.threads, config.runtime.device) == (7, 1, "cpu")


@given(st.lists(st.floats(-100, 100), min_size=1, max_size=6))
def test_a_spread_holds_its_figures(figures: list[float]) -> None:
    found = tables.spread(figures)
    assert found.low <= found.mean + 1e-9 and found.mean <= found.high + 1e-9
    assert {found.low, found.high} <= set(figures)


def test_a_spread_is_printed_with_its_ends_where_they_differ() -> None:
    assert tables.spread([0.5, 0.7, 0.6]).text(2) == "0.60 (0.50 - 0.70)"
    assert tables.spread([2.70811, 2.70812]).text(4) == "2.7081"
    assert tables.spread([1.0, math.nan]).text(1) == "not a number"
    with pytest.raises(ValueError, match="no figures"):
        tables.spread([])


def test_a_band_has_the_epochs_that_all_seeds_have() -> None:
    found = tables.band([{1: 1.0, 2: 2.0, 3: 9.0}, {2: 4.0, 1: 1.0}])
    assert list(found) == [1, 2]
    assert (found[2].mean, found[2].low, found[2].high) == (3.0, 2.0, 4.0)
    assert tables.band([]) == {}


def test_a_table_refuses_a_row_that_does_not_fit() -> None:
    assert tables.markdown(["a", "b"], [["1", "2"]]).splitlines() == ["| a | b |", "|---|---|", "| 1 | 2 |"]
    with pytest.raises(ValueError, match="1 cells under 2 titles"):
        tables.markdown(["a", "b"], [["1"]])


def test_the_primary_cause_is_read_and_the_rest_kept_apart() -> None:
    cause = {"code": "D103", "primary": True, "severity": "error", "ruled_out": ["K402 positives"], "why": "one class"}
    follows = {"code": "D101", "primary": False}
    found = diagnoses.read({"verdict": "error", "findings": [follows, cause]})
    assert (found.primary, found.severity, found.others) == ("D103", "error", ("D101",))
    assert diagnoses.read({"verdict": "clean", "findings": []}).primary == ""


@pytest.mark.slow
def test_every_experiment_of_the_welds_can_be_started_and_has_a_name_of_its_own() -> None:
    jobs = weld.jobs([42, 1])
    names = {experiment.name for experiment, _ in jobs}
    assert len(jobs) == len(set(jobs))
    assert len(names) == len({*weld.FLOOR, *weld.CHANGES, *weld.LOOK_ALIKES, *weld.CANDIDATES})
    for experiment, seed in jobs:
        assert experiment.config(seed).seed == seed


def test_no_seed_that_chose_is_reported() -> None:
    assert not {42, 1, 2} & set(weld.SELECTION_SEEDS)


def test_the_planted_sampler_gives_batches_of_one_class_and_every_sample_once() -> None:
    labels = torch.arange(96) % 12
    batches = OneClassBatches(labels, 4, seed=3).batches(0)
    assert len(batches) == len(OneClassBatches(labels, 4, 3)) == 24
    assert all(len(labels[rows].unique()) == 1 for rows in batches)
    assert sorted(torch.cat(batches).tolist()) == list(range(96))


def test_the_task_with_the_planted_sampler_draws_batches_of_the_configured_size() -> None:
    config = resolve("weld/batch-32").config
    assert isinstance(config, WeldConfig)
    split = Split({}, torch.arange(96) % 2)
    assert [len(rows) for rows in SingleClassSampler(config).sampler(split).batches(0)] == [32, 32]


def test_the_planned_learning_rates_stand_beside_the_promised() -> None:
    rows = [line.split(" | ") for line in weld_tables.plan().splitlines() if line.startswith("| ")]
    planned = {row[0].removeprefix("| "): row[2].removesuffix(" |") for row in rows[1:]}
    assert [planned[epoch] for epoch in ("1", "5", "10", "50")] == ["1e-07", "4.45e-05", "0.0001", "1e-06"]


def test_only_a_known_experiment_can_be_asked_for() -> None:
    with pytest.raises(SystemExit, match="no experiment strange; there are batch-32, candidate"):
        command_line.main(["weld", "--only", "strange"])


def test_a_summary_has_a_row_for_each_experiment(tmp_path: Path) -> None:
    recorded(tmp_path, 1)
    recorded(tmp_path, 2)
    table = command_line.summary([(NEAR, 1), (NEAR, 2)], tmp_path)
    assert table.splitlines()[-1] == "| near | 2 | 3.500 (3.000 - 4.000) | 0.500 |"


@pytest.mark.skipif(find_spec("matplotlib") is None, reason="needs the extra `docs`")
def test_the_same_figures_are_the_same_file(tmp_path: Path) -> None:
    line = plots.Line("three seeds", [{1: 1.0, 2: 2.0}, {1: 2.0, 2: 3.0}])
    plot = plots.Plot("title", "loss", [line, plots.Line("promised", [{2: 1.0}], dashed=True)], {"chance": 0.5})
    for name in ("one.svg", "two.svg"):
        plots.draw([plot, plot], tmp_path / name)
    text = (tmp_path / "one.svg").read_text()
    assert text == (tmp_path / "two.svg").read_text()
    assert "date" not in text and {"three seeds", "promised", "chance"} <= set(ET.fromstring(text).itertext())
