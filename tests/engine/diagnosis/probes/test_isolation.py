"""A diagnosis leaves no trace: neither in the random numbers nor in a network it looks at."""

from __future__ import annotations

import os
import pickle
import random
import warnings
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from toy_task import ToyNet, ToyTask, make_splits

from trainctl.engine.diagnosis.differential import diagnose
from trainctl.engine.diagnosis.probes.batch import measure_batch
from trainctl.engine.diagnosis.probes.isolation import SWITCHES, Deadline, undisturbed
from trainctl.engine.diagnosis.probes.preflight import gather
from trainctl.engine.tasks.task import Batch, Monitor, Splits, StepOutput


def draws() -> tuple[float, float, float]:
    return random.random(), float(np.random.rand()), float(torch.rand(()))


def seed(value: int) -> None:
    random.seed(value)
    np.random.seed(value)
    torch.manual_seed(value)


def test_a_diagnosis_changes_no_random_state() -> None:
    seed(7)
    expected = draws()
    seed(7)
    gather(ToyTask())
    assert draws() == expected


def test_random_states_come_back_after_a_failure_too() -> None:
    seed(7)
    expected = draws()
    seed(7)
    with pytest.raises(RuntimeError), undisturbed(1):
        draws()
        raise RuntimeError
    assert draws() == expected


class NormNet(ToyNet):
    """Its normalisation remembers every batch it sees."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder.append(torch.nn.BatchNorm1d(16))


def test_a_network_that_is_looked_at_stays_bit_for_bit_as_it_was() -> None:
    model = NormNet().eval()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    model.head.weight.grad = torch.full_like(model.head.weight, 3.0)
    facts = measure_batch(ToyTask(), make_splits(), torch.device("cpu"), model=model)
    assert facts.num_with_gradient == len(facts.trainable) > 0
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert torch.equal(model.head.weight.grad, torch.full_like(model.head.weight, 3.0))
    assert model.encoder[0].weight.grad is None
    assert not model.training
    assert not any(module._forward_hooks for module in model.modules())


def test_the_network_that_is_looked_at_is_kept_from_the_kernel_that_training_is_kept_from() -> None:
    layer, seen = torch.nn.Conv2d(4, 8, 1, 2), list[torch.Tensor]()

    class Strided(ToyTask):
        def build_model(self, splits: Splits) -> torch.nn.Module:
            model = super().build_model(splits)
            model.add_module("narrow", layer)
            return model

    measure_batch(Strided(), make_splits(), torch.device("cpu"))
    layer.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    layer(torch.rand(2, 4, 6, 6).to(memory_format=torch.channels_last))
    assert not seen[0].is_contiguous(memory_format=torch.channels_last)


def test_the_same_batch_and_network_are_probed_as_a_run_would_begin_with() -> None:
    first = measure_batch(ToyTask(), make_splits(), torch.device("cpu"))
    seed(99)
    second = measure_batch(ToyTask(), make_splits(), torch.device("cpu"))
    assert first == second


def test_probes_for_which_no_time_is_left_are_not_checked() -> None:
    report = diagnose(gather(ToyTask(), budget_s=0.0))
    assert report.findings == ()
    assert {entry.why for entry in report.not_checked if entry.code in ("C310", "D101", "L203")} == {
        "the time budget of 0 s was used up"
    }


def test_a_deadline_passes_when_its_time_is_up() -> None:
    now = [10.0]
    deadline = Deadline(5.0, clock=lambda: now[0])
    assert not deadline.has_passed
    now[0] = 15.0
    assert deadline.has_passed


class Everything(ToyTask):
    """Holds what a diagnosis could disturb: a network that was trained, its optimiser, data that it augments."""

    def __init__(self) -> None:
        super().__init__()
        toy = ToyNet()
        toy.encoder.requires_grad_(False)
        toy.register_forward_hook(_pass)
        self.net = nn.Sequential(toy, nn.BatchNorm1d(4), nn.Dropout(0.5)).eval()
        self.optimizer = torch.optim.Adam([p for p in self.net.parameters() if p.requires_grad], weight_decay=0.1)
        self.net(self.splits.train.tensors["x"]).square().mean().backward()
        self.optimizer.step()

    def build_model(self, splits: Splits) -> nn.Module:
        return self.net

    def prepare(self, batch: Batch) -> Batch:
        batch["x"] *= 2
        return batch

    def augment(self, batch: Batch, generator: torch.Generator) -> Batch:
        warnings.warn("augmented", UserWarning, stacklevel=2)
        batch["x"] += random.random() + torch.rand(batch["x"].shape, generator=generator)
        return batch

    def step(self, model: nn.Module, batch: Batch) -> StepOutput:
        output = super().step(model, batch)
        return StepOutput(output.terms, {**output.columns, "labels": batch["labels"]})

    def metrics(self, columns: Mapping[str, Tensor]) -> dict[str, float]:
        return {"accuracy": float((columns["logits"].argmax(1) == columns["labels"]).float().mean())}

    monitor = Monitor("accuracy", "max")


def _pass(_module: nn.Module, _args: object, _output: object) -> None:
    """A hook of the user's."""


def state_of(task: Everything, folder: Path) -> dict[str, object]:
    """All of it as plain bytes and figures, to compare."""
    modules = dict(task.net.named_modules())
    hooks = [name for name in vars(nn.Module()) if name.endswith(("_hooks", "_hooks_with_kwargs"))]
    tensors = [*task.splits.train.tensors.values(), *task.splits.val.tensors.values()]
    return {
        "weights": [(name, value.numpy().tobytes()) for name, value in task.net.state_dict().items()],
        "identities": [id(p) for p in task.net.parameters()],
        "requires_grad": [p.requires_grad for p in task.net.parameters()],
        "gradients": [None if p.grad is None else p.grad.numpy().tobytes() for p in task.net.parameters()],
        "modes": {name: module.training for name, module in modules.items()},
        "hooks": {name: [list(getattr(module, kind)) for kind in hooks] for name, module in modules.items()},
        "optimiser": pickle.dumps(task.optimizer.state_dict()),
        "options": repr(task.config),
        "attributes": sorted(vars(task)),
        "random": (random.getstate(), pickle.dumps(np.random.get_state()), torch.get_rng_state().numpy().tobytes()),
        "data": [(tensor.numpy().tobytes(), tensor.requires_grad) for tensor in tensors],
        "files": sorted(path.name for path in folder.iterdir()),
        "switches": [get() for get, _ in SWITCHES],
        "warnings": list(warnings.filters),
        "environment": dict(os.environ),
    }  # fmt: skip


def test_all_probes_leave_everything_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    seed(7)
    task = Everything()
    before = state_of(task, tmp_path)
    evidence = gather(task, budget_s=600)
    asked = ("labels", "sampler", "schedule", "data", "overlap", "batch", "trial", "relation", "metric")
    assert [part for part in asked if getattr(evidence, part) is None] == []
    after = state_of(task, tmp_path)
    assert [name for name in before if after[name] != before[name]] == []
