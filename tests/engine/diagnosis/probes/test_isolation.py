"""A diagnosis leaves no trace: neither in the random numbers nor in a network it looks at."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch
from toy_task import ToyNet, ToyTask, make_splits

from trainctl.engine.diagnosis.differential import diagnose
from trainctl.engine.diagnosis.probes.batch import measure_batch
from trainctl.engine.diagnosis.probes.isolation import Deadline, undisturbed
from trainctl.engine.diagnosis.probes.preflight import gather
from trainctl.engine.tasks.task import Splits


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
