"""What a named network shows in its first forward pass: seen once, without a trace, and judged."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from foreign_loops import watched
from torch import Tensor, nn
from torch.nn import functional as F

from trainctl.engine.diagnosis.facts.foreign import FirstPassFacts, ForeignFacts
from trainctl.engine.diagnosis.facts.watched.layers import RectifierFacts
from trainctl.engine.diagnosis.finding import Hit, Severity
from trainctl.engine.diagnosis.records.foreign import foreign_facts
from trainctl.engine.diagnosis.rules.plan.flow import dead_rectifiers
from trainctl.engine.diagnosis.rules.plan.foreseen.capacity import no_activation
from trainctl.engine.runs.record import RecordLayout
from trainctl.engine.watch.first_steps.first_pass import FirstPass


def deep(activation: type[nn.Module]) -> nn.Sequential:
    torch.manual_seed(0)
    hidden = [layer for _ in range(3) for layer in (nn.Linear(16, 16), activation())]
    return nn.Sequential(nn.Linear(6, 16), activation(), *hidden, nn.Linear(16, 2))


def trained(folder: Path, model: nn.Module, *, named: nn.Module | None = None, steps: int = 20) -> dict[str, Any]:
    """What `meta.json` says of a loop around a network."""
    begin, end = watched(folder)
    opt = torch.optim.SGD(model.parameters(), lr=0.01)
    begin(opt, model=named or model)
    torch.manual_seed(1)
    for _ in range(steps):
        opt.zero_grad()
        F.cross_entropy(model(torch.randn(8, 6)), torch.randint(2, (8,))).backward()
        opt.step()
    return json.loads(end().meta.read_text())


def facts(meta: dict[str, Any]) -> ForeignFacts:
    found = foreign_facts(meta, np.zeros(0, RecordLayout(("loss",)).dtype))
    assert found is not None
    return found


def test_layers_without_an_activation_are_a_finding_and_with_one_they_are_not(tmp_path: Path) -> None:
    hit = no_activation(foreign=facts(trained(tmp_path / "without", deep(nn.Identity))))
    assert isinstance(hit, Hit) and hit.severity is Severity.WARNING and hit.figures == {"wasted": 4, "layers": 4}
    assert no_activation(foreign=facts(trained(tmp_path / "with", deep(nn.ReLU)))) is None


def test_rectifiers_that_let_nothing_through_are_a_finding(tmp_path: Path) -> None:
    model = deep(nn.ReLU)
    layer = model[2]
    assert isinstance(layer, nn.Linear)
    nn.init.constant_(layer.bias, -100.0)
    hit = dead_rectifiers(foreign=facts(trained(tmp_path / "dead", model)))
    assert isinstance(hit, Hit) and "100% of the 16 units of 3" in hit.summary
    assert "in the first forward pass" in hit.where
    assert dead_rectifiers(foreign=facts(trained(tmp_path / "well", deep(nn.ReLU)))) is None


def test_activations_within_a_forward_of_ones_own_are_seen(tmp_path: Path) -> None:
    class Own(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = nn.Linear(6, 16), nn.Linear(16, 2)

        def forward(self, x: Tensor) -> Tensor:
            return self.second(F.relu(self.first(x)))

    told = trained(tmp_path, Own())["watched"]["early"]["first_pass"]
    assert [row[:2] for row in told["rectifiers"]] == [["the network", 16]]
    assert [row[0] for row in told["links"]] == ["second"] and told["links"][0][4] is False


def test_nothing_stays_in_the_network_or_in_the_results(tmp_path: Path) -> None:
    model = deep(nn.ReLU)
    model.eval()
    first = FirstPass(model, model)
    x = torch.randn(4, 6)
    model(x)  # of a validation nothing is asked
    assert first.told() == {}
    model.train()
    before = model(x)
    assert len(first.told()["links"]) == 4
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())
    assert torch.equal(before, model(x))


def test_a_forward_pass_that_fails_takes_the_hooks_along(tmp_path: Path) -> None:
    model = deep(nn.ReLU)
    FirstPass(model, model)
    with pytest.raises(RuntimeError):
        model(torch.randn(4, 5))
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())
    assert torch.overrides._get_current_function_mode_stack() == []


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("wrap", [torch.compile, torch.jit.script], ids=["compiled", "scripted"])
def test_what_torch_runs_otherwise_is_left_alone(wrap: Any) -> None:
    model = deep(nn.ReLU)
    wrapped = wrap(model)
    inner = getattr(wrapped, "_orig_mod", wrapped)
    FirstPass(inner, wrapped)
    assert not inner._forward_hooks and not inner._forward_pre_hooks


@pytest.mark.parametrize(
    "told",
    [5, {"links": 3}, {"links": [["a"]], "rectifiers": [["a", 8, 2.0]]}, {"links": [[1, 2, 3, 4, 5, 6]]}],
)
def test_a_file_may_hold_anything(told: Any) -> None:
    found = facts({"watched": {"early": {"first_pass": told}}})
    assert found.first_pass in (None, FirstPassFacts())


def test_a_small_share_of_dead_units_is_no_finding() -> None:
    seen = FirstPassFacts(rectifiers=(RectifierFacts("a", 64, 0.5), RectifierFacts("b", 4, 1.0)))
    assert dead_rectifiers(foreign=ForeignFacts(first_pass=seen)) is None
