"""The optimiser that a configuration gives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast, get_args

import pytest
import torch
from torch import nn

from trainctl.engine.config.schema import OptimizerConfig, OptimizerName
from trainctl.engine.errors import UserError
from trainctl.engine.optim.optimizers import build_optimizer, freeze, optimizer_type, param_groups

CPU = torch.device("cpu")


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 4), nn.LayerNorm(4), nn.Linear(4, 1))


def built(model: nn.Module, config: OptimizerConfig) -> torch.optim.Optimizer:
    return build_optimizer(param_groups(model, config), config, CPU)


@pytest.mark.parametrize("name", ["adamw", "adam", "sgd"])
def test_all_kernels_take_the_same_steps(name: Any) -> None:
    results = []
    for implementation in ("auto", "fused", "foreach", "loop"):
        model = network()
        config = OptimizerConfig(name=name, lr=0.01, weight_decay=0.1, implementation=implementation)
        optimizer = built(model, config)
        generator = torch.Generator().manual_seed(1)
        for _ in range(5):
            model(torch.randn(8, 4, generator=generator)).square().mean().backward()
            optimizer.step()
            optimizer.zero_grad()
        results.append(torch.cat([p.detach().flatten() for p in model.parameters()]))
    for other in results[1:]:
        torch.testing.assert_close(other, results[0])


def test_biases_and_norms_can_be_spared_the_decay() -> None:
    optimizer = built(network(), OptimizerConfig(weight_decay=0.1, decay_all=False))
    decays = {group["weight_decay"]: [p.ndim for p in group["params"]] for group in optimizer.param_groups}
    assert decays == {0.1: [2, 2], 0.0: [1, 1, 1, 1]}


def test_frozen_modules_are_not_in_the_optimiser() -> None:
    model = network()
    freeze(model, ["0"])
    optimizer = built(model, OptimizerConfig())
    assert sum(len(group["params"]) for group in optimizer.param_groups) == 4


def test_freezing_what_is_not_there_names_what_is() -> None:
    with pytest.raises(UserError, match=r"no module 'encoder'.*0, 1, 2"):
        freeze(network(), ["encoder"])


def test_freezing_everything_is_an_error() -> None:
    model = network()
    freeze(model, ["0", "1", "2"])
    with pytest.raises(UserError, match="no parameter of the network is trainable"):
        built(model, OptimizerConfig())


def test_every_optimiser_of_torch_can_be_named() -> None:
    usable = {
        kind.__name__.lower()
        for kind in vars(torch.optim).values()
        if isinstance(kind, type) and issubclass(kind, torch.optim.Optimizer) and kind is not torch.optim.Optimizer
    }
    assert usable - {"lbfgs", "sparseadam"} == set(get_args(OptimizerName))


@pytest.mark.parametrize("name", get_args(OptimizerName))
def test_an_optimiser_by_its_name_is_torchs_with_its_defaults(name: str) -> None:
    torch.manual_seed(0)
    x, start = torch.randn(8, 4), nn.Linear(4, 3, bias=False)
    results = []
    for ours in (True, False):
        model = nn.Linear(4, 3, bias=False)
        model.load_state_dict(start.state_dict())
        if ours:
            config = OptimizerConfig(name=name, lr=0.01, momentum=0.9)  # pyright: ignore[reportArgumentType]
            optimizer = built(model, config)
        else:
            has_momentum: dict[str, Any] = {"momentum": 0.9} if name == "sgd" else {}
            decay: dict[str, Any] = {"weight_decay": 0.0} if name in ("adamw", "muon", "rprop") else {}
            decay = {} if name == "rprop" else decay
            make = cast("Callable[..., torch.optim.Optimizer]", optimizer_type(name))
            optimizer = make(model.parameters(), **{"lr": 0.01, **has_momentum, **decay})
        for _ in range(5):
            model(x).square().mean().backward()
            optimizer.step()
            optimizer.zero_grad()
        results.append(model.weight.detach())
    torch.testing.assert_close(results[0], results[1])
    assert not torch.equal(results[0], start.weight)


def test_arguments_reach_torch_and_come_first() -> None:
    config = OptimizerConfig(name="rmsprop", arguments={"alpha": 0.5, "eps": 1e-3})
    defaults = built(network(), config).defaults
    assert (defaults["alpha"], defaults["eps"], defaults["momentum"]) == (0.5, 1e-3, 0)
    assert built(network(), OptimizerConfig(name="rmsprop", momentum=0.5)).defaults["momentum"] == 0.5


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"name": "adamw", "arguments": {"alpha": 1}}, "AdamW refuses its constants.*alpha"),
        ({"name": "adamw", "arguments": {"betas": 3}}, "AdamW refuses its constants"),
        ({"name": "adadelta", "arguments": {"capturable": True}}, "Adadelta refuses its constants.*capturable"),
        ({"name": "radam", "arguments": {"differentiable": True}}, "RAdam refuses its constants.*autograd"),
        ({"name": "asgd", "arguments": {"alpha": "x"}}, "ASGD refuses its constants.*'str'"),
        ({"name": "sgd", "arguments": {"maximize": 1}}, "SGD refuses its constants"),
        ({"name": "adam", "betas": (1.0, 0.9)}, "Adam refuses its constants.*beta"),
        ({"name": "rprop", "weight_decay": 0.1}, "Rprop has none; set optimizer.weight_decay=0"),
        ({"name": "adagrad", "momentum": 0.5}, "optimizer.momentum: Adagrad has none; it has: .*lr_decay"),
        ({"name": "radam", "implementation": "fused"}, "RAdam has no fused kernel"),
        ({"name": "muon"}, "Muon refuses its constants: Muon only supports 2D"),
        ({"name": "sgd", "nesterov": True, "momentum": 0.0}, "nesterov needs momentum"),
        ({"lrs": {"generator": 1e-3}}, "optimizer.lrs: no group 'generator'; this task has: no named groups"),
    ],
)
def test_constants_that_do_not_fit_are_one_line(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        built(network(), OptimizerConfig(**options))


@pytest.mark.parametrize("written", ["RAdam", "radam", "RADAM"])
def test_the_case_of_a_name_does_not_matter(written: Any) -> None:
    assert isinstance(built(network(), OptimizerConfig(name=written)), torch.optim.RAdam)
