"""The optimiser that a configuration gives."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from trainctl.engine.config.schema import OptimizerConfig
from trainctl.engine.errors import UserError
from trainctl.engine.optim.optimizers import build_optimizer, freeze

CPU = torch.device("cpu")


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 4), nn.LayerNorm(4), nn.Linear(4, 1))


@pytest.mark.parametrize("name", ["adamw", "adam", "sgd"])
def test_all_kernels_take_the_same_steps(name: Any) -> None:
    results = []
    for implementation in ("auto", "fused", "foreach", "loop"):
        model = network()
        config = OptimizerConfig(name=name, lr=0.01, weight_decay=0.1, implementation=implementation)
        optimizer = build_optimizer(model, config, CPU)
        generator = torch.Generator().manual_seed(1)
        for _ in range(5):
            model(torch.randn(8, 4, generator=generator)).square().mean().backward()
            optimizer.step()
            optimizer.zero_grad()
        results.append(torch.cat([p.detach().flatten() for p in model.parameters()]))
    for other in results[1:]:
        torch.testing.assert_close(other, results[0])


def test_biases_and_norms_can_be_spared_the_decay() -> None:
    optimizer = build_optimizer(network(), OptimizerConfig(weight_decay=0.1, decay_all=False), CPU)
    decays = {group["weight_decay"]: [p.ndim for p in group["params"]] for group in optimizer.param_groups}
    assert decays == {0.1: [2, 2], 0.0: [1, 1, 1, 1]}


def test_frozen_modules_are_not_in_the_optimiser() -> None:
    model = network()
    freeze(model, ["0"])
    optimizer = build_optimizer(model, OptimizerConfig(), CPU)
    assert sum(len(group["params"]) for group in optimizer.param_groups) == 4


def test_freezing_what_is_not_there_names_what_is() -> None:
    with pytest.raises(UserError, match=r"no module 'encoder'.*0, 1, 2"):
        freeze(network(), ["encoder"])


def test_freezing_everything_is_an_error() -> None:
    model = network()
    freeze(model, ["0", "1", "2"])
    with pytest.raises(UserError, match="no parameter of the network is trainable"):
        build_optimizer(model, OptimizerConfig(), CPU)
