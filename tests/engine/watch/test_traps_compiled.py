"""A compiled network, step or update: as it was, and every step recorded."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from foreign_loops import data, network, own_norm, records_of, unwatched, watched, weights
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader

STEPS = 24


def trained(
    watching: Callable[..., Any], compiled: str, norms: list[float], losses: list[float], clip: float = 0.0
) -> list[Tensor]:
    """A loop with something of it compiled: its network, its update or all of its step."""
    torch.compiler.reset()
    torch.manual_seed(1)
    model = network()
    opt = torch.optim.AdamW(model.parameters(), lr=1e-2)
    net: Any = torch.compile(model, backend="aot_eager") if compiled == "network" else model

    def update() -> None:
        if clip:
            nn.utils.clip_grad_norm_(model.parameters(), clip)
        opt.step()

    if compiled == "update":
        update = torch.compile(update, backend="aot_eager")

    def step(x: Tensor, y: Tensor) -> Tensor:
        loss = cross_entropy(net(x), y)
        loss.backward()
        update()
        return loss

    if compiled == "step":
        step = torch.compile(step, backend="aot_eager")
    watching(opt)
    for number in range(STEPS):
        x, y = next(iter(DataLoader(data(), batch_size=16, shuffle=True)))
        opt.zero_grad(set_to_none=number % 2 == 0)
        losses.append(step(x, y).item())
        norms.append(own_norm(model))
    return weights(model)


@pytest.mark.slow
@pytest.mark.parametrize("compiled", ["network", "update", "step"])
def test_every_step_is_recorded_and_none_changed(compiled: str, tmp_path: Path) -> None:
    begin, end = watched(tmp_path)
    norms, losses = list[float](), list[float]()
    found = trained(begin, compiled, norms, losses)
    records = records_of(end())
    assert all(torch.equal(a, b) for a, b in zip(found, trained(unwatched, compiled, [], []), strict=True))
    assert len(records) == STEPS
    assert records["loss"] == pytest.approx(losses, rel=1e-5)
    assert records["grad_norm"] == pytest.approx(norms, rel=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("compiled", ["update", "step"])
def test_norms_are_from_before_a_clipping_that_is_compiled(compiled: str, tmp_path: Path) -> None:
    begin, end = watched(tmp_path)
    norms = list[float]()
    found = trained(begin, compiled, norms, [], clip=1e-3)
    records = records_of(end())
    assert all(torch.equal(a, b) for a, b in zip(found, trained(unwatched, compiled, [], [], clip=1e-3), strict=True))
    assert np.allclose(norms, 1e-3, rtol=1e-2) and (records["grad_norm"] > 1e-2).all()
