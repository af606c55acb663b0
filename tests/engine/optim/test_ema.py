"""The average of the weights: its ramp, its buffers, and that it forgets the initialisation."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from trainctl.engine.config.schema import EmaConfig
from trainctl.engine.optim.ema import Ema


def network() -> nn.Module:
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))


def drift(model: nn.Module) -> None:
    with torch.no_grad():
        for p in model.parameters():
            p.add_(torch.randn_like(p))
    model(torch.randn(8, 3))  # moves BatchNorm's statistics


@pytest.mark.parametrize("buffers", ["average", "copy"])
@pytest.mark.parametrize("ramp", [True, False])
def test_it_is_the_textbook_average(buffers: str, ramp: bool) -> None:
    model = network()
    ema = Ema(model, EmaConfig(decay=0.9, ramp=ramp, buffers=buffers))  # pyright: ignore[reportArgumentType]
    expected = copy.deepcopy(model.state_dict())
    for t in range(20):
        drift(model)
        ema.update()
        d = min(0.9, (1 + t) / (10 + t)) if ramp else 0.9
        for name, live in model.state_dict().items():
            is_parameter = name in dict(model.named_parameters())
            if live.is_floating_point() and (is_parameter or buffers == "average"):
                expected[name] = d * expected[name] + (1 - d) * live
            else:
                expected[name] = live.clone()
    for name, value in ema.module.state_dict().items():
        torch.testing.assert_close(value, expected[name])


def test_without_a_ramp_999_keeps_63_percent_of_the_initialisation_after_460_steps() -> None:
    """The figure that explains a validation that stays at chance (OCEC: 5 epochs of 92 steps)."""
    assert _share_of_start(ramp=False) == pytest.approx(0.63, abs=0.005)


def test_with_the_ramp_the_initialisation_is_forgotten() -> None:
    assert _share_of_start(ramp=True) < 1e-6


def _share_of_start(*, ramp: bool) -> float:
    model = nn.Linear(1, 1, bias=False)
    nn.init.ones_(model.weight)
    ema = Ema(model, EmaConfig(decay=0.999, ramp=ramp))
    nn.init.zeros_(model.weight)
    for _ in range(460):
        ema.update()
    weight = ema.module.get_parameter("weight")
    return float(weight.item())


def test_it_continues_from_its_state() -> None:
    model = network()
    first, second = (Ema(model, EmaConfig(decay=0.9)) for _ in range(2))
    for _ in range(3):
        drift(model)
        first.update()
    second.load_state_dict(first.state_dict())
    drift(model)
    first.update()
    second.update()
    for a, b in zip(first.module.state_dict().values(), second.module.state_dict().values(), strict=True):
        assert torch.equal(a, b)
