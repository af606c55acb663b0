"""A network that takes long to build is built once for all probes, and they see what they would have seen."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from toy_task import FEATURES, ToyNet, ToyTask

from trainctl.engine.data.batch import Batch, Splits
from trainctl.engine.diagnosis.probes.batch import measure_batch
from trainctl.engine.diagnosis.probes.bench import building_once, open_bench
from trainctl.engine.diagnosis.probes.isolation import Deadline, undisturbed
from trainctl.engine.diagnosis.probes.trial import measure_trial
from trainctl.engine.tasks.task import StepOutput

CPU = torch.device("cpu")


class Counting(ToyTask):
    """Counts how often its network is built; what is drawn behind that is part of the step."""

    built: ClassVar[int] = 0

    def build_model(self, splits: Splits) -> nn.Module:
        type(self).built += 1
        self.scale = nn.Parameter(torch.ones(()))
        return super().build_model(splits)

    def step(self, model: nn.Module, batch: Batch) -> StepOutput:
        noise = torch.rand(()) + random.random() + float(np.random.rand())
        output = super().step(model, batch)
        return StepOutput({"ce": output.terms["ce"] * self.scale + noise}, output.columns)


class Listening(Counting):
    """Its step reads what a hook wrote, which is a function made on the spot."""

    def build_model(self, splits: Splits) -> nn.Module:
        model, self.heard = super().build_model(splits), list[Tensor]()
        heard = self.heard
        assert isinstance(model, ToyNet)

        def hear(_module: nn.Module, _args: object, output: Tensor) -> None:
            heard.append(output)

        model.encoder.register_forward_hook(hear)
        return model

    def step(self, model: nn.Module, batch: Batch) -> StepOutput:
        self.heard.clear()
        output = super().step(model, batch)
        return StepOutput({"ce": output.terms["ce"], "size": self.heard[-1].square().mean()}, output.columns)


class Selective(ToyNet):
    """Says itself what of it is kept, and not all is."""

    def __init__(self) -> None:
        super().__init__()
        self.factor = 2.0

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "factor"}

    def forward(self, features_BF: Tensor) -> Tensor:
        return super().forward(features_BF) * self.factor


class KeptSelf(Counting):
    """Holds its network, which holds it."""

    def build_model(self, splits: Splits) -> nn.Module:
        model = super().build_model(splits)
        self.net = model
        model.register_forward_pre_hook(self._note)
        self.passed = 0
        return model

    def _note(self, module: nn.Module, args: tuple[Tensor]) -> None:
        assert module is self.net
        self.passed += len(args[0])

    def step(self, model: nn.Module, batch: Batch) -> StepOutput:
        before = self.passed
        output = super().step(model, batch)
        assert self.passed == before + len(batch["x"])
        return output


def facts_of(task: Counting) -> tuple[str, str, int]:
    """What two probes see, and how often the network was built for it."""
    type(task).built = 0
    splits = task.load()
    batch = measure_batch(task, splits, CPU)
    return repr(batch), repr(measure_trial(task, splits, CPU, Deadline(1e9))), type(task).built


@pytest.mark.parametrize(("kind", "times"), [(Counting, 1), (KeptSelf, 1), (Listening, 2)])
def test_probes_see_the_same_of_a_network_that_is_built_once(kind: type[Counting], times: int) -> None:
    *expected, alone = facts_of(kind())
    with building_once():
        *found, together = facts_of(kind())
    assert found == expected
    assert (alone, together) == (2, times)


def test_what_keeps_a_part_of_itself_only_is_built_each_time() -> None:
    task = Counting(model=Selective)
    with building_once():
        *_, times = facts_of(task)
    assert times == 2


@pytest.mark.parametrize("draw", [torch.rand, lambda n: random.random(), np.random.rand])
def test_another_random_state_is_another_network(draw: Callable[[int], object]) -> None:
    task, splits = Counting(), ToyTask().load()
    Counting.built = 0
    with building_once():
        with undisturbed(1):
            first = open_bench(task, splits, CPU)
        with undisturbed(1):
            draw(1)
            open_bench(task, splits, CPU)
        with undisturbed(1):
            again = open_bench(task, splits, CPU)
    assert Counting.built == 2
    weights = [dict(bench.model.named_parameters()) for bench in (first, again)]
    assert all(torch.equal(value, weights[1][name]) for name, value in weights[0].items())
    assert weights[0].keys() == weights[1].keys()
    assert all(value is not weights[1][name] for name, value in weights[0].items())


def test_a_copy_is_not_changed_by_what_is_done_to_the_first() -> None:
    task, splits = Counting(), ToyTask().load()
    with building_once():
        with undisturbed(1):
            first = open_bench(task, splits, CPU)
            expected = first.model(torch.ones(1, FEATURES)).detach()
        with torch.no_grad():
            for value in first.model.parameters():
                value.zero_()
        with undisturbed(1):
            again = open_bench(task, splits, CPU)
    assert torch.equal(again.model(torch.ones(1, FEATURES)).detach(), expected)
