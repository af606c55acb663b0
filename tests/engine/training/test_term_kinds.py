"""A term says what it is by its name or by declaration; labels are given once."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import pytest
import torch
from torch import nn
from toy import ToyTask, reader_of, resolved, run_toy

from trainctl.engine.data.batch import Batch, Split, Splits
from trainctl.engine.diagnosis.probes.contrast import measure_contrast
from trainctl.engine.diagnosis.probes.expected import expected_losses
from trainctl.engine.errors import UserError
from trainctl.engine.runs.record import RecordLayout
from trainctl.engine.runs.term_kinds import TermKind, kinds_of
from trainctl.engine.tasks.task import StepOutput


class Declared(ToyTask):
    kinds: ClassVar[Mapping[str, TermKind]] = {"ce": "cross_entropy", "size": "supcon"}


class Misspelt(ToyTask):
    kinds: ClassVar[Mapping[str, TermKind]] = {"cee": "cross_entropy"}


def test_a_declared_kind_comes_before_what_the_name_says() -> None:
    assert kinds_of(("supcon", "mine", "other"), {"supcon": "cross_entropy", "mine": "supcon"}) == {
        "supcon": "cross_entropy",
        "mine": "supcon",
    }


def test_the_kind_of_a_term_is_in_the_records(tmp_path: Path) -> None:
    run_toy(tmp_path / "run", resolved(), task_type=Declared)
    layout = reader_of(tmp_path / "run").steps.layout
    assert layout is not None
    assert layout.kinds == Declared.kinds
    assert RecordLayout.from_json(layout.to_json()) == layout


def test_records_of_others_may_say_anything_of_kinds() -> None:
    layout = RecordLayout(("a",))
    for said in ([], "x", {"a": 3}, {"a": "unheard of"}, {3: "supcon"}):
        assert RecordLayout.from_json(layout.to_json() | {"kinds": said}).kinds == {}


def test_a_kind_of_no_term_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"Misspelt.kinds: no loss term 'cee'; this task has: ce, size"):
        run_toy(tmp_path / "run", resolved(), task_type=Misspelt)


def test_rules_know_what_a_declared_term_is_worth() -> None:
    class Mine(ToyTask):
        kinds: ClassVar[Mapping[str, TermKind]] = {"mine": "cross_entropy"}

    task = Mine(resolved().config)
    expected = expected_losses(task, task.load(), ("mine", "unknown"))
    assert list(expected) == ["mine"]
    assert expected["mine"].value == pytest.approx(math.log(3))


def test_a_declared_contrastive_term_is_measured() -> None:
    embeddings = torch.randn(6, 4)
    output = StepOutput({"mine": torch.tensor(1.5)}, {"z": embeddings})
    batch = {"x": embeddings, "labels": torch.tensor([0, 0, 1, 1, 2, 2])}
    assert measure_contrast(batch, output, {}) is None
    facts = measure_contrast(batch, output, {"mine": "supcon"})
    assert facts is not None
    assert facts.loss - facts.gap == pytest.approx(math.log(5))


class LabelsOnce(ToyTask):
    """Gives labels to the split and reads them from the batch."""

    def load(self) -> Splits:
        splits = super().load()
        train, val = (Split({"x": split.tensors["x"]}, labels=split.labels) for split in (splits.train, splits.val))
        return Splits(train, val, splits.classes)

    def step(self, model: nn.Module, batch: Batch) -> StepOutput:
        return super().step(model, {"x": batch["x"], "y": batch["labels"]})


class LabelsInTensors(LabelsOnce):
    """The other way: they are among the tensors, and the recorder counts them."""

    def load(self) -> Splits:
        splits = super().load()
        return Splits(Split(dict(splits.train.tensors)), Split(dict(splits.val.tensors)), splits.classes)


def test_labels_given_once_suffice(tmp_path: Path) -> None:
    for task_type in (ToyTask, LabelsOnce, LabelsInTensors):
        run_toy(tmp_path / task_type.__name__, resolved(), task_type=task_type)
    one, *others = (reader_of(tmp_path / kind.__name__).steps.all() for kind in (ToyTask, LabelsOnce, LabelsInTensors))
    for other in others:
        assert (one["classes"] == other["classes"]).all()
        assert (one["loss"] == other["loss"]).all()
    assert one["classes"].sum() > 0


def test_labels_that_are_there_under_another_name_are_not_stored_twice() -> None:
    y = torch.arange(4)
    assert set(Split({"x": torch.ones(4, 2), "y": y}, labels=y).tensors) == {"x", "y"}
    assert Split({}, labels=y).tensors == {}
    assert Split({"labels": torch.ones(4, 2)}).labels is None  # no classes: one row each, floats
