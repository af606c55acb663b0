"""Named groups: which parameters and terms belong to them."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import nn

from trainctl.engine.config.schema import OptimizerConfig
from trainctl.engine.errors import UserError
from trainctl.engine.optim.groups import OptimizerGroup, check_terms_of, name_groups
from trainctl.engine.optim.optimizers import build_optimizer, param_groups


def network() -> nn.ModuleDict:
    judge = nn.Sequential(nn.Linear(2, 3), nn.LayerNorm(3))
    return nn.ModuleDict({"maker": nn.Linear(2, 2), "judge": judge})


TWO = {"maker": OptimizerGroup(["maker"], ["fool"]), "judge": OptimizerGroup(["judge"], ["tell"], lr=0.5)}


def test_each_group_has_its_parameters_rate_and_decay() -> None:
    model = network()
    config = OptimizerConfig(lr=0.1, weight_decay=0.2, decay_all=False, lrs={"maker": 0.3})
    groups = param_groups(model, config, name_groups(model, TWO))
    found = [(group.name, group.peak, group.weight_decay, [name for name, _ in group.params]) for group in groups]
    assert found == [
        ("maker", 0.3, 0.2, ["maker.weight"]),
        ("maker", 0.3, 0.0, ["maker.bias"]),
        ("judge", 0.5, 0.2, ["judge.0.weight"]),
        ("judge", 0.5, 0.0, ["judge.0.bias", "judge.1.weight", "judge.1.bias"]),
    ]


def test_a_frozen_group_is_left_out() -> None:
    model = network()
    model["maker"].requires_grad_(requires_grad=False)
    assert [group.name for group in name_groups(model, TWO)] == ["judge"]


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        ({"a": OptimizerGroup(["makers"], ["x"])}, "a: the network has no module 'makers'.*maker, judge"),
        ({"a": OptimizerGroup(["maker"], ["x"])}, "judge.0.weight belongs to no group"),
        ({**TWO, "b": OptimizerGroup(["judge.1"], ["x"])}, "judge.1.weight belongs to judge and b"),
        ({**TWO, "maker": OptimizerGroup(["maker"], [])}, "maker has no loss terms"),
        ({**TWO, "maker": OptimizerGroup(["maker"], ["x"], every=0)}, "every is 0"),
        ({**TWO, "maker": OptimizerGroup(["maker"], ["x"], lr=0.0)}, "lr is 0"),
        ({**TWO, "maker": OptimizerGroup(["maker"], ["x"], lr=math.inf)}, "lr is inf"),
        ({**TWO, "maker": OptimizerGroup(["maker"], ["x"], lr="3e-4")}, "lr is '3e-4'"),  # type: ignore[arg-type]
        ([*TWO.values()], "no mapping of OptimizerGroup"),
        ({"maker": ["maker"]}, "no mapping of OptimizerGroup"),
        ({name: OptimizerGroup([name], ["x"], every=2) for name in ("maker", "judge")}, "no group is updated at every"),
    ],
)
def test_groups_that_cannot_work_are_one_line(groups: dict[str, OptimizerGroup], message: str) -> None:
    with pytest.raises(UserError, match=message):
        name_groups(network(), groups)


@pytest.mark.parametrize(
    ("options", "message"),
    [({"beta": (0.5, 0.9)}, "judge: AdamW has no beta; leave it out"), ({"betas": 3}, "AdamW refuses its constants")],
)
def test_constants_of_a_group_that_torch_would_ignore_or_fail_with_are_one_line(
    options: dict[str, Any], message: str
) -> None:
    model, config = network(), OptimizerConfig()
    named = name_groups(model, {**TWO, "judge": OptimizerGroup(["judge"], ["tell"], options=options)})
    with pytest.raises(UserError, match=message):
        build_optimizer(param_groups(model, config, named), config, torch.device("cpu"))


def test_terms_and_groups_must_name_each_other() -> None:
    groups = name_groups(network(), TWO)
    check_terms_of(groups, ["fool", "tell"])
    with pytest.raises(UserError, match="judge: no loss term 'tell'; this task has: fool"):
        check_terms_of(groups, ["fool"])
    with pytest.raises(UserError, match="no group minimises the loss term 'more'"):
        check_terms_of(groups, ["fool", "tell", "more"])
