"""Several validation sets and distributions of a task of one's own: measured, monitored by name, recorded, resumed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from present import present
from torch import Tensor, nn
from toy import ToyTask, resolved, run_toy

from trainctl.engine.data.batch import Split, Splits
from trainctl.engine.errors import UserError
from trainctl.engine.runs.events import Event, EventKind
from trainctl.engine.runs.layout import RunPaths
from trainctl.engine.runs.reader import RunReader
from trainctl.engine.runs.summary import read_summary
from trainctl.engine.runs.validated.history import HistogramReader
from trainctl.engine.runs.validated.kept import file_of
from trainctl.engine.tasks.task import Monitor
from trainctl.engine.training.evaluate import chosen_split
from trainctl.engine.training.loop.referee import monitor_of
from trainctl.engine.training.setup import check_splits


def shifted(split: Split, by: float) -> Split:
    return Split({**split.tensors, "x": split.tensors["x"] + by}, labels=split.labels)


class SeveralSets(ToyTask):
    """The toy, looked at in two further places."""

    def load(self) -> Splits:
        splits = super().load()
        return replace(splits, more_val={"near": shifted(splits.val, 0.0), "far away": shifted(splits.val, 50.0)})

    def histograms(self, model: nn.Module, columns: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        return {"hit": columns["hit"], "weights": next(iter(model.parameters()))}


class TooManyNames(SeveralSets):
    def metrics(self, columns: Mapping[str, Tensor]) -> dict[str, float]:
        return {**super().metrics(columns), "near/accuracy": 0.0}


class NoNumbers(SeveralSets):
    def histograms(self, model: nn.Module, columns: Mapping[str, Tensor]) -> Mapping[str, Any]:
        return {"names": ["a", "b"]}


def validations(root: Path) -> list[Event]:
    reader = RunReader(RunPaths(root))
    reader.poll()
    return [event for event in reader.current_events() if event.kind is EventKind.VALIDATION]


def test_each_set_has_its_metrics_and_the_one_that_is_named_decides(tmp_path: Path):
    config = resolved(train={"epochs": 3, "batch_size": 16, "monitor": "far away/accuracy"})
    run_toy(tmp_path / "run", config, task_type=SeveralSets)
    events = validations(tmp_path / "run")
    assert len(events) == 3 and events[-1].data["monitor"] == "far away/accuracy"
    raw = events[-1].data["raw"]
    assert [name for name in raw if name.startswith("near/")] == ["near/loss", "near/ce", "near/size", "near/accuracy"]
    assert all(raw[name] == raw[f"near/{name}"] for name in ("loss", "ce", "accuracy")), "the same samples"
    assert raw["far away/loss"] != raw["loss"]
    summary = present(read_summary(RunPaths(tmp_path / "run")))
    assert present(summary.best).metric == "far away/accuracy" and summary.metrics["near/accuracy"] == raw["accuracy"]


def test_further_sets_change_nothing_of_the_training(tmp_path: Path):
    for name, task in (("one", ToyTask), ("several", SeveralSets)):
        run_toy(tmp_path / name, resolved(), task_type=task)
    one, several = (RunReader(RunPaths(tmp_path / name)) for name in ("one", "several"))
    fields = ["loss", "grad_norm", "scalar.margin"]
    assert (one.steps.stored()[:][fields] == several.steps.stored()[:][fields]).all()


@pytest.mark.parametrize(
    ("monitor", "mode"),
    [("near/accuracy", "max"), ("near/loss", "min"), ("loss", "min"), ("near/size", "max"), ("other", "max")],
)
def test_a_metric_of_a_set_is_better_where_the_metric_is(monitor: str, mode: str):
    config = resolved(train={"monitor": monitor}).config
    assert monitor_of(ToyTask(config), config) == Monitor(monitor, mode)  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("name", ["", "  ", "a/b", "train", "val", "test", "all"])
def test_a_name_that_cannot_stand_before_a_metric_is_refused(name: str):
    splits = ToyTask(resolved().config).load()
    with pytest.raises(UserError, match="validation set"):
        check_splits(replace(splits, more_val={name: splits.val}))
    with pytest.raises(UserError, match="the odd split is empty"):
        check_splits(replace(splits, more_val={"odd": Split({"x": torch.zeros(0, 8)})}))


def test_two_metrics_of_one_name_are_refused_in_a_line(tmp_path: Path):
    with pytest.raises(UserError, match="two metrics are called near/accuracy"):
        run_toy(tmp_path / "run", resolved(), task_type=TooManyNames)


def test_a_set_can_be_evaluated_by_its_name():
    splits = SeveralSets(resolved().config).load()
    assert chosen_split(splits, "near") is splits.more_val["near"]
    with pytest.raises(UserError, match="no such part"):
        chosen_split(splits, "nearer")


def test_distributions_are_kept_for_each_validation_and_a_resume_takes_them_back(tmp_path: Path):
    paths = RunPaths(tmp_path / "run")
    run_toy(paths.root, resolved(train={"epochs": 4, "batch_size": 16, "max_steps": 12}), task_type=SeveralSets)
    before = HistogramReader(paths.histograms)
    before.poll()
    steps = [event.step for event in validations(paths.root)]
    assert list(before.found) == steps and set(before.found[steps[0]]) == {"hit", "weights"}
    assert before.found[steps[0]]["weights"].num_values == 8 * 16
    assert before.found[steps[-1]]["hit"].counts.sum() == 30
    late = file_of(paths.histograms, 999)
    late.write_bytes(b"of a sitting that was killed after its checkpoint")
    longer = resolved(train={"epochs": 4, "batch_size": 16, "max_steps": 18})
    run_toy(paths.root, longer, task_type=SeveralSets, resume=True)
    assert not late.exists() and file_of(paths.histograms, 18).exists()


def test_what_is_no_tensor_of_numbers_is_a_mistake_that_says_so(tmp_path: Path):
    ending = run_toy(tmp_path / "run", resolved(), task_type=NoNumbers)
    assert "histograms: 'names' is a list, not a tensor of numbers" in ending.reason
