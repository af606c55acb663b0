"""Which losses a loop calls, and what they are given: by the graph alone, in any way of writing them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from foreign_loops import watched
from torch import Tensor, nn
from torch.nn import functional as F

from trainctl.engine.diagnosis.facts.foreign import ForeignFacts
from trainctl.engine.diagnosis.finding import Hit
from trainctl.engine.diagnosis.records.foreign import foreign_facts
from trainctl.engine.diagnosis.rules.plan.loss_calls import bounded_logits, softmax_and_loss, stretched_shapes
from trainctl.engine.runs.record import RecordLayout
from trainctl.engine.watch.first_steps.loss_graph import loss_calls

RULES = {"C303": softmax_and_loss, "C304": bounded_logits, "L206": stretched_shapes}
CLASSES, NUMBERS = torch.randint(3, (8,)), torch.randn(8)
YES = torch.rand(8, 3).round()

Loss = Callable[[nn.Module, Tensor], Tensor]


def three(model: nn.Module, x: Tensor) -> Tensor:
    return model(x)[:, :3]


def one(model: nn.Module, x: Tensor) -> Tensor:
    return model(x)[:, :1]


WRONG: list[tuple[str, Loss]] = [
    ("C303", lambda m, x: F.cross_entropy(three(m, x).softmax(1), CLASSES)),
    ("C303", lambda m, x: F.cross_entropy(three(m, x).softmax(1), CLASSES, label_smoothing=0.1)),
    ("C303", lambda m, x: F.cross_entropy(three(m, x).softmax(1), F.one_hot(CLASSES, 3).float())),
    ("C303", lambda m, x: 0.5 * F.cross_entropy(three(m, x).softmax(1), CLASSES) + three(m, x).square().mean()),
    ("C303", lambda m, x: F.nll_loss(three(m, x).softmax(1), CLASSES)),
    ("C303", lambda m, x: F.nll_loss(three(m, x).softmax(1).log_softmax(1), CLASSES)),
    ("C303", lambda m, x: F.cross_entropy(three(m, x).softmax(1).view(4, 2, 3).transpose(1, 2), CLASSES.view(4, 2))),
    ("C304", lambda m, x: F.binary_cross_entropy_with_logits(three(m, x).sigmoid(), YES)),
    ("C304", lambda m, x: F.cross_entropy(three(m, x).sigmoid(), CLASSES)),
    ("L206", lambda m, x: F.mse_loss(one(m, x), NUMBERS)),
    ("L206", lambda m, x: (one(m, x) - NUMBERS).square().mean()),
    ("L206", lambda m, x: (NUMBERS - one(m, x)).pow(2).mean().sqrt()),
    ("L206", lambda m, x: F.l1_loss(one(m, x)[:, 0], NUMBERS[:, None])),
    ("L206", lambda m, x: F.smooth_l1_loss(one(m, x), NUMBERS)),
]
RIGHT: list[Loss] = [
    lambda m, x: F.cross_entropy(three(m, x), CLASSES),
    lambda m, x: F.cross_entropy(three(m, x).log_softmax(1), CLASSES),
    lambda m, x: F.cross_entropy(three(m, x), CLASSES, label_smoothing=0.1),
    lambda m, x: F.cross_entropy(three(m, x).tanh() * 9.0, CLASSES),
    lambda m, x: F.nll_loss(three(m, x).log_softmax(1), CLASSES),
    lambda m, x: F.nll_loss(three(m, x).softmax(1).log(), CLASSES),
    lambda m, x: F.binary_cross_entropy_with_logits(three(m, x), YES),
    lambda m, x: F.binary_cross_entropy(three(m, x).sigmoid(), YES),
    lambda m, x: F.mse_loss(one(m, x)[:, 0], NUMBERS),
    lambda m, x: F.mse_loss(one(m, x), NUMBERS[:, None]),
    lambda m, x: (one(m, x) - one(m, x).t()).square().mean(),  # of all pairs, as it is meant
    lambda m, x: (one(m, x)[:, 0][:, None] - NUMBERS).abs().mean(),
    lambda m, x: (m(x)[:, :8] - torch.eye(8)).square().mean(),
]


@pytest.fixture
def model() -> nn.Sequential:
    return nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 8))


def found(calls: list[dict[str, Any]]) -> list[str]:
    """Codes of what is wrong, as it is read back from the file."""
    meta = json.loads(json.dumps({"watched": {"early": {"losses": calls}}}))
    facts = foreign_facts(meta, np.zeros(0, RecordLayout(("loss",)).dtype))
    return [code for code, judge in RULES.items() if isinstance(judge(foreign=facts), Hit)]


@pytest.mark.parametrize(("code", "loss"), WRONG)
def test_what_is_given_to_the_wrong_loss_is_found(model: nn.Sequential, code: str, loss: Loss) -> None:
    value = loss(model, torch.randn(8, 6))
    assert found(loss_calls(value.grad_fn)) == [code]
    value.backward()  # what the graph has kept is gone: names and shapes stay
    assert found(loss_calls(value.grad_fn)) == [code]


@pytest.mark.parametrize("loss", RIGHT)
def test_what_is_right_is_not_accused(model: nn.Sequential, loss: Loss) -> None:
    assert found(loss_calls(loss(model, torch.randn(8, 6)).grad_fn)) == []


def test_a_loop_needs_no_line_for_it(tmp_path: Path, model: nn.Sequential) -> None:
    begin, end = watched(tmp_path)
    opt = torch.optim.SGD(model.parameters(), lr=0.01)
    begin(opt)
    for _ in range(20):
        opt.zero_grad()
        F.cross_entropy(three(model, torch.randn(8, 6)).softmax(1), CLASSES).backward()
        opt.step()
    told = json.loads(end().meta.read_text())["watched"]["early"]["losses"]
    assert told == [{"name": "cross_entropy", "made_by": "softmax", "input": [8, 3], "target": []}]
    hit = softmax_and_loss(foreign=ForeignFacts(losses=()))
    assert not isinstance(hit, Hit)


def test_where_shapes_are_not_known_nothing_is_said_of_classes() -> None:
    assert found([{"name": "cross_entropy", "made_by": "softmax", "input": [], "target": []}]) == []


@pytest.mark.parametrize("told", [3, [1], [{"name": 1}], [{"name": "a", "made_by": "b", "input": ["x"], "target": []}]])
def test_whatever_the_file_holds_is_survived(told: Any) -> None:
    assert found(told) == []
