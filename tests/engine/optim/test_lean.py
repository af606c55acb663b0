"""A process that compiles nothing never imports torch's compiler, and its optimisers do what torch's do."""

from __future__ import annotations

import subprocess
import sys

import pytest

SCRIPT = """
import sys
import torch
from torch import nn
from torch.optim.optimizer import register_optimizer_step_pre_hook
from trainctl.engine.config.schema import OptimizerConfig
from trainctl.engine.optim.lean import COMPILER, leave_compiler_out, step_of
from trainctl.engine.optim.optimizers import build_optimizer, param_groups

leave_compiler_out()
seen = []
register_optimizer_step_pre_hook(lambda optimizer, *_: seen.append(type(optimizer).__name__))


def trained(name, take):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4, bias=False), nn.Linear(4, 2, bias=False))
    config = OptimizerConfig(name=name, lr=0.1, weight_decay=0 if name == "rprop" else 0.01)
    optimizer = build_optimizer(param_groups(model, config), config, torch.device("cpu"))
    step = take(optimizer)
    for _ in range(3):
        model(torch.ones(5, 3)).square().sum().backward()
        step()
        for p in model.parameters():
            p.grad = None
    optimizer.load_state_dict(optimizer.state_dict())
    assert all(p.requires_grad and p.grad_fn is None for p in model.parameters())
    return [p.detach().clone() for p in model.parameters()]


NAMES = {names!r}
lean = {{name: trained(name, step_of) for name in NAMES}}
assert len(seen) == 3 * len(NAMES), seen
assert COMPILER not in sys.modules
for name, weights in lean.items():
    usual = trained(name, lambda optimizer: optimizer.step)
    assert all(map(torch.equal, weights, usual)), name
assert COMPILER in sys.modules
"""
NAMES = ["adamw", "adam", "sgd", "adadelta", "adagrad", "adamax", "asgd", "nadam", "radam", "rmsprop", "rprop"]


@pytest.mark.slow
def test_optimisers_step_without_the_compiler_as_with_it() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT.format(names=NAMES)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
