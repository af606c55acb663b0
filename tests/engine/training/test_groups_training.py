"""Groups with terms of their own train as separate optimisers would; an optimiser beside the run's is not silent."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from same_run import assert_same_run
from torch import nn
from toy import ToyTask, reader_of, resolved, run_toy
from two_groups import Rivals

from trainctl.engine.data.batch import Batch, Splits
from trainctl.engine.diagnosis.differential import diagnose
from trainctl.engine.diagnosis.records.evidence import read_evidence
from trainctl.engine.errors import ExitCode, UserError
from trainctl.engine.runs.events import EventKind
from trainctl.engine.runs.layout import RunPaths
from trainctl.engine.runs.series import derive_series
from trainctl.engine.tasks.task import OptimizerGroup, StepOutput
from trainctl.engine.training.state.checkpoint import load_checkpoint

STEPS_PER_EPOCH = 4


class EveryThird(Rivals):
    every = 3


def config(**more: Any) -> Any:
    sections = {"optimizer": {"name": "adam", "lr": 0.01}, "train": {"epochs": 3, "batch_size": 16}} | more
    return resolved(**sections)


def by_hand(task_type: type[Rivals], sections: Any, max_norm: float | None) -> dict[str, torch.Tensor]:
    """The same training with two optimisers, as one writes it without a framework."""
    task = task_type(sections.config)
    splits = task.load()
    torch.manual_seed(sections.config.seed)
    model = task.build_model(splits)
    parts = dict(model.named_children())
    makers = torch.optim.Adam(parts["maker"].parameters(), lr=0.02, betas=(0.0, 0.9))
    judges = torch.optim.Adam(parts["judge"].parameters(), lr=0.01)
    sampler, step = task.sampler(splits.train), 0
    for epoch in range(3):
        for rows in sampler.batches(epoch):
            step += 1
            terms = task.step(model, {name: tensor[rows] for name, tensor in splits.train.tensors.items()}).terms
            of_maker = torch.autograd.grad(terms["fool"], list(parts["maker"].parameters()), retain_graph=True)
            of_judge = torch.autograd.grad(terms["real"] + terms["fake"], list(parts["judge"].parameters()))
            for name, grads, optimizer in (("maker", of_maker, makers), ("judge", of_judge, judges)):
                if name == "maker" and step % task.every:
                    continue
                for p, grad in zip(parts[name].parameters(), grads, strict=True):
                    p.grad = grad
                if max_norm is not None:
                    nn.utils.clip_grad_norm_(parts[name].parameters(), max_norm)
                optimizer.step()
    return model.state_dict()


@pytest.mark.parametrize("task_type", [Rivals, EveryThird])
@pytest.mark.parametrize("max_norm", [None, 0.05])
def test_groups_train_as_two_optimisers_do(tmp_path: Path, task_type: type[Rivals], max_norm: float | None) -> None:
    sections = config(clip={"grad_norm": max_norm})
    run_toy(tmp_path / "run", sections, task_type=task_type)
    ours = load_checkpoint(RunPaths(tmp_path / "run").latest)["state"]["model"]
    theirs = by_hand(task_type, sections, max_norm)
    assert ours.keys() == theirs.keys()
    for name, tensor in theirs.items():
        torch.testing.assert_close(ours[name], tensor, rtol=1e-5, atol=1e-6)


def test_each_group_is_recorded_with_its_norm_and_its_rate(tmp_path: Path) -> None:
    run_toy(tmp_path / "run", config(schedule={"name": "steplr", "arguments": {"step_size": 1}}), task_type=EveryThird)
    steps = reader_of(tmp_path / "run").steps
    records = steps.all()
    assert steps.layout is not None
    assert steps.layout.lr_names == ("maker", "judge")
    np.testing.assert_allclose(records["lr"][::STEPS_PER_EPOCH], [[0.02, 0.01], [0.002, 0.001], [0.0002, 0.0001]])
    series = dict(derive_series(records, steps.layout, 0.0).items())
    np.testing.assert_allclose(series["lr.maker"], records["lr"][:, 0])
    np.testing.assert_allclose(series["lr.judge"], records["lr"][:, 1])
    assert (records["grad_norm.judge"] > 0).all()
    np.testing.assert_array_equal(records["grad_norm.maker"] > 0, records["step"] % 3 == 0)
    total = records["grad_norm.maker"] ** 2 + records["grad_norm.judge"] ** 2
    np.testing.assert_allclose(records["grad_norm"] ** 2, total, rtol=1e-5)


@pytest.mark.parametrize("options", [{}, {"train": {"epochs": 3, "batch_size": 8, "accumulation": 2}}])
def test_a_resume_keeps_the_moments_of_every_group(tmp_path: Path, options: dict[str, Any]) -> None:
    run_toy(tmp_path / "whole", config(**options), task_type=EveryThird)
    assert run_toy(tmp_path / "parts", config(**options), task_type=EveryThird, signal_at=5).code == ExitCode.TERMINATED
    run_toy(tmp_path / "parts", config(**options), task_type=EveryThird, resume=True)
    assert_same_run(tmp_path / "whole", tmp_path / "parts")


class TwoOptimizers(Rivals):
    """What people write first: the discriminator's own optimiser inside `step`."""

    def optimizers(self, model: nn.Module) -> Mapping[str, OptimizerGroup]:
        return {}

    def step(self, model: nn.Module, batch: Batch) -> StepOutput:
        output = super().step(model, batch)
        if model.training:
            judge = dict(model.named_children())["judge"]
            own = torch.optim.SGD(judge.parameters(), lr=0.1)
            grads = torch.autograd.grad(output.terms["real"], list(judge.parameters()), retain_graph=True)
            for p, grad in zip(judge.parameters(), grads, strict=True):
                p.grad = grad
            own.step()
        return output


