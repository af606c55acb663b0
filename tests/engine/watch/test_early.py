"""What the first steps of a loop show: answers, gradients that are not cleared, what no optimiser trains."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from foreign_loops import network, watched
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.utils.checkpoint import checkpoint

from trainctl.engine.watch.first_steps.early import is_drawn

Loss = Callable[[Tensor, Tensor], Tensor]


def early(folder: Path, *, loss: Loss = cross_entropy, steps: int = 30, **options: Any) -> dict[str, Any]:
    """What is told of a loop; options: clear, model, trained, passes."""
    begin, end = watched(folder)
    torch.manual_seed(1)
    model = options.get("model") or network()
    opt = torch.optim.SGD(options.get("trained") or model.parameters(), lr=0.01)
    begin(opt, model=model)
    clear = options.get("clear", lambda opt: opt.zero_grad())
    for _ in range(steps):
        x, y = torch.randn(8, 6), torch.tensor([0, 0, 0, 0, 0, 0, 1, 1])
        for _ in range(options.get("passes", 1)):
            loss(model(x), y).backward()
        opt.step()
        clear(opt)
    return json.loads(end().meta.read_text())["watched"]["early"]


def test_answers_are_counted_and_their_frequencies_weighed(tmp_path: Path) -> None:
    told = early(tmp_path)["answers"]
    assert told["classes"] == 2 and told["largest"] == 0.75 and told["loss"] == pytest.approx(0.5623, abs=1e-3)
    halves = early(tmp_path / "halves", loss=lambda z, y: 3 * cross_entropy(z, y), passes=2)["answers"]
    assert halves["entropy"] == told["entropy"] and halves["loss"] == pytest.approx(6 * told["loss"], rel=1e-4)


@pytest.mark.parametrize(
    "loss",
    [
        lambda z, y: (z[:, 0] - y).square().mean(),
        lambda z, y: cross_entropy(z, y) + z.square().mean(),
        lambda z, y: checkpoint(cross_entropy, z, y, use_reentrant=False),
    ],
    ids=["squares", "a sum", "checkpointed"],
)
def test_another_loss_is_left_alone(tmp_path: Path, loss: Loss) -> None:
    assert early(tmp_path, loss=loss)["answers"] == {}


@pytest.mark.few(2)
@pytest.mark.parametrize(
    ("clear", "kept"),
    [
        (lambda opt: None, [6, 6]),
        (lambda opt: opt.zero_grad(), [0, 6]),
        (lambda opt: opt.zero_grad(set_to_none=False), [0, 6]),
        (lambda opt: [p.grad.mul_(0.9) for group in opt.param_groups for p in group["params"]], [0, 6]),
    ],
    ids=["never", "none", "zeros", "decayed on purpose"],
)
def test_whether_gradients_are_cleared(tmp_path: Path, clear: Callable[[Any], Any], kept: list[int]) -> None:
    assert early(tmp_path, clear=clear)["uncleared"] == [kept]


def test_gradients_that_add_up_over_several_passes_are_not_cleared_either(tmp_path: Path) -> None:
    assert early(tmp_path / "never", clear=lambda opt: None, passes=2)["uncleared"] == [[6, 6]]
    assert early(tmp_path / "cleared", passes=2)["uncleared"] == [[0, 6]]


def test_gradients_that_take_the_place_of_others_are_not_added_to_them(tmp_path: Path) -> None:
    begin, end = watched(tmp_path)
    model = nn.Linear(6, 2)
    opt = torch.optim.SGD(model.parameters(), lr=0.1)
    begin(opt)
    for _ in range(40):
        grads = torch.autograd.grad(model(torch.randn(8, 6)).square().sum(), list(model.parameters()))
        for p, grad in zip(model.parameters(), grads, strict=True):
            p.grad = grad
        opt.step()
    assert json.loads(end().meta.read_text())["watched"]["early"]["uncleared"] == [[0, 0]]


def test_what_is_frozen_and_what_is_left_out(tmp_path: Path) -> None:
    model = nn.Sequential(nn.Linear(6, 40), nn.ReLU(), nn.Linear(40, 40), nn.ReLU(), nn.Linear(40, 2))
    model[0].requires_grad_(False)
    parts = early(tmp_path, model=model, trained=list(model[4].parameters()))["parts"]
    assert (parts["trained"], parts["frozen"], parts["left"], parts["left_reached"]) == (82, 280, 1640, 1640)
    assert parts["frozen_names"] == ["0"] and parts["left_names"] == ["2"] and parts["left_drawn"] == 1.0


def test_a_short_loop_tells_what_there_was(tmp_path: Path) -> None:
    told = early(tmp_path, steps=5)
    assert told["uncleared"] == [[0, 0]] and told["answers"]["count"] == 40


def test_weights_as_they_are_drawn_and_as_they_are_learned() -> None:
    torch.manual_seed(0)
    drawn = [nn.Linear(64, 32).weight, nn.Conv2d(16, 32, 3).weight, nn.Embedding(90, 48).weight, torch.empty(48, 48)]
    nn.init.orthogonal_(drawn[-1])
    assert [is_drawn(one) for one in drawn] == [True] * 4
    learned = nn.Linear(64, 32).weight.detach() + 0.3 * torch.outer(torch.randn(32), torch.randn(64)) / 8
    assert is_drawn(learned) is False
    assert is_drawn(torch.zeros(4, 4)) is None and is_drawn(torch.zeros(64)) is None
