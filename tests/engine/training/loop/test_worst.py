"""The validation samples with the largest loss: which, how they are described, and that a run keeps them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
import torch
from torch import Tensor
from toy import ToyTask, resolved, run_toy

from trainctl.engine.data.batch import Batch, Split
from trainctl.engine.runs.layout import RunPaths
from trainctl.engine.runs.validated.samples import read_samples
from trainctl.engine.tasks.eyes.config import EyesConfig
from trainctl.engine.tasks.eyes.task import EyesTask
from trainctl.engine.tasks.task import StepOutput
from trainctl.engine.training.loop.worst import worst_samples


class Scored(ToyTask):
    """Says how bad each sample is."""

    def step(self, model: torch.nn.Module, batch: Batch) -> StepOutput:
        output = super().step(model, batch)
        logits = model(batch["x"]).detach()
        losses = torch.nn.functional.cross_entropy(logits, batch["y"], reduction="none")
        return StepOutput(output.terms, {**output.columns, "loss": losses, "y": batch["y"]}, output.scalars)

    def sample_losses(self, columns: Mapping[str, Tensor]) -> Tensor:
        return columns["loss"]

    def describe_samples(self, columns: Mapping[str, Tensor]) -> Sequence[tuple[str, str]]:
        return [(f"class {y}", "?") for y in columns["y"].tolist()]


def test_the_worst_come_first_and_nan_is_the_worst_of_all():
    task = Scored(resolved().config)
    split = Split({"x": torch.zeros(5, 2)}, names=tuple("abcde"))
    columns = {"loss": torch.tensor([0.1, 3.0, torch.nan, 2.0, 0.0]), "y": torch.arange(5)}
    worst = worst_samples(task, split, columns, step=7, epoch=1, most=3)
    assert worst is not None
    assert worst.names == ("c", "b", "d") and worst.truths == ("class 2", "class 1", "class 3")
    assert worst.num_samples == 5 and worst.images.shape == (3, 0, 0, 3)


def test_a_task_that_does_not_say_keeps_nothing():
    task = ToyTask(resolved().config)
    assert worst_samples(task, Split({"x": torch.zeros(2, 2)}), {"hit": torch.zeros(2)}, step=1, epoch=1) is None


@pytest.mark.parametrize("name", ["bce", "focal"])
def test_eyes_are_ranked_by_the_configured_loss_of_each(name: str):
    task = EyesTask(EyesConfig.model_validate({"loss": {"name": name, "pos_weight": 3.0}}))
    images = torch.randint(0, 256, (6, 3, 8, 12), dtype=torch.uint8)
    labels = torch.tensor([0, 1, 0, 1, 0, 1])
    logits = torch.tensor([-2.0, 2.0, 2.5, -1.0, 0.0, -30.0])
    columns = {"logit": logits, "prob": task.prob_open(logits), "target": labels}
    worst = worst_samples(task, Split({"images": images}), columns, step=1, epoch=1, most=2)
    slow = [float(task.loss(logits[k, None], labels[k, None].float())) for k in range(6)]
    order = sorted(range(6), key=lambda k: -slow[k])[:2]
    assert worst is not None
    assert worst.losses.tolist() == pytest.approx([slow[k] for k in order])
    assert worst.names == tuple(f"validation sample {k}" for k in order)
    assert torch.equal(torch.from_numpy(worst.images), images[order].permute(0, 2, 3, 1))
    assert worst.truths[0] == "open" and worst.predictions[0] in ("closed 99%", "closed 100%")


def test_a_run_keeps_the_worst_of_its_newest_validation(tmp_path: Path):
    run_toy(tmp_path / "run", resolved(), task_type=Scored)
    worst = read_samples(RunPaths(tmp_path / "run"))
    assert worst is not None
    assert len(worst) == 12 and worst.num_samples == 30 and worst.epoch == 4
    assert list(worst.losses) == sorted(worst.losses, reverse=True)


def test_a_run_whose_task_does_not_say_writes_no_file(tmp_path: Path):
    run_toy(tmp_path / "run", resolved(train={"epochs": 1, "batch_size": 16}))
    assert not RunPaths(tmp_path / "run").samples.exists()
