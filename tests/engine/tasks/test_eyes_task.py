"""The eyes task: what a batch becomes, how the loss and the probability belong together, names and errors."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch

from trainctl.engine.data.batch import Split, Splits
from trainctl.engine.errors import UserError
from trainctl.engine.losses.bce import bce
from trainctl.engine.losses.focal import focal
from trainctl.engine.tasks.eyes.config import EyesConfig
from trainctl.engine.tasks.eyes.task import EyesTask, auto_pos_weight
from trainctl.engine.tasks.registry import task_type

IMAGE_SIZE = (16, 24)


def split_of(labels: list[int]) -> Split:
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (len(labels), 3, *IMAGE_SIZE), dtype=torch.uint8, generator=generator)
    return Split({"images": images, "labels": torch.tensor(labels)}, torch.tensor(labels))


def task_with(loss: dict[str, Any] | None = None, **model: Any) -> EyesTask:
    model = {"base_channels": 4, "num_blocks": 2, **model}
    data = {"image_size": list(IMAGE_SIZE), "samples": 200}
    return EyesTask(EyesConfig.model_validate({"model": model, "loss": loss or {}, "data": data}))


def test_the_registry_finds_it() -> None:
    assert task_type("eyes") is EyesTask
    assert (EyesTask.monitor.metric, EyesTask.monitor.mode) == ("f1", "max")


def test_prepared_images_are_float_between_0_and_1() -> None:
    batch = dict(split_of([0, 1, 1]).tensors)
    prepared = task_with().prepare(batch)
    torch.testing.assert_close(prepared["images"], batch["images"].float() / 255)
    assert prepared["images"].dtype == torch.float32
    assert prepared["labels"] is batch["labels"] and batch["images"].dtype == torch.uint8
    assert torch.equal(task_with().prepare(prepared)["images"], prepared["images"])


@pytest.mark.parametrize("name", ["bce", "focal"])
def test_a_step_gives_the_configured_term_and_the_columns_of_the_metrics(name: str) -> None:
    torch.manual_seed(0)
    task = task_with({"name": name, "pos_weight": 2.0})
    train = split_of([0, 1, 1, 0])
    model = task.build_model(Splits(train, train))
    batch = task.prepare(dict(train.tensors))
    model.eval()
    output = task.step(model, batch)
    labels, logits = batch["labels"].float(), model(batch["images"])
    expected = bce(logits, labels, 2.0) if name == "bce" else focal(logits, labels, 0.05, 2.0)
    assert list(output.terms) == [name]
    torch.testing.assert_close(output.terms[name], expected)
    assert torch.equal(output.columns["target"], batch["labels"])
    assert not output.columns["prob"].requires_grad
    metrics = task.metrics(output.columns)
    assert set(metrics) == {"accuracy", "precision", "recall", "f1", "auroc", "positive_rate"}


def test_soft_targets_of_mixup_take_the_place_of_the_labels_in_the_loss_only() -> None:
    task = task_with({"name": "focal"})
    model = task.build_model(Splits(split_of([0]), split_of([0]))).eval()
    batch = task.prepare(dict(split_of([0, 1]).tensors))
    soft = torch.tensor([0.3, 0.7])
    output = task.step(model, {**batch, "targets": soft})
    torch.testing.assert_close(output.terms["focal"], focal(model(batch["images"]), soft))
    assert torch.equal(output.columns["target"], batch["labels"])


def test_probability_is_the_sigmoid_of_z_for_bce_and_of_2z_for_focal() -> None:
    z = torch.tensor([1.3])
    assert task_with({"name": "bce"}).prob_open(z).item() == pytest.approx(1 / (1 + math.exp(-1.3)))
    assert task_with({"name": "focal"}).prob_open(z).item() == pytest.approx(1 / (1 + math.exp(-2.6)))


def test_pos_weight_is_closed_over_open_of_the_training_split() -> None:
    assert auto_pos_weight(split_of([1, 1, 1, 0])) == pytest.approx(1 / 3)


@pytest.mark.parametrize(("label", "word"), [(0, "closed"), (1, "open")])
def test_a_training_split_of_one_class_is_refused(label: int, word: str) -> None:
    with pytest.raises(UserError, match=f"all 3 images of the training split are {word}"):
        auto_pos_weight(split_of([label] * 3))


def test_loading_weighs_the_classes_unless_the_weight_is_given() -> None:
    automatic, fixed = task_with(), task_with({"pos_weight": 5.0})
    splits = automatic.load()
    labels = splits.train.labels
    assert labels is not None
    assert automatic.pos_weight == pytest.approx(float((labels == 0).sum() / (labels == 1).sum()))
    fixed.load()
    assert fixed.pos_weight == 5.0


def test_a_loss_that_needs_the_weight_before_loading_says_so() -> None:
    with pytest.raises(ValueError, match=r"call load\(\) first"):
        task_with().loss(torch.zeros(2), torch.zeros(2))


def test_an_impossible_shape_is_refused_before_any_data_is_read() -> None:
    with pytest.raises(UserError, match=r"use model\.token_grid=\[2,4\]"):
        EyesTask(EyesConfig.model_validate({"model": {"head": "transformer"}}), Path("/does/not/exist"))


def test_its_configuration_is_of_the_class_it_names() -> None:
    assert EyesTask.config_type is EyesConfig


def test_module_groups_cover_every_parameter_once_under_readable_names() -> None:
    task = task_with(num_blocks=8)
    model = task.build_model(Splits(split_of([0]), split_of([0])))
    groups = task.module_groups(model)
    assert list(groups) == ["stem", *(f"block{i}" for i in range(8)), "head"]
    assert [id(p) for group in groups.values() for p in group] == [id(p) for p in model.parameters()]


def test_many_blocks_share_at_most_twelve_groups() -> None:
    task = task_with(num_blocks=13, base_channels=1)
    groups = task.module_groups(task.build_model(Splits(split_of([0]), split_of([0]))))
    assert list(groups)[:3] == ["stem", "block0-1", "block2-3"]
    assert list(groups)[-2:] == ["block12", "head"]
    assert len(groups) <= 12


def test_a_few_steps_learn_to_tell_bright_from_dark() -> None:
    """Fifteen seeds end between .96 and 1, whatever the CPU; chance is .5 ± .1 for 16 against 16."""
    torch.manual_seed(0)
    task = task_with({"name": "focal"})
    labels = torch.arange(32) % 2
    images = (torch.rand(32, 3, *IMAGE_SIZE) * 0.5 + labels[:, None, None, None] * 0.4).clamp(0, 1)
    train = split_of(labels.tolist())
    model = task.build_model(Splits(train, train))
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    for _ in range(15):
        optimizer.zero_grad()
        task.step(model, {"images": images, "labels": labels}).terms["focal"].backward()
        optimizer.step()
    assert task.metrics(task.step(model, {"images": images, "labels": labels}).columns)["auroc"] > 0.8


def test_augmentation_follows_the_configuration_and_feeds_the_loss() -> None:
    augment = {"hflip": 1.0, "photometric": 0.0, "clahe": 0.0, "mixup_alpha": 0.4}
    for mixed in (False, True):
        options = augment if mixed else {**augment, "mixup_alpha": 0.0}
        task = EyesTask(EyesConfig.model_validate({"augment": options, "loss": {"pos_weight": 1.0}}))
        train = split_of([0, 1, 1, 0])
        batch = task.prepare(dict(train.tensors))
        augmented = task.augment(batch, torch.Generator().manual_seed(1))
        assert ("targets" in augmented) == mixed
        assert torch.equal(augmented["images"], batch["images"].flip(3)) != mixed
        model = task.build_model(Splits(train, train))
        assert task.step(model, augmented).terms["bce"].isfinite()