class OutsideWeights(ToyTask):
    """A network that only the task knows."""

    def load(self) -> Splits:
        self.other = nn.Linear(8, 1)
        self.own = torch.optim.SGD(self.other.parameters(), lr=0.1)
        return super().load()

    def step(self, model: nn.Module, batch: Batch) -> StepOutput:
        if model.training:
            self.own.zero_grad()
            self.other(batch["x"]).mean().backward()
            self.own.step()
        return super().step(model, batch)


class Attack(ToyTask):
    """An optimiser over the samples themselves, as adversarial training has it: nobody's weights."""

    def step(self, model: nn.Module, batch: Batch) -> StepOutput:
        x = batch["x"].clone().requires_grad_()
        if model.training:
            attack = torch.optim.SGD([x], lr=0.1, maximize=True)
            (x.grad,) = torch.autograd.grad(model(x).square().mean(), [x])
            attack.step()
        return super().step(model, {**batch, "x": x.detach()})


def test_a_second_optimiser_over_the_network_is_refused_before_it_updates(tmp_path: Path) -> None:
    message = r"steps an optimiser of its own \(SGD over judge.0.weight and 3 more\).*Task.optimizers"
    with pytest.raises(UserError, match=message):
        run_toy(tmp_path / "run", config(), task_type=TwoOptimizers)
    assert not RunPaths(tmp_path / "run").latest.exists()  # no step was taken
    assert reader_of(tmp_path / "run").status.state == "failed"  # pyright: ignore[reportOptionalMemberAccess]


def test_weights_outside_the_network_are_warned_of_once(tmp_path: Path) -> None:
    run_toy(tmp_path / "run", resolved(), task_type=OutsideWeights)
    warnings = [e.data["text"] for e in reader_of(tmp_path / "run").events if e.kind is EventKind.WARNING]
    assert len(warnings) == 1
    assert "no checkpoint holds them" in warnings[0]


def test_an_optimiser_over_samples_is_nobodys_business(tmp_path: Path) -> None:
    assert run_toy(tmp_path / "run", resolved(), task_type=Attack).code == ExitCode.OK
    assert not [e for e in reader_of(tmp_path / "run").events if e.kind is EventKind.WARNING]


def test_a_term_that_nobody_minimises_is_one_line(tmp_path: Path) -> None:
    class Forgotten(Rivals):
        def optimizers(self, model: nn.Module) -> Mapping[str, OptimizerGroup]:
            groups = dict(super().optimizers(model))
            return groups | {"judge": OptimizerGroup(["judge"], ["real"])}

    with pytest.raises(UserError, match="no group minimises the loss term 'fake'"):
        run_toy(tmp_path / "run", config(), task_type=Forgotten)


@pytest.mark.slow
def test_no_rule_takes_the_sum_of_rivals_for_a_loss(tmp_path: Path) -> None:
    """Two networks against each other: their terms add up to a constant while both learn."""

    class Balanced(Rivals):
        def step(self, model: nn.Module, batch: Batch) -> StepOutput:
            terms = dict(super().step(model, batch).terms)
            return StepOutput({**terms, "fool": 2.0 - (terms["real"] + terms["fake"]).detach() + 0 * terms["fool"]})

    run_toy(tmp_path / "run", config(train={"epochs": 60, "batch_size": 16}), task_type=Balanced)
    records = reader_of(tmp_path / "run").steps.all()
    np.testing.assert_allclose(records["loss"], 2.0, atol=1e-5)
    report = diagnose(read_evidence(RunPaths(tmp_path / "run")))
    assert not [finding.code for finding in report.findings if finding.code.startswith(("O", "R"))]
    assert ("O604", "its groups minimise losses of their own, of which the sum says nothing") in [
        (entry.code, entry.why) for entry in report.not_checked
    ]
